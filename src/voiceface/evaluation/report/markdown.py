"""The same sections as Markdown, without drawings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voiceface.evaluation.report.page import Section, sample_facts
from voiceface.media.files import write_text
from voiceface.protocols.estimate import table


def write_markdown(
    path: str | Path, sections: Sequence[Section], *, title: str = "", facts: Sequence[str] = ()
) -> int:
    """Write the sections' words and tables and return their size in bytes.

    Args:
        path: The file to write.
        sections: What it tells, in order.
        title: Its heading.
        facts: Lines under the heading.

    Raises:
        InputError: the file cannot be written.
    """
    parts = [f"# {title}"] if title else []
    parts += ["\n".join(f"- {fact}" for fact in facts)] if facts else []
    for section in sections:
        parts.append(f"## {section.title}")
        parts += [f"**{p[1:].strip()}**" if p.startswith("!") else p for p in section.text]
        if section.rows:
            parts.append(table([(name, list(row)) for name, row in section.rows.items()]))
            parts.append("\n".join(_notes(section)))
    text = "\n\n".join(parts) + "\n"
    write_text(Path(path), text)
    return len(text.encode())


def _notes(section: Section) -> list[str]:
    """What each row rests on, and each figure's convention, once."""
    lines = [
        f"- {name}: {', '.join([f'n {row[0].n:,}', *sample_facts(row[0])])}"
        for name, row in section.rows.items()
    ]
    lines += [f"- {', '.join(names)}: {words}" for names, words in section.conventions()]
    return [*lines, "- in brackets: 95 % interval over people"]

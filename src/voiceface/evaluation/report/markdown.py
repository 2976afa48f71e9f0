"""The same sections as Markdown, without drawings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voiceface.evaluation.report.page import Section
from voiceface.media.files import write_text
from voiceface.protocols.estimate import table

__all__ = ["write_markdown"]


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
            parts.append("\n".join(_told(section)))
    text = "\n\n".join(parts) + "\n"
    write_text(Path(path), text)
    return len(text.encode())


def _told(section: Section) -> list[str]:
    """What each row rests on, and each figure's convention, once."""
    lines = []
    for name, row in section.rows.items():
        facts = [f"n {row[0].n:,}"]
        facts += [f"{row[0].people:,} people"] if row[0].people else []
        facts += [f"mean of {row[0].groups} folds"] if row[0].groups > 1 else []
        lines.append(f"- {name}: {', '.join(facts)}")
    said: dict[str, list[str]] = {}
    for one in (e for row in section.rows.values() for e in row):
        names = said.setdefault(one.convention, [])
        if one.name not in names:
            names.append(one.name)
    lines += [f"- {', '.join(names)}: {words}" for words, names in said.items() if words]
    return [*lines, "- in brackets: 95 % interval over people"]

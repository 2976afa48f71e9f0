"""One HTML page that holds everything: opens without a network, reads in the light, the dark and on paper."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from math import isnan
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.files import write_text
from voiceface.protocols.estimate import Estimate, number

__all__ = ["Figure", "Section", "write_html"]

_FETCHES = re.compile(
    r"""\b(?:src|srcset|href|data|action)\s*=\s*["']?+(?!#|data:)|url\(["']?+(?!#|data:)|@import|<script|<link"""
)
"""What would make a browser ask for something beside the page itself."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing or a grid of pictures with what it shows in words."""

    title: str
    body: str
    """Inline SVG, or HTML with ``data:`` pictures."""
    caption: str = ""
    wide: bool = False
    """Takes the page's whole width."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report; `write_html` and `write_markdown` take lists of them."""

    title: str
    text: Sequence[str] = ()
    """Paragraphs; one that begins with ``!`` is a warning."""
    rows: Mapping[str, Sequence[Estimate]] = field(default_factory=dict)
    """As the protocols' reports hold them: by stratum or direction."""
    figures: Sequence[Figure] = ()


def write_html(
    path: str | Path, sections: Sequence[Section], *, title: str = "", facts: Sequence[str] = ()
) -> int:
    """Write the page and return its size in bytes.

    Args:
        path: The file to write.
        sections: What it shows, in order.
        title: Its heading.
        facts: Lines under the heading: the command, the corpus, the commit.

    Raises:
        InputError: the file cannot be written, or a figure would fetch something from outside.
    """
    heading = title or (sections[0].title if sections else "Report")
    links = "".join(f'<a href="#part-{k}">{_safe(s.title)}</a>' for k, s in enumerate(sections))
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{_safe(heading)}</title>",
        f"<style>\n{files(__package__).joinpath('page.css').read_text(encoding='utf-8')}</style>",
        "</head>\n<body>\n<header>",
        f"<h1>{_safe(heading)}</h1>",
        *(f'<p class="fact">{_safe(fact)}</p>' for fact in facts),
        f"<nav>{links}</nav>" if len(sections) > 1 else "",
        "</header>\n<main>",
        *(_section(section, f"part-{k}") for k, section in enumerate(sections)),
        "</main>\n</body>\n</html>\n",
    ]
    page = "\n".join(parts)
    found = _FETCHES.search(re.sub(r">[^<]*<", "><", page.split("</style>", 1)[-1]))
    if found:
        fault = f"would fetch something from outside ({page[found.start() : found.start() + 40]!r})"
        raise InputError(path, fault, "embed it as data:")
    write_text(Path(path), page)
    return len(page.encode())


def _safe(text: str) -> str:
    return html.escape(text, quote=True)


def _section(section: Section, anchor: str) -> str:
    paragraphs = [
        f'<p class="warning">{_safe(p[1:].strip())}</p>' if p.startswith("!") else f"<p>{_safe(p)}</p>"
        for p in section.text
    ]
    figures = [
        f"<figure{' class=wide' if f.wide else ''}><h3>{_safe(f.title)}</h3>{f.body}"
        f"{f'<figcaption>{_safe(f.caption)}</figcaption>' if f.caption else ''}</figure>"
        for f in section.figures
    ]
    drawn = f'<div class="figures">{"".join(figures)}</div>' if figures else ""
    return "\n".join(
        [
            f'<section id="{anchor}">\n<h2>{_safe(section.title)}</h2>',
            *paragraphs,
            drawn,
            _tables(section.rows),
            "</section>",
        ]
    )


def _tables(rows: Mapping[str, Sequence[Estimate]]) -> str:
    """A small table for each stratum or direction, and the conventions once below them."""
    if not rows:
        return ""
    tables = [_table(name, estimates) for name, estimates in rows.items()]
    said: dict[str, list[str]] = {}
    for one in (e for estimates in rows.values() for e in estimates):
        names = said.setdefault(one.convention, [])
        if one.convention and one.name not in names:
            names.append(one.name)
    lines = [
        f"<li><b>{_safe(', '.join(names))}</b>: {_safe(words)}</li>" for words, names in said.items() if words
    ]
    conventions = f'<ul class="conventions">{"".join(lines)}</ul>' if lines else ""
    return f'<div class="tables">{"".join(tables)}</div>{conventions}'


def _table(name: str, estimates: Sequence[Estimate]) -> str:
    heads = "".join(f"<th>{word}</th>" for word in ("", "value", "95 % interval", "chance", "n"))
    first = estimates[0]
    facts = [f"{first.people:,} people"] if first.people else []
    facts += [f"mean of {first.groups} folds"] if first.groups > 1 else []
    told = f" <span>{_safe(', '.join(facts))}</span>" if facts else ""
    lines = []
    for e in estimates:
        span = "–" if isnan(e.low) else f"{number(e.low)} to {number(e.high)}"
        chance = "–" if isnan(e.chance) else number(e.chance)
        cells = (number(e.value), span, chance, f"{e.n:,}")
        lines.append(f"<tr><th>{_safe(e.name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return (
        f'<div class="scroll"><table><caption>{_safe(name)}{told}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )

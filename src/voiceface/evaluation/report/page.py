"""One HTML page that holds everything: opens without a network, reads in the light, the dark and on paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voiceface.errors import InputError
from voiceface.evaluation.report.template import render
from voiceface.media.files import write_text
from voiceface.protocols.estimate import Estimate

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

    def conventions(self) -> list[tuple[list[str], str]]:
        """Each convention once, with the names of the figures that follow it."""
        said: dict[str, list[str]] = {}
        for one in (e for estimates in self.rows.values() for e in estimates):
            names = said.setdefault(one.convention, [])
            if one.name not in names:
                names.append(one.name)
        return [(names, words) for words, names in said.items() if words]


def sample_facts(one: Estimate) -> list[str]:
    """What a row of estimates rests on, beside n."""
    people = [f"{one.people:,} people"] if one.people else []
    return people + ([f"mean of {one.groups} folds"] if one.groups > 1 else [])


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
    page = render("page", title=heading, facts=facts, sections=sections, facts_of=sample_facts)
    found = _FETCHES.search(re.sub(r">[^<]*<", "><", page.split("</style>", 1)[-1]))
    if found:
        fault = f"would fetch something from outside ({page[found.start() : found.start() + 40]!r})"
        raise InputError(path, fault, "embed it as data:")
    write_text(Path(path), page)
    return len(page.encode())

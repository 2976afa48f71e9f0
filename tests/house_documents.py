"""What the documents must keep to, as functions that return violations: paths that exist, whole records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SUFFIXES = (".py", ".md", ".toml", ".yml", ".txt", ".cff", ".json")
COMMANDS = ("voiceface ", "make ", "python ", "torchrun ")
NO_CHANCE = re.compile(
    r"found.*|mean|.*ratio|Fréchet.*|kernel distance.*"
    r"|confidence|sync offset|landmark distance|identity drift"
)
"""Figures that guessing reaches no particular value of."""


def dead_paths(document: Path, root: Path) -> list[str]:
    """Links and back-quoted paths of a document that lead nowhere.

    A path counts when it starts at a file or folder of the repository; ``NAME`` in capitals stands for
    any name, and then only its folder must exist.
    """
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    starts = {path.name for path in root.iterdir()} | {"src", "tests", "docs"}
    found = []
    for link in LINK.findall(text):
        target = link.split("#")[0]
        outside = "://" in link or link.startswith("mailto:")
        if target and not outside and not (document.parent / target).exists():
            found.append(f"{document.name}: links to {link}, which is not there")
    for span in SPAN.findall(text):
        named = re.fullmatch(r"[\w.\-]+(/[\w.\-]+)*/?", span)
        looks_like_path = named and (span.endswith((*SUFFIXES, "/")) or span.startswith(".ci/"))
        if not looks_like_path or ("/" in span and span.split("/")[0] not in starts):
            continue
        path = root / span
        if re.search(r"(^|/)[^/]*[A-Z]{4}[^/]*\.(py|json)$", span):
            path = path.parent
        if "/" in span and not path.exists():
            found.append(f"{document.name}: names {span}, which is not there")
    return found


def record_faults(record: dict[str, Any]) -> list[str]:
    """What a record of an experiment lacks: its origin, its command, a figure's interval or chance."""
    found = [f"{name} is missing" for name in ("recipe", "protocol") if not record.get(name)]
    for name, pattern in (
        ("corpus", r"[0-9a-f]{8,64}"),
        ("commit", r"[0-9a-f]{7,40}\+?|v\d.*"),
        ("date", r"\d{4}-\d\d-\d\d"),
    ):
        if not re.fullmatch(pattern, str(record.get(name))):
            found.append(f"{name} is {record.get(name)!r}")
    if not str(record.get("command")).startswith(COMMANDS):
        found.append(f"command is {record.get('command')!r}")
    if not record.get("figures"):
        found.append("no figures")
    return found + [fault for figure in record.get("figures") or [] for fault in _figure_faults(figure)]


def _figure_faults(figure: dict[str, Any]) -> list[str]:
    name = f"{figure.get('row')}: {figure.get('name')}"
    value, low, high = (figure.get(key) for key in ("value", "low", "high"))
    if not all(isinstance(number, int | float) for number in (value, low, high)):
        return [f"{name} is no number with its interval"]
    found = [] if low <= value <= high else [f"{name} lies outside its interval"]
    if figure.get("chance") is None and not NO_CHANCE.fullmatch(str(figure.get("name"))):
        found.append(f"{name} has no chance level")
    return found

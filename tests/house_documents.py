"""What the documents must keep to, as functions that return violations: paths that exist, rows that parse."""

from __future__ import annotations

import re
from pathlib import Path

SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SUFFIXES = (".py", ".md", ".toml", ".yml", ".txt", ".cff", ".json")
RESULT_COLUMNS = ("recipe", "corpus", "protocol", "value", "chance", "command", "commit")
INTERVAL = re.compile(
    r"(?P<value>-?\d+(?:\.\d+)?)\s*%?\s*[\[(](?P<low>-?\d+(?:\.\d+)?)\s*(?:,|–|-|to|…)\s*"
    r"(?P<high>-?\d+(?:\.\d+)?)\s*%?[\])]"
)
COMMANDS = ("voiceface ", "make ", "python ", "torchrun ")


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


def result_faults(text: str) -> list[str]:
    """Rows of RESULTS.md that do not say what was run, how it came out and against which chance.

    Only tables with a column ``recipe`` are rows of results; their value is ``0.80 [0.77, 0.83]``.
    """
    found: list[str] = []
    header: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("|"):
            header = []
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not header:
            header = [cell.lower() for cell in cells]
            if "recipe" in header:
                missing = [name for name in RESULT_COLUMNS if not _column(header, name)]
                found += [f"line {number}: no column {name!r}" for name in missing]
            continue
        if "recipe" not in header or set("".join(cells)) <= set(":- "):
            continue
        if len(cells) != len(header):
            found.append(f"line {number}: {len(cells)} cells under {len(header)} columns")
            continue
        plain = [re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", cell) for cell in cells]  # 4,422.4 is a number too
        row = dict(zip(header, plain, strict=True))
        found += [f"line {number}: {fault}" for fault in _row_faults(header, row)]
    return found


def _column(header: list[str], name: str) -> str:
    return next((column for column in header if column.startswith(name)), "")


def _row_faults(header: list[str], row: dict[str, str]) -> list[str]:
    found = [f"{column or 'a column'} is empty" for column, cell in row.items() if not cell]

    def cell(name: str) -> str:
        return row.get(_column(header, name), "").strip("`")

    match = INTERVAL.search(cell("value").replace("*", ""))
    if not match:
        found.append(f"value {cell('value')!r} is no number with its interval")
    elif not float(match["low"]) <= float(match["value"]) <= float(match["high"]):
        found.append(f"value {cell('value')!r} lies outside its interval")
    if not re.match(r"-?\d+(\.\d+)?\s*%?$", cell("chance")) and cell("chance") not in ("-", "–", "—"):
        found.append(f"chance {cell('chance')!r} is no number")
    if not re.search(r"[0-9a-f]{7,64}", cell("corpus")):
        found.append(f"corpus {cell('corpus')!r} names no fingerprint")
    if not re.match(r"[0-9a-f]{7,40}(\+|-dirty)?$", cell("commit")):
        found.append(f"commit {cell('commit')!r} is none")
    if not cell("command").startswith(COMMANDS):
        found.append(f"command {cell('command')!r} is none")
    return found

"""RESULTS.md, made of the records in results/: one row an experiment, with its headline figures.

    python tools/results_page.py            # writes RESULTS.md
    python tools/results_page.py --check    # exit code 1 if RESULTS.md is not what the records give

A figure is a headline where its record gives it a label under "headline"; a record without labels shows its
first three figures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from voiceface.evaluation.experiment_records import read_experiments
from voiceface.media.files import write_text
from voiceface.protocols.estimate import number

ROOT = Path(__file__).parents[1]
MOST = 3

HEAD = """# Results

One row an experiment: its headline figures, each with its 95 % interval over people in square brackets and
its chance level in round ones. "Unknown people" were in no part of the training. "Known people" were, and
only the recordings are new. The two are never compared.

This page is generated from the records in `results/` by `python tools/results_page.py`. A record holds every
figure of its experiment; `voiceface evaluate --record` and `voiceface tables --record` append one.
[docs/measurements/experiments.md](docs/measurements/experiments.md) describes the corpora and what was found.
A command belongs to its commit: options may have other names today.

| recipe | corpus | protocol | figures | command | commit | date |
|---|---|---|---|---|---|---|
"""


def page(experiments: list[dict[str, Any]]) -> str:
    """The page of all experiments, in the order given."""
    return HEAD + "".join(f"{_row(one)}\n" for one in experiments)


def _row(one: dict[str, Any]) -> str:
    figures = [figure for figure in one["figures"] if figure.get("headline")] or one["figures"][:MOST]
    cells = (
        one["recipe"],
        f"`{one['corpus'][:12]}`",
        one["protocol"],
        "; ".join(_figure(figure) for figure in figures),
        f"`{one['command']}`",
        f"{one['commit']}",
        one["date"],
    )
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _figure(figure: dict[str, Any]) -> str:
    label = figure.get("headline") or f"{figure['row']}: {figure['name']}"
    chance = "" if figure["chance"] is None else f" (chance {number(figure['chance'])})"
    span = f"[{number(figure['low'])}, {number(figure['high'])}]"
    return f"{label} {number(figure['value'])} {span}{chance}"


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    text = page(read_experiments(ROOT / "results"))
    if asked.check:
        return int((ROOT / "RESULTS.md").read_text(encoding="utf-8") != text)
    write_text(ROOT / "RESULTS.md", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

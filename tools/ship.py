"""Put trained weights into the package, with what was measured of them: for maintainers.

python tools/ship.py runs/matcher-ge2e/weights matcher-ge2e --results runs/cv-ge2e.json

The results are those of `voiceface evaluate RECIPE --folds 5 --json`: of the recipe, cross-validated over
people, since the shipped weights themselves have met everybody.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from voiceface.training.weights import read_weights, write_weights

SHIPPED = Path(__file__).parents[1] / "src" / "voiceface" / "shipped"


def headline(path: Path) -> dict[str, Any]:
    """The figures a user should know, each with its interval and chance."""
    found = json.loads(path.read_text(encoding="utf-8"))
    kept = {}
    for protocol in ("verification", "matching", "retrieval"):
        for row, estimates in found[protocol]["rows"].items():
            for one in estimates:
                if one["name"] in {"AUC", "EER", "1:2", "R@10"}:
                    kept[f"{protocol}, {row}: {one['name']}"] = [
                        None if one[k] is None else round(one[k], 4)
                        for k in ("value", "low", "high", "chance")
                    ]
    calibration = {k: round(v, 4) for k, v in found["calibration"].items() if isinstance(v, float)}
    return {
        "folds": found["folds"],
        "value, 95 % interval over people, chance": kept,
        "calibration": calibration,
    }


def main() -> None:
    """Copy the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("name")
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    tensors, card = read_weights(given.weights)
    if given.results is not None:
        card["results"] = card["results"] | {"cross_validation": headline(given.results)}
    page = f"docs/model-cards/{card['recipe'].replace('_', '-')}.md"
    card["model_card"] = page if (SHIPPED.parents[2] / page).is_file() else "docs/model-cards/matcher.md"
    # Tensors that were rounded to fp16 before are exactly fp16 now: nothing is lost a second time.
    print(write_weights(SHIPPED / given.name, tensors, card))


if __name__ == "__main__":
    main()

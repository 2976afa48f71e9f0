"""All benchmarks with their defaults, one after the other (`make bench`); the kills take minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run every other script of this folder."""
    for script in sorted(Path(__file__).parent.glob("*.py")):
        if script.name != "run.py":
            print(f"\n== {script.name}", flush=True)
            given = ["lists", "retrieval", "parity", "coverage"] if script.name == "protocols.py" else []
            subprocess.run([sys.executable, str(script), *given], check=True)


if __name__ == "__main__":
    main()

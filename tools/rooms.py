"""Lines, files and functions by folder of the package, at any commit; and what runs from voice to face.

    python tools/rooms.py [COMMIT ...]
    python tools/rooms.py --path VOICE

With ``--path``: the package's files that run while a loaded Imaginer makes one face.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from types import FrameType

PACKAGE = "src/voiceface"


def sizes(commit: str) -> dict[str, Counter[str]]:
    """Lines, files and functions by folder, and of docstrings and comments the lines."""
    packed = subprocess.run(
        ["git", "archive", "--format=tar", commit, PACKAGE], check=True, capture_output=True
    ).stdout
    found: dict[str, Counter[str]] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
        for member in tree:
            if not member.name.endswith(".py"):
                continue
            text = tree.extractfile(member).read().decode()
            folder = member.name.removeprefix(PACKAGE + "/").rpartition("/")[0].partition("/")[0]
            found.setdefault(folder or "(top)", Counter()).update(counts(text))
    return found


def counts(text: str) -> Counter[str]:
    """Of one file."""
    nodes = list(ast.walk(ast.parse(text)))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    words = {
        line
        for node in nodes
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = text.splitlines()
    blank = sum(1 for line in lines if not line.strip() or line.lstrip().startswith("#"))
    inside = sum(1 for number in words if not lines[number - 1].strip())
    return Counter(
        files=1,
        lines=len(lines),
        code=len(lines) - blank - len(words) + inside,
        functions=len(functions),
    )


def page(commits: list[str]) -> str:
    """A Markdown table: a row a folder, for every commit lines, lines of code, files and functions."""
    found = [sizes(commit) for commit in commits]
    folders = sorted(set().union(*found))
    columns = ("lines", "code", "files", "functions")
    head = ["folder", *(f"{commit[:7]} {column}" for commit in commits for column in columns)]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for folder in folders:
        rows.append([folder, *(f"{size.get(folder, Counter())[c]:,}" for size in found for c in columns)])
    totals = [sum(size.values(), Counter()) for size in found]
    rows.append(["**all**", *(f"{total[c]:,}" for total in totals for c in columns)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def path_of(voice: Path) -> str:
    """Files of the package that run from a loaded Imaginer to one face."""
    import voiceface as vf

    imagine = vf.Imaginer.load()
    imagine(voice)
    here = Path(vf.__file__).parent
    ran: set[str] = set()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(here)):
            ran.add(str(Path(frame.f_code.co_filename).relative_to(here)))

    sys.setprofile(profile)
    imagine(voice)
    sys.setprofile(None)
    imported = sum(name.partition(".")[0] == "voiceface" for name in sys.modules)
    return "\n".join([*sorted(ran), f"{len(ran)} files ran, {imported} modules were imported"])


def main() -> None:
    """Print what the options ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commits", nargs="*", default=["HEAD"])
    parser.add_argument("--path", type=Path)
    given = parser.parse_args()
    print(path_of(given.path) if given.path else page(given.commits))


if __name__ == "__main__":
    main()

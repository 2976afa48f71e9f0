"""``make demo``: faces imagined for voices, one of them talking, and a ranking, all on one page.

It takes your own recording and pictures, or without any the voices of a speech synthesiser.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.demo.demo_result import DemoResult

MOST_PRINTED = 10
"""Ranked pictures in the terminal."""
WIDTH = 100
"""Characters of a line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code (1 after a one-line error)."""
    parser = argparse.ArgumentParser(prog="python -m voiceface.demo", description=__doc__)
    parser.add_argument("--voice", metavar="FILE", help="recording of one person: any audio or video file")
    parser.add_argument(
        "--faces",
        metavar="FILE",
        nargs="+",
        default=[],
        help="pictures to rank for the voice, or their folder",
    )
    parser.add_argument("--out", metavar="FOLDER", default="demo-out", help="folder for the results")
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console may lack characters of a file's name
            stream.reconfigure(errors="backslashreplace")
    from voiceface.demo.next_commands import demo_command
    from voiceface.demo.run_demo import run_demo

    try:
        if not given.voice and not given.faces:
            print(f"With your own files:  {demo_command()}\n", flush=True)
        result = run_demo(Path(given.out), voice=given.voice, faces=given.faces)
    except InputError as error:
        print(f"voiceface: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("voiceface: interrupted; nothing was written", file=sys.stderr)
        return 130
    _print_result(Path(given.out), result)
    return 0


def _print_result(out: Path, result: DemoResult) -> None:
    from voiceface.demo.rankings import PictureRanking
    from voiceface.demo.statements import imagined_statement, picture_statement, share
    from voiceface.demo.user_files import shown_name

    ranking = result.ranking
    if isinstance(ranking, PictureRanking):
        print()
        for rank, (path, probability) in enumerate(ranking.ranked[:MOST_PRINTED], 1):
            print(f"{rank:3d}. {share(probability):>10}  {shown_name(path)}")
        if len(ranking.ranked) > MOST_PRINTED:
            print(f"     ... and {len(ranking.ranked) - MOST_PRINTED} more")
        for fault in ranking.unusable:
            print(f"left out: {fault}")
        hint = "The ranking is a statistical hint, never proof of identity."
        print("\n" + textwrap.fill(f"{picture_statement(ranking)} {hint}", WIDTH))
    elif ranking is not None:
        print("\n" + textwrap.fill(imagined_statement(ranking), WIDTH))
    print("All faces are generated: nobody's portraits, not to identify or to judge anybody by.")
    print(
        f"\n{result.seconds:.0f} s, no network. Open in a browser:\n\n  {out / 'index.html'}\n\nTry next:\n"
    )
    for command, told in result.suggestions:
        print(f"  {command}\n      {told}")


if __name__ == "__main__":
    sys.exit(main())

"""The command `evaluate fame`: a submission to the FAME challenge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from voiceface.cli.terminal import print_line, printable


def command(
    *,
    voices: Path,
    faces: Path,
    trials: Annotated[Path, Parameter(name="--list")],
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
) -> int:
    """Write a submission to the FAME challenge: the distance of every voice and face on its list.

    The list has lines of key, voice and face, and no labels; the submission has
    lines of key and distance, smaller for the same person. Embed the files under
    the names that the list gives them, from the folder that contains them.

    Args:
        voices: voice embeddings, as voiceface embed writes them
        faces: face embeddings
        trials: the challenge's list of trials
        out: the submission to write
    """
    from voiceface.evaluation.fame_submission import fame_submission
    from voiceface.media.check_writable import check_writable

    check_writable(out)
    count = fame_submission(voices, faces, trials, out)
    print_line(f"{count:,} distances in {printable(out)}")
    return 0

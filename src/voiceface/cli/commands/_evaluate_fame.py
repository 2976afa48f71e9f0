"""The command `evaluate fame`: a submission to the FAME challenge, written or scored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from voiceface.cli.output_options import NO_FILES, FileOptions
from voiceface.cli.terminal import print_json, print_line, printable
from voiceface.errors import InputError


def command(
    *,
    voices: Path | None = None,
    faces: Path | None = None,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    submission: Path | None = None,
    answers: Annotated[list[Path] | None, Parameter(negative="")] = None,
    resamples: int = 1000,
    seed: int = 0,
    outputs: FileOptions = NO_FILES,
) -> int:
    """Write or score a submission to the FAME challenge (2024 and 2026).

    Writing: the list has lines of key, voice and face, and no labels; the file has
    lines of key and distance, smaller for the same person. Embed the files under
    the names that the list gives them, from the folder that contains them.

    Scoring: the equal error rate of each of the four files and their mean, on a
    test set whose answers you have.

    Args:
        voices: voice embeddings, as voiceface embed writes them
        faces: face embeddings
        trials: the challenge's list of trials
        out: the file to write; the challenge names it sub_score_English_heard.txt
        submission: folder or zip of the four files, to score it instead
        answers: CSV of key,label and, for intervals, voice_person,face_person; may be given several times
        resamples: bootstrap resamples over people; 0: no intervals
        seed: random seed of the bootstrap
        outputs: where figures are written
    """
    if submission is not None:
        from voiceface.evaluation.report_files import write_figures
        from voiceface.protocols.language_transfer import fame, read_fame_submission

        files = outputs.files()
        arguments = read_fame_submission(submission, answers or [])
        report = fame(**arguments, resamples=resamples, seed=seed)
        print_json(report.to_dict()) if outputs.json else print_line(str(report))
        outputs.print_written(write_figures(files, "FAME", report.rows, notes=report.notes))
        return 0
    if voices is None or faces is None or trials is None or out is None:
        remedy = "give --voices, --faces, --list and -o, or --submission and --answers"
        raise InputError("evaluate fame", "has nothing to write or to score", remedy)
    from voiceface.evaluation.fame_submission import fame_submission
    from voiceface.media.check_writable import check_writable

    check_writable(out)
    count = fame_submission(voices, faces, trials, out)
    print_line(f"{count:,} distances in {printable(out)}")
    return 0

"""The command `evaluate polysim`: a submission to the POLY-SIM challenge, written or scored."""

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
    known_voices: Path | None = None,
    known_faces: Path | None = None,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    submission: Path | None = None,
    answers: Annotated[list[Path] | None, Parameter(negative="")] = None,
    known_people: int = 0,
    resamples: int = 1000,
    seed: int = 0,
    outputs: FileOptions = NO_FILES,
) -> int:
    """Write or score a submission to POLY-SIM 2026: who speaks, with or without the face.

    Writing: for every trial the nearest of the known people, by voice and face
    together and by voice alone. The name of the file says which settings it holds.

    Scoring: accuracy in each of the four settings and their mean, with answers as
    the organisers' scripts name them (v1_English_test_key_dict.csv).

    Args:
        voices: embeddings of the list's voices, as voiceface embed writes them
        faces: embeddings of its faces
        known_voices: voice embeddings of the training people
        known_faces: their face embeddings
        trials: the challenge's list: a CSV of key,voices,faces
        out: the file to write: submission_v1_test_English_Urdu.csv (language trained on, language tested)
        submission: folder or zip of both files, to score it instead
        answers: CSV of key,label; may be given several times
        known_people: how many people the model chooses from; 0: as many as are answers
        resamples: bootstrap resamples over people; 0: no intervals
        seed: random seed of the bootstrap
        outputs: where figures are written
    """
    if submission is not None:
        from voiceface.evaluation.report_files import write_figures
        from voiceface.protocols.polyglot_identification import polysim, read_polysim_submission

        files = outputs.files()
        arguments = read_polysim_submission(submission, answers or [])
        report = polysim(**arguments, known_people=known_people, resamples=resamples, seed=seed)
        print_json(report.to_dict()) if outputs.json else print_line(str(report))
        outputs.print_written(write_figures(files, "POLY-SIM", report.rows, notes=report.notes))
        return 0
    if voices is None or faces is None or trials is None or out is None:
        remedy = "give --voices, --faces, --known-voices, --known-faces, --list and -o, or --submission"
        raise InputError("evaluate polysim", "has nothing to write or to score", remedy)
    if known_voices is None or known_faces is None:
        fault = "has nobody to choose from"
        raise InputError("evaluate polysim", fault, "give --known-voices and --known-faces")
    from voiceface.evaluation.polysim_submission import polysim_submission
    from voiceface.media.check_writable import check_writable

    check_writable(out)
    count = polysim_submission((voices, faces), (known_voices, known_faces), trials, out)
    print_line(f"{count:,} trials in {printable(out)}")
    return 0

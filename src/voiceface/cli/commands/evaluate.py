"""Measure a model: by a protocol on embeddings or scores, or a recipe by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, heading
from voiceface.cli.source_text import summaries
from voiceface.cli.terminal import answer

__all__ = ["add_to"]

_ABOUT = """Measure a model by a protocol, or a recipe by cross-validation.

voiceface evaluate verification --voices v.npz --faces f.npz
voiceface evaluate RECIPE --corpus CORPUS --folds 5"""

Same = Annotated[list[Literal["gender", "nationality"]] | None, Parameter(negative="")]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the protocols, and the recipes by name or the one that is asked for."""
    evaluate = App(name="evaluate", help=_ABOUT, group=heading("Measure"), version_flags=[])
    app.command(evaluate)
    protocols: dict[str, Callable[..., int]] = {
        "verification": _verification,
        "matching": _matching,
        "retrieval": _retrieval,
    }
    for name, command in protocols.items():
        evaluate.command(command, name=name, group="Protocols")
    if tokens is None:
        return
    asked = tokens[0] if tokens and not tokens[0].startswith("-") else None
    if asked is None:
        for name, line in summaries("voiceface.recipes").items():
            evaluate.command(_unasked, name=name, help=line, group="Recipes")
    elif asked not in protocols:
        from voiceface.cli.crossvalidation import command_of

        evaluate.command(command_of(asked, tokens), name=asked)


def _unasked() -> None:
    """Stands in the list of recipes; never run, for a recipe that is named is loaded."""


def _verification(
    *,
    voices: Path | None = None,
    faces: Path | None = None,
    scores: Path | None = None,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    corpus: Path | None = None,
    people: Path | None = None,
    same: Same = None,
    resamples: int = 1000,
    seed: int = 0,
    json: Flag = False,
) -> int:
    """Are this voice and this face one person's? AUC, EER, minDCF, TPR.

    Every voice is compared with every face, or the pairs of a published list; or
    give the scores of any model as a table with a header: voice,face,score for a
    list, else label,score (label 1: one person) and, for intervals,
    voice_person,face_person.

    Args:
        voices: embeddings of voices, as voiceface embed writes them
        faces: embeddings of faces
        scores: a CSV of scores instead
        trials: a list of trials; it holds the labels
        corpus: the prepared corpus they are of, to know people, gender and nationality
        people: vox1_meta.csv, to know them from instead
        same: measure also among pairs of one gender or nationality; may be given twice
        resamples: resamples over people for the intervals; 0 for none
        seed: of the resamples
        json: print JSON
    """
    from voiceface.cli.judging import Known, verify

    known = Known.of(corpus, people, same or [])
    report = verify(voices, faces, scores, trials, known, resamples=resamples, seed=seed)
    # A list asks its own questions, for which no ceiling is computed.
    return _told(report, (None if trials else corpus, voices, faces), json=json)


def _matching(
    *,
    voices: Path,
    faces: Path,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    n: Annotated[list[int] | None, Parameter(name="-n", negative="")] = None,
    corpus: Path | None = None,
    people: Path | None = None,
    same: Same = None,
    resamples: int = 1000,
    seed: int = 0,
    json: Flag = False,
) -> int:
    """Which of N people's faces goes with this voice, and the other way round?

    Exact over every gallery of N different people, or on a published list.

    Args:
        voices: embeddings of voices, as voiceface embed writes them
        faces: embeddings of faces
        trials: a list of galleries (probe, right and wrong candidates)
        n: sizes of the gallery; may be given several times; by default 2 to 10
        corpus: the prepared corpus they are of, to know people, gender and nationality
        people: vox1_meta.csv, to know them from instead
        same: measure also in galleries of one gender or nationality; may be given twice
        resamples: resamples over people for the intervals; 0 for none
        seed: of the resamples
        json: print JSON
    """
    from voiceface.cli.judging import Known, match

    known = Known.of(corpus, people, same or [])
    report = match(voices, faces, trials, known, n=n, resamples=resamples, seed=seed)
    return _told(report, (None if trials else corpus, voices, faces), json=json)


def _retrieval(
    *,
    voices: Path,
    faces: Path,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    k: Annotated[list[int] | None, Parameter(name="-k", negative="")] = None,
    corpus: Path | None = None,
    people: Path | None = None,
    same: Same = None,
    resamples: int = 1000,
    seed: int = 0,
    json: Flag = False,
) -> int:
    """Where in the whole gallery does the right one stand? R@K, mAP, ranks.

    Args:
        voices: embeddings of voices, as voiceface embed writes them
        faces: embeddings of faces
        trials: a list of probes and gallery items, to leave out the others
        k: the K of R@K; may be given several times; by default 1, 5, 10, 50, 100
        corpus: the prepared corpus they are of, to know people, gender and nationality
        people: vox1_meta.csv, to know them from instead
        same: measure also in galleries of one gender or nationality; may be given twice
        resamples: resamples over people for the intervals; 0 for none
        seed: of the resamples
        json: print JSON
    """
    from voiceface.cli.judging import Known, retrieve

    known = Known.of(corpus, people, same or [])
    report = retrieve(voices, faces, trials, known, k=k, resamples=resamples, seed=seed)
    return _told(report, (None if trials else corpus, voices, faces), json=json)


def _told(report: Any, files: tuple[Path | None, Path | None, Path | None], *, json: bool) -> int:  # noqa: ANN401  one of the three reports
    """Print the report and, of synthetic people, their ceiling; ``files``: corpus, voices, faces."""
    from voiceface.cli.ceilings import as_json, ceiling_of_files, tell_ceiling
    from voiceface.cli.figures import print_rows

    ceiling = ceiling_of_files(*files)
    if json:
        answer(report.to_dict() | as_json(ceiling))
        return 0
    print_rows(
        report.rows,
        excluded=report.excluded,
        notes=report.notes,
        gallery=getattr(report, "gallery", None),
    )
    tell_ceiling(ceiling)
    return 0

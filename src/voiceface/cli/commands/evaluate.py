"""Measure a model: by a protocol on embeddings or scores, or a recipe by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.commands._evaluate_faces import command as judge_faces
from voiceface.cli.commands._evaluate_video import video_command
from voiceface.cli.component_commands import add_components
from voiceface.cli.options import heading
from voiceface.cli.recipe_options import RECIPES
from voiceface.evaluation.report_files import OutputOptions

__all__ = ["add_to"]

_ABOUT = """Measure a model by a protocol, or a recipe by cross-validation.

voiceface evaluate verification --voices v.npz --faces f.npz
voiceface evaluate matching --model matcher --corpus CORPUS --html report.html
voiceface evaluate RECIPE --corpus CORPUS --folds 5"""

KnownPeople = Literal["refuse", "keep", "drop"]
Missing = Literal["error", "exclude"]
_NO_OUTPUTS = OutputOptions()
Same = Annotated[list[Literal["gender", "nationality"]] | None, Parameter(negative="")]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the protocols and the recipe that is named, or the list of all."""
    evaluate = App(name="evaluate", help=_ABOUT, group=heading("Measure"), version_flags=[])
    app.command(evaluate)
    protocols: dict[str, Callable[..., int]] = {
        "verification": _verification,
        "matching": _matching,
        "retrieval": _retrieval,
        "faces": judge_faces,
        "video": video_command,
    }
    for name, command in protocols.items():
        evaluate.command(command, name=name, group="Protocols")
    if not tokens or tokens[0] not in protocols:
        add_components(evaluate, tokens, RECIPES, lambda name: _recipe(name, tokens or ()), group="Recipes")


def _recipe(name: str, tokens: Sequence[str]) -> Callable[..., int]:
    from voiceface.cli.commands._evaluate_recipe import recipe_command

    return recipe_command(name, tokens)


def _verification(
    *,
    voices: Path | None = None,
    faces: Path | None = None,
    scores: Path | None = None,
    model: str | None = None,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    corpus: Path | None = None,
    people: Path | None = None,
    same: Same = None,
    known_people: KnownPeople = "refuse",
    missing: Missing = "error",
    device: str = "auto",
    resamples: int = 1000,
    seed: int = 0,
    outputs: OutputOptions = _NO_OUTPUTS,
) -> int:
    """Are this voice and this face one person's? AUC, EER, minDCF, TPR.

    Every voice is compared with every face, or the pairs of a published list; or
    give the scores of any model as a table with a header: voice,face,score for a
    list, else label,score (label 1: one person) and, for intervals,
    voice_person,face_person. A column probability (at even odds) adds calibration.

    Args:
        voices: embeddings of voices, as voiceface embed writes them
        faces: embeddings of faces
        scores: a CSV of scores instead
        model: a shipped matcher's name or a weights folder instead, judged on --corpus
        trials: a list of trials; it holds the labels
        corpus: the prepared corpus they are of, to know people, gender and nationality
        people: vox1_meta.csv, to know them from instead
        same: measure also among pairs of one gender or nationality; may be given twice
        known_people: people that trained the model: refuse, keep, or drop them
        missing: rows of the list whose items are not there: an error, or exclude and count them
        device: of the model: auto, cpu, cuda, cuda:N or mps
        resamples: resamples over people for the intervals; 0 for none
        seed: of the resamples
        outputs: files to write beside
    """
    from voiceface.evaluation.evaluate_files import Known, verify
    from voiceface.evaluation.measurement import Measured

    files = {"voices": voices, "faces": faces, "scores": scores, "trials": trials, "corpus": corpus}
    asked = Measured.of(files, model, known_people=known_people, device=device, outputs=outputs)
    known = Known.of(corpus, people, same or [])
    line = asked.placed.calibration if asked.placed else None
    report = verify(
        asked.voices,
        asked.faces,
        scores,
        trials,
        known,
        resamples=resamples,
        seed=seed,
        calibrated=line,
        missing=missing,
    )
    return asked.told("verification", report, known, _options(known_people, missing, same, seed), outputs)


def _matching(
    *,
    voices: Path | None = None,
    faces: Path | None = None,
    model: str | None = None,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    n: Annotated[list[int] | None, Parameter(name="-n", negative="")] = None,
    corpus: Path | None = None,
    people: Path | None = None,
    same: Same = None,
    known_people: KnownPeople = "refuse",
    missing: Missing = "error",
    device: str = "auto",
    resamples: int = 1000,
    seed: int = 0,
    outputs: OutputOptions = _NO_OUTPUTS,
) -> int:
    """Which of N people's faces goes with this voice, and the other way round?

    Exact over every gallery of N different people, or on a published list.

    Args:
        voices: embeddings of voices, as voiceface embed writes them
        faces: embeddings of faces
        model: a shipped matcher's name or a weights folder instead, judged on --corpus
        trials: a list of galleries (probe, right and wrong candidates)
        n: sizes of the gallery; may be given several times; by default 2 to 10
        corpus: the prepared corpus they are of, to know people, gender and nationality
        people: vox1_meta.csv, to know them from instead
        same: measure also in galleries of one gender or nationality; may be given twice
        known_people: people that trained the model: refuse, keep, or drop them
        missing: rows of the list whose items are not there: an error, or exclude and count them
        device: of the model: auto, cpu, cuda, cuda:N or mps
        resamples: resamples over people for the intervals; 0 for none
        seed: of the resamples
        outputs: files to write beside
    """
    from voiceface.evaluation.evaluate_files import Known, match
    from voiceface.evaluation.measurement import Measured

    files = {"voices": voices, "faces": faces, "trials": trials, "corpus": corpus}
    asked = Measured.of(files, model, known_people=known_people, device=device, outputs=outputs)
    known = Known.of(corpus, people, same or [])
    how: dict[str, Any] = {"resamples": resamples, "seed": seed, "missing": missing}
    report = match(asked.voices, asked.faces, trials, known, n=n, **how)
    return asked.told("matching", report, known, _options(known_people, missing, same, seed, n=n), outputs)


def _retrieval(
    *,
    voices: Path | None = None,
    faces: Path | None = None,
    model: str | None = None,
    trials: Annotated[Path | None, Parameter(name="--list")] = None,
    k: Annotated[list[int] | None, Parameter(name="-k", negative="")] = None,
    corpus: Path | None = None,
    people: Path | None = None,
    same: Same = None,
    known_people: KnownPeople = "refuse",
    missing: Missing = "error",
    device: str = "auto",
    resamples: int = 1000,
    seed: int = 0,
    outputs: OutputOptions = _NO_OUTPUTS,
) -> int:
    """Where in the whole gallery does the right one stand? R@K, mAP, ranks.

    Args:
        voices: embeddings of voices, as voiceface embed writes them
        faces: embeddings of faces
        model: a shipped matcher's name or a weights folder instead, judged on --corpus
        trials: a list of probes and gallery items, to leave out the others
        k: the K of R@K; may be given several times; by default 1, 5, 10, 50, 100
        corpus: the prepared corpus they are of, to know people, gender and nationality
        people: vox1_meta.csv, to know them from instead
        same: measure also in galleries of one gender or nationality; may be given twice
        known_people: people that trained the model: refuse, keep, or drop them
        missing: rows of the list whose items are not there: an error, or exclude and count them
        device: of the model: auto, cpu, cuda, cuda:N or mps
        resamples: resamples over people for the intervals; 0 for none
        seed: of the resamples
        outputs: files to write beside
    """
    from voiceface.evaluation.evaluate_files import Known, retrieve
    from voiceface.evaluation.measurement import Measured

    files = {"voices": voices, "faces": faces, "trials": trials, "corpus": corpus}
    asked = Measured.of(files, model, known_people=known_people, device=device, outputs=outputs)
    known = Known.of(corpus, people, same or [])
    how: dict[str, Any] = {"resamples": resamples, "seed": seed, "missing": missing}
    report = retrieve(asked.voices, asked.faces, trials, known, k=k, **how)
    return asked.told("retrieval", report, known, _options(known_people, missing, same, seed, k=k), outputs)


def _options(
    known_people: str,
    missing: str,
    same: list[Any] | None,
    seed: int,
    *,
    n: list[int] | None = None,
    k: list[int] | None = None,
) -> dict[str, Any]:
    """What makes a measurement another one, for the command in its report."""
    given = {"--same": same, "-n": n, "-k": k}
    told: dict[str, Any] = {name: value for name, value in given.items() if value}
    if known_people != "refuse":
        told["--known-people"] = known_people
    if missing != "error":
        told["--missing"] = missing
    return told | ({"--seed": seed} if seed else {})

"""Evaluate a model by a protocol, or a recipe by cross-validation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.commands._evaluate_faces import command as evaluate_faces
from voiceface.cli.commands._evaluate_fame import command as evaluate_fame
from voiceface.cli.commands._evaluate_hq_voxceleb import command as evaluate_hq_voxceleb
from voiceface.cli.commands._evaluate_polysim import command as evaluate_polysim
from voiceface.cli.commands._evaluate_video import command as evaluate_video
from voiceface.cli.component_commands import add_components
from voiceface.cli.docstrings import summary_line
from voiceface.cli.options import OptionValues, help_group, keyword_options, with_options
from voiceface.cli.output_options import NO_FILES, NO_OUTPUTS, FileOptions, OutputOptions
from voiceface.cli.print_estimates import print_ceiling, print_row, print_rows
from voiceface.cli.recipe_options import RECIPES
from voiceface.cli.terminal import log_line, print_json, print_line, progress_bar
from voiceface.cli.worker_options import ONE_PROCESS, WorkerOptions

if TYPE_CHECKING:
    from voiceface.evaluation.evaluate_files import Known
    from voiceface.evaluation.measurement import Measurement

_ABOUT = """Evaluate a model by a protocol, or a recipe by cross-validation.

voiceface evaluate verification --voices v.npz --faces f.npz
voiceface evaluate matching --model matcher --corpus CORPUS --html report.html
voiceface evaluate RECIPE --corpus CORPUS --folds 5"""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MeasurementOptions:
    """Options of the protocols that compare voices with faces."""

    voices: Annotated[Path | None, Parameter(help="voice embeddings, as voiceface embed writes them")] = None
    faces: Annotated[Path | None, Parameter(help="face embeddings")] = None
    model: Annotated[
        str | None, Parameter(help="shipped weights, a weights folder or owner/name on the hub instead")
    ] = None
    trials: Annotated[Path | None, Parameter(name="--list", help="a published list of trials")] = None
    corpus: Annotated[
        Path | None, Parameter(help="prepared corpus of the items: gives person, gender and nationality")
    ] = None
    people: Annotated[Path | None, Parameter(help="vox1_meta.csv, to take these from instead")] = None
    same: Annotated[
        list[Literal["gender", "nationality"]] | None,
        Parameter(negative="", help="also evaluate among people who share this; may be given twice"),
    ] = None
    known_people: Annotated[
        Literal["refuse", "keep", "drop"],
        Parameter(help="what to do with people in the model's training set"),
    ] = "refuse"
    missing: Annotated[
        Literal["error", "exclude"], Parameter(help="what to do with list rows whose items have no embedding")
    ] = "error"
    device: Annotated[str, Parameter(help="device of the model: auto, cpu, cuda, cuda:N or mps")] = "auto"
    divided: Annotated[WorkerOptions, Parameter(name="*")] = ONE_PROCESS
    resamples: Annotated[int, Parameter(help="bootstrap resamples over people; 0: no intervals")] = 1000
    seed: Annotated[int, Parameter(help="random seed of the bootstrap")] = 0


_FILE_HELP = """Args:
    data: a CSV or .npz whose columns are the arguments: score, label, person, voice_person ...
    outputs: where figures are written
"""
_DEFAULTS = MeasurementOptions()
Sizes = Annotated[list[int] | None, Parameter(name="-n", negative="")]
Ranks = Annotated[list[int] | None, Parameter(name="-k", negative="")]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the protocols and the recipe that is named, or the list of all."""
    evaluate = App(name="evaluate", help=_ABOUT, group=help_group("Evaluation"), version_flags=[])
    app.command(evaluate)
    protocols: dict[str, Callable[..., int]] = {
        "verification": _verification,
        "matching": _matching,
        "retrieval": _retrieval,
        "faces": evaluate_faces,
        "video": evaluate_video,
        "fame": evaluate_fame,
        "polysim": evaluate_polysim,
        "hq-voxceleb": evaluate_hq_voxceleb,
    }
    for name, command in protocols.items():
        evaluate.command(command, name=name, group="Protocols")
    if tokens is None or (tokens and tokens[0] in protocols):
        return
    from voiceface.protocols import protocol_modules

    others = {name: module for name, module in protocol_modules().items() if name not in protocols}
    name = tokens[0].replace("-", "_") if tokens else ""
    if name in others:
        evaluate.command(_file_protocol(name), name=tokens[0], group="Protocols of a file")
        return
    if not tokens or tokens[0].startswith("-"):
        from voiceface.evaluation.protocol_from_file import file_protocols

        for name in file_protocols():
            if name in others:
                line = summary_line(others[name], name)
                evaluate.command(_file_protocol, name=name, help=line, group="Protocols of a file")
    add_components(evaluate, tokens, RECIPES, lambda name: _recipe(name, tokens or ()), group="Recipes")


def _file_protocol(name: str) -> Callable[..., int]:
    """The command of any protocol whose arguments are columns of a CSV or arrays of an .npz."""
    from voiceface.evaluation.protocol_from_file import protocol_from_file

    run = protocol_from_file(name)
    options = keyword_options(run, title=f"Options of {name}")

    def command(data: Path, /, *, outputs: FileOptions = NO_FILES, given: OptionValues) -> int:
        """Placeholder, replaced by the protocol's docstring."""
        from voiceface.evaluation.protocol_from_file import figures_of
        from voiceface.evaluation.report_files import write_figures

        files = outputs.files()
        report = run(data, **given)
        print_json(report.to_dict()) if outputs.json else print_line(str(report))
        notes = getattr(report, "notes", ())
        outputs.print_written(write_figures(files, name, figures_of(report), notes=notes))
        return 0

    summary = (inspect.getdoc(run) or name).partition("\n\n")[0]
    command.__doc__ = f"{summary}\n\n{_FILE_HELP}"
    return with_options(command, {"given": options}, owner=f"protocol {name}")


def _recipe(name: str, tokens: Sequence[str]) -> Callable[..., int]:
    from voiceface.cli.commands._evaluate_recipe import recipe_command

    return recipe_command(name, tokens)


def _verification(
    *,
    scores: Path | None = None,
    scores_out: Path | None = None,
    options: MeasurementOptions = _DEFAULTS,
    outputs: OutputOptions = NO_OUTPUTS,
) -> int:
    """Do this voice and this face belong to one person? AUC, EER, minDCF, TPR.

    Every voice is compared with every face, or the pairs of a published list; or
    give the scores of any model as a table with a header: voice,face,score for a
    list, else label,score (label 1: one person) and, for intervals,
    voice_person,face_person. A column probability (assuming equal prior odds) adds
    calibration.

    Args:
        scores: a CSV of scores instead of embeddings
        scores_out: write the score of every trial, for voiceface compare: a .csv or .npz
        options: what is evaluated
        outputs: report files to write
    """
    from voiceface.evaluation.saved_scores import save_scores
    from voiceface.evaluation.verify_files import scored_trials, verify
    from voiceface.media.check_writable import check_writable

    if scores_out is not None:
        check_writable(scores_out)

    def run(one: Measurement, known: Known, settings: dict[str, Any]) -> Any:  # noqa: ANN401  a Report
        line = one.embedded.calibration if one.embedded else None
        missing = settings.pop("missing")
        trials = scored_trials((one.voices, one.faces), one.scores, one.trials, known, missing=missing)
        if scores_out is not None:
            outputs.print_written([save_scores(scores_out, trials)])
        return verify(trials, calibrated=line, **settings)

    return _measure("verification", run, options, outputs, scores=scores)


def _matching(
    *, n: Sizes = None, options: MeasurementOptions = _DEFAULTS, outputs: OutputOptions = NO_OUTPUTS
) -> int:
    """Which of N people's faces goes with this voice, and the other way round?

    Exact over every gallery of N different people, or on a published list of
    galleries (probe, right and wrong candidates).

    Args:
        n: gallery size; may be given several times; by default 2 to 10
        options: what is evaluated
        outputs: report files to write
    """
    from voiceface.evaluation.evaluate_files import match

    def run(one: Measurement, known: Known, settings: dict[str, Any]) -> Any:  # noqa: ANN401  a Report
        return match(one.voices, one.faces, one.trials, known, n=n, **settings)

    return _measure("matching", run, options, outputs, sizes={"-n": n})


def _retrieval(
    *, k: Ranks = None, options: MeasurementOptions = _DEFAULTS, outputs: OutputOptions = NO_OUTPUTS
) -> int:
    """Retrieve from the whole gallery: R@K, mAP, ranks.

    A published list restricts the probes and the gallery to its items.

    Args:
        k: the K of R@K; may be given several times; by default 1, 5, 10, 50, 100
        options: what is evaluated
        outputs: report files to write
    """
    from voiceface.evaluation.evaluate_files import retrieve

    def run(one: Measurement, known: Known, settings: dict[str, Any]) -> Any:  # noqa: ANN401  a Report
        return retrieve(one.voices, one.faces, one.trials, known, k=k, **settings)

    return _measure("retrieval", run, options, outputs, sizes={"-k": k})


def _measure(
    kind: str,
    run: Callable[[Measurement, Known, dict[str, Any]], Any],
    options: MeasurementOptions,
    outputs: OutputOptions,
    *,
    scores: Path | None = None,
    sizes: dict[str, Any] | None = None,
) -> int:
    """Measure, print the figures, and write the requested files."""
    from voiceface.evaluation.evaluate_files import Known
    from voiceface.evaluation.measurement import Measurement
    from voiceface.evaluation.synthetic_ceiling import ceiling_to_dict

    files = outputs.files()
    paths = {"voices": options.voices, "faces": options.faces, "scores": scores}
    paths |= {"trials": options.trials, "corpus": options.corpus}
    one = Measurement.of(
        paths,
        options.model,
        known_people=options.known_people,
        device=options.device,
        workers=options.divided.who,
        bar=progress_bar,
    )
    if one.embedded is not None and one.embedded.people.known:
        log_line(one.warnings[0])
    known = Known.of(options.corpus, options.people, options.same or [])
    settings = {"resamples": options.resamples, "seed": options.seed, "missing": options.missing}
    report = run(one, known, settings)
    noted, ceiling = replace(report, notes=(*one.warnings, *report.notes)), one.ceiling()
    if outputs.json:
        print_json(noted.to_dict() | ceiling_to_dict(ceiling) | one.model_facts())
    else:
        gallery = getattr(report, "gallery", None)
        print_rows(noted.rows, excluded=noted.excluded, notes=noted.notes, gallery=gallery)
        if getattr(report, "calibration", None) is not None:
            print_row("calibration, all", report.calibration.row)
        print_ceiling(ceiling)
    changed = {"--same": options.same, **(sizes or {}), "--seed": options.seed}
    changed |= {"--known-people": options.known_people if options.known_people != "refuse" else None}
    changed |= {"--missing": options.missing if options.missing != "error" else None}
    given = {name: value for name, value in changed.items() if value}
    outputs.print_written(one.write_reports(kind, report, known, given, files))
    return 0

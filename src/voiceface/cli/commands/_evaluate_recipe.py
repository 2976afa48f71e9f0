"""The command `evaluate RECIPE`: cross-validation over people."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from voiceface.cli.component_commands import component_help
from voiceface.cli.options import OptionValues, non_default_values, with_options
from voiceface.cli.output_options import NO_OUTPUTS, OutputOptions
from voiceface.cli.print_estimates import print_ceiling, print_row, print_rows, print_shares
from voiceface.cli.recipe_options import named_recipe, recipe_options
from voiceface.cli.split_options import DEFAULT_SPLIT, SplitOptions
from voiceface.cli.terminal import log_line, print_json, print_line
from voiceface.cli.worker_options import ONE_PROCESS, WorkerOptions
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.workers import Workers
    from voiceface.evaluation.cross_validation import CrossValidation
    from voiceface.evaluation.train_folds import FoldTraining
    from voiceface.synthetic.ground_truth import CeilingTable
    from voiceface.training.run import Run
    from voiceface.training.split_choice import SplitChoice

_OPTIONS_HELP = """Args:
    corpus: the prepared corpus
    folds: number of cross-validation folds over people; by default 5, where no published split is used
    splits: a published split of people instead of folds: one training, tested on the test part
    out: folder of the trainings: new, or an interrupted one to resume; by default runs/RECIPE-folds-N and \
the recipe's options that are not its defaults
    device: auto, cpu, cuda, cuda:N or mps
    divided: who trains the folds
    resamples: bootstrap resamples over people for the intervals
    scores_out: write the score of every pair within a fold, for voiceface compare: a .csv or .npz
    outputs: report files to write
"""
_LONGEST_NAME = 100
"""Of a folder named after its options, in characters; longer ones are named by a digest of them."""
_PRINTED = {"matching": ("1:2", "1:5", "1:10"), "retrieval": ("R@1", "R@10", "mAP", "median rank")}
"""Figures printed; reports and JSON hold all."""


def recipe_command(name: str, tokens: Sequence[str]) -> Callable[..., int]:
    """The command ``evaluate NAME``, with the recipe's options."""
    module = named_recipe(name, tokens)
    found = recipe_options(module, name)
    own = {option.name for option in found}
    options = [option for option in found if option.name != "leave_out"]

    def command(
        *,
        corpus: Path,
        folds: int | None = None,
        splits: SplitOptions = DEFAULT_SPLIT,
        out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
        device: str = "auto",
        divided: WorkerOptions = ONE_PROCESS,
        resamples: int = 1000,
        scores_out: Path | None = None,
        outputs: OutputOptions = NO_OUTPUTS,
        given: OptionValues,
    ) -> int:
        """Placeholder, replaced by the recipe's docstring."""
        from voiceface.corpus.corpus import Corpus
        from voiceface.evaluation.cross_validation import cross_validate
        from voiceface.evaluation.cross_validation_report import (
            cross_validation_ceiling,
            write_cross_validation,
        )
        from voiceface.evaluation.reproducing_command import reproducing_command
        from voiceface.evaluation.train_folds import fold_trainings

        who, opened, files = divided.who, Corpus.open(corpus), outputs.files()
        _check_writable(scores_out)
        given, leave_out = splits.of_recipe(given, own)
        choice = _choice(module.recipe(**given), opened, folds, splits.split, leave_out)
        count = choice.folds
        changed = non_default_values(given, found)
        folder = out or Path("runs") / _folder_name(name, f"folds-{count}" if count else "split", changed)
        _claim(folder, count)
        if not who.here:
            _train_side_by_side(fold_trainings(name, given, choice, folder), opened, who, device)
        report = cross_validate(
            name,
            given,
            opened,
            folder,
            folds=choice,
            resamples=resamples,
            device=device,
            tell=log_line,
        )
        _print(report, cross_validation_ceiling(report, opened), json=outputs.json)
        outputs.print_written(_saved_scores(scores_out, report))
        words = ["voiceface", "evaluate", name, "--corpus", "CORPUS"]
        words += [*(["--folds", str(count)] if count else []), *splits.words()]
        line = reproducing_command(words, changed)
        outputs.print_written(write_cross_validation(files, report, command=line))
        return 0

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, {"given": options}, owner=f"recipe {name}")


def _claim(folder: Path, folds: int) -> None:
    from voiceface.evaluation.claim_fold import claim_fold

    who = f"each of {folds} folds in turn" if folds else "a published split"
    claim_fold(folder, who, below="fold-*" if folds else "split")


def _train_side_by_side(trainings: list[FoldTraining], corpus: Corpus, workers: Workers, device: str) -> None:
    from voiceface.evaluation.train_folds import train_folds

    train_folds(trainings, corpus, workers, device=device, tell=log_line)


def _folder_name(recipe: str, division: str, changed: Mapping[str, Any]) -> str:
    """What the trainings of an evaluation are called: other options, another folder.

    >>> _folder_name("matcher", "folds-5", {"dim": 8, "voice_encoder": "runs/a b"})
    'matcher-folds-5-dim-8-voice-encoder-runs-a-b'
    """
    words = [f"{name}-{value}" for name, value in sorted(changed.items())]
    plain = ["-".join(re.findall(r"[A-Za-z0-9.]+", word)) for word in words]
    whole = "-".join([recipe, division, *plain])
    if len(whole) <= _LONGEST_NAME:
        return whole
    return f"{recipe}-{division}-{hashlib.sha256(repr(words).encode()).hexdigest()[:12]}"


def _check_writable(path: Path | None) -> None:
    from voiceface.media.check_writable import check_writable

    if path is not None:
        check_writable(path)


def _saved_scores(path: Path | None, found: CrossValidation) -> list[str]:
    from voiceface.evaluation.saved_scores import save_scores

    return [] if path is None else [save_scores(path, found.held.trials())]


def _choice(
    run: Run, corpus: Corpus, folds: int | None, split: str | None, leave_out: str | None
) -> SplitChoice:
    """A published split where one is wanted, or serves and no folds are wanted; else folds."""
    from voiceface.training.choose_split import read_choice, serves

    if folds is not None and folds < 2:
        raise InputError("--folds", f"is {folds}", "give 2 or more")
    if folds is not None and split not in (None, "random"):
        raise InputError("--folds", f"is given together with --split {split}", "give one of them")
    choice = read_choice(corpus, split=split or ("random" if folds else None), leave_out=leave_out)
    if folds is None and serves(run, corpus, choice):
        return choice
    return replace(choice.random(), folds=folds or 5)


def _print(found: CrossValidation, ceiling: CeilingTable | None, *, json: bool) -> None:
    from voiceface.evaluation.cross_validation_report import cross_validation_reports
    from voiceface.evaluation.synthetic_ceiling import ceiling_to_dict, shares_of_ceiling

    reports = cross_validation_reports(found)
    shares = shares_of_ceiling(ceiling, {kind: report.rows for kind, report in reports.items()})
    if json:
        print_json(found.to_dict() | ceiling_to_dict(ceiling) | ({"shares": shares} if shares else {}))
        return
    print_line(f"{found.recipe}: {found.division}, corpus {found.corpus[:12]}")
    for kind, report in reports.items():
        print_line(f"\n{kind.capitalize()}")
        rows = {
            name: [e for e in row if kind not in _PRINTED or e.name in _PRINTED[kind]]
            for name, row in report.rows.items()
        }
        gallery = getattr(report, "gallery", None)
        print_rows(rows, excluded=report.excluded, notes=report.notes, gallery=gallery)
    if found.verification.calibration is not None:
        print_line("\nCalibration (equal prior odds)")
        print_row("all", found.verification.calibration.row)
    print_ceiling(ceiling)
    print_shares(shares)

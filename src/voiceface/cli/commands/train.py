"""Train a recipe on a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from voiceface.cli.component_commands import add_components, component_help
from voiceface.cli.options import Flag, OptionValues, help_group, with_options
from voiceface.cli.recipe_options import RECIPES, named_recipe, recipe_options
from voiceface.cli.split_options import DEFAULT_SPLIT, SplitOptions
from voiceface.cli.terminal import interactive, log_line, print_json, print_line, printable
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.training.run import Run

_ABOUT = """Train a recipe on a prepared corpus.

voiceface train RECIPE --corpus CORPUS
voiceface train RECIPE --help shows the recipe's description and options"""

_OPTIONS_HELP = """Args:
    corpus: the prepared corpus to train on; --smoke makes a few synthetic people if none is given
    out: folder of the training: new, or an interrupted one to resume; by default runs/RECIPE
    device: auto, cpu, cuda, cuda:N or mps; several at once by torchrun (docs/training.md)
    precision: auto, 32 or bf16
    init: weights to fine-tune: a weights folder, shipped weights' name or owner/name of the hub
    splits: which split is trained with
    fold: K/N: hold out the people of fold K (1 to N) of N, instead of these splits
    trust: a Python file of your own that contains the recipe; its code is run
    smoke: a run of a few seconds to check that everything works
    json: print JSON
"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the recipe that is named, or the list of all."""
    train = App(name="train", help=_ABOUT, group=help_group("Training"), version_flags=[])
    app.command(train)
    add_components(train, tokens, RECIPES, lambda name: _command(name, tokens or ()))


def _command(name: str, tokens: Sequence[str]) -> Callable[..., int]:
    module = named_recipe(name, tokens)
    found = recipe_options(module, name)
    own = {option.name for option in found}
    options = {"given": [option for option in found if option.name != "leave_out"]}

    def command(
        *,
        corpus: Path | None = None,
        out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
        device: str = "auto",
        precision: str = "auto",
        init: str | None = None,
        splits: SplitOptions = DEFAULT_SPLIT,
        fold: str | None = None,
        trust: Path | None = None,
        smoke: Flag = False,
        json: Flag = False,
        given: OptionValues,
    ) -> int:
        """Placeholder, replaced by the recipe's docstring."""
        given, leave_out = splits.of_recipe(given, own)
        run = _run(module, name, given, smoke=smoke)
        if corpus is None:
            corpus = _tiny_synthetic_corpus(smoke=smoke)
        folder = out or Path("runs") / "-".join(
            [module.__name__.rpartition(".")[2], *(["smoke"] if smoke else []), *_fold_name(fold)]
        )
        if fold is not None and splits.split is not None:
            raise InputError("--fold", "is given together with --split", "give one of them")
        wanted = (splits.split, leave_out, fold)
        return _train(run, corpus, folder, wanted=wanted, how=(device, precision, init), json=json)

    command.__doc__ = component_help(module, _OPTIONS_HELP)
    return with_options(command, options, owner=f"recipe {name}")


def _run(module: ModuleType, name: str, given: OptionValues, *, smoke: bool) -> Run:
    if not smoke:
        return module.recipe(**given)  # type: ignore[no-any-return]
    if given:
        raise InputError("--smoke", "takes no options of the recipe", "remove them")
    if not hasattr(module, "smoke"):
        raise InputError(name, "has no smoke run", "train it without --smoke")
    return module.smoke()  # type: ignore[no-any-return]


def _tiny_synthetic_corpus(*, smoke: bool) -> Path:
    """The tiny corpus of synthetic people, made once in seconds."""
    if not smoke:
        raise InputError("--corpus", "is missing", "give a prepared corpus, or try --smoke without one")
    from voiceface.synthetic.tiny_corpus import tiny_corpus

    return tiny_corpus().path


def _train(
    run: Run,
    corpus_path: Path,
    out: Path,
    *,
    wanted: tuple[str | None, str | None, str | None],
    how: tuple[str, str, str | None],
    json: bool,
) -> int:
    from voiceface.corpus.corpus import Corpus
    from voiceface.evaluation.claim_fold import NO_FOLD, claim_fold
    from voiceface.evaluation.hold_out_fold import hold_out_fold, parse_fold
    from voiceface.pipelines.weights import weights_folder
    from voiceface.training.choose_split import read_choice
    from voiceface.training.loop import train

    device, precision, init_name = how
    split, leave_out, fold = wanted
    corpus = Corpus.open(corpus_path)
    run = replace(run, choice=read_choice(corpus, split=split, leave_out=leave_out))
    init = weights_folder(init_name) if init_name is not None else None
    if fold is not None:
        number, count = parse_fold(fold)
        run = hold_out_fold(run, number - 1, count)
    claim_fold(out, f"fold {fold}" if fold is not None else NO_FOLD)
    weights = train(
        run,
        corpus,
        out,
        device=device,
        precision=precision,
        init=init,
        progress=interactive() or log_line,
        tell_split=lambda split: log_line(str(split)),
    )
    return _report(weights, corpus, json=json)


def _report(weights: Path, corpus: Corpus, *, json: bool) -> int:
    from voiceface.training.weights import read_run

    card = read_run(weights)
    figures = card.get("results", {}).get("validation", {})
    if json:
        print_json(
            {
                "weights": str(weights),
                "corpus": corpus.fingerprint,
                "steps": card["steps"],
                "best_step": card["best_step"],
                "people": card["people"]["count"],
                "split": card.get("split"),
                "validation": figures,
            }
        )
        return 0
    print_line(f"{card['recipe']}: {card['steps']:,} steps on {card['people']['count']:,} people")
    if figures:
        text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        print_line(f"best step {card['best_step']:,}, validation {text}")
    print_line(f"weights: {printable(weights)}")
    return 0


def _fold_name(fold: str | None) -> list[str]:
    return [f"fold-{fold.replace('/', '-of-')}"] if fold is not None else []

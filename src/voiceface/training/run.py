"""What a recipe hands to the loop: a `Run`, with its optimisers, data and facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol

from typing_extensions import TypeVar

from voiceface.models.model import Batch, Model
from voiceface.training.split_choice import SplitChoice

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Selection, Split

M = TypeVar("M", bound=Model, default=Any)
Facts = dict[str, Any]
"""What training learnt about the corpus and no argument tells; JSON values only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimiser:
    """One turn's optimiser and schedule; the rate at a step is a function of the step alone.

    ``cosine`` and ``linear`` fall from ``lr`` to ``lr * final`` at the run's last step, after
    ``warmup`` steps of linear rise; ``constant`` stays.
    """

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = "adamw"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's; the second is RMSProp's smoothing too."""
    momentum: float = 0.0
    """SGD's and RMSProp's."""
    weight_decay: float = 0.0
    """Decoupled for adamw, L2 for the others."""
    clip: float | None = None
    """The largest norm of the turn's whole gradient; its norm before clipping is logged."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: int = 0
    final: float = 0.0


class Batches(Protocol):
    """The training data: `batch` is a pure function of the step, so the step *is* the position in it.

    It must draw with generators of its own, seeded by what it was built with and the step. With
    several processes each gets an equal share of every tensor's rows; data that can give its share
    without making the whole may offer ``batch(step, rank, world)`` instead.
    """

    def batch(self, step: int, /) -> Batch:
        """The global batch of ``step``, counted from 0."""
        ...


class NoBatches:
    """The data of a run without steps, whose model is computed by `Run.start`."""

    def __init__(self, selection: Selection, facts: Facts) -> None:
        pass

    def batch(self, step: int, /) -> Batch:
        """There is none."""
        raise IndexError(step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Generic[M]):
    """One training: a recipe's answer to its arguments.

    The callables may be lambdas and closures; they are not pickled. ``facts``, ``build`` and
    ``data`` must depend on nothing but what they are given and the recipe's arguments (`train` calls
    them under a seed of the run), or a resumed training differs from an uninterrupted one.
    """

    recipe: str
    arguments: Mapping[str, Any]
    """The recipe's resolved arguments, JSON values; loading calls the recipe with them again."""
    split: Callable[[Corpus], Split]
    """The recipe's own, by its shares and random seed; `choose_split` decides whether it is used."""
    facts: Callable[[Selection], Facts]
    """From the training people alone."""
    build: Callable[[Facts], M]
    """Opens no corpus and no network."""
    data: Callable[[Selection, Facts], Batches]
    optimisers: Mapping[str, Optimiser]
    """One for each turn, by its name."""
    steps: int
    seed: int = 0
    validate: Callable[[M, Selection, Facts], dict[str, float]] | None = None
    """Figures on validation people; the model is in eval mode, without gradients or autocast, on the
    first process alone (`gather_with_gradient` gathers nothing there)."""
    every: int = 1000
    """Steps between validations; a checkpoint is written at each, and every five minutes."""
    select: str = "auc"
    """The validation figure whose best step is exported; a leading minus: the smaller the better."""
    start: Callable[[M, Selection, Facts], None] | None = None
    """Fills tensors that are computed from the training people rather than learnt (a whitening, a
    closed-form answer), before the first step; not called when starting from other weights."""
    adapt: Callable[[M, Selection, Facts, Facts], Facts] | None = None
    """Called instead when starting from other weights, whose facts are the last argument: moves computed
    tensors towards the training people; returns more facts."""
    calibrate: Callable[[M, Selection, Facts], Facts] | None = None
    """More facts, learnt on the validation people with the exported weights."""
    ema: float | None = None
    """Decay a step of the exponential average of the weights, which is then validated and exported."""
    contract: Mapping[str, Any] = field(default_factory=dict)
    """What the weights expect: sample rate, features, crop, value range."""
    licence: str = ""
    half: bool = False
    """True: matrices and kernels are saved as fp16 although that rounds them."""
    log_every: int = 10
    """Steps a line of the log averages over."""
    keep: int = 2
    """Newest checkpoints kept, beside the best."""
    people: Literal["unknown", "known", "clips"] = "unknown"
    """What ``split`` divides, and so which published splits serve: people, the recordings of known
    people, or talking clips of either."""
    choice: SplitChoice = SplitChoice()
    """The split that is wanted instead; by default that of the corpus' authors where it serves."""

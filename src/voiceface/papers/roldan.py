"""Roldán 2018: Inception Scores of faces from names (Table II) and from speech (Table III).

Every variant is trained by its recipe in a folder of its own below the output, so that an interrupted
sweep can be resumed; finished variants are not trained again. Beside the Inception Score are the Fréchet
distance, which the thesis wanted and lacked, and what its text only describes: whether the faces are of the
right people, how much several faces of one person differ, and whether the noise has an effect at all.
Table I (the corpus by gender) is printed by `voiceface prepare` at its end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.train_with_progress import Tell
from voiceface.papers._roldan_sweep import BY_SEED, COLUMNS, Inception, Sweep, SweepSizes, Variant
from voiceface.training.split_choice import NO_CHOICE, SplitChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

_SLOW = {"lr_judge": 2e-4, "lr_generator": 2e-4, "spectral": "none"}
"""Section IV-B: Reed et al.'s learning rate, batch norm everywhere."""
_TWO = {"lr_judge": 4e-4, "lr_generator": 1e-4, "spectral": "judge"}
"""Section V: Zhang et al.'s two learning rates, spectral norm in the discriminator."""
_OTHER = _TWO | {"spectral": "generator"}
"""Section IV-C's reading of the same: spectral norm in the generator, no norm in the discriminator."""
_CONCATENATED = {"name": "concatenation"}
_AWARE = {"matching_aware": True}

WHOLE = SweepSizes({"size": 64, "width": 64, "batch_size": 64}, speech_width=64, steps=40_000, rate=1.0)
"""The thesis' networks; its batch size and epochs are not stated."""
QUICK = SweepSizes({"size": 32, "width": 16, "batch_size": 16}, speech_width=4, steps=600, rate=5.0)
"""A small share of the work: shows how the variants compare, not how good they can be."""

NAME_VARIANTS = (
    Variant("LS-GAN projecting input", _SLOW, (2.912896, 0.114554)),
    Variant("LS-GAN concat. input", _SLOW | _CONCATENATED, (2.051858, 0.028261)),
    Variant("LS-GAN concat. input, LR from [20]", _TWO | _CONCATENATED, (3.002615, 0.074115)),
    Variant(
        "LS-GAN concat. input, LR from [20] + dropouts",
        _TWO | _CONCATENATED | {"dropout": 0.5},
        (2.634878, 0.094980),
    ),
    Variant("LS-GAN concat. input, LR from [20], spectral norm in the generator", _OTHER | _CONCATENATED),
    Variant("AC-GAN projecting one-hot vector", _SLOW | {"objective": "ac"}, (2.120474, 0.043865)),
    Variant("W-GAN projecting input (figure 10)", _SLOW | {"objective": "w"}),
    Variant(
        "LS-GAN projecting, spectral norm in the discriminator (section V)", _SLOW | {"spectral": "judge"}
    ),
    Variant("LS-GAN projecting + noise on the embedding", _SLOW | {"condition_noise": 0.5}),
    Variant("LS-GAN projecting, matching-aware discriminator", _SLOW | _AWARE),
    Variant("control: LS-GAN projecting, pictures shuffled over names", _SLOW | {"wrong_labels": True}),
)
SPEECH_VARIANTS = (
    Variant("waveform", _TWO),
    Variant("waveform, spectral norm in the generator", _OTHER),
    Variant("waveform + name", _TWO | {"condition": "waveform+name"}),
    Variant("waveform + dropouts", _TWO | {"dropout": 0.5}),
    Variant("mel spectrogram", _TWO | {"condition": "mel"}),
    Variant("waveform, matching-aware discriminator", _TWO | _AWARE),
    Variant("mel spectrogram, matching-aware discriminator", _TWO | {"condition": "mel"} | _AWARE),
    Variant("waveform, encoder trained on speakers (VI)", _TWO, pretrained=True),
    Variant("waveform, encoder trained on speakers, matching-aware", _TWO | _AWARE, pretrained=True),
    Variant("control: waveform, pictures shuffled over people", _TWO | {"wrong_labels": True}),
    Variant(
        "control: encoder trained on speakers, matching-aware, pictures shuffled over people",
        _TWO | _AWARE | {"wrong_labels": True},
        pretrained=True,
    ),
)

_NAMES, _SPEECH = "Table II: faces from names", "Table III: faces from speech"
_RECIPES = {_NAMES: "roldan_name2face", _SPEECH: "roldan_speech2face"}
_NOTES = {
    _SPEECH: (
        "The thesis' rows lost their labels in the text we have; the deviations are 0.158, 0.162, 0.168.",
        "Score, distance and variety are of faces generated from recordings that were not trained on.",
    )
}


def tables(
    corpus: Corpus,
    out: Path,
    choice: SplitChoice = NO_CHOICE,
    tell: Tell | None = None,
    *,
    variants: list[str] | None = None,
    seed: int = 0,
    seeds: int = 1,
    steps: int = 0,
    quick: bool = False,
    inception: str = "",
) -> list[Table]:
    """Train every variant and evaluate it beside real faces that were not trained on.

    Args:
        corpus: of known people, each with several recordings and pictures
        out: folder of the trainings and pictures
        choice: the split that everything is trained with
        tell: is told what is trained, and how far it is
        variants: make only the rows whose titles contain one of these words; by default all
        seed: random seed
        seeds: trainings of every row, with this many random seeds from that one on, on one split
        steps: steps of every training; 0 for 40,000, or 600 where quick
        quick: narrow networks, 32 pixels, small batches and five times the rates: minutes of a CPU a variant
        inception: torchvision's Inception v3 weights (.pth), for the classifier that the thesis used

    Raises:
        InputError: the corpus has too few recordings a person, a folder holds another sweep, or ``variants``
            or ``seeds`` ask for nothing.
    """
    every = {_NAMES: NAME_VARIANTS, _SPEECH: SPEECH_VARIANTS}
    chosen = {title: _chosen(some, variants) for title, some in every.items()}
    rows = [row for some in chosen.values() for row in some]
    if not rows:
        titles = sorted({one.title for some in every.values() for one in some})
        raise InputError("--variants", "names no row", f"give words of {', '.join(titles)}")
    if seeds < 1:
        raise InputError("--seeds", f"is {seeds}", "give 1 or more")
    sweep = Sweep(
        corpus,
        out,
        QUICK if quick else WHOLE,
        choice,
        steps=steps,
        seeds=range(seed, seed + seeds),
        trainings=len(rows) + any(row.pretrained for row in rows),
        tell=tell,
    )
    if inception:
        sweep.inception = Inception(Path(inception))
    return [_table(title, sweep, some) for title, some in chosen.items() if some]


def _chosen(variants: Sequence[Variant], words: Sequence[str] | None) -> list[Variant]:
    return [one for one in variants if not words or any(w.lower() in one.title.lower() for w in words)]


def _table(title: str, sweep: Sweep, variants: Sequence[Variant]) -> Table:
    columns = [*COLUMNS, *([BY_SEED] if len(sweep.seeds) > 1 else [])]
    printed: dict[str, list[Cell]] = {
        one.title: [f"{one.score[0]:.3f} ± {one.score[1]:.3f}", *[None] * (len(columns) - 1)]
        for one in variants
        if one.score is not None
    }
    ours = {variant.title: sweep.row(_RECIPES[title], variant) for variant in variants}
    return Table(
        title=title,
        columns=columns,
        rows=ours | {"real faces, not trained on": sweep.real_row()},
        paper_rows=printed,
        notes=[*sweep.notes(), *_NOTES.get(title, ())],
    )

"""Roldán 2018: Inception Scores of faces from names (Table II) and from speech (Table III).

Every variant is trained by its recipe in a folder of its own below the output, so that an interrupted
sweep can be resumed; finished variants are not trained again. Beside the Inception Score are the Fréchet
distance, which the thesis wanted and lacked, and what its text only describes: whether the faces are of the
right people, how much several faces of one person differ, and whether the noise has an effect at all.
Table I (the corpus by gender) is printed by `voiceface prepare` at its end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.media.files import write_json
from voiceface.metrics.distribution import frechet_distance, inception_score, spread
from voiceface.models.conditional_gan import ConditionalGan
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.generated_faces import embed_generated_faces
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.identity_classifier import IdentityClassifier, fit_identity_classifier
from voiceface.models.known_people import face_labels
from voiceface.pipelines.weights import Loaded, load_model, load_recipe
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.identification import identify
from voiceface.training.choose_split import choose_split
from voiceface.training.split_choice import NO_CHOICE, SplitChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voiceface.corpus.splits import Selection, Split
    from voiceface.models.model import Embeddings, Pictures
    from voiceface.training.run import Run

Labels = npt.NDArray[np.int64]

FACES_PER_PERSON = 20
"""Faces generated of each person, in the sweep's figures."""
SPLITS = 10
"""Parts of the Inception Score, as Salimans et al. 2016."""
GRID = 6
"""People and faces of each that a variant's picture shows."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One row: options that differ from the recipe's defaults, and the thesis' figure."""

    title: str
    changes: dict[str, Any] = field(default_factory=dict)
    score: tuple[float, float] | None = None
    """The printed Inception Score and its deviation."""


_SLOW = {"lr_judge": 2e-4, "lr_generator": 2e-4, "spectral": "none"}
"""Section IV-B: Reed et al.'s learning rate, batch norm everywhere."""
_TWO = {"lr_judge": 4e-4, "lr_generator": 1e-4, "spectral": "judge"}
"""Section V: Zhang et al.'s two learning rates, spectral norm in the discriminator."""
_OTHER = _TWO | {"spectral": "generator"}
"""Section IV-C's reading of the same: spectral norm in the generator, no norm in the discriminator."""
_CONCATENATED = {"name": "concatenation"}


@dataclass(frozen=True, slots=True)
class SweepSizes:
    """Sizes of the networks and lengths of the trainings of a sweep."""

    options: dict[str, Any]
    speech_width: int
    steps: int
    rate: float
    """What the thesis' learning rates are multiplied by."""


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
    Variant("LS-GAN projecting, matching-aware discriminator", _SLOW | {"matching_aware": True}),
    Variant("control: LS-GAN projecting, pictures shuffled over names", _SLOW | {"wrong_labels": True}),
)
SPEECH_VARIANTS = (
    Variant("waveform", _TWO),
    Variant("waveform, spectral norm in the generator", _OTHER),
    Variant("waveform + name", _TWO | {"condition": "waveform+name"}),
    Variant("waveform + dropouts", _TWO | {"dropout": 0.5}),
    Variant("mel spectrogram", _TWO | {"condition": "mel"}),
    Variant("control: waveform, pictures shuffled over people", _TWO | {"wrong_labels": True}),
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
    *,
    variants: list[str] | None = None,
    seed: int = 0,
    steps: int = 0,
    quick: bool = False,
    inception: str = "",
) -> list[Table]:
    """Train every variant and evaluate it beside real faces that were not trained on.

    Args:
        corpus: of known people, each with several recordings and pictures
        out: folder of the trainings and pictures
        choice: the split that everything is trained with
        variants: make only the rows whose titles contain one of these words; by default all
        seed: random seed
        steps: steps of every training; 0 for 40,000, or 600 where quick
        quick: narrow networks, 32 pixels, small batches and five times the rates: minutes of a CPU a variant
        inception: torchvision's Inception v3 weights (.pth), for the classifier that the thesis used

    Raises:
        InputError: the corpus has too few recordings a person, or a folder holds another sweep.
    """
    every = {_NAMES: NAME_VARIANTS, _SPEECH: SPEECH_VARIANTS}
    chosen = {title: _chosen(some, variants) for title, some in every.items()}
    if not any(chosen.values()):
        titles = sorted({one.title for some in every.values() for one in some})
        raise InputError("--variants", "names no row", f"give words of {', '.join(titles)}")
    sweep = _Sweep(corpus, out, QUICK if quick else WHOLE, choice, steps=steps, seed=seed)
    if inception:
        sweep.inception = _Inception(Path(inception))
    return [_table(title, sweep, some) for title, some in chosen.items() if some]


def _chosen(variants: Sequence[Variant], words: Sequence[str] | None) -> list[Variant]:
    return [one for one in variants if not words or any(w.lower() in one.title.lower() for w in words)]


def _table(title: str, sweep: _Sweep, variants: Sequence[Variant]) -> Table:
    printed: dict[str, list[Cell]] = {
        one.title: [f"{one.score[0]:.3f} ± {one.score[1]:.3f}", *[None] * (len(_COLUMNS) - 1)]
        for one in variants
        if one.score is not None
    }
    ours = {variant.title: sweep.row(_RECIPES[title], variant) for variant in variants}
    return Table(
        title=title,
        columns=_COLUMNS,
        rows=ours | {"real faces, not trained on": sweep.real_row()},
        paper_rows=printed,
        notes=[*sweep.notes(), *_NOTES.get(title, ())],
    )


_COLUMNS = (
    "Inception Score",
    "Fréchet, dlib",
    "right person, trained",
    "right person, new",
    "variety of one person",
    "weight of noise / condition",
)


class _Sweep:
    """The trainings of one sweep on one corpus, and what they are measured against."""

    def __init__(
        self, corpus: Corpus, out: Path, sizes: SweepSizes, choice: SplitChoice, *, steps: int, seed: int
    ) -> None:
        self.corpus, self.out, self.sizes, self.choice, self.seed = corpus, out, sizes, choice, seed
        self.steps = steps or sizes.steps
        self.inception: _Inception | None = None
        run: Run = replace(load_recipe("roldan_name2face").recipe(seed=seed), choice=choice)
        self.split: Split = choose_split(run, corpus).split
        owners = self.split.train.person_of("faces")
        self.people = sorted(set(owners.tolist()))
        faces, labels = face_labels(self.split.train, self.people)
        embeddings = face_embeddings(corpus)[faces]
        self.classifier: IdentityClassifier = fit_identity_classifier(
            embeddings, labels, people=len(self.people)
        )
        faces, self.labels = face_labels(self.split.test, self.people)
        # As small as the generated ones, or the recogniser would tell them apart by their sharpness.
        self.pictures = np.array(face_view(corpus, size=sizes.options["size"], template="dlib")[faces])
        self.real: Embeddings = embed_generated_faces(self.pictures, template="dlib")

    def row(self, recipe: str, variant: Variant) -> list[Cell]:
        """Train and measure a variant, unless that is done."""
        from voiceface.training.loop import train

        folder = self.out / "variants" / _slug(recipe, variant.title)
        run: Run = load_recipe(recipe).recipe(**self._arguments(recipe, variant))
        run = replace(run, choice=self.choice)
        weights = train(run, self.corpus, folder, progress=False)
        kept = folder / f"measured-{'inception' if self.inception else 'dlib'}.json"
        if kept.is_file():
            figures = json.loads(kept.read_text(encoding="utf-8"))
        else:
            figures = self._measure(load_model(weights), folder)
            write_json(kept, figures)
        return self._cells(figures)

    def _arguments(self, recipe: str, variant: Variant) -> dict[str, Any]:
        arguments: dict[str, Any] = {"steps": self.steps, "every": min(self.steps, 2_000), "seed": self.seed}
        arguments |= self.sizes.options | variant.changes
        if recipe == "roldan_speech2face":
            arguments["speech_width"] = self.sizes.speech_width
        for rate in ("lr_judge", "lr_generator"):
            arguments[rate] = arguments[rate] * self.sizes.rate
        return arguments

    def _measure(self, loaded: Loaded, folder: Path) -> dict[str, Any]:
        """Generate faces of everybody and embed them."""
        model = loaded.model
        assert isinstance(model, ConditionalGan)
        inputs, requested = self._inputs(model, self.split.test)
        pictures = self._generate(model, inputs)
        embeddings = embed_generated_faces(pictures, template="dlib")
        known, known_requested = embeddings, requested
        if model.takes_voices:
            trained_inputs, known_requested = self._inputs(model, self.split.train)
            known = embed_generated_faces(self._generate(model, trained_inputs), template="dlib")
        score = inception_score(self._posteriors(embeddings, pictures), splits=min(SPLITS, len(embeddings)))
        condition, noise = model.generator.first_weights()
        origin = f"{loaded.card['recipe']}, seed {self.seed}"
        _save_grid(folder / "faces.png", pictures, requested, origin=origin)
        return {
            "score": score,
            "frechet": frechet_distance(embeddings, self.real),
            "new": [self.classifier(embeddings).round(6).tolist(), requested.tolist()],
            "trained": [self.classifier(known).round(6).tolist(), known_requested.tolist()],
            "variety": self._variety(model, inputs, requested),
            "weights": [condition, noise],
        }

    def _inputs(self, model: ConditionalGan, part: Selection) -> tuple[list[GeneratorInput], Labels]:
        """Inputs for `FACES_PER_PERSON` faces of everybody: the name repeated, or recordings of the part."""
        requested = np.repeat(np.arange(len(self.people)), FACES_PER_PERSON)
        if not model.takes_voices:
            return [GeneratorInput(person=self.people[k]) for k in requested], requested
        owners = part.person_of("voices")
        chosen = [np.resize(part.voices[owners == person], FACES_PER_PERSON) for person in self.people]
        waves = [self.corpus.wave(int(voice)) for voices in chosen for voice in voices]
        inputs = [
            GeneratorInput(wave=w, person=self.people[k]) for w, k in zip(waves, requested, strict=True)
        ]
        return inputs, requested

    def _generate(self, model: ConditionalGan, inputs: Sequence[GeneratorInput]) -> Pictures:
        blocks = [inputs[first : first + 64] for first in range(0, len(inputs), 64)]
        return np.concatenate([model.generate(block, seed=self.seed + k) for k, block in enumerate(blocks)])

    def _variety(self, model: ConditionalGan, inputs: Sequence[GeneratorInput], requested: Labels) -> float:
        """Mean distance of embeddings of faces generated from one and the same input."""
        count, people = 6, range(len(self.people))
        same = [inputs[int(np.flatnonzero(requested == k)[0])] for k in people for _ in range(count)]
        embeddings = embed_generated_faces(self._generate(model, same), template="dlib")
        return _within(embeddings, np.repeat(np.arange(len(self.people)), count))

    def _posteriors(self, embeddings: Embeddings, pictures: Pictures) -> npt.NDArray[np.float64]:
        return self.classifier(embeddings) if self.inception is None else self.inception(pictures)

    def _cells(self, figures: dict[str, Any]) -> list[Cell]:
        condition, noise = figures["weights"]
        return [
            "{:.3f} ± {:.3f}".format(*figures["score"]),
            float(figures["frechet"]),
            self._right(*figures["trained"]),
            self._right(*figures["new"]),
            float(figures["variety"]) / _within(self.real, self.labels),
            noise / condition,
        ]

    def _right(self, posteriors: list[list[float]], requested: list[int]) -> Estimate:
        names = np.array(self.people)
        report = identify(
            np.array(posteriors), names[np.array(requested)], people=names, ks=(1,), seed=self.seed
        )
        return report.figure("top-1")

    def real_row(self) -> list[Cell]:
        """Real faces that nothing was trained on, measured as if they were generated."""
        score = inception_score(
            self._posteriors(self.real, self.pictures), splits=min(SPLITS, len(self.real))
        )
        half = np.random.default_rng(self.seed).permutation(len(self.real)) % 2 == 0
        right = self._right(self.classifier(self.real).tolist(), self.labels.tolist())
        halves = frechet_distance(self.real[half], self.real[~half])
        return ["{:.3f} ± {:.3f}".format(*score), halves, None, right, 1.0, None]

    def notes(self) -> list[str]:
        """How the figures are computed."""
        posteriors = (
            "Inception Score: posteriors of an identity classifier (softmax regression on dlib embeddings "
            f"of real training faces, {len(self.people)} people, so at most {len(self.people)}), not of "
            "ImageNet's Inception: compare rows, not our figures with the thesis'."
            if self.inception is None
            else "Inception Score: posteriors of the given ImageNet Inception v3."
        )
        return [
            f"{FACES_PER_PERSON} faces of each of {len(self.people)} people, {len(self.real)} real faces; "
            f"{self.steps:,} steps of {self.sizes.options} each, learning rates times {self.sizes.rate:g}.",
            posteriors,
            "Fréchet distance of generated and real faces' embeddings; in the last row between two halves.",
            "Variety: mean distance of faces generated from one input, over that of one person's real faces.",
            "Weight of noise / condition: mean absolute weight of the generator's first layer for each.",
        ]


class _Inception:
    """ImageNet posteriors of torchvision's Inception v3 from the user's own weights."""

    def __init__(self, path: Path) -> None:
        import importlib.util

        if importlib.util.find_spec("torchvision") is None:
            raise InputError(path, "needs torchvision to be read", "pip install torchvision")
        import torch
        from torchvision.models import inception_v3  # type: ignore[import-not-found]

        try:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
            network = inception_v3(weights=None, init_weights=False, transform_input=True)
            network.load_state_dict(tensors)
        except Exception as error:
            raise InputError(
                path, "does not hold torchvision's Inception v3", "give its .pth file"
            ) from error
        self.network = network.eval()

    def __call__(self, pictures: Pictures) -> npt.NDArray[np.float64]:
        import torch
        import torch.nn.functional as F

        found = []
        for first in range(0, len(pictures), 32):
            block = torch.from_numpy(np.array(pictures[first : first + 32])).permute(0, 3, 1, 2).float() / 255
            block = F.interpolate(block, size=299, mode="bilinear", antialias=True, align_corners=False)
            mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[
                :, None, :, None, None
            ]
            with torch.no_grad():
                found.append(self.network((block - mean) / deviation).double().softmax(1))
        answer: npt.NDArray[np.float64] = torch.cat(found).numpy()
        return answer


def _within(embeddings: Embeddings, labels: Labels) -> float:
    """Mean distance of two embeddings of one person, people with a single one left out."""
    found = [spread(embeddings[labels == k]) for k in np.unique(labels) if (labels == k).sum() > 1]
    return float(np.mean(found)) if found else float("nan")


def _slug(recipe: str, title: str) -> str:
    words = "".join(c if c.isalnum() else "-" for c in title.lower())
    return f"{recipe}-" + "-".join(filter(None, words.split("-")))


def _save_grid(path: Path, pictures: Pictures, requested: Labels, *, origin: str) -> None:
    """A row of faces for each of the first few people; the file says that they are synthetic."""
    from voiceface.media.picture import save_png

    rows = [np.concatenate(list(pictures[requested == k][:GRID]), 1) for k in np.unique(requested)[:GRID]]
    save_png(path, np.concatenate(rows), metadata={"Source": "synthetic", "Software": f"voiceface, {origin}"})

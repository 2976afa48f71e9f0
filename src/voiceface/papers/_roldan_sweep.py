"""The trainings of Roldán's tables, row by row: trained once, measured once, kept in folders of their own."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.evaluation.paper_table import Cell
from voiceface.evaluation.train_with_progress import Tell, train_with_progress
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
from voiceface.training.split_choice import SplitChoice

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
    pretrained: bool = False
    """On an encoder trained on speaker recognition before, which one training a seed gives to all."""


@dataclass(frozen=True, slots=True)
class SweepSizes:
    """Sizes of the networks and lengths of the trainings of a sweep."""

    options: dict[str, Any]
    speech_width: int
    steps: int
    rate: float
    """What the thesis' learning rates are multiplied by."""


COLUMNS = (
    "Inception Score",
    "Fréchet, dlib",
    "right person, trained",
    "right person, new",
    "variety of one person",
    "weight of noise / condition",
)
BY_SEED = "right person, new, by seed"
"""A further column, where there is more than one."""


class Sweep:
    """The trainings of one sweep on one corpus, and what they are measured against."""

    def __init__(
        self,
        corpus: Corpus,
        out: Path,
        sizes: SweepSizes,
        choice: SplitChoice,
        *,
        steps: int,
        seeds: range,
        trainings: int,
        tell: Tell | None,
    ) -> None:
        self.corpus, self.out, self.sizes, self.choice, self.seeds = corpus, out, sizes, choice, seeds
        self.steps, self.tell = steps or sizes.steps, tell
        self._number, self._trainings = itertools.count(1), trainings * len(seeds)
        self._speakers: dict[int, Path] = {}
        self.inception: Inception | None = None
        run: Run = replace(load_recipe("roldan_name2face").recipe(seed=seeds[0]), choice=choice)
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
        """Train and measure a variant with every seed, unless that is done."""
        return self._cells([self._figures(recipe, variant, seed) for seed in self.seeds])

    def _figures(self, recipe: str, variant: Variant, seed: int) -> dict[str, Any]:
        name = _seeded(_slug(recipe, variant.title), seed, self.seeds)
        folder = self.out / "variants" / name
        arguments = self._arguments(recipe, variant, seed)
        if variant.pretrained:
            arguments["speech_encoder"] = str(self._speaker(seed))
        weights = self._trained(recipe, arguments, folder, variant.title)
        kept = folder / f"measured-{'inception' if self.inception else 'dlib'}.json"
        if kept.is_file():
            figures: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        else:
            figures = self._measure(load_model(weights), folder, seed)
            write_json(kept, figures)
        return figures

    def _speaker(self, seed: int) -> Path:
        """The speech encoder of a seed, trained on speaker recognition; returns its weights folder."""
        if seed not in self._speakers:
            arguments = {"steps": self.steps, "every": max(1, self.steps // 6), "seed": seed}
            arguments |= {n: self.sizes.options[n] for n in ("batch_size", "dim") if n in self.sizes.options}
            arguments["speech_width"] = self.sizes.speech_width
            folder = self.out / "variants" / _seeded("roldan_speaker", seed, self.seeds)
            self._speakers[seed] = self._trained("roldan_speaker", arguments, folder, "speaker recognition")
        return self._speakers[seed]

    def _trained(self, recipe: str, arguments: dict[str, Any], folder: Path, title: str) -> Path:
        run: Run = replace(load_recipe(recipe).recipe(**arguments), choice=self.choice)
        seed = arguments["seed"]
        if seed != self.seeds[0]:  # the seed of a training does not move the split
            run = replace(run, split=lambda _: self.split, choice=SplitChoice(by="random"))
        what = f"{next(self._number)} of {self._trainings}, {title}"
        what += f", seed {seed}" if len(self.seeds) > 1 else ""
        return train_with_progress(run, self.corpus, folder, what=what, tell=self.tell)

    def _arguments(self, recipe: str, variant: Variant, seed: int) -> dict[str, Any]:
        arguments: dict[str, Any] = {"steps": self.steps, "every": min(self.steps, 2_000), "seed": seed}
        arguments |= self.sizes.options | variant.changes
        if recipe == "roldan_speech2face":
            arguments["speech_width"] = self.sizes.speech_width
        for rate in ("lr_judge", "lr_generator"):
            arguments[rate] = arguments[rate] * self.sizes.rate
        return arguments

    def _measure(self, loaded: Loaded, folder: Path, seed: int) -> dict[str, Any]:
        """Generate faces of everybody and embed them."""
        model = loaded.model
        assert isinstance(model, ConditionalGan)
        inputs, requested = self._inputs(model, self.split.test)
        pictures = self._generate(model, inputs, seed)
        embeddings = embed_generated_faces(pictures, template="dlib")
        known, known_requested = embeddings, requested
        if model.takes_voices:
            trained_inputs, known_requested = self._inputs(model, self.split.train)
            known = embed_generated_faces(self._generate(model, trained_inputs, seed), template="dlib")
        score = inception_score(self._posteriors(embeddings, pictures), splits=min(SPLITS, len(embeddings)))
        condition, noise = model.generator.first_weights()
        origin = f"{loaded.card['recipe']}, seed {seed}"
        _save_grid(folder / "faces.png", pictures, requested, origin=origin)
        return {
            "score": score,
            "frechet": frechet_distance(embeddings, self.real),
            "new": [self.classifier(embeddings).round(6).tolist(), requested.tolist()],
            "trained": [self.classifier(known).round(6).tolist(), known_requested.tolist()],
            "variety": self._variety(model, inputs, requested, seed),
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

    def _generate(self, model: ConditionalGan, inputs: Sequence[GeneratorInput], seed: int) -> Pictures:
        blocks = [inputs[first : first + 64] for first in range(0, len(inputs), 64)]
        return np.concatenate([model.generate(block, seed=seed + k) for k, block in enumerate(blocks)])

    def _variety(
        self, model: ConditionalGan, inputs: Sequence[GeneratorInput], requested: Labels, seed: int
    ) -> float:
        """Mean distance of embeddings of faces generated from one and the same input."""
        count, people = 6, range(len(self.people))
        same = [inputs[int(np.flatnonzero(requested == k)[0])] for k in people for _ in range(count)]
        embeddings = embed_generated_faces(self._generate(model, same, seed), template="dlib")
        return _within(embeddings, np.repeat(np.arange(len(self.people)), count))

    def _posteriors(self, embeddings: Embeddings, pictures: Pictures) -> npt.NDArray[np.float64]:
        return self.classifier(embeddings) if self.inception is None else self.inception(pictures)

    def _cells(self, found: list[dict[str, Any]]) -> list[Cell]:
        """A row of one training, or of one a seed: means, and the people's figures over all of them."""
        score, deviation = found[0]["score"]
        if len(found) > 1:
            scores = [one["score"][0] for one in found]
            score, deviation = float(np.mean(scores)), float(np.std(scores, ddof=1))
        weights = [noise / condition for condition, noise in (one["weights"] for one in found)]
        cells: list[Cell] = [
            f"{score:.3f} ± {deviation:.3f}",
            float(np.mean([one["frechet"] for one in found])),
            self._right([one["trained"] for one in found]),
            self._right([one["new"] for one in found]),
            float(np.mean([one["variety"] for one in found])) / _within(self.real, self.labels),
            float(np.mean(weights)),
        ]
        if len(found) > 1:
            cells.append(", ".join(f"{self._right([one['new']]).value:.3f}" for one in found))
        return cells

    def _right(self, found: list[tuple[list[list[float]], list[int]]]) -> Estimate:
        """How often the generated faces are the requested person's; ``found`` has a pair a training."""
        posteriors, requested = (np.concatenate([np.array(one[k]) for one in found]) for k in (0, 1))
        names = np.array(self.people)
        report = identify(posteriors, names[requested], people=names, ks=(1,), seed=self.seeds[0])
        return report.figure("top-1")

    def real_row(self) -> list[Cell]:
        """Real faces that nothing was trained on, measured as if they were generated."""
        score = inception_score(
            self._posteriors(self.real, self.pictures), splits=min(SPLITS, len(self.real))
        )
        half = np.random.default_rng(self.seeds[0]).permutation(len(self.real)) % 2 == 0
        right = self._right([(self.classifier(self.real).tolist(), self.labels.tolist())])
        halves = frechet_distance(self.real[half], self.real[~half])
        cells: list[Cell] = ["{:.3f} ± {:.3f}".format(*score), halves, None, right, 1.0, None]
        return cells + ([None] if len(self.seeds) > 1 else [])

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
            *self._notes_on_seeds(),
        ]

    def _notes_on_seeds(self) -> list[str]:
        if len(self.seeds) == 1:
            return []
        first, last = self.seeds[0], self.seeds[-1]
        return [
            f"{len(self.seeds)} trainings a row, seeds {first} to {last}, on one split: means; the score's "
            "deviation is that of the trainings; the right person is counted over all, intervals over people."
        ]


class Inception:
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


def _seeded(name: str, seed: int, seeds: range) -> str:
    """A folder's name with the seed, unless that is the first."""
    return name if seed == seeds[0] else f"{name}-seed-{seed}"


def _save_grid(path: Path, pictures: Pictures, requested: Labels, *, origin: str) -> None:
    """A row of faces for each of the first few people; the file says that they are synthetic."""
    from voiceface.media.picture import save_png

    rows = [np.concatenate(list(pictures[requested == k][:GRID]), 1) for k in np.unique(requested)[:GRID]]
    save_png(path, np.concatenate(rows), metadata={"Source": "synthetic", "Software": f"voiceface, {origin}"})

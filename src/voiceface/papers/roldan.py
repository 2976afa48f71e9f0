"""Roldán 2018: Inception Scores of faces drawn from names (Table II) and from speech (Table III).

Every variant is trained by its recipe in a folder of its own below the output, so that a sweep that was
stopped goes on; variants that are done are not trained again. Beside the Inception Score stand what the
thesis wanted and lacked, the Fréchet distance, and what its text says in words: whether the faces are of
the right people, how much several faces of one person differ, and how far the noise is read at all.
Table I (the corpus by sex) is printed by `voiceface prepare` at its end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voiceface.corpus.splits import Selection, Split
    from voiceface.training.run import Pictures, Run

__all__ = ["NAMES", "SPEECH", "Variant", "tables"]

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

DRAWN = 20
"""Faces drawn of each person, in the sweep's figures."""
SPLITS = 10
"""Parts of the Inception Score, as Salimans et al. 2016."""
GRID = 6
"""People and faces of each that a variant's picture shows."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One row: what differs from the recipe's defaults, and what the thesis printed."""

    title: str
    changes: dict[str, Any] = field(default_factory=dict)
    score: tuple[float, float] | None = None
    """The printed Inception Score and its deviation."""


_SLOW = {"lr_judge": 2e-4, "lr_generator": 2e-4, "spectral": "none"}
"""Section IV-B: Reed et al.'s learning rate, batch norm everywhere."""
_TWO = {"lr_judge": 4e-4, "lr_generator": 1e-4, "spectral": "judge"}
"""Section V: Zhang et al.'s two learning rates, spectral norm in the judge."""
_OTHER = _TWO | {"spectral": "generator"}
"""Section IV-C's reading of the same: spectral norm in the generator, no norm in the judge."""
_CONCATENATED = {"name": "concatenation"}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large and how long every training of a sweep is."""

    options: dict[str, Any]
    speech_width: int
    steps: int
    rate: float
    """What the thesis' learning rates are multiplied by."""


WHOLE = Sizes({"size": 64, "width": 64, "batch_size": 64}, speech_width=64, steps=40_000, rate=1.0)
"""The thesis' networks; its batch size and epochs are not stated."""
QUICK = Sizes({"size": 32, "width": 16, "batch_size": 16}, speech_width=4, steps=600, rate=5.0)
"""A small share of the work: shows what each variant does to the game, not how well it can draw."""

NAMES = (
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
    Variant("LS-GAN projecting, spectral norm in the judge (section V)", _SLOW | {"spectral": "judge"}),
    Variant("LS-GAN projecting + noise on the embedding", _SLOW | {"condition_noise": 0.5}),
    Variant("LS-GAN projecting, matching-aware judge", _SLOW | {"matching_aware": True}),
    Variant("control: LS-GAN projecting, pictures shuffled over names", _SLOW | {"wrong_labels": True}),
)
SPEECH = (
    Variant("waveform", _TWO),
    Variant("waveform, spectral norm in the generator", _OTHER),
    Variant("waveform + name", _TWO | {"condition": "waveform+name"}),
    Variant("waveform + dropouts", _TWO | {"dropout": 0.5}),
    Variant("mel spectrogram", _TWO | {"condition": "mel"}),
    Variant("control: waveform, pictures shuffled over people", _TWO | {"wrong_labels": True}),
)


def tables(
    corpus: Corpus, out: Path, *, seed: int = 0, steps: int = 0, quick: bool = False, inception: str = ""
) -> list[Table]:
    """Train every variant and measure it beside real faces that were not trained on.

    Args:
        corpus: of known people, each with several recordings and pictures.
        out: folder of the trainings and pictures.
        seed: of every training and drawing.
        steps: steps of every training; 0 for 40,000, or 600 where quick.
        quick: narrow networks, 32 pixels, small batches and five times the rates: minutes of a CPU a variant
        inception: torchvision's Inception v3 weights (.pth), for the classifier the thesis used.

    Raises:
        InputError: the corpus has too few recordings a person, or a folder holds another sweep.
    """
    sweep = _Sweep(corpus, out, QUICK if quick else WHOLE, steps, seed)
    if inception:
        sweep.inception = _Inception(Path(inception))
    names = _table("Table II: faces from names", sweep, NAMES, "roldan_name2face")
    speech = _table(
        "Table III: faces from speech",
        sweep,
        SPEECH,
        "roldan_speech2face",
        "The thesis' rows lost their labels in the text we have; the deviations are 0.158, 0.162, 0.168.",
        "Score, distance and variety are of faces drawn from utterances that were not trained on.",
    )
    return [names, speech]


def _table(title: str, sweep: _Sweep, variants: Sequence[Variant], recipe: str, *notes: str) -> Table:
    printed: dict[str, list[Cell]] = {
        one.title: [f"{one.score[0]:.3f} ± {one.score[1]:.3f}", *[None] * (len(_COLUMNS) - 1)]
        for one in variants
        if one.score is not None
    }
    ours = {variant.title: sweep.row(recipe, variant) for variant in variants}
    return Table(
        title=title,
        columns=_COLUMNS,
        rows=ours | {"real faces, not trained on": sweep.real_row()},
        paper_rows=printed,
        notes=[*sweep.notes(), *notes],
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

    def __init__(self, corpus: Corpus, out: Path, sizes: Sizes, steps: int, seed: int) -> None:
        self.corpus, self.out, self.sizes, self.seed = corpus, out, sizes, seed
        self.steps = steps or sizes.steps
        self.inception: _Inception | None = None
        self.split: Split = load_recipe("roldan_name2face").recipe(seed=seed).split(corpus)
        owners = corpus.column("faces", "person")[self.split.train.faces].astype(str)
        self.people = sorted(set(owners.tolist()))
        faces, labels = face_labels(self.split.train, self.people)
        rows = face_embeddings(corpus)[faces]
        self.classifier: IdentityClassifier = fit_identity_classifier(rows, labels, people=len(self.people))
        faces, self.labels = face_labels(self.split.test, self.people)
        # As small as the drawn ones, or the recogniser would tell them apart by their sharpness.
        self.pictures = np.array(face_view(corpus, size=sizes.options["size"], template="dlib")[faces])
        self.real: Rows = embed_generated_faces(self.pictures, template="dlib")

    def row(self, recipe: str, variant: Variant) -> list[Cell]:
        """Train a variant where it is not trained yet, measure it where it is not measured; both are kept."""
        from voiceface.training.loop import train

        place = self.out / "variants" / _slug(recipe, variant.title)
        run: Run = load_recipe(recipe).recipe(**self._arguments(recipe, variant))
        weights = train(run, self.corpus, place, progress=False)
        kept = place / f"measured-{'inception' if self.inception else 'dlib'}.json"
        if kept.is_file():
            figures = json.loads(kept.read_text(encoding="utf-8"))
        else:
            figures = self._measure(load_model(weights), place)
            write_json(kept, figures)
        return self._cells(figures)

    def _arguments(self, recipe: str, variant: Variant) -> dict[str, Any]:
        told: dict[str, Any] = {"steps": self.steps, "every": min(self.steps, 2_000), "seed": self.seed}
        told |= self.sizes.options | variant.changes
        if recipe == "roldan_speech2face":
            told["speech_width"] = self.sizes.speech_width
        for rate in ("lr_judge", "lr_generator"):
            told[rate] = told[rate] * self.sizes.rate
        return told

    def _measure(self, loaded: Loaded, place: Path) -> dict[str, Any]:
        """Draw faces of everybody and describe them."""
        split = self.split
        cues, asked = self._cues(loaded, split.test)
        pictures = self._draw(loaded, cues)
        rows = embed_generated_faces(pictures, template="dlib")
        known, known_asked = (cues, asked) if loaded.run.embed is None else self._cues(loaded, split.train)
        known_rows = (
            rows
            if loaded.run.embed is None
            else embed_generated_faces(self._draw(loaded, known), template="dlib")
        )
        score = inception_score(self._posteriors(rows, pictures), splits=min(SPLITS, len(rows)))
        condition, noise = _system(loaded).generator.first_weights()
        _save_grid(place / "faces.png", pictures, asked, origin=f"{loaded.run.recipe}, seed {self.seed}")
        return {
            "score": score,
            "frechet": frechet_distance(rows, self.real),
            "new": [self.classifier(rows).round(6).tolist(), asked.tolist()],
            "trained": [self.classifier(known_rows).round(6).tolist(), known_asked.tolist()],
            "variety": self._variety(loaded, cues, asked),
            "weights": [condition, noise],
        }

    def _cues(self, loaded: Loaded, part: Selection) -> tuple[list[GeneratorInput], Numbers]:
        """Of everybody as many cues as `DRAWN`: a name again and again, or recordings of the part."""
        asked = np.repeat(np.arange(len(self.people)), DRAWN)
        if loaded.run.embed is None:
            return [GeneratorInput(person=self.people[k]) for k in asked], asked
        owners = self.corpus.column("voices", "person")[part.voices].astype(str)
        picked = [np.resize(part.voices[owners == person], DRAWN) for person in self.people]
        waves = [self.corpus.wave(int(voice)) for voices in picked for voice in voices]
        return [
            GeneratorInput(wave=w, person=self.people[k]) for w, k in zip(waves, asked, strict=True)
        ], asked

    def _draw(self, loaded: Loaded, cues: Sequence[GeneratorInput]) -> Pictures:
        assert loaded.run.imagine is not None
        blocks = [cues[first : first + 64] for first in range(0, len(cues), 64)]
        drawn = [
            loaded.run.imagine(loaded.model, block, loaded.facts, self.seed + place)
            for place, block in enumerate(blocks)
        ]
        return np.concatenate(drawn)

    def _variety(self, loaded: Loaded, cues: Sequence[GeneratorInput], asked: Numbers) -> float:
        """Mean distance of descriptors of faces drawn from one and the same cue."""
        few = 6
        same = [cues[int(np.flatnonzero(asked == k)[0])] for k in range(len(self.people)) for _ in range(few)]
        rows = embed_generated_faces(self._draw(loaded, same), template="dlib")
        return _within(rows, np.repeat(np.arange(len(self.people)), few))

    def _posteriors(self, rows: Rows, pictures: Pictures) -> npt.NDArray[np.float64]:
        return self.classifier(rows) if self.inception is None else self.inception(pictures)

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

    def _right(self, posteriors: list[list[float]], asked: list[int]) -> Estimate:
        names = np.array(self.people)
        report = identify(np.array(posteriors), names[np.array(asked)], people=names, ks=(1,), seed=self.seed)
        return report.figure("top-1")

    def real_row(self) -> list[Cell]:
        """Real faces that nothing was trained on, measured as if they were drawn."""
        score = inception_score(
            self._posteriors(self.real, self.pictures), splits=min(SPLITS, len(self.real))
        )
        half = np.random.default_rng(self.seed).permutation(len(self.real)) % 2 == 0
        right = self._right(self.classifier(self.real).tolist(), self.labels.tolist())
        halves = frechet_distance(self.real[half], self.real[~half])
        return ["{:.3f} ± {:.3f}".format(*score), halves, None, right, 1.0, None]

    def notes(self) -> list[str]:
        """What the figures rest on."""
        posteriors = (
            "Inception Score: posteriors of an identity classifier (softmax regression on dlib descriptors "
            f"of real training faces, {len(self.people)} people, so at most {len(self.people)}), not of "
            "ImageNet's Inception: compare rows, not our figures with the thesis'."
            if self.inception is None
            else "Inception Score: posteriors of the given ImageNet Inception v3."
        )
        return [
            f"{DRAWN} faces of each of {len(self.people)} people; {len(self.real)} real faces beside them; "
            f"{self.steps:,} steps of {self.sizes.options} each, learning rates times {self.sizes.rate:g}.",
            posteriors,
            "Fréchet distance of descriptors of drawn and real faces; the last row is of two halves of real.",
            "Variety: mean distance of faces drawn from one cue, over that of one person's real faces.",
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
            rows = torch.from_numpy(np.array(pictures[first : first + 32])).permute(0, 3, 1, 2).float() / 255
            rows = F.interpolate(rows, size=299, mode="bilinear", antialias=True, align_corners=False)
            mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[
                :, None, :, None, None
            ]
            with torch.no_grad():
                found.append(self.network((rows - mean) / deviation).double().softmax(1))
        answer: npt.NDArray[np.float64] = torch.cat(found).numpy()
        return answer


def _system(loaded: Loaded) -> ConditionalGan:
    assert isinstance(loaded.model, ConditionalGan)
    return loaded.model


def _within(rows: Rows, labels: Numbers) -> float:
    """Mean distance of two rows of one person, people with a single row left out."""
    found = [spread(rows[labels == k]) for k in np.unique(labels) if (labels == k).sum() > 1]
    return float(np.mean(found)) if found else float("nan")


def _slug(recipe: str, title: str) -> str:
    words = "".join(c if c.isalnum() else "-" for c in title.lower())
    return f"{recipe}-" + "-".join(filter(None, words.split("-")))


def _save_grid(path: Path, pictures: Pictures, asked: Numbers, *, origin: str) -> None:
    """A row of faces for each of the first few people; the file says that they are synthetic."""
    from voiceface.media.picture import save_png

    rows = [np.concatenate(list(pictures[asked == k][:GRID]), 1) for k in np.unique(asked)[:GRID]]
    save_png(path, np.concatenate(rows), metadata={"Source": "synthetic", "Software": f"voiceface, {origin}"})

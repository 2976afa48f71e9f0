"""Agarwal et al. 2019: Table I (accuracy of generated faces), Table II (quality), Figures 2, 4 and 10.

The classifier is trained, then the three variants on its embeddings, and the controls: a classifier and a
generator whose training recordings were given to anybody. Known people, new recordings: every figure is of
recordings that nothing was trained or selected on. Everything lies below the output folder and is not
trained again when the command is given again. The pictures it writes show the corpus' own faces beside
generated ones: they are yours to look at, not to publish.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.evaluation.embed_redetected_faces import embed_redetected_faces
from voiceface.evaluation.image_grid import write_image_grid
from voiceface.evaluation.paper_plots import threshold_plot, tsne_plot
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.report.drawing import require_packages
from voiceface.evaluation.train_with_progress import Tell, train_with_progress
from voiceface.metrics import image
from voiceface.models.corpus_embeddings import face_embeddings, voice_embeddings
from voiceface.models.generated_faces import generate_for_selection
from voiceface.models.voice_classifier import PatchEncoder, VoiceClassifier
from voiceface.models.weights_fingerprint import weights_fingerprint
from voiceface.pipelines.weights import Loaded, load_model, load_recipe
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.identification import identify
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.threshold_search import ThresholdReport, generated_acceptance, threshold_search
from voiceface.recipes import agarwal_voice_classifier
from voiceface.recipes.agarwal_voice2face import target_face_indices
from voiceface.recipes.agarwal_voice_classifier import classifier_posteriors
from voiceface.training.choose_split import choose_split
from voiceface.training.split_choice import NO_CHOICE, SplitChoice

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Selection, Split

Names = npt.NDArray[np.str_]
Pictures = npt.NDArray[np.uint8]
Embeddings = npt.NDArray[np.floating]

_VARIANTS = {"VAE": "vae", "C-GAN": "cgan", "RC-GAN": "rcgan"}
_CONTROL = "RC-GAN, wrong labels"
_GENERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (variant, {"variant": variant}) for name, variant in _VARIANTS.items()},
    _CONTROL: ("rcgan-wrong-labels", {"variant": "rcgan", "wrong_labels": True}),
}
"""Folder and options of each training."""
_PERFECT = "the target itself"
_AVERAGE = "mean of all targets"
_MAX_FACES = 700
"""Real faces whose pairs the threshold is searched on: a quarter of a million pairs."""
_STEPS, _QUICK_STEPS = 20_000, 500
_QUICK: dict[str, Any] = {"width": 8, "judge_lr": 1e-3, "generator_lr": 5e-4}
_PAPER_THRESHOLD, _PAPER_REAL = 0.77, 0.939
_PAPER_1 = {"VAE": 0.7261, "C-GAN": 0.6809, "RC-GAN": 0.8452}
_PAPER_2: dict[str, list[Cell]] = {
    "VAE": [0.049, 0.011, 17.857, 28.276, 575.408, 0.866],
    "C-GAN": [0.215, 0.075, 1.125, 11.543, 3964.294, 0.717],
    "RC-GAN": [0.112, 0.025, 6.221, 16.639, 1055.896, 0.703],
}
_MEASURES: dict[str, tuple[Callable[..., npt.NDArray[np.float64]], float]] = {
    "MAE (on 0 to 1)": (image.mae, 1.0),
    "MSE (on 0 to 1)": (image.mse, 1.0),
    "SNR (dB)": (image.snr, 1.0),
    "PSNR (dB)": (image.psnr, 1.0),
    "PAMSE (on 0 to 255)": (image.pamse, 255.0),
    "SSIM": (image.ssim, 1.0),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratedFaces:
    """Faces for the test recordings, one each."""

    pictures: Pictures
    """(recordings, 64, 64, 3)."""
    embeddings: Embeddings
    found: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, pictures: Pictures) -> GeneratedFaces:
        """Detect and embed the face in each picture; equal pictures are embedded once."""
        single, index = np.unique(pictures, axis=0, return_inverse=True)
        embeddings, found = embed_redetected_faces(single)
        index = index.reshape(-1)
        return cls(pictures=pictures, embeddings=embeddings[index], found=found[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What all rows of the tables share: the recordings' people, the targets, and the threshold."""

    people: Names
    """(recordings,) the speaker of each."""
    targets: Names
    """(targets,) the person of each."""
    target_embeddings: Embeddings
    target_pictures: Pictures
    other_people: Names
    """(faces,) of the test selection: real faces that are no targets."""
    other_embeddings: Embeddings
    threshold: ThresholdReport
    seed: int

    def own(self) -> npt.NDArray[np.intp]:
        """(recordings,) the index of each speaker's target."""
        return np.searchsorted(self.targets, self.people)


def tables(
    corpus: Corpus,
    out: Path,
    choice: SplitChoice = NO_CHOICE,
    tell: Tell | None = None,
    *,
    variants: list[str] | None = None,
    classifier_steps: int = 1000,
    steps: int = 0,
    quick: bool = False,
    minimum: int = 20,
    seed: int = 0,
    device: str = "auto",
) -> list[Table]:
    """Train what is missing below ``out`` and evaluate it on the test recordings.

    Args:
        corpus: with at least ``minimum`` recordings, and a face, of each of several people.
        out: folder of trainings and figures.
        choice: the split that everything is trained with
        tell: is told what is trained, and how far it is
        variants: make only the generators' rows whose names begin with one of these; by default all
        classifier_steps: steps of the voice classifier and of its control
        steps: steps of every generator; 0 for 20,000, or 500 where quick
        quick: GANs a quarter as wide and five times the paper's rates: a minute of a CPU each
        minimum: people with fewer recordings are left out
        seed: random seed
        device: auto, cpu, cuda, cuda:N or mps

    Raises:
        InputError: nobody has that many recordings, ``variants`` names no row, or a package is missing.
    """
    require_packages()
    chosen = _chosen(variants)
    shared: dict[str, Any] = {"minimum": minimum, "seed": seed}
    number = itertools.count(1)

    def trained(recipe: str, name: str, **options: Any) -> Loaded:  # noqa: ANN401
        run = replace(load_recipe(recipe).recipe(**options, **shared), choice=choice)
        what = f"{next(number)} of {len(chosen) + 2}, {name}"
        return load_model(train_with_progress(run, corpus, out / name, what=what, tell=tell, device=device))

    length = _length(classifier_steps, 5)
    classifier = trained("agarwal_voice_classifier", "classifier", **length)
    control = trained("agarwal_voice_classifier", "classifier-wrong-labels", wrong_labels=True, **length)
    split = choose_split(replace(agarwal_voice_classifier.recipe(**shared), choice=choice), corpus).split
    given = _length(steps or (_QUICK_STEPS if quick else _STEPS), 4) | (_QUICK if quick else {})
    given["voice_classifier"] = str(out / "classifier")
    generators = {}
    for name, (folder, options) in chosen.items():
        generators[name] = trained("agarwal_voice2face", folder, **options, **given)
    evaluation = _evaluation(split, next(iter(generators.values())), seed=seed)
    generated = _generate(generators, split.test, evaluation)
    _figures(out, split, classifier, evaluation, generated)
    return [
        _classified(split.test, {"voice classifier": classifier, "wrong labels": control}, seed=seed),
        _real(evaluation),
        _accuracy(evaluation, generated),
        _quality(evaluation, {name: one for name, one in generated.items() if name != _PERFECT}),
    ]


def _length(steps: int, validations: int) -> dict[str, Any]:
    return {"steps": steps, "every": max(1, steps // validations)}


def _chosen(variants: list[str] | None) -> dict[str, tuple[str, dict[str, Any]]]:
    """The generators whose names begin with one of these words, all without any."""
    words = tuple(word.lower() for word in variants or [""])
    chosen = {name: one for name, one in _GENERATORS.items() if name.lower().startswith(words)}
    if not chosen:
        raise InputError("--variants", "names no row", f"give {', '.join(_VARIANTS)}")
    return chosen


def _evaluation(split: Split, loaded: Loaded, *, seed: int) -> Evaluation:
    """The targets, the other real faces, and the threshold searched on the training people's faces."""
    corpus, facts = split.test.corpus, loaded.card["facts"]
    embeddings = face_embeddings(corpus)
    targets = target_face_indices(split.test, facts)
    owners = corpus.person_of("faces")
    test = split.test.faces[np.isin(owners[split.test.faces], facts["people"])]
    random = np.random.default_rng(seed)
    trained = np.concatenate([split.train.faces, split.validation.faces])
    some = np.sort(random.permutation(trained)[:_MAX_FACES])
    first, second = np.triu_indices(len(some), k=1)
    distances = np.linalg.norm(embeddings[some[first]] - embeddings[some[second]], axis=1)
    people = owners[some]
    if not (people[first] == people[second]).any():
        fault = "has one picture a person to train on, so that no pair of one person's shows a threshold"
        raise InputError(corpus.path, fault, "prepare more pictures of each")
    report = threshold_search(
        distances, people[first] == people[second], people=(people[first], people[second]), seed=seed
    )
    speakers = split.test.person_of("voices")
    if not set(speakers.tolist()) <= set(facts["people"]):
        lost = sorted(set(speakers.tolist()) - set(facts["people"]))
        raise InputError(corpus.path, f"{lost[0]} has voices and no face", "leave such people out")
    return Evaluation(
        people=speakers,
        targets=np.array(facts["people"]),
        target_embeddings=embeddings[targets],
        target_pictures=np.asarray(face_view(corpus, size=64, template="dlib")[targets]),
        other_people=owners[test],
        other_embeddings=embeddings[test],
        threshold=report,
        seed=seed,
    )


def _generate(
    generators: dict[str, Loaded], test: Selection, evaluation: Evaluation
) -> dict[str, GeneratedFaces]:
    """Every generator's faces of the test recordings, and two baselines: the targets, and their mean."""
    targets = evaluation.target_pictures[evaluation.own()]
    average = evaluation.target_pictures.astype(float).mean(0).round().astype(np.uint8)
    pictures = {
        name: generate_for_selection(one.model, test, seed=evaluation.seed)
        for name, one in generators.items()
    }
    pictures |= {_PERFECT: targets, _AVERAGE: np.broadcast_to(average, targets.shape)}
    return {name: GeneratedFaces.of(faces) for name, faces in pictures.items()}


def _classified(test: Selection, classifiers: dict[str, Loaded], *, seed: int) -> Table:
    """Accuracy of the classifier itself."""
    owners = test.person_of("voices")
    rows: dict[str, list[Cell]] = {}
    for name, one in classifiers.items():
        scores = classifier_posteriors(cast(VoiceClassifier, one.model), test).numpy()
        report = identify(scores, owners, people=one.card["facts"]["people"], ks=(1,), seed=seed)
        rows[name] = [report.figure("top-1"), f"{one.card['best_step']:,} of {one.card['steps']:,}"]
    return Table(
        title="Voice classifier (III-A): accuracy on new recordings of known people",
        columns=["accuracy", "best step"],
        rows=rows,
        notes=["The paper prints no accuracy, only the t-SNE of its Figure 2 a: see figure-2.png."],
    )


def _real(evaluation: Evaluation) -> Table:
    report = evaluation.threshold
    cells: dict[str, Estimate] = {one.name: one for one in report.rows["real faces"]}
    return Table(
        title="Fixed face recogniser (III-B, Figure 4): one threshold of the L2 distance on real faces",
        columns=["threshold", "accuracy", "balanced accuracy", "F1"],
        rows={"real faces": [report.threshold, *cells.values()]},
        paper_rows={"real faces": [_PAPER_THRESHOLD, _PAPER_REAL, None, None]},
        notes=[
            "Ours: dlib's embeddings; the paper's: an OpenFace network, another scale of distances.",
            "All pairs of the training and validation faces (at most 700 of them); the threshold of the "
            "best accuracy. Curves: figure-4.png.",
            *report.notes,
        ],
    )


def _accuracy(evaluation: Evaluation, generated: dict[str, GeneratedFaces]) -> Table:
    rows: dict[str, list[Cell]] = {}
    for name, one in generated.items():
        distances = _distances(one.embeddings, evaluation.target_embeddings)
        others = _distances(one.embeddings, evaluation.other_embeddings)
        own, found = generated_acceptance(
            distances,
            people=(evaluation.people, evaluation.targets),
            threshold=evaluation.threshold.threshold,
            found=one.found,
            seed=evaluation.seed,
        )
        wide, _ = generated_acceptance(
            others,
            people=(evaluation.people, evaluation.other_people),
            threshold=evaluation.threshold.threshold,
            found=one.found,
            seed=evaluation.seed,
        )
        known = identify(
            -distances,
            evaluation.people,
            people=evaluation.targets,
            ks=(1,),
            found=one.found,
            seed=evaluation.seed,
        )
        rows[name] = [own, known.figure("top-1"), wide, found]
    return Table(
        title="Table I: accuracy of generated faces at the fixed threshold",
        columns=[
            "accepted as the own target (the paper's accuracy)",
            "own target is the nearest",
            "accepted as the own other faces",
            "face found",
        ],
        rows=rows,
        paper_rows={name: [value, None, None, None] for name, value in _PAPER_1.items() if name in rows},
        notes=[
            f"Threshold {evaluation.threshold.threshold:.3f}; {len(evaluation.people):,} recordings, "
            f"{len(evaluation.targets)} people; every generated face is detected and aligned again, "
            "one that is not found is a miss.",
            "Chance of the accepted: the same faces against everybody else's (a face like nobody's is "
            "accepted as often with any).",
            *(
                f"{name}: no face found in {int((~one.found).sum()):,} of {len(one.found):,} pictures"
                for name, one in generated.items()
                if not one.found.all()
            ),
        ],
    )


def _quality(evaluation: Evaluation, generated: dict[str, GeneratedFaces]) -> Table:
    own = evaluation.own()
    random = np.random.default_rng(evaluation.seed)
    other = (own + random.integers(1, len(evaluation.targets), size=len(own))) % len(evaluation.targets)
    people = People(evaluation.people, resamples=1000, seed=evaluation.seed)
    rows: dict[str, list[Cell]] = {}
    for name, one in generated.items():
        cells: list[Cell] = []
        for title, (measure, scale) in _MEASURES.items():
            faces = one.pictures * (scale / 255)
            of_own, of_other = (
                measure(faces, evaluation.target_pictures[targets] * (scale / 255), scale=scale)
                for targets in (own, other)
            )
            cells.append(mean_of_items(title, of_own, people, chance=float(of_other.mean())))
        rows[name] = cells
    return Table(
        title="Table II: generated faces against their targets, pixel by pixel",
        columns=list(_MEASURES),
        rows=rows,
        paper_rows={name: cells for name, cells in _PAPER_2.items() if name in rows},
        notes=[
            "Means over test recordings; 64 x 64 pixels. Chance: the same faces against another person's "
            "target.",
            "The paper states no scales; its VAE's MSE of 0.011 on [0, 1] would be a PSNR of 19.6 dB, not "
            "28.276, and its PAMSE can only be on [0, 255].",
        ],
    )


def _figures(
    out: Path, split: Split, classifier: Loaded, evaluation: Evaluation, generated: dict[str, GeneratedFaces]
) -> None:
    """Figure 2 (t-SNE), Figure 4 (threshold) and Figure 10 (faces of one recording a person)."""
    report = evaluation.threshold
    threshold_plot(
        out / "figure-4.png",
        report.thresholds,
        {"accuracy": report.accuracy, "F1": report.f1},
        chosen=report.threshold,
        paper=None,
    )
    network = cast(VoiceClassifier, classifier.model).network
    # The fingerprint that `agarwal_voice2face` uses, so that embeddings are computed once.
    state = {name: t for name, t in network.state_dict().items() if not name.startswith("last.")}
    encoder = PatchEncoder(network, fingerprint=weights_fingerprint(state))
    voices = voice_embeddings(split.test.corpus, encoder)[split.test.voices]
    panels = {
        "voices of the test recordings": (voices, evaluation.people.tolist()),
        "real faces": (evaluation.other_embeddings, evaluation.other_people.tolist()),
    }
    if one := generated.get("RC-GAN"):
        faces = one.embeddings[one.found], evaluation.people[one.found].tolist()
        panels["faces generated by RC-GAN"] = faces
    if placeable := {k: v for k, v in panels.items() if len(v[0]) >= 4}:
        tsne_plot(out / "figure-2.png", placeable, seed=evaluation.seed)
    shown = [person for person in evaluation.targets if person in evaluation.people][:12]
    first = [int(np.flatnonzero(evaluation.people == person)[0]) for person in shown]
    sheet = [
        [(one.pictures[k], f"{name}\n{evaluation.people[k]}") for k in first]
        for name, one in {_PERFECT: generated[_PERFECT], **generated}.items()
    ]
    write_image_grid(out / "figure-10.png", sheet, title="One test recording of each person", side=96)


def _distances(some: Embeddings, others: Embeddings) -> npt.NDArray[np.float64]:
    left, right = some.astype(np.float64), others.astype(np.float64)
    square = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))

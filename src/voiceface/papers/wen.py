"""Wen, Singh, Raj 2019: noise against voice, known people, gender, matching by generated faces.

What is trained: wen_voice2face, unless weights are given, in a small size (width 128, batches of 32), and
wen_gender on real faces. Neither is trained on people of the test split. Weights trained with --people known
are evaluated on known people (top-1 and top-5), all others on unknown ones (gender and matching). The
pictures of Figures 2 to 5 are written beside the tables; those with real people's faces are not to be shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from voiceface.audio.noise import KINDS, noise
from voiceface.corpus.splits import Selection, Split
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.train_with_progress import Tell, train_with_progress
from voiceface.evaluation.training_split import training_split
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.generated_faces import embed_generated_faces, generate_for_selection
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.wen_gan import WenFaceClassifier, WenVoice2Face
from voiceface.nn.face.wen_gan import SIZE
from voiceface.papers._wen_figures import write_figure_sheets
from voiceface.pipelines.weights import Loaded, load_model
from voiceface.protocols.face_set import Faces
from voiceface.protocols.generated_faces import discriminator_scores, generated_face_matching
from voiceface.protocols.identification import identify, score_people
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.report import Report
from voiceface.recipes import wen_gender, wen_voice2face
from voiceface.records import SAMPLE_RATE
from voiceface.training.split_choice import NO_CHOICE, SplitChoice

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.training.run import Run

Pictures = npt.NDArray[np.uint8]
Waves = Sequence[npt.NDArray[Any]]

_SMALL = {"width": 128, "batch_size": 32, "kernel": "code", "validation": 0.2}
_SECONDS = (3.0, 8.0)
_TRAINING_PEOPLE = 200
"""Of Table 3's training column; the paper takes a small part of the training set too."""
_NEAREST, _TEMPERATURE = 40, 0.1


def tables(
    corpus: Corpus,
    out: Path,
    choice: SplitChoice = NO_CHOICE,
    tell: Tell | None = None,
    *,
    weights: str = "",
    people: Literal["unknown", "known"] = "unknown",
    steps: int = 2000,
    gender_steps: int = 300,
    samples: int = 1000,
    seed: int = 0,
) -> list[Table]:
    """Evaluate one training by every figure of section 4 that its people allow.

    Args:
        corpus: voices and faces of the same people.
        out: folder of the trainings and pictures.
        choice: the split that it is trained with; weights keep their own
        tell: is told what is trained, and how far it is
        weights: a weights folder of wen_voice2face trained on this corpus; empty: train one
        people: people to train on if no weights are given: known people appear in all parts
        steps: training steps of wen_voice2face
        gender_steps: training steps of the gender classifier
        samples: voices and noises that the discriminator scores
        seed: random seed

    Raises:
        InputError: weights of another recipe, or a corpus too small for its split.
    """
    run = _run(people, steps, seed)
    loaded, split = _load(corpus, out, weights, replace(run, choice=choice), tell)
    model = loaded.model
    assert isinstance(model, WenVoice2Face)
    found: list[Table] = []
    if not {"trunk", "judge"} & set(model.absent):
        found.append(_noise_table(model, split.test, samples, seed))
    if loaded.card["arguments"]["people"] == "known":
        found.append(_known(loaded, split, seed))
    else:
        gender = _gender(loaded, split, out, gender_steps, seed, tell)
        found += [*([gender] if gender else []), _matching(loaded, split, seed)]
    figures = write_figure_sheets(loaded, split.test, out, seed=seed)
    found[-1] = replace(found[-1], notes=[*found[-1].notes, f"pictures: {', '.join(figures)}"])
    return found


def _run(people: str, steps: int, seed: int) -> Run:
    return wen_voice2face.recipe(people=people, steps=steps, every=max(1, steps // 4), seed=seed, **_SMALL)  # type: ignore[arg-type]


def _load(corpus: Corpus, out: Path, weights: str, run: Run, tell: Tell | None) -> tuple[Loaded, Split]:
    if not weights:
        place = out / f"wen_voice2face-{run.arguments['people']}"
        weights = str(train_with_progress(run, corpus, place, what="the generator", tell=tell))
    elif run.choice != NO_CHOICE:
        raise InputError("--weights", "were trained with a split of their own", "leave --split out")
    loaded = load_model(weights)
    if not isinstance(loaded.model, WenVoice2Face):
        raise InputError(weights, f"holds {loaded.card['recipe']}", "give weights of wen_voice2face")
    split = training_split(weights, loaded, corpus)
    if split is None:  # weights of another corpus: as far as is known nobody here was trained on
        everybody = Selection.everything(corpus)
        split = Split(everybody.restrict([]), everybody.restrict([]), everybody)
    return loaded, split


def _noise_table(model: WenVoice2Face, test: Selection, samples: int, seed: int) -> Table:
    """Section 4.2: does the discriminator tell faces of voices from faces of noises?"""
    random = np.random.default_rng(seed)
    corpus, rows = test.corpus, random.choice(test.voices, samples)
    owners = corpus.person_of("voices")[rows]
    lengths = (random.uniform(*_SECONDS, samples) * SAMPLE_RATE).astype(int)
    voices = []
    for row, length in zip(rows.tolist(), lengths.tolist(), strict=True):
        wave = corpus.wave(row)
        start = int(random.integers(0, max(1, len(wave) - length + 1)))
        voices.append(np.asarray(wave[start : start + length]))
    noises = [
        noise(KINDS[k % len(KINDS)], int(length), rate=SAMPLE_RATE, seed=seed * 1_000_003 + k)
        for k, length in enumerate(lengths)
    ]
    scores = [model.realness(_generate(model, waves)).double().numpy() for waves in (voices, noises)]
    report = discriminator_scores(scores[0], scores[1], people=owners, seed=seed)
    above = report.rows["voices above noises"][0]
    kinds = ", ".join(
        f"{kind} {scores[1][k :: len(KINDS)].mean():.3f}" for k, kind in enumerate(KINDS) if k < samples
    )
    return Table(
        title="Noise against voice: the discriminator's probability that a face is real (section 4.2)",
        columns=["mean", "deviation", "AUC of voices above noises"],
        rows={
            "voices": [*report.rows["judge's score of voices"], above],
            "noises": [*report.rows["judge's score of noises"], None],
        },
        paper_rows={"voices": [0.09, 0.13, None], "noises": [0.06, 0.07, None]},
        notes=[
            f"{samples:,} crops of {_SECONDS[0]:.0f} to {_SECONDS[1]:.0f} s of test recordings (shorter ones "
            f"whole), {samples:,} noises of the same lengths; a recording may come more than once",
            f"mean by kind of noise: {kinds}",
        ],
    )


def _known(loaded: Loaded, split: Split, seed: int) -> Table:
    """Section 4.2: identification of faces generated from known people's new recordings."""
    model, test = loaded.model, split.test
    assert isinstance(model, WenVoice2Face)
    corpus, known = test.corpus, loaded.card["facts"]["people"]
    pictures = generate_for_selection(model, test, typical=True)
    template = model.face_template
    view = face_view(corpus, size=SIZE, template=template)
    speakers, owners = test.person_of("voices"), test.person_of("faces")
    generated, real = embed_generated_faces(pictures, template=template), face_embeddings(corpus)
    train_owners = split.train.person_of("faces")
    rows: dict[str, list[Cell]] = {}

    def add(name: str, scores: npt.ArrayLike, labels: npt.NDArray[np.str_], columns: list[str]) -> None:
        kept = np.isin(labels, columns)
        found = identify(np.asarray(scores)[kept], labels[kept], people=columns, seed=seed)
        rows[name] = [found.figure("top-1"), found.figure("top-5")]

    add(
        "generated faces, the training's own classifier",
        model.class_logits(pictures).numpy(),
        speakers,
        known,
    )
    for by in ("centroid", "cosine"):
        scores, names = score_people(generated, real[split.train.faces], train_owners, by=by)
        add(f"generated faces, nearest person by embeddings ({by})", scores, speakers, names.tolist())
    if len(test.faces):
        seen = np.ascontiguousarray(view[test.faces])
        add("real test faces, the training's own classifier", model.class_logits(seen).numpy(), owners, known)
    return Table(
        title="Known people: identification of faces generated from new recordings (section 4.2)",
        columns=["top-1", "top-5"],
        rows=rows,
        paper_rows={"generated faces, the training's own classifier": [0.617, 0.823]},
        notes=[
            f"{len(test.voices):,} test recordings of {len(known)} people (paper: 4,620 of 924)",
            "the paper does not say which classifier identifies the faces; the training's own is the plain "
            "reading, and the generator was trained against it, so embeddings are given too",
        ],
    )


def _gender(
    loaded: Loaded, split: Split, out: Path, steps: int, seed: int, tell: Tell | None
) -> Table | None:
    """Section 4.2: the gender of generated faces by a classifier of the discriminator's architecture."""
    model, test = loaded.model, split.test
    assert isinstance(model, WenVoice2Face)
    speakers = test.gender_of("voices")
    if not (set(speakers) & set(wen_gender.GENDERS)) or not len(split.train.faces):
        return None
    arguments = loaded.card["arguments"]
    run = wen_gender.recipe(
        **{name: arguments[name] for name in ("kernel", "template", "validation", "test", "seed")},
        width=max(32, arguments["width"] // 2),
        steps=steps,
        every=max(1, steps // 6),
        batch_size=64,
    )
    # The weights' own split, a fold's say: the classifier is tested on nobody it was trained on.
    run = replace(run, split=lambda corpus: split, choice=SplitChoice(by="random"))
    place, what = out / "wen_gender", "the classifier of genders"
    classifier = load_model(train_with_progress(run, test.corpus, place, what=what, tell=tell)).model
    assert isinstance(classifier, WenFaceClassifier)
    faces, genders = wen_gender.faces_of_known_gender(test, arguments["template"])
    generated = generate_for_selection(model, test, typical=True)
    kept = np.isin(speakers, wen_gender.GENDERS)
    pictures = torch.from_numpy(np.ascontiguousarray(generated[kept].transpose(0, 3, 1, 2)))
    cells: dict[str, list[Cell]] = {}
    known_faces = np.isin(test.gender_of("faces"), wen_gender.GENDERS)
    sides = {
        "real faces": (faces, genders.numpy(), test.person_of("faces")[known_faces]),
        "generated faces": (
            pictures,
            np.array([wen_gender.GENDERS.index(g) for g in speakers[kept].tolist()]),
            test.person_of("voices")[kept],
        ),
    }
    for name, (faces_of, codes, owners) in sides.items():
        with torch.no_grad():
            found = torch.cat([classifier(part) for part in torch.split(faces_of, 64)]).argmax(1).numpy()
        chance = float(codes.mean() * found.mean() + (1 - codes.mean()) * (1 - found.mean()))
        whose = People(owners, resamples=1000, seed=seed)
        cells[name] = [mean_of_items("accuracy", found == codes, whose, chance=chance, share=True)]
    return Table(
        title="Gender of generated faces, by a classifier of the discriminator's architecture (section 4.2)",
        columns=["accuracy"],
        rows=cells,
        paper_rows={"real faces": [0.9897], "generated faces": [0.9645]},
        notes=[
            "chance: the accuracy of the same answers assigned to the people at random",
            f"{int(kept.sum()):,} of {len(kept):,} test recordings are of people of known gender",
        ],
    )


def _matching(loaded: Loaded, split: Split, seed: int) -> Table:
    """Table 3, with the generated face as probe, beside averages of training faces that need no generator."""
    parts: dict[str, Report | None] = {"training": None, "testing": None}
    plain: dict[str, Report | None] = dict(parts)
    some = np.unique(split.train.person_of("voices"))
    order = np.random.default_rng(seed).permutation(len(some))[:_TRAINING_PEOPLE]
    selections = {"training": split.train.restrict(some[order].tolist()), "testing": split.test}
    centre = np.asarray(loaded.card["facts"]["descriptor_mean"])
    model = loaded.model
    assert isinstance(model, WenVoice2Face)
    for name, selection in selections.items():
        if len(np.intersect1d(selection.person_of("voices"), selection.person_of("faces"))) < 2:
            continue
        real = face_embeddings(selection.corpus)[selection.faces]
        gallery = Faces.of(real, selection.person_of("faces"), genders=selection.gender_of("faces"))
        probes = {"generated": generate_for_selection(model, selection, typical=True)}
        if name == "testing" and len(split.train.voices):
            probes["averages"] = _nearest_average_faces(loaded, split.train, selection)
        for kind, pictures in probes.items():
            embeddings = embed_generated_faces(pictures, template=model.face_template)
            faces = Faces.of(embeddings, selection.person_of("voices"), genders=selection.gender_of("voices"))
            report = generated_face_matching(faces, gallery, centre=centre, n=(2,), seed=seed)
            (parts if kind == "generated" else plain)[name] = report

    def row(reports: dict[str, Report | None], measure: str) -> list[Cell]:
        cells: list[Cell] = []
        for stratum in ("", ", same gender"):
            for report in reports.values():
                found = report.rows.get(f"matching, {measure}{stratum}") if report else None
                cells.append(found[0] if found else None)
        return cells

    rows = {"generated faces": row(parts, "L2")}
    rows["generated faces, centred cosine"] = row(parts, "centred cosine")
    if plain["testing"]:
        rows[f"averages of the {_NEAREST} nearest training faces, L2"] = row(plain, "L2")
        rows[f"averages of the {_NEAREST} nearest training faces, centred cosine"] = row(
            plain, "centred cosine"
        )
    return Table(
        title="Table 3: voice to face matching, 1:2, with the generated face as probe",
        columns=["all, training", "all, testing", "same gender, training", "same gender, testing"],
        rows=rows,
        paper_rows={
            "SVHF": [None, 0.81, None, 0.652],
            "DIMNets-I": [None, 0.8345, None, 0.7091],
            "DIMNets-G": [None, 0.729, None, 0.5032],
            "generated faces": [0.9683, 0.7607, 0.9398, 0.5969],
        },
        notes=[
            f"{len(split.test.people)} test people; of the training people up to {_TRAINING_PEOPLE}; every "
            "gallery of two people counts once; embeddings are dlib's (the paper names no recogniser)",
            "same gender: only people whose gender is known",
            f"averages: aligned training faces weighted by exp(similarity / {_TEMPERATURE}) of their voices",
        ],
    )


def _nearest_average_faces(
    loaded: Loaded, train_part: Selection, selection: Selection, *, nearest: int = _NEAREST
) -> Pictures:
    """The nearest training voices' faces, averaged pixel by pixel: no network generates them."""
    model, corpus = loaded.model, selection.corpus
    assert isinstance(model, WenVoice2Face)
    view = face_view(corpus, size=SIZE, template=model.face_template)
    owners, speakers = train_part.person_of("faces"), train_part.person_of("voices")
    kept = np.isin(speakers, owners)
    means = {p: view[train_part.faces[owners == p]].astype(np.float32).mean(0) for p in np.unique(owners)}
    faces = np.stack([means[p] for p in speakers[kept].tolist()])
    voices, training = (
        F.normalize(model.corpus_features(part), dim=1).numpy() for part in (selection, train_part)
    )
    similarity = voices @ training[kept].T
    averages = np.empty((len(similarity), *view.shape[1:]), np.uint8)
    for index, row in enumerate(similarity):
        near = np.argsort(-row, kind="stable")[:nearest]
        shares = np.exp((row[near] - row[near[0]]) / _TEMPERATURE)
        mean = np.tensordot(shares / shares.sum(), faces[near], 1)
        averages[index] = np.clip(mean.round(), 0, 255).astype(np.uint8)
    return averages


def _generate(model: WenVoice2Face, waves: Waves) -> Pictures:
    inputs = [GeneratorInput(wave=wave) for wave in waves]
    blocks = [inputs[first : first + 64] for first in range(0, len(inputs), 64)]
    return np.concatenate([model.generate(block, typical=True) for block in blocks])

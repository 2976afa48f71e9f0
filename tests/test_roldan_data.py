"""Roldán's GANs of known people: what they are fed, who a face shows, their recipes and tables."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.conditional_gan import GanShape
from voiceface.models.conditions import FRAME
from voiceface.models.corpus_embeddings import face_embeddings
from voiceface.models.generated_faces import embed_generated_faces
from voiceface.models.generated_known_people import centroids, generation_metrics
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.identity_classifier import fit_identity_classifier
from voiceface.models.known_people import KnownPeopleBatches, known_people, person_indices, speech_frames
from voiceface.papers import _roldan_sweep, roldan
from voiceface.papers._roldan_sweep import Inception, SweepSizes, _within
from voiceface.recipes import roldan_name2face, roldan_speaker, roldan_speech2face
from voiceface.training.loop import train

SMALL = GanShape(size=16, width=4, noise=6, spectral="none")


# ---- data


def test_a_batch_larger_than_the_corpus_repeats_its_pictures(tiny_corpus):
    run = roldan_speech2face.smoke()
    selection = run.split(tiny_corpus()).train
    people = known_people(selection, require_voices=True)
    data = KnownPeopleBatches(selection, people, batch_size=100, size=16, frame=FRAME)
    drawn = data.batch(3)
    assert drawn["pictures"].shape == (100, 16, 16, 3) and drawn["waves"].shape == (100, FRAME)
    assert drawn["waves"].abs().amax(1).min() > 0
    assert all(torch.equal(drawn[name], data.batch(3)[name]) for name in drawn)
    assert not torch.equal(drawn["people"], data.batch(4)["people"])
    # Every picture is its person's, every wave is cut from one of that person's training recordings.
    corpus, view = selection.corpus, face_view(selection.corpus, size=16, template="dlib")
    for row in range(12):
        whose = people[int(drawn["people"][row])]
        mine = [k for k in selection.faces.tolist() if corpus.faces[k].person == whose]
        assert any((view[k] == drawn["pictures"][row].numpy()).all() for k in mine)
        waves = [corpus.wave(k) for k in selection.voices.tolist() if corpus.voices[k].person == whose]
        assert any((wave[:FRAME] == drawn["waves"][row].numpy()[: len(wave)]).all() for wave in waves)


def test_shuffled_labels_keep_the_counts_and_lose_the_people(tiny_corpus):
    selection = roldan_name2face.smoke().split(tiny_corpus(people=12, faces=3)).train
    people = known_people(selection, require_voices=False)
    plain, shuffled = (
        KnownPeopleBatches(selection, people, batch_size=4, size=16, wrong_labels=wrong)
        for wrong in (False, True)
    )
    assert sorted(plain.people) == sorted(shuffled.people)
    assert (plain.people == shuffled.people).mean() < 0.5


def test_somebody_without_a_face_is_left_out_and_one_person_alone_refused(tiny_corpus):
    selection = roldan_name2face.smoke().split(tiny_corpus()).train
    corpus = selection.corpus
    everybody = known_people(selection, require_voices=True)
    owners = corpus.column("faces", "person")[selection.faces].astype(str)
    faceless = replace(selection, faces=selection.faces[owners != everybody[0]])
    assert known_people(faceless, require_voices=True) == everybody[1:]
    data = KnownPeopleBatches(faceless, everybody[1:], batch_size=4, size=16, frame=FRAME)
    assert len(data.faces) == len(faceless.faces)
    with pytest.raises(InputError, match="1 people with both a voice and a face"):
        known_people(selection.restrict(everybody[:1]), require_voices=True)


def test_a_picture_of_a_video_goes_with_the_speech_around_it(tiny_corpus):
    selection = roldan_name2face.smoke().split(tiny_corpus()).train
    corpus = selection.corpus
    people = known_people(selection, require_voices=True)
    face = int(selection.faces[0])
    mine = [k for k in selection.voices.tolist() if corpus.voices[k].person == corpus.faces[face].person]
    columns = {
        ("faces", "time"): np.where(np.arange(len(corpus.faces)) == face, 1.5, np.nan),
        ("faces", "source"): np.array(["film"] * len(corpus.faces)),
        ("voices", "source"): np.array(["film"] * len(corpus.voices)),
        ("voices", "start"): np.where(np.isin(np.arange(len(corpus.voices)), mine[1:]), 0.5, 0.25),
    }

    class Filmed:
        """The corpus, its people's faces and voices now of one film."""

        def __getattr__(self, name):
            return getattr(corpus, name)

        def person_of(self, table):
            return self.column(table, "person").astype(str)

        def column(self, table, name):
            return columns.get((table, name), corpus.column(table, name))

    data = KnownPeopleBatches(replace(selection, corpus=Filmed()), people, batch_size=4, size=16, frame=8000)
    # A recording that starts at 0.5 s of the film has the picture's moment, 1.5 s, at its own 1.0 s.
    starts = [0.25, *[0.5] * (len(mine) - 1)]
    moments = [round((1.5 - start) * 16_000) for start in starts]
    assert data.moments == {face: list(zip(mine, moments, strict=True))}
    cut = np.zeros(8000, np.int16)
    data._fill_speech(cut, int(np.flatnonzero(data.faces == face)[0]), np.random.default_rng(0))
    assert any(
        (cut == corpus.wave(voice)[middle - 4_000 : middle + 4_000]).all()
        for voice, middle in data.moments[face]
    )


def test_unknown_names_are_refused_with_the_nearest_ones():
    people = ["anna", "bert", "carla"]
    assert person_indices(
        [GeneratorInput(person="carla"), GeneratorInput(person="anna")], people
    ).tolist() == [2, 0]
    with pytest.raises(InputError, match="'carl'|carl: .*'carla'"):
        person_indices([GeneratorInput(person="carl")], people)
    with pytest.raises(InputError, match="names nobody"):
        person_indices([GeneratorInput(wave=np.zeros(4))], people)
    with pytest.raises(InputError, match="has no voice"):
        speech_frames([GeneratorInput(person="anna")], 10)


def test_a_frame_of_speech_is_the_middle_one():
    rows = speech_frames([GeneratorInput(wave=np.arange(10.0)), GeneratorInput(wave=np.ones(2))], 4)
    assert rows.tolist() == [[3, 4, 5, 6], [1, 1, 0, 0]]


# ---- who a face shows


def test_the_identity_classifier_is_at_its_only_minimum():
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(40, 3)), np.arange(40) % 4
    rows[:, 0] += labels
    fitted = fit_identity_classifier(rows, labels, people=4, penalty=0.01)
    posteriors = fitted(rows)
    assert np.allclose(posteriors.sum(1), 1)

    def loss(weights, offsets):
        logits = rows @ weights.T + offsets
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        scaled = weights * rows.std(0)
        return -logs[np.arange(40), labels].mean() + 0.01 * (scaled**2).sum()

    best = loss(fitted.weights, fitted.offsets)
    for _ in range(30):
        moved = fitted.weights + random.normal(size=(4, 3)) * 0.02
        assert loss(moved, fitted.offsets + random.normal(size=4) * 0.02) > best
    with pytest.raises(InputError, match="lie outside"):
        fit_identity_classifier(rows, labels + 1, people=4)


# ---- recipes


VARIANTS = {
    "w concatenated": (roldan_name2face, {"objective": "w", "name": "concatenation", "critic_moves": 2}),
    "ac noisy dropout": (
        roldan_name2face,
        {"objective": "ac", "condition_noise": 0.1, "dropout": 0.3, "spectral": "none"},
    ),
    "speech and name": (
        roldan_speech2face,
        {"condition": "waveform+name", "projected_in": "generator", "matching_aware": True},
    ),
    "mel": (roldan_speech2face, {"condition": "mel", "spectral": "both", "wrong_labels": True}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_of_variant_trains_and_draws(name, tiny_corpus, tmp_path):
    from voiceface.pipelines.weights import load_model

    module, changes = VARIANTS[name]
    arguments = dict(module.smoke().arguments) | changes | {"steps": 2, "every": 2}
    run = replace(module.recipe(**arguments), validate=None)
    loaded = load_model(train(run, tiny_corpus(people=6), tmp_path / "t", device="cpu", progress=False))
    people = loaded.card["facts"]["people"]
    wave = np.sin(np.arange(20_000) * 0.1).astype(np.float32)
    inputs = [GeneratorInput(wave=wave, person=person) for person in people[:3]]
    faces = loaded.model.generate(inputs)
    assert faces.shape == (3, 16, 16, 3) and faces.dtype == np.uint8
    assert loaded.model.face_size == 16 and len(loaded.card["facts"]["descriptor_mean"]) == 128


def test_the_box_is_stretched_to_a_square_if_asked_for(tiny_corpus, tmp_path):
    from voiceface.pipelines.weights import load_model

    corpus = tiny_corpus(people=6)
    run = roldan_speech2face.recipe(**dict(roldan_speech2face.smoke().arguments) | {"template": "box"})
    training = run.split(corpus).train
    shown = run.data(training, run.facts(training)).batch(0)["pictures"].numpy()
    box, aligned = (face_view(corpus, size=16, template=name)[training.faces] for name in ("box", "dlib"))
    assert all((one == box).all((1, 2, 3)).any() for one in shown)
    assert not any((one == aligned).all((1, 2, 3)).any() for one in shown)
    loaded = load_model(train(run, corpus, tmp_path / "t", device="cpu", progress=False))
    assert loaded.model.face_template == loaded.card["contract"]["template"] == "box"
    assert loaded.card["results"]["validation"]["frechet"] > 0


def test_a_face_in_its_box_is_embedded_almost_as_when_aligned(tiny_corpus):
    corpus = tiny_corpus(people=6)
    boxes, real = np.array(face_view(corpus, size=64, template="box")), face_embeddings(corpus)
    found = {name: embed_generated_faces(boxes, template=name) for name in ("box", "dlib")}
    distance = {name: np.linalg.norm(rows - real, axis=1).mean() for name, rows in found.items()}
    # Nearer than by the landmarks of another template, and far nearer than people lie apart.
    assert distance["box"] < 0.9 * distance["dlib"]
    assert distance["box"] < 0.6 * np.linalg.norm(real - real.mean(0), axis=1).mean()


def test_the_recipes_defaults_are_the_thesis():
    for module in (roldan_name2face, roldan_speech2face):
        run = module.recipe()
        assert run.optimisers["discriminator"].lr == 4e-4 and run.optimisers["generator"].lr == 1e-4
        assert run.arguments["spectral"] == "judge" and run.arguments["noise_dim"] == 100
        assert run.arguments["dim"] == 128 and run.arguments["size"] == 64


# ---- section VI: an encoder trained on speaker recognition


@pytest.fixture(scope="module")
def speaker(tiny_corpus, tmp_path_factory):
    """A corpus, and the folder of a classifier of its speakers."""
    corpus, out = tiny_corpus(people=6), tmp_path_factory.mktemp("speaker")
    return corpus, train(roldan_speaker.smoke(), corpus, out / "run", device="cpu", progress=False)


def from_speaker(folder, **changes):
    arguments = dict(roldan_speech2face.smoke().arguments) | {"speech_encoder": str(folder)} | changes
    return replace(roldan_speech2face.recipe(**arguments), validate=None)


def test_faces_are_learnt_from_the_encoder_of_the_speakers_which_stays_as_it_is(speaker, tmp_path):
    from voiceface.pipelines.weights import load_model
    from voiceface.training.weights import read_weights

    corpus, folder = speaker
    taught = {n: t for n, t in read_weights(folder)[0].items() if n.startswith("speech.encoder.")}
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = train(from_speaker(copy), corpus, tmp_path / "t", device="cpu", progress=False)
    shutil.rmtree(copy)
    faces = load_model(weights).model.state_dict()
    assert len(taught) > 30 and any("running_var" in name for name in taught)
    for name, tensor in taught.items():
        assert torch.equal(faces[f"parts.{name}"].to(tensor.dtype), tensor), name
    plain = replace(roldan_speech2face.smoke(), validate=None)
    own = load_model(train(plain, corpus, tmp_path / "plain", device="cpu", progress=False)).model
    name = "speech.encoder.blocks.0.0.weight"
    assert not torch.equal(own.state_dict()[f"parts.{name}"], taught[name])


def test_an_encoder_that_knows_what_is_held_back_or_is_another_is_refused(speaker, tmp_path):
    corpus, folder = speaker
    fit = {"device": "cpu", "progress": False}
    with pytest.raises(InputError, match="recordings or people that are held back here"):
        train(from_speaker(folder, seed=1), corpus, tmp_path / "seed", **fit)
    with pytest.raises(InputError, match="has speech_width 2, not 4"):
        train(from_speaker(folder, speech_width=4), corpus, tmp_path / "width", **fit)
    with pytest.raises(InputError, match="has form waveform, not mel"):
        train(from_speaker(folder, condition="mel"), corpus, tmp_path / "mel", **fit)
    with pytest.raises(InputError, match="give weights of roldan_speaker"):
        other = train(replace(roldan_speech2face.smoke(), validate=None), corpus, tmp_path / "other", **fit)
        train(from_speaker(other), corpus, tmp_path / "of-faces", **fit)


def test_two_speakers_are_told_apart_in_four_seconds(tiny_corpus, tmp_path):
    """The classifier learns: two tones, one a person."""
    corpus = tiny_corpus(people=2)
    tones = np.sin(np.arange(FRAME)[None] * np.array([[0.05], [0.4]]))
    fixed = {
        "waves": torch.from_numpy(np.repeat(tones * 20_000, 4, axis=0).astype(np.int16)),
        "people": torch.arange(2).repeat_interleave(4),
    }
    run = replace(
        roldan_speaker.recipe(steps=20, every=20, speech_width=2, dim=16),
        validate=None,
        data=lambda selection, facts: SimpleNamespace(batch=lambda step: fixed),
    )
    train(run, corpus, tmp_path / "t", device="cpu", progress=False)
    losses = [json.loads(line) for line in (tmp_path / "t" / "log.jsonl").read_text().splitlines()]
    assert losses[-1]["speaker/accuracy"] == 1 and losses[-1]["speaker/loss"] < losses[0]["speaker/loss"]


# ---- tables II and III


PRETRAINED = [row for row in roldan.SPEECH_VARIANTS if row.pretrained]


@pytest.fixture
def small_sweep(monkeypatch):
    sizes = SweepSizes(
        {"size": 16, "width": 2, "batch_size": 4, "dim": 8, "noise_dim": 4}, speech_width=1, steps=2, rate=2.0
    )
    monkeypatch.setattr(roldan, "QUICK", sizes)
    monkeypatch.setattr(_roldan_sweep, "FACES_PER_PERSON", 2)
    monkeypatch.setattr(roldan, "NAME_VARIANTS", roldan.NAME_VARIANTS[:1])
    monkeypatch.setattr(roldan, "SPEECH_VARIANTS", roldan.SPEECH_VARIANTS[:1])


def test_the_sweep_makes_both_tables_and_trains_nothing_twice(small_sweep, tiny_corpus, tmp_path):
    corpus = tiny_corpus(people=6)
    names, speech = roldan.tables(corpus, tmp_path / "t", quick=True)
    assert names.paper_rows["LS-GAN projecting input"][0] == "2.913 ± 0.115"
    ours = names.rows["LS-GAN projecting input"]
    value, deviation = (float(part) for part in ours[0].split(" ± "))
    assert 1 <= value <= 6 and deviation >= 0 and ours[1] > 0 and ours[5] > 0
    assert np.isnan(ours[4])  # one held-out picture of each: nothing to compare the variety with
    for cell in (*ours[2:4], *speech.rows["waveform"][2:4]):
        assert 0 <= cell.low <= cell.value <= cell.high <= 1 and cell.chance == pytest.approx(1 / 6)
        assert cell.n == 12
    assert names.rows["real faces, not trained on"][3].value > 1 / 6
    places = sorted((tmp_path / "t" / "variants").iterdir())
    assert [place.name for place in places] == [
        "roldan_name2face-ls-gan-projecting-input",
        "roldan_speech2face-waveform",
    ]
    trained = json.loads((places[0] / "training.json").read_text())["arguments"]
    assert trained["lr_judge"] == trained["lr_generator"] == 4e-4 and trained["spectral"] == "none"
    with Image.open(places[0] / "faces.png") as grid:
        assert grid.size == (32, 96) and grid.text["Source"] == "synthetic"
    stamps = [(place / "weights" / "run.json").stat().st_mtime_ns for place in places]
    (places[1] / "measured-dlib.json").unlink()
    again = roldan.tables(corpus, tmp_path / "t", quick=True)
    assert [str(table) for table in again] == [str(names), str(speech)]
    assert stamps == [(place / "weights" / "run.json").stat().st_mtime_ns for place in places]


def test_several_seeds_are_trained_on_one_split_and_told_one_by_one(small_sweep, tiny_corpus, tmp_path):
    corpus, told = tiny_corpus(people=6), []
    asked = {"quick": True, "variants": ["waveform"]}
    (one,) = roldan.tables(corpus, tmp_path / "t", tell=told.append, **asked)
    assert told == ["training 1 of 1, waveform: 2 steps of roldan_speech2face"]
    told.clear()
    (three,) = roldan.tables(corpus, tmp_path / "t", tell=told.append, seeds=3, **asked)
    assert told == [  # the first seed's training is there already
        f"training {k + 1} of 3, waveform, seed {k}: 2 steps of roldan_speech2face" for k in (1, 2)
    ]
    places = sorted((tmp_path / "t" / "variants").iterdir())
    cards = [json.loads((place / "training.json").read_text()) for place in places]
    assert [card["arguments"]["seed"] for card in cards] == [0, 1, 2]
    assert len({json.dumps(card["split"], sort_keys=True) for card in cards}) == 1
    measured = [json.loads((place / "measured-dlib.json").read_text()) for place in places]
    row = three.rows["waveform"]
    value, deviation = (float(part) for part in row[0].split(" ± "))
    scores = [found["score"][0] for found in measured]
    assert value == pytest.approx(np.mean(scores), abs=6e-4)
    assert deviation == pytest.approx(np.std(scores, ddof=1), abs=6e-4)
    assert row[3].n == 3 * one.rows["waveform"][3].n and three.columns[-1].endswith("by seed")
    each = [float(part) for part in row[-1].split(", ")]
    assert row[3].value == pytest.approx(np.mean(each), abs=1e-3)
    assert each[0] == pytest.approx(one.rows["waveform"][3].value, abs=6e-4)
    with pytest.raises(InputError, match="--seeds: is 0"):
        roldan.tables(corpus, tmp_path / "t", seeds=0, **asked)


def test_one_training_on_speakers_serves_every_row_that_builds_on_it(
    small_sweep, tiny_corpus, tmp_path, monkeypatch
):
    rows = PRETRAINED[:2]
    monkeypatch.setattr(roldan, "SPEECH_VARIANTS", rows)
    told = []
    asked = {"quick": True, "variants": ["encoder"], "tell": told.append}
    (made,) = roldan.tables(tiny_corpus(people=6), tmp_path / "t", **asked)
    assert [line.partition(":")[0] for line in told] == [
        "training 1 of 3, speaker recognition",
        *(f"training {k} of 3, {row.title}" for k, row in enumerate(rows, 2)),
    ]
    names = {place.name for place in (tmp_path / "t" / "variants").iterdir()}
    assert "roldan_speaker" in names and len(names) == 3 and len(made.rows) == 3


def test_collapse_and_the_wrong_person_are_seen():
    """The measures themselves: faces all alike, or somebody else's, must show."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 8)
    real = (np.eye(3)[labels] * 4 + random.normal(size=(24, 3))).astype(np.float32)
    same = np.repeat(real[::8], 8, axis=0)
    assert _within(same, labels) == 0 and _within(real, labels) > 0.5
    means = centroids(real, labels, 4)
    assert np.isinf(means[3]).all()
    right = generation_metrics(real, labels, real, labels, people=4)
    turned = generation_metrics(real, (labels + 1) % 3, real, labels, people=4)
    assert right["identity"] > 0.9 and turned["identity"] < 0.1
    assert right["frechet"] < 1e-6 < generation_metrics(same, labels, real, labels, people=4)["frechet"]
    assert "identity" not in generation_metrics(real, labels - 9, real, labels, people=4)


def test_inception_weights_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="torchvision|Inception"):
        Inception(path)

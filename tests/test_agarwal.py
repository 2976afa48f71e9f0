"""Agarwal et al.'s family: sizes as printed, losses as slow loops, frozen parts, bad input, its tables."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from draw_face import draw_face
from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.evaluation.embed_redetected_faces import embed_redetected_faces
from voiceface.models.encoders import student
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.voice_classifier import PatchEncoder, VoiceClassifier, non_silent_patches
from voiceface.models.voice_to_face import VoiceToFaceGan, VoiceToFaceVae
from voiceface.nn.face.agarwal import (
    EmbeddingDiscriminator,
    EmbeddingEncoder,
    EmbeddingGenerator,
    LatentDecoder,
)
from voiceface.nn.loss.variational import gaussian_error, kl_to_standard_normal
from voiceface.nn.voice.patch_voice import PatchVoice
from voiceface.pipelines.weights import load_model
from voiceface.recipes import agarwal_voice2face, agarwal_voice_classifier
from voiceface.recipes._known_speakers import speaker_classes
from voiceface.recipes.agarwal_voice2face import TargetFaceBatches, target_face_indices
from voiceface.recipes.agarwal_voice_classifier import PatchBatches
from voiceface.training.loop import train

SMALL = {"minimum": 3, "validation": 0.3, "test": 0.3, "batch_size": 4}


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return tiny_corpus()


@pytest.fixture(scope="module")
def classifier(corpus, tmp_path_factory):
    """A folder of a classifier trained for three steps."""
    run = agarwal_voice_classifier.recipe(**SMALL, steps=3, every=3)
    return train(run, corpus, tmp_path_factory.mktemp("classifier") / "c", device="cpu", progress=False)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


# ---- sizes


def test_the_classifier_has_the_papers_six_layers():
    network = PatchVoice(classes=9)
    sizes = []
    for convolution in network.convolutions:
        convolution.register_forward_hook(lambda m, i, o: sizes.append(tuple(o.shape[1:])))
    assert network(torch.randn(2, 60, 41, 2)).shape == (2, 9)
    # What goes into the next convolution is pooled by 4 x 2, odd rests included.
    assert sizes == [(128, 60, 41), (128, 15, 21), (128, 4, 11)]
    assert [c.kernel_size for c in network.convolutions] == [(3, 3)] * 3
    layers = [(one.in_features, one.out_features) for one in network.fully_connected()]
    assert layers == [(128 * 1 * 6, 512), (512, 128), (128, 9)]
    convolutions = (2 * 9 + 128 * 9 + 128 * 9) * 128 + 3 * 128
    assert count(network) == convolutions + 768 * 512 + 512 + 512 * 128 + 128 + 128 * 9 + 9
    assert network.embedding(torch.randn(3, 60, 41, 2)).min() >= 0


def test_the_generating_networks_have_the_papers_layers():
    kinds = {
        EmbeddingEncoder: {"Linear": 4},  # two, and one each for mean and log variance
        LatentDecoder: {"Linear": 1, "ConvTranspose2d": 2},
        EmbeddingGenerator: {"Linear": 2, "ConvTranspose2d": 4},
        EmbeddingDiscriminator: {"Linear": 2, "Conv2d": 4},
    }
    for kind, wanted in kinds.items():
        names = [type(module).__name__ for module in kind().modules()]
        assert {name: names.count(name) for name in wanted} == wanted, kind
        others = {"Conv2d", "ConvTranspose2d", "Linear"} - wanted.keys()
        assert not others & set(names), kind
    voices = torch.randn(3, 128)
    mean, log_variance = EmbeddingEncoder()(voices)
    assert mean.shape == log_variance.shape == (3, 128)
    for faces in (LatentDecoder()(mean), EmbeddingGenerator()(voices)):
        assert faces.shape == (3, 3, 64, 64) and faces.min() >= 0 and faces.max() <= 1
    assert EmbeddingDiscriminator()(faces, voices).shape == (3,)


def test_the_discriminator_tells_whether_face_and_voice_match():
    torch.manual_seed(0)
    judge = EmbeddingDiscriminator(voice_dim=8, width=4)
    face, other = torch.rand(2, 1, 3, 64, 64)
    voice, stranger = torch.randn(2, 1, 8) * 3
    # A sum of a score of the face and one of the voice would give 0 here.
    mixed = judge(face, voice) - judge(face, stranger) - judge(other, voice) + judge(other, stranger)
    assert abs(mixed.item()) > 1e-5


# ---- losses


def test_the_variational_losses_are_their_sums():
    random = torch.Generator().manual_seed(1)
    mean, log_variance = torch.randn(2, 3, 5, generator=random)
    wanted = []
    for m, v in zip(mean.tolist(), log_variance.tolist(), strict=True):
        terms = zip(m, v, strict=True)
        wanted.append(sum(0.5 * (a * a + math.exp(b) - 1 - b) for a, b in terms))
    assert kl_to_standard_normal(mean, log_variance).tolist() == pytest.approx(wanted, rel=1e-5)
    assert kl_to_standard_normal(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0
    drawn, real = torch.rand(2, 2, 3, 2, 2, generator=random)
    slow = []
    for a, b in zip(drawn, real, strict=True):
        pixels = zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)
        slow.append(sum((x - y) ** 2 for x, y in pixels) / 2)
    assert gaussian_error(drawn, real).tolist() == pytest.approx(slow, rel=1e-5)


def test_the_penalty_is_on_the_weights_of_the_fully_connected_layers_alone():
    torch.manual_seed(0)
    model = VoiceClassifier(classes=4, dropout=0.0)
    batch = {"patches": torch.randn(3, 60, 41, 2), "classes": torch.tensor([0, 3, 1])}
    told = model.classifier_loss(batch, None)
    layers = (model.network.first, model.network.second, model.network.last)
    slow = sum(float((layer.weight.detach().double() ** 2).sum()) for layer in layers)
    assert (told["loss"] - told["cross_entropy"]).item() == pytest.approx(1e-3 * slow, rel=1e-4)
    logits = model.network(batch["patches"]).tolist()
    errors = [
        math.log(sum(math.exp(x - row[k]) for x in row)) for row, k in zip(logits, (0, 3, 1), strict=True)
    ]
    assert told["cross_entropy"].item() == pytest.approx(sum(errors) / 3, rel=1e-4)


def gan_batch():
    random = torch.Generator().manual_seed(2)
    faces = torch.randint(0, 256, (3, 64, 64, 3), generator=random, dtype=torch.uint8)
    return {"voices": torch.randn(3, 8, generator=random), "faces": faces}


def test_the_gan_generates_once_a_step_and_weighs_the_distance_of_pixels():
    torch.manual_seed(0)
    plain, kept = VoiceToFaceGan(voice_dim=8, width=2), VoiceToFaceGan(voice_dim=8, width=2, l1_weight=7.0)
    kept.load_state_dict(plain.state_dict())
    calls = []
    kept.generator.register_forward_hook(lambda *_: calls.append(1))
    batch = gan_batch()
    figures = {}
    for name, model in (("plain", plain), ("kept", kept)):
        shared = model.shared(batch)
        figures[name] = [turn.loss(batch, shared) for turn in model.turns()]
    assert len(calls) == 1
    drawn = plain.generator(batch["voices"])
    slow, pixels = 0.0, 0
    for one, picture in zip(drawn.tolist(), batch["faces"].tolist(), strict=True):
        for y in range(64):
            for x in range(64):
                for colour in range(3):
                    slow += abs(one[colour][y][x] - picture[y][x][colour] / 255)
                    pixels += 1
    difference = figures["kept"][1]["loss"] - figures["plain"][1]["loss"]
    assert difference.item() == pytest.approx(7.0 * slow / pixels, rel=1e-4)
    assert figures["plain"][1]["l1"].item() == pytest.approx(slow / pixels, rel=1e-5)
    # Cross-entropy of real and drawn, by the judge's scores one at a time.
    real = batch["faces"].permute(0, 3, 1, 2).float() / 255
    slow = 0.0
    for k in range(3):
        voice = batch["voices"][k : k + 1]
        slow += math.log(1 + math.exp(-plain.judge(real[k : k + 1], voice).item())) / 3
        slow += math.log(1 + math.exp(plain.judge(drawn[k : k + 1], voice).item())) / 3
    assert figures["plain"][0]["loss"].item() == pytest.approx(slow, rel=1e-4)


def test_the_discriminators_turn_does_not_reach_the_generator():
    torch.manual_seed(0)
    model = VoiceToFaceGan(voice_dim=8, width=2, l1_weight=1.0)
    batch = gan_batch()
    shared = model.shared(batch)
    model.discriminator_loss(batch, shared)["loss"].backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.judge.parameters())


# ---- data


def test_everybody_gets_the_own_single_target_and_the_control_anybodys(corpus):
    run = agarwal_voice2face.recipe(**SMALL, voice_encoder="student", known=False)
    selection = run.split(corpus).train
    facts = run.facts(selection)
    rows = target_face_indices(selection, facts)
    assert corpus.column("faces", "person")[rows].astype(str).tolist() == facts["people"]
    assert set(rows.tolist()) <= set(selection.faces.tolist())
    again, other = run.facts(selection), replace_seed(1).facts(selection)
    assert facts == again and facts["targets"] != other["targets"]
    whole = [
        TargetFaceBatches(selection, facts, student.load(), batch_size=50, wrong_labels=wrong, seed=0)
        for wrong in (False, True)
    ]
    owners = corpus.column("voices", "person")[selection.voices].astype(str)
    assert [facts["people"][k] for k in whole[0].targets.tolist()] == owners.tolist()
    assert sorted(whole[1].targets.tolist()) == sorted(whole[0].targets.tolist())
    assert (whole[1].targets != whole[0].targets).any()
    batch = whole[0].batch(3)  # more than there are recordings
    assert len(batch["voices"]) == 50 > len(owners) and batch["faces"].shape == (50, 64, 64, 3)
    assert torch.equal(batch["voices"], whole[0].batch(3)["voices"])


def replace_seed(seed):
    return agarwal_voice2face.recipe(**SMALL, voice_encoder="student", known=False, seed=seed)


def test_people_with_voices_and_no_faces_are_left_out(corpus):
    run = agarwal_voice2face.recipe(**SMALL, voice_encoder="student")
    whole = run.split(corpus).train
    faceless = whole.people[0]
    owners = corpus.column("faces", "person")[whole.faces].astype(str)
    some = Selection(corpus, whole.voices, whole.faces[owners != faceless], whole.clips)
    facts = run.facts(some)
    assert faceless not in facts["people"] and len(facts["people"]) == len(whole.people) - 1
    data = run.data(some, facts)
    assert len(data.voices) == sum(corpus.column("voices", "person")[whole.voices] != faceless)
    none = Selection(corpus, whole.voices, whole.faces[:0], whole.clips)
    with pytest.raises(InputError, match="0 people with both"):
        run.facts(none)


def test_patches_are_of_the_recording_they_are_labelled_with(corpus):
    run = agarwal_voice_classifier.recipe(**SMALL)
    selection = run.split(corpus).train
    people = run.facts(selection)["people"]
    facts = {"people": people}
    data = PatchBatches(selection, facts, batch_size=5, wrong_labels=False, seed=0)
    batch = data.batch(0)
    assert batch["patches"].shape == (5, 60, 41, 2)
    for patch, label in zip(batch["patches"], batch["classes"].tolist(), strict=True):
        mine = selection.voices[speaker_classes(selection, people) == label]
        heard = torch.cat([non_silent_patches(corpus.wave(int(row))) for row in mine])
        assert (heard == patch).flatten(1).all(1).any()
    shuffled = PatchBatches(selection, facts, batch_size=5, wrong_labels=True, seed=0).classes
    assert sorted(shuffled) == sorted(data.classes) and (shuffled != data.classes).any()
    with pytest.raises(InputError, match="not trained on"):
        speaker_classes(selection, people[:-1])


# ---- the classifier inside


@pytest.mark.parametrize("variant", ["vae", "cgan"])
def test_every_variant_learns_goes_on_and_is_whole_without_the_classifiers_folder(
    variant, corpus, classifier, tmp_path
):
    copied = shutil.copytree(classifier, tmp_path / "copied")
    run = agarwal_voice2face.recipe(
        **SMALL, variant=variant, voice_classifier=str(copied), width=2, steps=2, every=1
    )
    run = replace(run, validate=None)
    weights = train(run, corpus, tmp_path / "t", device="cpu", progress=False)

    def dying(selection, facts):
        data = run.data(selection, facts)
        whole = data.batch
        data.batch = lambda step: whole(step) if step < 1 else 1 / 0
        return data

    with pytest.raises(ZeroDivisionError):
        train(replace(run, data=dying), corpus, tmp_path / "k", device="cpu", progress=False)
    resumed = train(run, corpus, tmp_path / "k", device="cpu", progress=False)
    assert (resumed / "model.safetensors").read_bytes() == (weights / "model.safetensors").read_bytes()
    trained = load_model(classifier).model.network
    shutil.rmtree(copied)
    loaded = load_model(weights)
    for name, tensor in loaded.model.listener.state_dict().items():
        assert torch.equal(tensor, trained.state_dict()[name]), name
    waves = [corpus.wave(k) for k in (0, 0, 5)]
    rows = PatchEncoder(loaded.model.listener, fingerprint="").embed(waves)
    patches = non_silent_patches(waves[0])
    assert rows[0] == pytest.approx(trained.eval().embedding(patches).mean(0).detach().numpy(), abs=1e-5)
    inputs = [GeneratorInput(wave=w) for w in waves]
    faces = loaded.model.generate(inputs, seed=3)
    assert faces.shape == (3, 64, 64, 3) and faces.dtype == np.uint8
    again = loaded.model.generate(inputs[:2], seed=3)
    assert (again == faces[:2]).all()
    assert (faces[0] == faces[1]).all() == (variant == "cgan")  # only the VAE has noise
    typical = loaded.model.generate(inputs, seed=3, typical=True)
    assert (typical[0] == typical[1]).all() and (typical[0] != typical[2]).any()
    with pytest.raises(InputError, match="has no voice"):
        loaded.model.generate([GeneratorInput(person="p")])


def test_the_vaes_noise_picks_the_latent():
    torch.manual_seed(0)
    model = VoiceToFaceVae(voice_dim=8)
    voices = torch.randn(2, 8)
    mean, log_variance = model.encoder(voices)
    noise = torch.randn(2, model.latent)
    wanted = model.decoder(mean + noise * torch.exp(log_variance / 2))
    assert torch.allclose(model.faces(voices, noise), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "are missing"),
        ({"voice_encoder": "student", "voice_classifier": "c"}, "are both given"),
        ({"voice_classifier": "nowhere"}, "no such folder"),
        ({"voice_classifier": "classifier", "seed": 1}, "held back here"),
        ({"voice_classifier": "classifier", "known": False}, "held back here"),
        ({"voice_classifier": str(student.WEIGHTS)}, "weights of voice_student"),
    ],
)
def test_missing_and_unfit_voice_encoders_are_refused(changes, told, corpus, classifier):
    given = {k: str(classifier) if v == "classifier" else v for k, v in changes.items()}
    run = agarwal_voice2face.recipe(**SMALL, **given)
    with pytest.raises(InputError, match=told):
        run.facts(run.split(corpus).train)


def test_a_classifier_of_other_features_is_refused(corpus, classifier, tmp_path):
    folder = shutil.copytree(classifier, tmp_path / "c")
    card = json.loads((folder / "run.json").read_text())
    card["contract"]["rate"] = 22_050
    (folder / "run.json").write_text(json.dumps(card))
    run = agarwal_voice2face.recipe(**SMALL, voice_classifier=str(folder))
    with pytest.raises(InputError, match="other features"):
        run.facts(run.split(corpus).train)


# ---- its tables


def test_a_face_is_found_again_and_noise_is_not():
    face = np.asarray(draw_face(1, 160))
    noise = np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8)
    rows, found = embed_redetected_faces(np.stack([face, noise, face]))
    assert found.tolist() == [True, False, True]
    assert (rows[0] == rows[2]).all() and not rows[1].any() and abs(rows[0]).max() > 0.05
    with pytest.raises(InputError, match="give"):
        embed_redetected_faces(face)


def test_one_command_makes_tables_and_figures(corpus, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    from voiceface.papers.agarwal import tables

    told, small = [], {"classifier_steps": 1, "steps": 1, "quick": True, "minimum": 3, "device": "cpu"}
    made = tables(corpus, tmp_path, tell=told.append, **small)
    assert [line.partition(":")[0] for line in told] == [
        f"training {k} of 6, {name}"
        for k, name in enumerate(
            ("classifier", "classifier-wrong-labels", "vae", "cgan", "rcgan", "rcgan-wrong-labels"), 1
        )
    ]
    classified, real, accuracy, quality = made
    assert classified.rows["voice classifier"][0].chance == pytest.approx(1 / 12)
    assert 0 < real.rows["real faces"][0] < 1.5
    # A perfect generator is accepted and identified; its pictures are told beside every variant's.
    assert [cell.value for cell in accuracy.rows["the target itself"][:2]] == [1.0, 1.0]
    assert set(accuracy.paper_rows) == set(quality.paper_rows) == {"VAE", "C-GAN", "RC-GAN"}
    assert accuracy.paper_rows["RC-GAN"][0] == 0.8452 and quality.paper_rows["VAE"][3] == 28.276
    for name in quality.paper_rows:
        mae, mse, snr, psnr, pamse, ssim = (cell.value for cell in quality.rows[name])
        # Nothing learnt in one step: grey faces, near the target by no measure.
        assert 0.05 < mae < 0.5 and mse < mae and psnr > snr and pamse > 100 and ssim < 0.7
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "figure-2.png",
        "figure-4.png",
        "figure-10.png",
    }
    told.clear()
    *_, accuracy, quality = tables(corpus, tmp_path, tell=told.append, variants=["va"], **small)
    assert not told and list(accuracy.rows) == ["VAE", "the target itself", "mean of all targets"]
    assert list(quality.paper_rows) == ["VAE"] and set(made[2].rows) > set(accuracy.rows)
    with pytest.raises(InputError, match="--variants: names no row"):
        tables(corpus, tmp_path, variants=["vea"], **small)

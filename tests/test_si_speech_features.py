"""Speech2Video's speech features: predictive coding against slow loops, students, a talking face by them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from corpus_media import synthetic_voice
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError, MissingPartError
from voiceface.models.disentangling import Disentangling, pool_contexts
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.predictive_coding import PredictiveCoding, context_stream, speech_contexts
from voiceface.models.talking_face import Speaker
from voiceface.models.teacher import as_identity_teacher, embed_with_teacher
from voiceface.nn.face.expression_net import ExpressionNet
from voiceface.nn.loss.distillation import distillation, normalised_distance
from voiceface.nn.loss.predictive_nce import predictive_nce
from voiceface.nn.voice.cpc import HOP, RECEPTIVE_FIELD, CpcNet, rms_level
from voiceface.papers import hearing
from voiceface.pipelines.weights import load_model, run_of
from voiceface.recipes import expression, si_cpc, si_distill, si_speech2video
from voiceface.synthetic.ground_truth import synthetic_model
from voiceface.synthetic.media_generator import EMOTION_NAMES, spoken_phonemes
from voiceface.synthetic.people import seed_of, synthetic_person
from voiceface.synthetic.speech import speak
from voiceface.training.loop import train


def rows(seed, count=5, dim=4):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_predictive_nce_is_its_equation():
    predicted, actual = rows(0), rows(1)
    total, right = 0.0, 0
    for i in range(5):
        scores = [float(predicted[i] @ actual[j]) for j in range(5)]
        total -= scores[i] - math.log(sum(math.exp(s) for s in scores))
        right += scores[i] == max(scores)
    loss, share = predictive_nce(predicted, actual)
    assert float(loss) == pytest.approx(total / 5, rel=1e-5)
    assert float(share) == pytest.approx(right / 5)


def test_distillation_and_distance_are_their_equations():
    student, teacher = rows(2), rows(3)

    def softmax(row):
        every = [math.exp(float(v)) for v in row]
        return [v / sum(every) for v in every]

    usual = printed = apart = 0.0
    for s, t in zip(student, teacher, strict=True):
        p, q = softmax(s), softmax(t)
        usual -= sum(b * math.log(a) for a, b in zip(p, q, strict=True)) / 5
        printed -= sum(a * math.log(b) for a, b in zip(p, q, strict=True)) / 5
        apart += sum(float(v) ** 2 for v in s / s.norm() - t / t.norm()) / 5
    assert float(distillation(student, teacher)) == pytest.approx(usual, rel=1e-5)
    assert float(distillation(student, teacher, printed=True)) == pytest.approx(printed, rel=1e-5)
    assert float(normalised_distance(student, teacher)) == pytest.approx(apart, rel=1e-5)


def test_the_printed_form_is_not_smallest_at_the_teacher():
    teacher, certain = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[50.0, 0.0, 0.0]])
    assert distillation(teacher, teacher) < distillation(certain, teacher)
    assert distillation(certain, teacher, printed=True) < distillation(teacher, teacher, printed=True)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return CpcNet(width=6, context=5).eval()


def test_a_latent_is_made_of_its_reach_and_contexts_know_no_future(net):
    wave = torch.from_numpy(synthetic_voice(1, 0.5))[None]
    with torch.no_grad():
        before = net.latents(net.pad_start(wave))
        assert before.shape == (1, wave.shape[1] // HOP, 6)
        changed = wave.clone()
        changed[:, 20 * HOP :] += 0.3  # the first sample that latent 20 is the first to hear
        after = net.latents(net.pad_start(changed))
        assert torch.equal(before[:, :20], after[:, :20]) and not torch.equal(before[:, 20], after[:, 20])
        last = 20 + math.ceil(RECEPTIVE_FIELD / HOP) - 1
        one = wave.clone()
        one[:, 20 * HOP] += 0.3
        moved = (net.latents(net.pad_start(one)) != before).any(-1)[0].nonzero()[:, 0].tolist()
        assert moved and min(moved) == 20 and max(moved) <= last
        heard, altered = net.contexts(before)[0], net.contexts(after)[0]
        assert torch.equal(heard[:, :20], altered[:, :20]) and not torch.equal(heard[:, 20], altered[:, 20])


def test_latents_are_those_of_plain_convolutions(net):
    wave = torch.randn(2, 305 + 7 * HOP, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        maps = wave[:, None]
        for conv, norm in zip(net.convs, net.norms, strict=True):
            maps = F.conv1d(maps, conv.weight, conv.bias, stride=conv.stride)
            maps = F.relu(norm(maps.transpose(1, 2))).transpose(1, 2)
        torch.testing.assert_close(net.latents(wave), maps.transpose(1, 2), rtol=1e-4, atol=1e-5)


def test_a_stream_hears_what_the_whole_recording_gives(net):
    wave = torch.from_numpy(synthetic_voice(2, 2.345))
    padded = F.pad(wave / rms_level(wave), (0, -len(wave) % HOP))
    with torch.no_grad():
        at_once = net.contexts(net.latents(net.pad_start(padded[None])))[0][0]
    first = speech_contexts(net, wave)
    torch.testing.assert_close(first, at_once, rtol=1e-3, atol=1e-4)
    for cuts in ([5], [16_000, 16_001], list(range(700, len(wave), 700))):
        stream = context_stream(net, wave)
        parts = [stream.feed(part) for part in torch.tensor_split(wave, cuts)] + [stream.close()]
        assert torch.equal(torch.cat([part for part in parts if len(part)]), first)
    louder = speech_contexts(net, 0.2 * wave)
    torch.testing.assert_close(louder, first, rtol=1e-3, atol=1e-4)
    assert (
        len(speech_contexts(net, torch.zeros(0))) == 0
        and torch.isfinite(speech_contexts(net, torch.zeros(3_000))).all()
    )


def test_predictive_coding_learns_what_follows():
    """A tone that goes on is predicted among tones; its own step is far above chance after some steps."""
    torch.manual_seed(0)
    model = PredictiveCoding(width=16, context=16, horizon=3)
    tones = torch.linspace(200, 3000, 8)
    wave = torch.sin(2 * math.pi * tones[:, None] * torch.arange(4_800) / 16_000) * 1.4
    batch = {"waves": wave, "at": torch.full((8, 1), 15)}
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        told = model.error(batch, {})
        told["loss"].backward()
        optimiser.step()
    assert float(told["accuracy"]) > 0.8


def test_the_expression_network_reads_neither_brightness_nor_colour():
    torch.manual_seed(0)
    network = ExpressionNet(emotions=3, width=2, features=5, size=32).eval()
    faces = 255 * torch.rand(2, 3, 32, 32)
    found = network(faces)
    torch.testing.assert_close(network(0.5 * faces + 20), found, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(network(faces[:, [2, 0, 1]]), found, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(network(faces.flip(2)), found)
    assert network.probabilities(faces).sum(1).tolist() == pytest.approx([1.0, 1.0])


def test_teachers_by_their_names(tmp_path):
    teacher = load_teacher("expression=untrained")
    assert teacher.name == "expression" and teacher.dim == 6
    pictures = [torch.randint(0, 255, (40, 40, 3), dtype=torch.uint8) for _ in range(3)]
    assert embed_with_teacher(teacher, pictures).shape == (3, 6)
    assert embed_with_teacher(teacher, []).shape == (0, 6)
    with pytest.raises(InputError, match="no feature maps; give a recogniser"):
        as_identity_teacher(teacher)
    with pytest.raises(InputError, match="expression: names no weights"):
        load_teacher("expression")
    with pytest.raises(InputError, match="model.safetensors"):
        load_teacher(str(tmp_path))
    with pytest.raises(InputError, match="is not a known teacher"):
        load_teacher("nobody")
    with pytest.raises(InputError, match="no weights for dlib"):
        load_teacher("dlib=mine")
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match="not hold a complete expression network"):
        load_teacher(str(tmp_path))


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return tiny_corpus(people=3, voices=1, faces=1, clips=2)


@pytest.fixture(scope="module")
def stages(corpus, tmp_path_factory):
    """Weights of the three trainings that a face that talks by its students rests on."""
    try:
        load_dlib_recogniser()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    place = tmp_path_factory.mktemp("stages")
    cpc = train(si_cpc.smoke(), corpus, place / "cpc", progress=False)
    felt = train(expression.smoke(), corpus, place / "expression", progress=False)
    small = {"hidden": 8, "emotion_frames": 2, "batch_size": 4, "steps": 4, "every": 2, "validation": 0.34}
    run = si_distill.recipe(speech_encoder=str(place / "cpc"), emotion=str(felt), test=0.34, **small)
    return SimpleNamespace(cpc=cpc, felt=felt, distilled=train(run, corpus, place / "distil", progress=False))


def test_students_hold_what_they_hear_by_and_their_teachers_scale(corpus, stages):
    model = si_distill.load(str(stages.distilled))
    heard, felt = (load_model(one).model for one in (stages.cpc, stages.felt))
    for mine, theirs in zip(model.net.state_dict().values(), heard.net.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-3, atol=2e-3)  # saved as fp16
    assert (model.identity_dim, model.emotion_dim) == (128, len(felt.emotions)) and model.map_channels == (
        128,
        64,
        32,
    )
    wave = torch.from_numpy(synthetic_voice(4, 1.0))
    identity, emotion = model.identity_and_emotion(wave)
    assert identity.shape == (128,) and emotion.shape == (len(felt.emotions),)
    omega = pool_contexts(model.contexts(wave), "spread")
    torch.testing.assert_close(model.students(omega[None])[0][0], identity)
    face = torch.from_numpy(clip_frames(corpus, 0, size=64)[:1]).permute(0, 3, 1, 2).float()
    taught = model.teacher_identity(face)
    rows = load_teacher("dlib").embed(face)
    back = taught * model.get_buffer("identity_deviation") + model.get_buffer("identity_mean")
    torch.testing.assert_close(back, rows, rtol=1e-2, atol=1e-3)
    assert [m.shape[1] for m in model.maps(face)] == [128, 64, 32]
    training = run_of(load_model(stages.distilled)).split(corpus).train
    firsts = [torch.from_numpy(clip_frames(corpus, row, size=96)[0]) for row in training.clips.tolist()]
    mean = embed_with_teacher(load_teacher("dlib"), firsts).mean(0)
    torch.testing.assert_close(model.get_buffer("identity_mean"), mean, rtol=2e-3, atol=2e-3)


def test_a_face_that_hears_by_its_students_talks_and_learns_by_its_teacher(corpus, stages, tmp_path):
    small = {"width": 4, "identity_width": 4, "discriminator_width": 2, "around": 1, "clips": 3, "moments": 2}
    run = si_speech2video.recipe(
        speech_encoder=str(stages.distilled), size=32, steps=2, every=2, validation=0.34, forcing=0.5, **small
    )
    loaded = load_model(train(run, corpus, tmp_path / "run", progress=False))
    inside = loaded.model.hearing
    assert isinstance(inside, Disentangling)
    mine, theirs = inside.state_dict(), si_distill.load(str(stages.distilled)).state_dict()
    assert all(torch.allclose(mine[name], theirs[name], rtol=2e-3, atol=2e-3) for name in theirs)
    assert not any(p.requires_grad for p in inside.parameters())
    wave, made = synthetic_voice(3, 1.3), []
    for cuts in ([], [7, 9_000], list(range(1_000, 20_000, 1_000))):
        face = loaded.model.talk(Speaker(wave=wave))
        made.append(np.concatenate([*(face.feed(part) for part in np.split(wave, cuts)), face.close()]))
    assert made[0].shape[1:] == (32, 32, 3)
    assert (made[0] == made[1]).all() and (made[0] == made[2]).all()


def test_what_is_missing_is_told(corpus, stages, tmp_path):
    for told, message in (
        ({"emotion": "expression=untrained"}, "--speech-encoder: names no weights; train si_cpc first"),
        ({"speech_encoder": "untrained"}, "--emotion: names no teacher; train expression first"),
        (
            {"speech_encoder": str(stages.felt), "emotion": "expression=untrained"},
            "weights of expression; give",
        ),
        (
            {"speech_encoder": "untrained", "emotion": "dlib", "identity": str(stages.felt)},
            "has no feature maps",
        ),
    ):
        run = si_distill.recipe(**told)
        with pytest.raises(InputError, match=message):
            run.facts(run.split(corpus).train)
    with pytest.raises(InputError, match="holds weights of si_cpc; give weights of si_distill"):
        run = si_speech2video.recipe(speech_encoder=str(stages.cpc))
        run.facts(run.split(corpus).train)


def test_wrong_sound_and_wrong_labels_are_dealt(corpus):
    told = {"speech_encoder": "untrained", "emotion": "expression=untrained", "batch_size": 4, "test": 0.0}
    made = []
    for wrong in (False, True):
        run = si_distill.recipe(wrong_sound=wrong, **told)
        part = run.split(corpus).train
        made.append(run.data(part, run.facts(part)).batch(0))
    assert torch.equal(made[0]["identity"], made[1]["identity"])
    assert not torch.equal(made[0]["heard"], made[1]["heard"])
    run = expression.recipe(wrong_labels=True, test=0.0)
    part = run.split(corpus).train
    facts = run.facts(part)
    straight = expression.recipe(test=0.0)
    of = [one.data(part, facts).of_emotion for one in (run, straight)]
    assert sorted(map(len, of[0])) == sorted(map(len, of[1]))


def test_omega_and_what_a_batch_is_made_of():
    contexts = rows(7, 6, 3)
    torch.testing.assert_close(pool_contexts(contexts, "last"), contexts[5])
    torch.testing.assert_close(pool_contexts(contexts, "mean"), contexts.mean(0))
    changes = sum(abs(contexts[k + 1] - contexts[k]) for k in range(5)) / 5
    deviation = ((contexts - contexts.mean(0)) ** 2).mean(0).sqrt()
    expected = torch.cat([contexts.mean(0), deviation, changes])
    torch.testing.assert_close(pool_contexts(contexts, "spread"), expected)
    assert torch.isfinite(pool_contexts(contexts[:1], "spread")).all()


def test_what_is_said_in_a_clip_is_said_again(corpus):
    for clip in range(2):
        told, said = corpus.clips[clip], spoken_phonemes(corpus, clip)
        person = synthetic_person(seed_of(told.person), model=synthetic_model(corpus))
        take = 1_000_000 + int(told.source.rpartition("-")[2])
        wave, events = speak(person, seed=take, emotion=EMOTION_NAMES[told.emotion], seconds=told.seconds)
        assert said == events
        heard = corpus.clip_wave(clip)[: len(wave)] / 32768
        assert np.corrcoef(heard, wave[: len(heard)])[0, 1] > 0.999  # it is this clip's sound


def test_tables_of_the_first_stage(corpus, stages, tmp_path, monkeypatch):
    monkeypatch.setattr(hearing, "_RESAMPLES", 20)
    told = hearing.tables(corpus, tmp_path, distilled=str(stages.distilled), emotion=str(stages.felt))
    assert [one.title.partition(":")[0] for one in told] == [
        "Speech features",
        "Students and teachers",
        "Speech features",
    ]
    assert set(told[1].rows) == {
        "ν, S_id",
        "μ, S_emo",
        "ν*, the identity teacher",
        "μ*, the emotion teacher",
        "ν, S_id, shuffled labels",
    }
    sounds = {name: cells[0] for name, cells in told[2].rows.items()}
    assert sounds["log-mels of 125 ms"].value > sounds["log-mels of 125 ms"].chance + 0.1
    assert sounds["c_t, shuffled labels"].value < sounds["log-mels of 25 ms"].value
    with pytest.raises(InputError, match="holds si_cpc; give weights of si_distill"):
        hearing.tables(corpus, tmp_path, distilled=str(stages.cpc))


def test_people_left_out_of_predictive_coding_are_in_no_part(corpus):
    person = corpus.people[0].id
    split = si_cpc.recipe(leave_out=f" {person},", validation=0.34).split(corpus)
    whole_split = si_cpc.recipe(validation=0.34).split(corpus)
    for part, every in zip(
        (split.train, split.validation), (whole_split.train, whole_split.validation), strict=True
    ):
        assert person not in part.people
        assert set(part.people) == set(every.people) - {person}
        assert set(corpus.person_of("clips")[part.clips].tolist()) <= set(part.people)
    with pytest.raises(InputError, match="--leave-out: names 'nobody', who is not in"):
        si_cpc.recipe(leave_out="nobody").split(corpus)

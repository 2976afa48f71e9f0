"""Speech2Video's second stage: its turns, what pushes what, its data, and a run that learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from corpus_media import synthetic_voice
from plain_speech_encoder import CONTEXT, EMOTION, IDENTITY, MAPS, PlainSpeechEncoder
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.models.speech2video import LossWeights, NetworkSizes, Speech2Video
from voiceface.models.speech_encoder import contexts_per_frame, extract_speech_features
from voiceface.models.sync_expert import SyncModel
from voiceface.models.talking_clips import ClipSampling, TalkingClips, clip_rate
from voiceface.nn.loss.adversarial import least_squares_discriminator

SMALL = NetworkSizes(size=32, width=4, identity_width=4, discriminator_width=4)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def small(weights=None, expert=None):
    return Speech2Video(
        speech=PlainSpeechEncoder(), sizes=SMALL, weights=weights or LossWeights(), expert=expert
    )


def batch(clips=3, moments=4, seed=0):
    random = torch.Generator().manual_seed(seed)
    return {
        "context": torch.randn(clips, moments, CONTEXT, generator=random),
        "identity": torch.randn(clips, IDENTITY, generator=random),
        "emotion": torch.randn(clips, EMOTION, generator=random),
        "frames": torch.randint(256, (clips, moments, 32, 32, 3), generator=random, dtype=torch.uint8),
        "maps": [
            torch.randn(clips, channels, side, side, generator=random)
            for channels, side in zip(MAPS, (4, 8, 16), strict=True)
        ],
    }


def losses_of_turns(model, data):
    shared = model.shared(data)
    return {turn.name: turn.loss(data, shared) for turn in model.turns()}


def test_each_discriminator_can_be_left_out():
    assert [turn.name for turn in small().turns()] == ["identity", "frames", "sync", "generator"]
    for name in ("identity", "frames", "sync"):
        model = small(LossWeights(**{name: 0.0}))
        assert name not in [turn.name for turn in model.turns()]
        assert name not in losses_of_turns(model, batch())["generator"]


def test_the_generators_loss_is_the_weighted_sum_of_its_terms():
    terms = LossWeights(identity=2.0, frames=3.0, sync=0.5, similarity=7.0, gradient=11.0, lower=13.0)
    told = losses_of_turns(small(terms), batch())["generator"]
    expected = sum(
        getattr(terms, name) * told[name]
        for name in ("identity", "frames", "sync", "similarity", "gradient", "lower")
    )
    torch.testing.assert_close(told["loss"], expected)


def test_the_sync_discriminator_sees_real_pairs_another_moments_sound_and_generated_frames():
    model, data = small(), batch()
    shared = model.shared(data)
    told = model.sync_discriminator_loss(data, shared)
    scores = {"real": [], "shifted": [], "fake": []}
    for clip in range(3):
        for moment in range(4):
            row, here = clip * 4 + moment, data["context"][clip, moment][None]
            elsewhere = data["context"][clip, (moment - 2) % 4][None]
            real, drawn = shared["real"][row][None], shared["generated"][row][None]
            scores["real"].append(model.sync_judge(real, here)[0])
            scores["shifted"].append(model.sync_judge(real, elsewhere)[0])
            scores["fake"].append(model.sync_judge(drawn, here)[0])
    made = [torch.cat(scores[name]) for name in ("real", "fake", "shifted")]
    # Spectral norm moves a little at every call while training.
    torch.testing.assert_close(told["loss"], least_squares_discriminator(*made), rtol=0.05, atol=0.05)
    # A constant no longer solves it, as it would the printed equation.
    assert least_squares_discriminator(torch.ones(3), torch.ones(3), torch.ones(3)) == 0.5


def test_a_turn_changes_its_own_parameters_alone():
    model, data = small(), batch()
    shared = model.shared(data)
    for turn in model.turns():
        inputs = [p for p in model.parameters() if p.requires_grad]
        found = torch.autograd.grad(
            turn.loss(data, shared)["loss"], inputs, allow_unused=True, retain_graph=True
        )
        reached = {id(p) for p, g in zip(inputs, found, strict=True) if g is not None and g.abs().max() > 0}
        own = {id(p) for p in turn.parameters}
        if turn.name == "generator":
            assert own <= reached
        else:
            assert reached <= own and len(reached) > len(own) / 2
    assert not any(p.requires_grad for p in model.hearing.parameters())


def test_an_expert_and_its_weight_come_together():
    expert = SyncModel(mean=[0.0] * 40, deviation=[1.0] * 40, width=4, dim=8)
    with pytest.raises(InputError, match="both or neither"):
        small(LossWeights(expert=1.0))
    with pytest.raises(InputError, match="both or neither"):
        small(expert=expert)
    model = small(LossWeights(expert=1.0), expert)
    with pytest.raises(InputError, match="too few"):
        losses_of_turns(model, batch() | {"mels": torch.randn(3, 16, 40)})
    data = batch(moments=8) | {"mels": torch.randn(3, 32, 40)}
    shared = model.shared(data)
    told = model.generator_loss(data, shared)
    (pushed,) = torch.autograd.grad(
        model._expert_loss(expert, data, shared["generated"]), shared["generated"], retain_graph=True
    )
    assert told["expert"] > 0 and pushed[:, :, 16:].abs().max() > 0
    assert pushed[:, :, :10].abs().max() == 0  # mouths alone


def test_contexts_at_the_frames_rate_of_a_slow_loop():
    contexts = torch.randn(101, 3)
    for fps, frames in ((25.0, 25), (30.0, 30), (29.97, 30)):
        found = contexts_per_frame(contexts, fps=fps, frames=frames, around=2)
        assert found.shape == (frames, 15)
        for k in (0, 1, 13, frames - 1):
            for place, neighbour in enumerate(range(k - 2, k + 3)):
                at = min(max(neighbour, 0), frames - 1)
                first, last = round(at * 100 / fps), round((at + 1) * 100 / fps)
                expected = contexts[first:last].mean(0)
                torch.testing.assert_close(found[k, 3 * place : 3 * place + 3], expected)
    # Sound that ends before the picture: its last moment stands on.
    short = contexts_per_frame(contexts[:7], fps=25.0, frames=4, around=0)
    torch.testing.assert_close(short[2:], contexts[6].expand(2, 3))


@pytest.fixture(scope="module")
def talkers(tiny_corpus):
    return tiny_corpus(people=3, voices=1, faces=1, clips=2)


def test_batches_are_a_function_of_the_step_and_their_parts_belong_together(talkers):
    whole = Selection.everything(talkers)
    assert clip_rate(whole) == 25.0
    data = TalkingClips(
        whole, PlainSpeechEncoder(), size=32, around=1, sampling=ClipSampling(clips=4, moments=6, seed=1)
    )
    one, same, other = data.batch(3), data.batch(3), data.batch(4)
    assert all(torch.equal(one[name], same[name]) for name in one if name != "maps")
    assert not torch.equal(one["frames"], other["frames"])
    assert one["context"].shape == (4, 6, 3 * CONTEXT)
    assert [known.shape[2] for known in one["maps"]] == [4, 8, 16]
    frames = [clip_frames(talkers, row, size=32) for row in range(6)]
    for clip in range(4):
        row = next(k for k in range(6) if (frames[k] == one["frames"][clip, 0].numpy()).all((1, 2, 3)).any())
        wave = torch.from_numpy(talkers.clip_wave(row).astype(np.float32) / 32768)
        features = extract_speech_features(
            PlainSpeechEncoder(), wave, fps=25.0, frames=len(frames[row]), around=1
        )
        torch.testing.assert_close(one["identity"][clip], features.identity, rtol=1e-3, atol=1e-4)
        for moment in range(6):
            at = np.flatnonzero((frames[row] == one["frames"][clip, moment].numpy()).all((1, 2, 3)))[0]
            torch.testing.assert_close(
                one["context"][clip, moment], features.context[at], rtol=1e-3, atol=1e-4
            )
        mine = [
            f[len(f) // 2]
            for k, f in enumerate(frames)
            if talkers.clips[k].person == talkers.clips[row].person
        ]
        maps = PlainSpeechEncoder().maps(torch.from_numpy(np.stack(mine)).permute(0, 3, 1, 2).float())[2]
        assert min((known - one["maps"][2][clip]).abs().max() for known in maps) < 1e-2


def test_stretches_forced_teachers_and_other_peoples_sound(talkers):
    whole = Selection.everything(talkers)
    sampling, options = ClipSampling(clips=6, moments=8, seed=1), {"size": 32, "around": 0}
    plain = TalkingClips(whole, PlainSpeechEncoder(), sampling=sampling, **options)
    forced = replace(sampling, consecutive=True, forcing=1.0)
    data = TalkingClips(whole, PlainSpeechEncoder(), sampling=forced, **options).batch(0)
    assert data["mels"].shape == (6, 32, 40)
    frames = [clip_frames(talkers, row, size=32) for row in range(6)]
    for clip in range(6):
        row = next(k for k in range(6) if (frames[k] == data["frames"][clip, 0].numpy()).all((1, 2, 3)).any())
        taught = torch.from_numpy(frames[row][0]).float().mean((0, 1)) / 255
        torch.testing.assert_close(data["identity"][clip], taught)
    wrong = TalkingClips(whole, PlainSpeechEncoder(), sampling=replace(sampling, wrong_sound=True), **options)
    for k, person in enumerate(plain.people):
        whose = [
            plain.people[j]
            for j in range(6)
            if torch.equal(wrong.features[k].identity, plain.features[j].identity)
        ]
        assert whose and person not in whose
    with pytest.raises(InputError, match="0 clips of at least 200 frames"):
        TalkingClips(whole, PlainSpeechEncoder(), sampling=ClipSampling(moments=200), **options)


def test_it_learns_frames_from_speech_features():
    """Frames whose rows are as bright as what is heard: the pixel losses fall in a few steps."""
    model = small(LossWeights(identity=0.0, frames=0.0, sync=0.0, lower=100.0))
    data = batch(clips=4, moments=6)
    loud = torch.rand(4, 6, 1)
    data["context"] = torch.cat([loud, loud, 1 - loud, loud], 2)
    data["frames"] = (loud * 255)[..., None, None].expand(-1, -1, 32, 32, 3).to(torch.uint8)
    (turn,) = model.turns()
    optimiser = torch.optim.RMSprop(turn.parameters, 1e-3)
    losses = []
    for _ in range(40):
        loss = turn.loss(data, model.shared(data))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.6 * losses[0]
    model.eval()
    generated = model.generate_frames(
        data["context"][0], data["emotion"][0], model.inflation(data["identity"][:1])
    )
    assert generated.shape == (6, 32, 32, 3) and generated.dtype == torch.uint8
    together = np.corrcoef(generated.float().mean((1, 2, 3)).numpy(), loud[0, :, 0].numpy())[0, 1]
    assert together > 0.8


def test_features_of_a_short_voice():
    features = extract_speech_features(
        PlainSpeechEncoder(), torch.from_numpy(synthetic_voice(0, 0.5)), fps=25.0, frames=13, around=0
    )
    assert features.context.shape == (13, CONTEXT)

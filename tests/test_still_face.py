"""A still face that talks: warping, speech features, training; frames do not depend on how sound is cut."""

import numpy as np
import pytest
import torch
from PIL import Image

from draw_face import draw_face
from generating_models import speech_like_wave
from voiceface.errors import InputError
from voiceface.face.mouth import crop_mouths_by_template
from voiceface.models.block_talking_face import HOP, PAD
from voiceface.models.idle_motion import IdleMotion
from voiceface.models.still_face import LossWeights, StillFaceModel, mouth_crops, signed
from voiceface.models.still_face_clips import AnimationClip, LowerFaceClips
from voiceface.models.still_face_talking import lower_half
from voiceface.models.sync_expert import SyncModel
from voiceface.models.talking_face import Speaker, frame_count
from voiceface.nn.face.mouth_animation import MotionNet, MouthGenerator, warp
from voiceface.recipes import vougioukas_sda as recipe

FACTS = {"mean": [0.0] * 40, "deviation": [1.0] * 40}
SIZE = 32


def small(seed=0, *, lively=True, **options):
    """An animation that has learnt nothing but, where lively, moves a lot."""
    torch.manual_seed(seed)
    expert = SyncModel(**FACTS, width=4, dim=8, size=48)
    made = StillFaceModel(expert=expert, size=SIZE, motion=4, width=4, **options)
    for layer in (made.painter.flow, made.painter.last) if lively else ():
        torch.nn.init.normal_(layer.weight, std=0.5)
    return made.eval()


def face(seed=1, size=SIZE):
    return np.asarray(draw_face(seed, size))


def talk(model, wave, cuts, **speaker):
    talking = model.talk(Speaker(wave=wave, **({"face": face(), "seed": 3} | speaker)))
    parts = [talking.feed(part) for part in np.split(wave, cuts)]
    return np.concatenate([*parts, talking.close()])


def test_warping_takes_pixels_from_where_the_flow_points():
    random = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 2, 5, 6, generator=random)
    flow = 0.3 * torch.randn(1, 2, 5, 6, generator=random)
    found = warp(picture, flow)
    for y in range(5):
        for x in range(6):
            # Where it comes from, in pixels, kept within the picture.
            across = min(max(x + 6 * float(flow[0, 0, y, x]), 0), 5)
            down = min(max(y + 5 * float(flow[0, 1, y, x]), 0), 4)
            left, top = min(int(across), 4), min(int(down), 3)
            u, v = across - left, down - top
            corners = picture[0, :, top : top + 2, left : left + 2]
            rows = corners[:, 0] * (1 - v) + corners[:, 1] * v
            torch.testing.assert_close(found[0, :, y, x], rows[:, 0] * (1 - u) + rows[:, 1] * u)


def test_the_edge_of_the_still_stays_and_its_middle_moves():
    model, still = small(), signed(torch.from_numpy(face(1, 16).copy())).permute(2, 0, 1)[None]
    drawn, painted = model.painter(model.painter.encode(still), torch.randn(1, 4))
    edge = torch.ones(16, 16, dtype=torch.bool)
    edge[1:-1, 1:-1] = False
    torch.testing.assert_close(drawn[..., edge], still[..., edge])
    assert (drawn - still)[..., 4:12, 4:12].abs().mean() > 0.02 and painted[..., edge].abs().max() == 0


def test_in_silence_every_motion_is_the_rest():
    net = MotionNet(features=6, motion=3)
    torch.nn.init.normal_(net.rest)
    features = torch.randn(4, 6)
    quiet, loud = net(features, torch.zeros(4)), net(features, torch.ones(4))
    assert torch.equal(quiet, net.rest.expand(4, 3)) and loud.std(0).min() > 0
    torch.testing.assert_close(net(features, torch.full((4,), 0.25)), 0.75 * quiet + 0.25 * loud)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_mouths_of_lower_halves_are_the_whole_pictures_mouths(size):
    random = np.random.default_rng(size)
    coarse = Image.fromarray(random.integers(0, 255, (10, 10, 3)).astype(np.uint8))
    whole = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))
    rows, columns = lower_half(size)
    half = signed(torch.from_numpy(whole[rows, columns].copy())).permute(2, 0, 1)[None]
    cut, expected = (
        mouth_crops(half)[0],
        crop_mouths_by_template(whole[None], template="head")[0].astype(float),
    )
    # Bilinear against Pillow's bicubic.
    assert np.abs(cut.numpy() - expected).mean() < 0.02 * 255
    assert np.corrcoef(cut.numpy().ravel(), expected.ravel())[0, 1] > 0.985
    moved = mouth_crops(half.roll(size // 16, 3))[0].numpy()
    assert np.abs(moved - expected).mean() > 2 * np.abs(cut.numpy() - expected).mean()


def test_speech_features_of_a_frame_depend_on_its_neighbourhood_alone():
    model = small()
    wave = torch.from_numpy(speech_like_wave(1, 2.0))
    wave = wave / wave.square().mean().sqrt()
    whole, loud = model.speech_features(wave[: 40 * HOP])
    assert whole.shape == (28, 3 * 8 + 12 * 40) and loud.shape == (28,)
    part, loud_part = model.speech_features(wave[10 * HOP : 30 * HOP])
    torch.testing.assert_close(part, whole[10:18], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(loud_part, loud[10:18])
    # Sound outside of what PAD allows for changes nothing; sound within does.
    far, near = wave.clone(), wave.clone()
    far[: 10 * HOP] = 0
    near[15 * HOP : 17 * HOP] = 0
    torch.testing.assert_close(
        model.speech_features(far[: 40 * HOP])[0][10:], whole[10:], atol=1e-4, rtol=1e-4
    )
    assert (model.speech_features(near[: 40 * HOP])[0][10] - whole[10]).abs().max() > 0.1


@pytest.mark.parametrize("samples", [20_000, 16_000, 3_000, 640 * 24 + 1])
def test_frames_are_the_same_bytes_however_the_sound_is_cut(samples):
    model, wave = small(), speech_like_wave(2, 2.0)[:samples]
    whole = talk(model, wave, [])
    assert whole.shape == (frame_count(samples, 25.0), SIZE, SIZE, 3) and whole.dtype == np.uint8
    assert np.diff(whole[:, 20:28, 10:22].astype(int), axis=0).any()
    random = np.random.default_rng(samples)
    for cuts in (range(700, samples, 700), sorted(random.integers(0, samples, 5).tolist()), [samples // 2]):
        assert np.array_equal(talk(model, wave, list(cuts)), whole)


def test_nothing_drifts_and_another_seed_blinks_elsewhere():
    model, period = small(), speech_like_wave(3, 8 * HOP / 16_000)
    wave = np.tile(period, 40)
    still = talk(small(idle=0.0), wave, [])
    # Away from the ends the same sound gives the same eight frames, the hundredth time as the second.
    assert np.array_equal(still[16:24], still[-24:-16]) and not np.array_equal(still[16], still[17])
    one, again, other = (talk(model, wave, [], seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_silence_is_a_face_at_rest():
    drawn = talk(small(idle=0.0), np.zeros(32_000, np.float32), [])
    assert len(drawn) == 50 and (drawn == drawn[0]).all()


def test_idle_heads_blink_now_and_then_and_stay_near():
    frames = np.arange(25 * 120)
    idle = IdleMotion(seed=4)
    shut, sway = idle.lids(frames), idle.sway(frames)
    begins = np.flatnonzero((shut[1:] > 0.01) & (shut[:-1] <= 0.01))
    assert len(begins) == 30 and shut.max() == 1 and 0.02 < (shut > 0.5).mean() < 0.1
    assert np.diff(begins).min() > 10 and np.abs(sway).max() <= 0.02
    assert np.abs(np.diff(sway, axis=0)).max() < 0.003
    at = [5, 77, 2000]
    assert np.array_equal(idle.lids(np.array(at)), shut[at]) and np.array_equal(
        idle.sway(np.array(at)), sway[at]
    )
    assert not IdleMotion(seed=4, strength=0.0).sway(frames).any()


@pytest.mark.parametrize(("given", "fault"), [(None, "missing"), (face(1, 64), r"\(64, 64, 3\)")])
def test_without_a_face_of_its_size_it_does_not_talk(given, fault):
    with pytest.raises(InputError, match=fault):
        small().talk(Speaker(wave=speech_like_wave(1, 1.0), face=given))
    with pytest.raises(InputError, match="no samples"):
        small().talk(Speaker(wave=speech_like_wave(1, 1.0), face=face())).close()


def clips(model, count=3, frames=16):
    """Clips whose mouth is a dark bar as tall as the sound is loud."""
    made = []
    for seed in range(count):
        wave = torch.from_numpy(speech_like_wave(seed, frames / 25))
        level = wave.reshape(frames, HOP).square().mean(1).sqrt()
        pictures = torch.from_numpy(face(seed, 16).copy()).permute(2, 0, 1).repeat(frames, 1, 1, 1)
        for at, tall in enumerate((4 * level / level.max()).round().int().tolist()):
            pictures[at, :, 9 : 9 + tall, 5:11] = 10
        made.append(AnimationClip(f"p{seed}", pictures, wave, model))
    return made


def data(monkeypatch, model, **options):
    from voiceface.models import still_face_clips

    monkeypatch.setattr(still_face_clips, "animation_clips", lambda *a, **o: clips(model))
    settings = {"clips": 2, "moments": 6, "augment": 1.0, "seed": 5} | options
    return LowerFaceClips(None, model, **settings)


def test_a_batch_is_a_function_of_the_step_and_stills_are_augmented_as_their_frames(monkeypatch):
    model = small()
    stretches = data(monkeypatch, model)
    one, again, other = stretches.batch(7), stretches.batch(7), stretches.batch(8)
    assert all(torch.equal(one[k], again[k]) for k in one) and not torch.equal(one["frames"], other["frames"])
    assert one["frames"].shape == (2, 6, 3, 16, 16) and one["sounds"].shape == (2, 2, 8)
    # The brow above the mouth is the still's, whatever was done to both.
    apart = (one["frames"][:, :, :, :5].float() - one["stills"][:, None, :, :5]).abs().mean()
    assert apart < 1.0
    wrong = data(monkeypatch, model, wrong_sound=True)
    assert wrong.sound_of == [1, 2, 0] and stretches.sound_of == [0, 1, 2]


def test_it_learns_to_open_the_mouth_where_it_is_loud(monkeypatch):
    model = small(lively=False, weights=LossWeights(judge=0.0)).train()
    stretches = data(monkeypatch, model, augment=0.0)
    (turn,) = model.turns()
    optimiser = torch.optim.Adam(turn.parameters, lr=5e-3)
    losses = []
    for step in range(60):
        batch = stretches.batch(step % 4)
        loss = turn.loss(batch, model.shared(batch))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4]), (losses[:4], losses[-4:])
    assert all(p.grad is None for p in model.expert.parameters()), "the expert stays as it was"


def test_the_discriminator_is_left_out_where_its_weight_is_0(monkeypatch):
    model = small()
    assert [turn.name for turn in model.turns()] == ["discriminator", "generator"]
    batch = data(monkeypatch, model).batch(0)
    shared = model.shared(batch)
    told = [turn.loss(batch, shared) for turn in model.turns()]
    assert set(told[1]) == {"loss", "pixels", "gradient", "inpaint", "lips", "sync", "adversarial"}
    assert not any(name.startswith("judge.") for name in model.weights())
    assert recipe.recipe(adversarial=0.0).optimisers.keys() == {"generator"}
    with pytest.raises(InputError, match="size"):
        StillFaceModel(expert=model.expert, size=100)


def test_pad_covers_all_sound_that_a_frame_depends_on():
    assert PAD >= 6  # windows of five frames two frames away, and a spectrum's half window


def test_generators_of_every_size_start_from_the_still():
    for size in (16, 64):
        painter = MouthGenerator(size=size)
        still = torch.rand(1, 3, size, size) * 2 - 1
        drawn, painted = painter(painter.encode(still), torch.zeros(1, 32))
        assert painted.max() < 0.2 and (drawn - still).abs().mean() < 0.1

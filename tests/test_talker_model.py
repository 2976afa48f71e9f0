"""The mesh talker: what moves and what stays, lips and lids, sound in any pieces, motion of clips."""

import numpy as np
import pytest
import torch

from generating_models import speech_like_wave
from voiceface.audio.motion_mel import BANDS, FLOOR, motion_mel, speech_spectrum
from voiceface.errors import InputError
from voiceface.models.clip_motion import _at_25_frames, mesh_motion
from voiceface.models.idle_motion import IdleMotion
from voiceface.models.talker import TalkerModel, TalkingMotion, canonical_points
from voiceface.models.talking_face import Speaker, frame_count
from voiceface.models.talking_windows import TalkingWindows, alter_voices, speech_closures
from voiceface.models.triangulate import triangulate
from voiceface.nn.face.eyelids import LIDS, draw_lashes, widen_eyes
from voiceface.nn.face.mesh_animation import SKIN_POINTS, MeshAnimation, upright_shape
from voiceface.nn.face.mouth_interior import MouthInterior
from voiceface.nn.face.teeth_light import FaceLight
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.weights import load_model

UPPER, LOWER, EYE = 13, 14, (159, 145)


@pytest.fixture(scope="module")
def talker():
    return load_model("talker").model


@pytest.fixture(scope="module")
def face():
    wave = speech_like_wave(1, 2.0)
    return np.asarray(Imaginer.load()((wave, 16000), force=True)[0].convert("RGB"))


def animation(talker, *, side=160, angle=0.0):
    """A picture of coloured waves with the mean face's mesh in its middle, turned by an angle."""
    x, y = np.meshgrid(np.arange(side + 40), np.arange(side))
    waves = [np.sin(x / 3 + k) * np.cos(y / (4 + k)) for k in range(3)]
    picture = (127 + 100 * np.stack(waves, -1)).astype(np.uint8)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    rest = talker.get_buffer("rest").double().numpy()
    points = np.array([side / 2 + 20, side / 2 - 10]) + side / 5 * rest @ turn
    return picture, MeshAnimation(picture, points, talker.get_buffer("triangles"))


STILL = {"sway": np.zeros((1, 3)), "lids": np.zeros(1), "brows": np.zeros(1)}


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_without_motion_the_photograph_stays_as_it_is(talker, angle):
    picture, moved = animation(talker, angle=angle)
    frame = moved.frames(np.zeros((1, SKIN_POINTS, 2)), **STILL)[0]
    assert np.abs(frame.astype(int) - picture).max() <= 2


def test_speech_moves_the_mouth_and_leaves_the_surroundings_alone(talker):
    picture, moved = animation(talker)
    motion = np.zeros((1, SKIN_POINTS, 2))
    low = talker.get_buffer("rest")[:, 1].numpy() > 0.9
    motion[0, low, 1] = 0.3
    frame = moved.frames(motion, **STILL)[0]
    changed = np.abs(frame.astype(int) - picture).max(axis=2) > 3
    x, y = np.meshgrid(np.arange(picture.shape[1]), np.arange(picture.shape[0]))
    from_face = np.hypot(x - 100, (y - 70 - 32) / 1.2) / (160 / 5)
    assert changed[from_face < 0.8].mean() > 0.2 and not changed[from_face > 2.1].any()


def test_lips_never_cross_and_a_closed_lid_meets_the_lower_one(talker):
    _, moved = animation(talker)
    motion = np.zeros((SKIN_POINTS, 2))
    motion[UPPER, 1], motion[LOWER, 1] = 0.2, -0.2
    shape = moved._talking(motion, 1.0, 0.0)
    assert shape[UPPER, 1] <= shape[LOWER, 1] + 1e-9
    assert np.allclose(shape[EYE[0]], shape[EYE[1]])
    assert not np.allclose(moved.shape[EYE[0]], moved.shape[EYE[1]])


def test_a_mouth_that_is_open_in_the_photograph_keeps_its_own_teeth(talker):
    closed = talker.get_buffer("rest").double().numpy()
    opened = closed + 0.2 * talker._opening()
    middle = (opened[[UPPER]] + opened[[LOWER]]) / 2
    own = np.array([[10.0, 200.0, 10.0]])
    light = FaceLight(cheeks=np.full(3, 150.0), whites=np.full(3, 120.0), eyes=50.0)
    colours, within = MouthInterior(opened, closed, light=light).colours(middle, opened, own)
    assert np.allclose(colours, own) and within[0] > 0.05
    colours, _ = MouthInterior(closed, closed, light=light).colours(middle, opened, own)
    assert np.abs(colours - own).max() > 50
    _, within = MouthInterior(opened, closed, light=light).colours(closed[[152]], opened, own)
    assert within[0] < 0


def test_lips_that_hardly_part_stay_together(talker):
    _, moved = animation(talker)
    motion = np.zeros((SKIN_POINTS, 2))
    gap = moved.shape[LOWER, 1] - moved.shape[UPPER, 1]
    for wanted, left in ((0.015, 0.0), (0.04, 0.02), (0.2, 0.2)):
        motion[LOWER, 1] = wanted - gap
        shape = moved._talking(motion, 0.0, 0.0)
        assert shape[LOWER, 1] - shape[UPPER, 1] == pytest.approx(left, abs=1e-6)


def test_of_a_closed_eye_nothing_is_seen_though_the_mesh_is_a_pixel_off(talker):
    picture, moved = animation(talker, side=320)
    picture[:] = (150, 110, 90)
    eyes = [*lash_points(moved, "upper"), *lash_points(moved, "lower")]
    x, y = np.meshgrid(np.arange(picture.shape[1]), np.arange(picture.shape[0]))
    for upper, lower in zip(eyes[:2], eyes[2:], strict=True):
        top, bottom = (np.interp(x[0], *line[line[:, 0].argsort()].T) for line in (upper, lower))
        inside = (x > upper[:, 0].min()) & (x < upper[:, 0].max())
        picture[inside & (y > top - 1) & (y < bottom + 1)] = 255
    rest = talker.get_buffer("rest").double().numpy()
    points = np.array([180.0, 150.0]) + 64 * rest
    moved = MeshAnimation(picture, points, talker.get_buffer("triangles"))
    motion = np.zeros((1, SKIN_POINTS, 2))
    opened, closed = (moved.frames(motion, **STILL | {"lids": np.array([lid])})[0] for lid in (0.0, 1.0))
    assert (opened.min(axis=2) > 200).sum() > 300
    assert (closed.min(axis=2) > 200).sum() < 0.1 * (opened.min(axis=2) > 200).sum()


def lash_points(moved, name):
    """One row of lid points (7, 2) in pixels of each eye, where the mesh itself has them."""
    shift = {"upper": 0.035, "lower": -0.02}[name]
    return [moved._in_picture(moved.shape[list(getattr(lids, name))] + [0, shift]) for lids in LIDS]


def test_lids_begin_a_little_outside_the_eye(talker):
    shape = talker.get_buffer("rest").double().numpy()
    wide = shape.copy()
    widen_eyes(wide)
    upper, lower = ([point for lids in LIDS for point in getattr(lids, name)] for name in ("upper", "lower"))
    assert (wide - shape)[upper, 1] == pytest.approx(-0.035) and (wide - shape)[lower, 1] == pytest.approx(
        0.02
    )
    others = np.delete(wide - shape, upper + lower, axis=0)
    assert not others.any() and not (wide - shape)[:, 0].any()


def test_a_lid_that_closes_brings_the_skin_of_its_fold_and_is_stretched_little(talker):
    _, moved = animation(talker)
    opened, closed = (moved._talking(np.zeros((SKIN_POINTS, 2)), lid, 0.0) for lid in (0.0, 1.0))
    for lids in LIDS:
        upper, fold = list(lids.upper[2:5]), list(lids.fold[2:5])
        skin = [(shape[upper, 1] - shape[fold, 1]).mean() for shape in (opened, closed)]
        assert 1 < skin[1] / skin[0] < 2.2
        brow = shape_above(opened, closed, lids)
        assert brow == pytest.approx(0), "the brow stays"


def shape_above(opened, closed, lids):
    """How far the points of the brow above the eye of these lids move."""
    brow = [105, 66, 63] if lids is LIDS[0] else [334, 296, 293]
    return np.abs(closed - opened)[brow].max()


def test_lashes_are_drawn_along_the_line_and_nowhere_else():
    square = np.full((40, 60, 3), 100, np.float32)
    line = np.array([[10.0, 20.0], [30.0, 24.0], [50.0, 20.0]])
    colours = np.array([[0.0, 0, 0], [40, 40, 40], [0, 0, 0]])
    draw_lashes(square, line, colours, 0.4, eyes=60.0)
    assert (square == 100).all(), "lids are not yet closed"
    draw_lashes(square, line, colours, 1.0, eyes=60.0)
    assert square[23, 30, 0] == pytest.approx(40, abs=3) and square[21, 20, 0] < 40
    assert (square[:17] == 100).all() and (square[28:] == 100).all() and (square[:, :7] == 100).all()


def test_a_raised_brow_goes_up_and_nothing_else_does(talker):
    _, moved = animation(talker)
    still, raised = (moved._talking(np.zeros((SKIN_POINTS, 2)), 0.0, height) for height in (0.0, 1.0))
    up = still[:, 1] - raised[:, 1]
    assert up[[105, 334]] == pytest.approx(0.05) and up[[152, UPPER, 33, 10]] == pytest.approx(0)
    assert (up >= 0).all() and (up > 0).sum() < 40


def test_blinks_and_brows_are_seeded_events_of_their_own_length():
    idle, frames = IdleMotion(seed=3), np.arange(25 * 60)
    lids, brows = idle.lids(frames), idle.brows(frames)
    blinks = (np.diff((lids > 0.5).astype(int)) == 1).sum()
    assert blinks == 15 and lids.max() == 1 and (lids > 0.01).mean() < 0.1
    peaks = brows.reshape(-1, 75).max(axis=1)  # of every three seconds
    assert 0.1 < (brows > 0.01).mean() < 0.5 and peaks.min() < 0.4 and 0.6 < peaks.max() <= 1
    assert np.array_equal(idle.brows(frames[700:710]), brows[700:710])
    assert not np.array_equal(IdleMotion(seed=4).brows(frames), brows)
    assert not IdleMotion(seed=3, strength=0).brows(frames).any()


def test_an_open_mouth_shows_teeth_above_the_dark(talker):
    _, moved = animation(talker, side=320)
    motion = np.zeros((1, SKIN_POINTS, 2))
    lower = [95, 88, 178, 87, 14, 317, 402, 318, 324]
    motion[0, lower, 1] = 0.35
    frame = moved.frames(motion, **STILL)[0].astype(float)
    top, bottom = (moved._in_picture(moved.shape[[point]] + motion[0, [point]])[0] for point in (13, 14))
    column = round(float(top[0]))
    teeth = frame[round(float(top[1])) + 3, column].mean()
    dark = frame[round(float(top[1] + 0.6 * (bottom[1] - top[1]))), column].mean()
    assert teeth > dark + 40


def test_frames_do_not_depend_on_how_the_sound_is_cut(talker, face):
    wave = speech_like_wave(2, 1.5)
    speaker = Speaker(wave=wave, face=face, seed=3)
    whole = talker.talk(speaker)
    expected = np.concatenate([whole.feed(wave), whole.close()])
    cut = talker.talk(speaker)
    parts = [cut.feed(part) for part in np.split(wave, [1, 700, 5000, 5001, 17000])]
    assert np.array_equal(expected, np.concatenate([*parts, cut.close()]))
    assert expected.shape == (frame_count(len(wave), 25.0), 256, 256, 3)


def test_silence_keeps_the_mouth_closed_and_speech_opens_it(talker):
    rest = talker.get_buffer("rest")
    gap = rest[LOWER] - rest[UPPER]

    def opening(mels):
        with torch.no_grad():
            motion = talker.motion(mels)
        return (gap + motion[:, LOWER] - motion[:, UPPER])[:, 1]

    wave = torch.from_numpy(speech_like_wave(1, 3.0))
    spoken = opening(motion_mel(wave, speech_spectrum(wave)))[10:60]
    assert float(opening(torch.full((200, BANDS), FLOOR)).max()) < 0.05 < float(spoken.max())


def test_level_and_channel_do_not_count(talker):
    time = torch.arange(48000) / 16000
    noise = torch.randn(48000, generator=torch.Generator().manual_seed(0))
    wave = 0.2 * noise * (1.1 + torch.sin(9 * time))  # it has every frequency
    mels = motion_mel(wave, speech_spectrum(wave))
    quiet = motion_mel(wave / 20, speech_spectrum(wave / 20))
    loud = mels > FLOOR + 2
    assert (mels - quiet)[loud].abs().max() < 0.05
    bright = torch.nn.functional.pad(wave[1:] - 0.6 * wave[:-1], (0, 1))
    other = motion_mel(bright, speech_spectrum(bright))
    level = speech_spectrum(wave)._replace(mean=torch.zeros(BANDS))
    assert (mels - other)[loud].abs().mean() < 0.6 * (motion_mel(wave, level) - motion_mel(bright, level))[
        loud
    ].abs().mean()
    none = torch.zeros(16000)
    assert torch.equal(motion_mel(none, speech_spectrum(wave)).unique(), torch.tensor([FLOOR]))


def test_motion_is_free_of_the_heads_own(talker):
    """A head that turns, nods, comes nearer and says nothing does not move its mouth."""
    rest = talker.get_buffer("rest").double().numpy()
    frames = []
    for time in range(20):
        squeezed = rest * [1 - 0.02 * np.sin(time / 3), 1 - 0.01 * np.cos(time / 4)]
        angle = 0.1 * np.sin(time / 5)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        frames.append(np.pad(40 * squeezed @ turn + [100 + time, 90], ((0, 10), (0, 0))))
    motion, closed = mesh_motion(np.stack(frames))
    assert np.abs(motion).max() < 1e-9
    shape, _, _ = upright_shape(rest)
    assert np.abs(closed - shape).max() < 0.1


def random_clip(frames, *, seed=0):
    """A clip whose chin follows one band of its sound."""
    random = torch.Generator().manual_seed(seed)
    rest = load_model("talker").model.get_buffer("rest")
    mels = torch.randn(frames, BANDS, generator=random).repeat_interleave(4, 0)
    low = rest[:, 1] > rest[2, 1] + 0.2
    motion = torch.zeros(frames, SKIN_POINTS, 2)
    motion[:, low, 1] = 0.1 * mels[::4, 7, None]
    opening = motion[:, LOWER, 1].clamp_min(0)
    return TalkingMotion(motion=motion, opening=opening, mels=mels, rest=rest)


def small_talker(clips, **options):
    rest = clips[0].rest.double().numpy()
    triangles = triangulate(torch.from_numpy(canonical_points(rest)))
    model = TalkerModel(triangles=len(triangles), components=2, width=16, **options)
    model.start(clips, triangles)
    return model


def test_training_finds_the_motion_that_sound_decides_and_gain_enlarges_it():
    torch.manual_seed(0)
    clips = [random_clip(80, seed=seed) for seed in range(4)]
    model = small_talker(clips)
    optimiser = torch.optim.AdamW(model.network.parameters(), 5e-3)
    mels, motion = (torch.stack([getattr(clip, name) for clip in clips]) for name in ("mels", "motion"))
    batch = {"mels": mels, "motion": motion, "weights": torch.ones(4, 80)}
    for _ in range(150):
        optimiser.zero_grad()
        model.loss(batch, {})["loss"].backward()
        optimiser.step()
    new = random_clip(80, seed=9)
    with torch.no_grad():
        found = model.eval().motion(new.mels)
        model.gain = 1.5
        larger = model.motion(new.mels)
    assert np.corrcoef(found[:, LOWER, 1], new.motion[:, LOWER, 1])[0, 1] > 0.9
    assert torch.allclose(larger, 1.5 * found, atol=1e-5)


def test_only_weighed_frames_are_learnt_and_components_weigh_by_what_they_move():
    clips = [random_clip(32)]
    model = small_talker(clips).eval()
    batch = {"mels": clips[0].mels[None], "motion": clips[0].motion[None], "weights": torch.zeros(1, 32)}
    assert float(model.loss(batch, {})["loss"].detach()) == 0
    batch["weights"][0, 5] = 2.0
    with torch.no_grad():
        wanted = (model._moving(clips[0].motion[5]) @ model.get_buffer("basis").T).sub(
            model.get_buffer("motion_mean")
        ) / model.get_buffer("motion_scale")
        found = model.network(batch["mels"])[0, 5]
        scale = model.get_buffer("motion_scale")
        by_hand = sum(float((found[k] - wanted[k]) ** 2 * scale[k] / scale.max()) for k in range(2)) / 2
    assert float(model.loss(batch, {})["loss"].detach()) == pytest.approx(2 * by_hand / 32, rel=1e-4)


def test_a_frame_depends_on_a_quarter_of_a_second_of_sound(talker):
    mels = torch.randn(160, BANDS, generator=torch.Generator().manual_seed(1))
    changed = mels.clone()
    changed[80] += 5
    with torch.no_grad():
        moved = (talker.motion(changed) - talker.motion(mels)).abs().amax((1, 2))
    assert (moved > 0)[15:26].any() and not (moved > 0)[:14].any() and not (moved > 0)[27:].any()


def test_windows_are_a_function_of_the_step_and_pad_short_clips_without_weight():
    clips = [random_clip(20, seed=1), random_clip(60, seed=2)]
    windows = TalkingWindows(clips, frames=32, batch_size=6, closure=3.0, seed=5)
    one, again, other = windows.batch(3), windows.batch(3), windows.batch(4)
    assert all(torch.equal(one[key], again[key]) for key in one) and not torch.equal(
        one["mels"], other["mels"]
    )
    assert one["mels"].shape == (6, 128, BANDS) and one["motion"].shape == (6, 32, SKIN_POINTS, 2)
    short = one["weights"][:, 20:].sum(1) == 0
    assert short.any() and not short.all()
    assert (one["motion"][short][:, 20:] == 0).all()
    for window, weights in zip(one["motion"], one["weights"], strict=True):
        opening = window[:, LOWER, 1].clamp_min(0)[weights > 0]
        assert torch.equal(weights[weights > 0], 1 + 3 * speech_closures(opening))


def test_closures_are_of_mouths_that_speak():
    opening = torch.tensor([0.0] * 10 + [0.1, 0.1, 0.02, 0.1, 0.05] + [0.0] * 10)
    assert speech_closures(opening).tolist() == [0.0] * 5 + [1] * 5 + [0, 0, 1, 0, 0] + [1] * 4 + [0.0] * 6


def test_altered_voices_keep_their_rhythm_and_no_two_are_alike():
    mels = torch.full((40, 200, BANDS), -1.0)
    mels[:, 100:] = FLOOR
    altered = alter_voices(mels, torch.Generator().manual_seed(2))
    assert altered.min() >= FLOOR and altered.shape == mels.shape
    loud = altered.mean(2)
    assert (loud[:, :100].mean(1) > loud[:, 100:].mean(1) + 1).all()
    assert len({round(float(one), 3) for one in loud[:, 0]}) == 40


def test_motion_of_any_frame_rate_is_put_on_25_frames_a_second():
    times = np.delete(np.arange(90) / 29.97, [3, 4, 40])
    motion = np.sin(3 * times)[:, None, None] * np.ones((1, SKIN_POINTS, 2))
    found = _at_25_frames(motion, times)
    assert len(found) == int(times[-1] * 25) + 1
    assert np.allclose(found[:, 0, 0], np.sin(3 * np.arange(len(found)) / 25), atol=0.02)


def test_faces_that_cannot_be_animated_are_refused(talker, face):
    wave = speech_like_wave(1, 1.0)
    with pytest.raises(InputError, match="is missing"):
        talker.talk(Speaker(wave=wave))
    with pytest.raises(InputError, match="the picture"):
        talker.talk(Speaker(wave=wave, face=np.full((256, 256, 3), 90, np.uint8)))
    small = np.full((256, 256, 3), 90, np.uint8)
    small[:50, :50] = face[3:253:5, 3:253:5]
    points = np.array([(34, 20), (28, 20), (15, 20), (21, 20), (25, 30)], np.float32)
    with pytest.raises(InputError, match="pixels between the eyes|the picture"):
        talker.talk(Speaker(wave=wave, face=small, landmarks=points))

"""The mesh talker: what moves and what stays, lips and lids, sound in any pieces, motion of clips."""

import numpy as np
import pytest
import torch

from generating_models import speech_like_wave
from voiceface.audio.motion_mel import BANDS, FLOOR, motion_mel, speech_spectrum
from voiceface.errors import InputError
from voiceface.models.clip_motion import mesh_motion
from voiceface.models.talker import CONTEXT, TalkerModel, TalkingMotion, canonical_points, sound_around
from voiceface.models.talking_face import Speaker, frame_count
from voiceface.models.triangulate import triangulate
from voiceface.nn.face.mesh_animation import SKIN_POINTS, MeshAnimation, upright_shape
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.weights import load_model

UPPER, LOWER, LIDS = 13, 14, (159, 145)


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


STILL = {"sway": np.zeros((1, 3)), "lids": np.zeros(1)}


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
    shape = moved._moved(motion, np.zeros(3), 1.0)
    assert shape[UPPER, 1] <= shape[LOWER, 1] + 1e-9
    assert np.allclose(shape[LIDS[0]], shape[LIDS[1]])
    assert not np.allclose(moved.shape[LIDS[0]], moved.shape[LIDS[1]])


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
    silent = torch.full((1, CONTEXT), FLOOR)
    rest = talker.get_buffer("rest")
    gap = rest[LOWER] - rest[UPPER]

    def opening(sound):
        motion = talker.motion(sound)
        return (gap + motion[:, LOWER] - motion[:, UPPER])[:, 1]

    wave = torch.from_numpy(speech_like_wave(1, 3.0))
    spectrum = speech_spectrum(wave)
    spoken = opening(sound_around(motion_mel(wave, spectrum), torch.arange(10, 60) / 25))
    assert float(opening(silent)) < 0.04 < float(spoken.max())


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


def test_the_fit_finds_the_motion_that_sound_decides():
    random = np.random.default_rng(0)
    rest = load_model("talker").model.get_buffer("rest")
    sound = torch.from_numpy(random.normal(size=(400, CONTEXT))).float()
    drive = sound[:, 7]
    low = rest[:, 1] > rest[2, 1] + 0.2
    motion = torch.zeros(400, SKIN_POINTS, 2)
    motion[:, low, 1] = 0.1 * drive[:, None]
    triangles = triangulate(torch.from_numpy(canonical_points(rest.double().numpy())))
    model = TalkerModel(triangles=len(triangles), components=2)
    model.start(TalkingMotion(motion, sound, rest), triangles, ridge=1e-4, gain=1.0)
    assert torch.allclose(model.motion(sound)[:, low], motion[:, low], atol=0.02)
    model.start(TalkingMotion(motion, sound, rest), triangles, ridge=1e-4, gain=1.5)
    assert torch.allclose(model.motion(sound)[:, low], 1.5 * motion[:, low], atol=0.03)


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

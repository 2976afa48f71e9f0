"""Faces and talking clips of synthetic people."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.records import SAMPLE_RATE
from voiceface.synthetic.appearance import EXPRESSIONS, Pose, appearance_of, scene_of
from voiceface.synthetic.drawing import Portrait, draw
from voiceface.synthetic.people import synthetic_person
from voiceface.synthetic.speech import Phoneme
from voiceface.synthetic.talking_clip import FPS, mouth_shape, mouth_track, plan_clip

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed"
)
FRONT = Pose()


def plain(person, **changes):
    """A portrait in a plain scene: no beard, no glasses, light from the front, no noise."""
    portrait = Portrait(person, size=160)
    portrait.scene = replace(
        portrait.scene,
        beard="none",
        glasses="none",
        light=(0.0, -0.3, 0.954),
        strength=0.6,
        ambient=0.5,
        grain=0.0,
        blur=0.0,
        warmth=0.0,
    )
    for name, value in changes.items():
        setattr(portrait, name, value)
    return portrait


def at(image, u, v):
    """The pixel at a place in face coordinates, as floats."""
    data = np.asarray(image, dtype=np.float64)
    x, y = (u + 2.3) / 4.6 * data.shape[1], (v + 2.25) / 4.6 * data.shape[0]
    return data[int(y), int(x)]


def test_the_same_arguments_give_the_same_pixels():
    person = synthetic_person(3)
    first = draw(person, seed=1, size=96)
    draw(synthetic_person(4), seed=1, size=96)
    assert draw(person, seed=1, size=96).tobytes() == first.tobytes()
    assert draw(person, seed=2, size=96).tobytes() != first.tobytes()
    assert draw(synthetic_person(4), seed=1, size=96).tobytes() != first.tobytes()


@pytest.mark.parametrize("size", [32, 101, 300])
def test_any_size_shows_the_same_scene(size):
    person = synthetic_person(3)
    image = draw(person, size=size)
    assert image.size == (size, size)
    assert image.mode == "RGB"
    small = np.asarray(image.resize((16, 16), 4), dtype=float)
    other = np.asarray(draw(person, size=160).resize((16, 16), 4), dtype=float)
    assert np.abs(small - other).mean() < 6


def test_traits_are_seen():
    """Skin, hair and the face's measures follow the traits, whatever the scene."""
    people = [synthetic_person(seed) for seed in range(300)]
    looks = [appearance_of(p) for p in people]
    for trait, measure, sign in (
        ("skin", lambda k: float(k.skin.mean()), -1),
        ("resonance", lambda k: k.jaw, 1),
        ("breath", lambda k: k.lip_full, 1),
        ("tempo", lambda k: k.eye_x, 1),
        ("melody", lambda k: k.brow_y, -1),
        ("roughness", lambda k: k.nose_wide, 1),
        ("register", lambda k: k.eye_size, 1),
        ("size", lambda k: k.wide, 1),
        ("age", lambda k: k.years, 1),
    ):
        values = [p.face[trait] for p in people]
        assert sign * np.corrcoef(values, [measure(k) for k in looks])[0, 1] > 0.5, trait
    young = [k for k in looks if k.years < 40]
    dark = [p.face["hair"] for p, k in zip(people, looks, strict=True) if k.years < 40]
    assert np.corrcoef(dark, [float(k.hair.mean()) for k in young])[0, 1] < -0.9


def test_skin_in_the_picture_is_the_skin_of_the_trait():
    drawn, trait = [], []
    for seed in range(8):
        person = synthetic_person(seed)
        drawn.append(at(plain(person).draw(EXPRESSIONS["neutral"], FRONT), 0.55, 0.6).mean())
        trait.append(person.face["skin"])
    assert np.corrcoef(drawn, trait)[0, 1] < -0.9


def test_an_open_mouth_is_dark_and_a_shut_eye_has_no_white():
    person = synthetic_person(20)
    portrait = plain(person)
    look = portrait.look
    shut = portrait.draw(EXPRESSIONS["neutral"], FRONT)
    wide = portrait.draw(replace(EXPRESSIONS["neutral"], open=1.0), FRONT)
    z = 1.0  # the mouth lies on the front of the head: no turn, no shift
    assert at(wide, 0, look.mouth_y + 0.15 * z).mean() < 0.75 * at(shut, 0, look.mouth_y + 0.15 * z).mean()
    asleep = portrait.draw(replace(EXPRESSIONS["neutral"], blink=1.0), FRONT)
    side = look.eye_x + 0.15 * look.eye_size
    assert at(shut, side, 0.0).mean() > 1.1 * at(asleep, side, 0.0).mean() or look.skin.mean() > 0.6
    assert np.abs(np.asarray(asleep, float) - np.asarray(shut, float)).max() > 40


def test_expressions_differ_from_one_another():
    portrait = plain(synthetic_person(20))
    faces = {e: np.asarray(portrait.draw(x, FRONT), dtype=float) for e, x in EXPRESSIONS.items()}
    names = list(faces)
    for i, a in enumerate(names):
        for b in names[:i]:
            assert np.abs(faces[a] - faces[b]).max() > 40, (a, b)


def test_a_turned_head_moves_its_nose_most():
    """What stands out moves further: nose against the ears' plane."""
    portrait = plain(synthetic_person(20))
    place = {}
    for yaw in (-0.2, 0.0, 0.2):
        u, v = np.meshgrid(np.linspace(-0.5, 0.5, 5), [0.5])
        image = portrait.draw(EXPRESSIONS["neutral"], Pose(yaw=yaw))
        data = np.asarray(image, dtype=float).mean(axis=2)
        row = data[int((portrait.look.nose_long + 0.02 + 2.25) / 4.6 * 160)]
        middle = row[60:100]
        place[yaw] = float(
            np.sum(np.arange(40) * (middle.max() - middle) ** 2) / np.sum((middle.max() - middle) ** 2)
        )
    assert place[-0.2] < place[0.0] - 2 < place[0.2] - 4


def test_private_scenes_vary_and_say_nothing_of_the_shared_traits():
    people = [synthetic_person(seed) for seed in range(400)]
    scenes = [scene_of(p, appearance_of(p), 0) for p in people]
    for value in (lambda s: s.pose.yaw, lambda s: s.light[0], lambda s: float(s.background.mean())):
        column = [value(s) for s in scenes]
        assert np.std(column) > 0.05
        for trait in ("sex", "age", "breath", "tempo", "skin"):
            assert abs(np.corrcoef(column, [p.face[trait] for p in people])[0, 1]) < 0.17
    assert len({s.hair for s in scenes}) > 8
    assert {"none", "round", "square"} == {s.glasses for s in scenes}
    assert {"none", "full", "stubble", "goatee", "moustache"} == {s.beard for s in scenes}


def test_bad_input_is_one_line():
    person = synthetic_person(1)
    for arguments in ({"size": 8}, {"mouth": 2.0}, {"expression": "joy"}, {"seed": -2}, {"size": 10**6}):
        with pytest.raises(InputError) as caught:
            draw(person, **arguments)
        assert "\n" not in str(caught.value)


def test_mouth_shapes_follow_phonetics():
    assert mouth_shape("'A:")[0] > mouth_shape("e")[0] > mouth_shape("u:")[0] > mouth_shape("p")[0] == 0
    assert mouth_shape("u:")[1] < 0 < mouth_shape("i:")[1]
    assert mouth_shape("m")[2] > mouth_shape("n")[2]
    assert mouth_shape("_:") == (0.0, 0.0, 0.0)
    assert mouth_shape("aI", 0.0)[0] > mouth_shape("aI", 1.0)[0]
    events = [Phoneme("a", 0.2, 0.5), Phoneme("m", 0.5, 0.7), Phoneme("a", 0.7, 0.9)]
    opening = mouth_track(events, [0.05, 0.35, 0.6, 0.8, 1.2])[:, 0]
    assert opening[1] > 0.9
    assert opening[2] < 0.1
    assert opening[3] > 0.9
    assert max(opening[0], opening[4]) < 0.01


def mouth_change(planned):
    """How far each frame's pixels are from the same frame drawn with a shut mouth, a number a frame."""
    change = []
    for i, (frame, face, pose) in enumerate(zip(planned.frames(), planned.faces, planned.poses, strict=True)):
        shut = planned.portrait.draw(replace(face, open=0.0), pose, i)
        change.append(np.abs(frame.astype(float) - np.asarray(shut, dtype=float)).mean())
    return np.array(change)


@needs_espeak
def test_a_clip_moves_its_mouth_with_the_sound_and_a_shift_is_noticed():
    shifted, aligned = [], []
    for seed, emotion in ((3, "neutral"), (50, "anger")):
        planned = plan_clip(synthetic_person(seed), seed=1, emotion=emotion, size=48, seconds=2.0)
        hop = int(SAMPLE_RATE / FPS)
        wave = planned.wave.astype(float)
        energy = np.sqrt(np.convolve(wave**2, np.ones(hop) / hop, "same")[::hop])
        seen = mouth_change(planned)
        opening = np.array([face.open for face in planned.faces])
        assert np.corrcoef(opening, energy)[0, 1] > 0.45
        assert np.corrcoef(opening, seen)[0, 1] > 0.8
        cut = slice(6, -6)
        aligned.append(np.corrcoef(seen[cut], energy[cut])[0, 1])
        shifted += [np.corrcoef(seen[cut], np.roll(energy, k)[cut])[0, 1] for k in (-5, 5)]
    assert np.mean(aligned) > 0.35
    assert np.mean(aligned) > np.mean(shifted) + 0.25


@needs_espeak
def test_a_clip_is_whole_and_repeats():
    person = synthetic_person(6)
    clip = plan_clip(person, seed=2, emotion="happy", size=48, seconds=0.6)
    frames = np.stack(list(clip.frames()))
    assert frames.shape == (15, 48, 48, 3)
    assert frames.dtype == np.uint8
    assert len(clip.wave) == 15 * SAMPLE_RATE / FPS
    again = plan_clip(person, seed=2, emotion="happy", size=48, seconds=0.6)
    assert frames.tobytes() == np.stack(list(again.frames())).tobytes()
    assert clip.wave.tobytes() == again.wave.tobytes()
    still = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert (still > 0.3).all()  # the head never freezes


@needs_espeak
def test_clips_blink_and_turn():
    planned = plan_clip(synthetic_person(6), seconds=12, size=48)
    blink = np.array([face.blink for face in planned.faces])
    starts = np.sum((blink[1:] > 0.5) & (blink[:-1] <= 0.5))
    assert 1 <= starts <= 12
    assert np.std([pose.yaw for pose in planned.poses]) > 0.01
    with pytest.raises(InputError):
        plan_clip(synthetic_person(6), emotion="joy")


@pytest.mark.slow
def test_dlib_finds_the_faces_and_tells_the_people_apart():
    """The real pipeline takes them: HOG finds at least 95 %, descriptors of one person lie closer."""
    from voiceface.face.align import align
    from voiceface.face.detect import detect
    from voiceface.face.dlib_embedding import embed_faces
    from voiceface.face.landmarks import five_points

    found, rows, who, count = 0, [], [], 0
    for seed in range(60):
        for scene in range(2):
            image = np.asarray(draw(synthetic_person(seed), seed=scene, size=200))
            count += 1
            detections = detect(image)
            if detections:
                found += 1
                face = align(image, five_points(image, detections[0].box), size=150)
                rows.append(embed_faces(face[None])[0])
                who.append(seed)
    assert found / count >= 0.95
    x, same = np.stack(rows), np.equal.outer(who, who)
    apart = np.linalg.norm(x[:, None] - x[None], axis=-1)
    upper = np.triu(np.ones_like(same), 1).astype(bool)
    near, far = apart[same & upper], apart[~same & upper]
    assert np.mean(near[:, None] < far[None]) > 0.95

"""The video protocol: what it measures, what it leaves out and says so, and its chance levels."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.metrics.flicker import flicker
from voiceface.metrics.image import psnr, ssim
from voiceface.metrics.mouth import landmark_distance
from voiceface.metrics.sync_confidence import correlation, frame_levels, sync
from voiceface.protocols.clip_measurement import Judges
from voiceface.protocols.video_quality import VideoClip, video

POINTS = np.array([(24.0, 12), (20, 12), (8, 12), (12, 12), (16, 20)])


def pictures(seed, frames=30):
    return np.random.default_rng(seed).integers(0, 256, (frames, 32, 32, 3)).astype(np.uint8)


def made(number, *, person="", group="", frames=30, **told):
    """A clip whose mouth and sound rows are alike, three frames apart."""
    random = np.random.default_rng(number)
    real = pictures(number, frames)
    noise = random.integers(-9, 10, real.shape)
    base = random.normal(size=(frames + 20, 4))
    mouth, sound = base[10 : 10 + frames], base[13 : 13 + frames]
    facts = {
        "generated": np.clip(real + noise, 0, 255).astype(np.uint8),
        "real": real,
        "generated_wave": random.normal(size=frames * 640),
        "generated_points": POINTS + random.normal(size=(frames, 5, 2)),
        "real_points": np.broadcast_to(POINTS, (frames, 5, 2)),
        "generated_sync": (mouth, sound),
        "real_sync": (mouth, mouth),
        "generated_identity": random.normal(size=8) + 0.1 * random.normal(size=(frames, 8)),
        "reference": np.random.default_rng(sum(map(ord, person))).normal(size=8) if person else None,
    }
    return VideoClip(name=f"c{number}", person=person or f"p{number}", group=group, **(facts | told))


def test_every_figure_is_the_mean_over_clips_of_its_own_definition():
    clips = [made(k, person=f"p{k % 3}") for k in range(6)]
    report = video(clips, resamples=50)
    expected = {
        "SSIM": [ssim(c.generated, c.real, scale=255).mean() for c in clips],
        "PSNR": [psnr(c.generated, c.real, scale=255).mean() for c in clips],
        "sync confidence": [sync(c.generated_sync[1], c.generated_sync[0]).confidence for c in clips],
        "sync offset": [3.0] * 6,
        "offset within 1 frame": [0.0] * 6,
        "landmark distance": [landmark_distance(c.generated_points, c.real_points).mean() for c in clips],
        "identity similarity": [
            np.mean(
                [
                    r @ c.reference / np.linalg.norm(r) / np.linalg.norm(c.reference)
                    for r in c.generated_identity
                ]
            )
            for c in clips
        ],
    }
    for name, values in expected.items():
        one = report.figure(name)
        assert one.value == pytest.approx(np.mean(values)), name
        assert (one.n, one.people, one.resamples) == (6, 3, 50)
        assert one.low <= one.value <= one.high
    assert report.figure("sync offset", "real").value == 0
    assert report.figure("offset within 1 frame", "real").chance == pytest.approx(3 / 31)
    assert not report.excluded
    assert report.to_dict()["rows"]["generated"][0]["name"] == "SSIM"
    assert "SSIM" in str(report) and "convention" in report.to_dict()["rows"]["real"][0]


def test_flicker_is_the_second_difference_over_time_and_even_motion_has_none():
    ramp = np.arange(0, 60, 6)[:, None, None, None] * np.ones((1, 4, 4, 3))
    assert flicker(ramp.astype(np.uint8)) == 0
    frames = pictures(3, 9)
    bends = np.abs(np.diff(frames.astype(float), n=2, axis=0))
    assert flicker(frames) == pytest.approx(bends.mean())
    assert np.isnan(flicker(frames[:2]))
    rows = video([made(1), made(2)], resamples=0).rows
    for side in ("generated", "real"):
        (found,) = [one.value for one in rows[side] if one.name == "flicker"]
        assert found == pytest.approx(np.mean([flicker(getattr(made(k), side)) for k in (1, 2)]))


def test_the_interval_is_over_people_and_over_clips_of_one_person():
    """Two people whose clips differ: resampling people must reach both."""
    far = [made(k, person="a") for k in range(3)]
    near = [made(10 + k, person="b", generated=pictures(10 + k)) for k in range(3)]
    one = video([*far, *near], resamples=200).figure("PSNR")
    assert one.low < 40 and one.high == 100.0  # equal frames count 100
    report = video(far, resamples=200)
    alone = report.figure("PSNR")
    assert alone.low < alone.value < alone.high < 40 and alone.people == 1
    assert "interval over clips" in alone.convention and "intervals are over clips" in " ".join(report.notes)


def test_chance_is_somebody_elses_clip():
    clips = [made(k, person=f"p{k}") for k in range(4)]
    report = video(clips, resamples=0)
    strange = [psnr(clips[k].generated, clips[k - 1].real, scale=255).mean() for k in (1, 2, 3)]
    assert report.figure("PSNR").chance == pytest.approx(np.mean(strange))
    pairs = [(0, 1), (1, 2), (2, 3), (3, 0)]
    wrong = [sync(clips[j].generated_sync[1], clips[i].generated_sync[0]).confidence for i, j in pairs]
    assert report.figure("sync confidence").chance == pytest.approx(np.mean(wrong))
    assert report.figure("sync distance").value < report.figure("sync distance").chance
    assert report.figure("sync confidence").value > 3 * report.figure("sync confidence").chance
    strangers = [
        np.mean(
            [r @ o.reference / np.linalg.norm(r) / np.linalg.norm(o.reference) for r in c.generated_identity]
        )
        for c, o in ((clips[i], clips[j]) for i, j in pairs)
    ]
    assert report.figure("identity similarity").chance == pytest.approx(np.mean(strangers))


def test_identity_that_changes_drifts():
    reference = np.array([1.0, 0])
    angles = np.linspace(0, 1, 30)
    turning = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    clip = made(1, generated_identity=turning, reference=reference)
    report = video([clip], resamples=0)
    assert report.figure("identity drift").value == pytest.approx(
        np.cos(angles[-6:]).mean() - np.cos(angles[:6]).mean()
    )
    steady = made(2, generated_identity=np.tile(reference, (30, 1)), reference=reference)
    assert video([steady], resamples=0).figure("identity drift").value == 0


def test_known_and_unknown_voices_are_never_mixed():
    clips = [made(k, group="known voices" if k < 2 else "unknown voices") for k in range(5)]
    report = video(clips, resamples=0)
    assert set(report.rows) == {
        f"{side}, {g} voices" for side in ("generated", "real") for g in ("known", "unknown")
    }
    for group, mine in (("known voices", clips[:2]), ("unknown voices", clips[2:])):
        one = report.figure("PSNR", f"generated, {group}")
        assert one.n == len(mine)
        assert one.value == pytest.approx(
            np.mean([psnr(c.generated, c.real, scale=255).mean() for c in mine])
        )


def test_what_is_left_out_is_counted_and_named():
    lost = np.broadcast_to(POINTS, (30, 5, 2)).copy()
    lost[:15] = np.nan
    few = lost.copy()
    few[10:15] = POINTS
    rows = dict.fromkeys(("generated_sync", "real_sync", "generated_identity", "reference"))
    judges = Judges(
        sync=lambda frames, points, wave, fps: (np.arange(len(frames))[:, None],) * 2,
        identity=lambda frames, points: np.where(np.isfinite(points).all(axis=(1, 2))[:, None], 1.0, np.nan),
        opening=lambda frames, points: frames.mean(axis=(1, 2, 3)),
    )
    clips = [
        made(1, **rows),
        made(2, **rows, real=pictures(2, 40), real_points=np.broadcast_to(POINTS, (40, 5, 2))),
        made(3, **rows, generated_wave=None),
        made(4, **rows, generated_points=lost),
        made(5, **rows, generated_points=few),
        made(6, **rows, real=None, real_points=None),
        made(7, **rows, generated_points=np.full((30, 5, 2), np.nan)),
        made(8, **rows, generated=pictures(8)[:, :16]),
        made(9, frames=19, **rows),
        made(10, **rows, generated_wave=np.zeros(30 * 640)),
    ]
    report = video(clips, judges=judges, resamples=0)
    named = {
        "generated: SSIM, PSNR: length differs from the real clip": ["c2"],
        "generated: SSIM, PSNR: no real clip": ["c6"],
        "generated: SSIM, PSNR: pictures of another size than the real ones": ["c8"],
        "generated: sync: no sound": ["c3"],
        "generated: sync: no face in half of the frames": ["c4", "c7"],
        "generated: sync: too short": ["c9"],
        "generated: identity: no face in half of the frames": ["c4", "c7"],
        "generated: identity: nobody to compare with": ["c6"],
        "generated: landmark distance: no face in half of the frames": ["c4", "c7"],
        "generated: landmark distance: another length or size than the real clip": ["c2", "c8"],
        "generated: mouth with sound: no sound": ["c3"],
        "generated: mouth with sound: mouth or sound does not change": ["c10"],
    }
    for reason, names in named.items():
        assert report.left_out[reason] == names, reason
        assert report.excluded[reason] == len(names)
        assert f"left out: {reason}: {len(names)}" in str(report)
    assert report.figure("SSIM").n == 7 and report.figure("sync confidence").n == 6
    assert "generated: no face in 55 of 289 frames (3 clips)" in report.notes
    mine = clips[0]
    levels = frame_levels(mine.generated_wave, rate=16000, fps=25, frames=30)
    alone = video([mine], judges=judges, resamples=0).figure("mouth with sound")
    assert alone.value == pytest.approx(correlation(mine.generated.mean(axis=(1, 2, 3)), levels))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="none"):
        video([])
    with pytest.raises(InputError, match="twice"):
        video([made(1), made(1)])
    with pytest.raises(InputError, match="uint8"):
        video([made(1, generated=np.zeros((30, 32, 32, 3)))])
    with pytest.raises(InputError, match="points of 3 frames"):
        video([made(1, generated_points=np.zeros((3, 5, 2)))])
    bare = VideoClip(name="c", person="p", generated=pictures(1)[:2])
    with pytest.raises(InputError, match="no real clip"):
        video([bare])

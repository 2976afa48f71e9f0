"""One item to its rows: where faces, windows and clips lie, checked on media whose content is known."""

import numpy as np
import pytest
from PIL import Image

from corpus_media import synthetic_voice, talking
from draw_face import draw_face
from voiceface.corpus.item import FaceItem, VideoItem, VoiceItem
from voiceface.corpus.item_processing import process_item
from voiceface.corpus.item_rows import digest
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.video_items import voice_windows
from voiceface.errors import InputError
from voiceface.face.detect import detect
from voiceface.media.picture import decode_jpeg
from voiceface.media.sound import save_sound
from voiceface.media.write_movie import write_movie
from voiceface.records import SAMPLE_RATE


def scene(*faces, size=(200, 480), shade=110):
    """A picture of (seed, side, left, top) faces on grey."""
    picture = Image.new("RGB", size[::-1], (shade, shade, shade))
    for seed, side, left, top in faces:
        picture.paste(draw_face(seed, side), (left, top))
    return np.asarray(picture)


def rows(made, table):
    return [row for row, _ in made.rows.get(table, [])]


def test_the_person_in_front_is_kept_and_the_others_are_counted(tmp_path):
    pixels = scene((0, 190, 10, 5), (1, 90, 300, 60))
    Image.fromarray(pixels).save(tmp_path / "two.png")
    made = process_item(FaceItem(key="k", person="p", path="two.png"), tmp_path, PrepareOptions())
    (row,) = rows(made, "faces")
    assert row["others"] == 1 and row["time"] is None
    media = made.rows["faces"][0][1]
    picture = np.asarray(decode_jpeg(media["pictures"]))
    assert picture.shape == (row["height"], row["width"], 3) and max(picture.shape) <= 256
    # What the detector sees in the crop is what the row says.
    (seen,) = [face for face in detect(picture) if face.side > 60]
    told = np.array([row[edge] for edge in ("left", "top", "right", "bottom")])
    assert np.abs(np.array(seen.box) - told).max() < 0.2 * seen.side
    assert row["content"] == digest(media["pictures"])


def test_a_large_picture_is_reduced_with_its_box_and_points(tmp_path):
    side = 1600
    draw_face(0, side).save(tmp_path / "large.png")
    draw_face(0, 200).save(tmp_path / "small.png")
    large, small = (
        rows(
            process_item(FaceItem(key="k", person="p", path=f"{name}.png"), tmp_path, PrepareOptions()),
            "faces",
        )[0]
        for name in ("large", "small")
    )
    assert max(large["width"], large["height"]) == 256
    assert large["size"] == pytest.approx(8 * small["size"], rel=0.2)
    for name in ("large", "small"):
        row = {"large": large, "small": small}[name]
        points = np.array(row["landmarks"]).reshape(5, 2)
        box = np.array([row["left"], row["top"], row["right"], row["bottom"]])
        relative = (points - box[:2]) / (box[2:] - box[:2])
        assert (relative > 0).all() and (relative < 1).all()


def test_a_given_box_is_not_searched_for(tmp_path):
    Image.fromarray(scene((0, 190, 10, 5), (1, 90, 300, 60))).save(tmp_path / "two.png")
    whole = process_item(FaceItem(key="k", person="p", path="two.png"), tmp_path, PrepareOptions())
    box = (320.0, 80.0, 370.0, 130.0)
    made = process_item(FaceItem(key="k", person="p", path="two.png", box=box), tmp_path, PrepareOptions())
    (row,) = rows(made, "faces")
    assert row["size"] == 50 and row["content"] != rows(whole, "faces")[0]["content"]


def test_a_stretch_of_a_recording(tmp_path):
    wave = synthetic_voice(1, 3.0)
    save_sound(tmp_path / "a.wav", wave)
    made = process_item(
        VoiceItem(key="k", person="p", path="a.wav", start=0.5, stop=1.75), tmp_path, PrepareOptions()
    )
    ((row, media),) = made.rows["voices"]
    samples = np.frombuffer(media["samples"], "<i2")
    assert row["start"] == 0.5 and row["seconds"] == 1.25 and len(samples) == 20000
    assert np.abs(samples / 32768 - wave[8000:28000]).max() < 2 / 32768
    power = 10 * np.log10(np.mean((samples / 32768.0) ** 2))
    assert row["level"] == pytest.approx(power, abs=0.01) and 0 <= row["speech"] <= 1.25


def test_silence_is_kept_and_told(tmp_path):
    save_sound(tmp_path / "a.wav", np.zeros(16000, np.float32))
    made = process_item(VoiceItem(key="k", person="p", path="a.wav"), tmp_path, PrepareOptions())
    (row,) = rows(made, "voices")
    assert row["level"] == -120.0 and row["speech"] == 0.0


def test_windows_of_roldan():
    four = PrepareOptions(window_seconds=4, window_overlap=2)
    assert voice_windows(3 * SAMPLE_RATE, four) == [(0, 3 * SAMPLE_RATE)]
    assert [start / SAMPLE_RATE for start, _ in voice_windows(11 * SAMPLE_RATE, four)] == [0, 2, 4, 6]
    assert voice_windows(11 * SAMPLE_RATE, PrepareOptions(window_seconds=0, window_overlap=0)) == [
        (0, 11 * SAMPLE_RATE)
    ]
    apart = PrepareOptions(window_seconds=4, window_overlap=0)
    assert [start / SAMPLE_RATE for start, _ in voice_windows(11 * SAMPLE_RATE, apart)] == [0, 4]


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_overlap": 4.0},
        {"window_seconds": -1.0},
        {"face_fps": 0.0},
        {"clip_seconds": 0.5},
        {"crop_side": 8},
        {"clip_fps": -25.0},
        {"face_detector": "lbp"},
    ],
)
def test_options_that_cannot_be(wrong):
    with pytest.raises(InputError):
        PrepareOptions(**wrong)


def test_pictures_of_a_video_are_a_second_apart_and_lost_faces_are_skipped(tmp_path):
    face, nobody = scene((3, 170, 40, 10), size=(192, 256)), scene(size=(192, 256))
    talking(tmp_path / "v.mp4", 3, frames=[face] * 18 + [nobody] * 10 + [face] * 22)
    item = VideoItem(key="v", person="p", path="v.mp4", want=("faces", "voices"))
    made = process_item(item, tmp_path, PrepareOptions(window_seconds=2, window_overlap=1))
    # 10 frames a second, the face is away from 1.8 to 2.8 s.
    assert [row["time"] for row in rows(made, "faces")] == [0.0, 1.0, 3.0, 4.0]
    assert [row["id"] for row in rows(made, "faces")][1] == "v@00001.000"
    assert [row["start"] for row in rows(made, "voices")] == [0.0, 1.0, 2.0, 3.0]
    assert {row["session"] for table in ("faces", "voices") for row in rows(made, table)} == {"v"}
    assert "clips" not in made.rows and not made.rejected
    twice = process_item(item, tmp_path, PrepareOptions(face_fps=2))
    assert [row["time"] for row in rows(twice, "faces")] == [0.0, 0.5, 1.0, 1.5, 3.0, 3.5, 4.0, 4.5]


def test_a_cut_makes_two_clips_with_their_own_sound(tmp_path):
    one, two = scene((3, 170, 60, 10), size=(192, 288)), scene((3, 150, 20, 30), size=(192, 288), shade=30)
    tones = [
        np.sin(2 * np.pi * hertz * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE) * 0.3 for hertz in (200, 2000)
    ]
    write_movie(
        tmp_path / "v.mp4", [one] * 50 + [two] * 50, fps=25, wave=np.concatenate(tones).astype(np.float32)
    )
    made = process_item(VideoItem(key="v", person="p", path="v.mp4"), tmp_path, PrepareOptions(clip_fps=12.5))
    clips = made.rows["clips"]
    # Faces are looked for twice a second here, and kept once a second.
    assert [row["time"] for row in rows(made, "faces")] == pytest.approx([0.0, 1.0, 2.0, 3.0], abs=0.05)
    assert [(row["start"], row["seconds"], row["fps"]) for row, _ in clips] == [
        (0.0, 2.0, 12.5),
        (2.0, 2.0, 12.5),
    ]
    for (row, media), hertz in zip(clips, (200, 2000), strict=True):
        samples = np.frombuffer(media["samples"], "<i2")
        assert len(samples) == 2 * SAMPLE_RATE and len(row["sizes"]) == 25
        inner = samples[3200:-3200]
        peak = np.argmax(np.abs(np.fft.rfft(inner))) * SAMPLE_RATE / len(inner)
        assert peak == pytest.approx(hertz, abs=2)
        stops = np.cumsum(row["sizes"])
        assert stops[-1] == len(media["pictures"])
        pictures = [
            np.asarray(decode_jpeg(media["pictures"][stop - size : stop]))
            for size, stop in zip(row["sizes"], stops, strict=True)
        ]
        # One still scene, one fixed crop: all frames of a clip are alike.
        assert {picture.shape for picture in pictures} == {(row["height"], row["width"], 3)}
        assert max(np.abs(p.astype(float) - pictures[0]).mean() for p in pictures) < 6


def test_long_stretches_are_cut_into_equal_clips_and_a_long_video_is_read_twice(tmp_path, monkeypatch):
    from voiceface.corpus import video_items

    talking(tmp_path / "v.mp4", 3, seconds=5.0)
    item = VideoItem(key="v", person="p", path="v.mp4", want=("clips",))
    options = PrepareOptions(clip_seconds=2, clip_fps=0)
    held = process_item(item, tmp_path, options)
    told = [(round(row["start"], 3), row["fps"]) for row in rows(held, "clips")]
    assert len(told) == 3 and told[0] == (0.0, 10.0)
    assert sum(row["seconds"] for row in rows(held, "clips")) == pytest.approx(5.0, abs=0.11)
    monkeypatch.setattr(video_items, "MAX_BUFFERED_BYTES", 0)
    assert process_item(item, tmp_path, options).rows == held.rows


def test_the_same_person_is_followed_over_a_cut_and_another_is_not(tmp_path):
    # Drawings 6 and 13 are the two of the first 24 that the recogniser finds farthest apart, 0.61.
    here, there = scene((6, 180, 5, 5), size=(192, 400)), scene((6, 150, 240, 30), size=(192, 400), shade=30)
    other = scene((13, 120, 140, 40), size=(192, 400), shade=200)
    talking(tmp_path / "v.mp4", 3, frames=[here] * 30 + [there] * 20 + [other] * 15)
    made = process_item(
        VideoItem(key="v", person="p", path="v.mp4", want=("faces",)), tmp_path, PrepareOptions()
    )
    assert [row["time"] for row in rows(made, "faces")] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_silent_video_still_gives_faces(tmp_path):
    write_movie(tmp_path / "v.mp4", [np.asarray(draw_face(3, 160))] * 20, fps=10)
    made = process_item(VideoItem(key="v", person="p", path="v.mp4"), tmp_path, PrepareOptions())
    assert len(rows(made, "faces")) == 2 and "voices" not in made.rows and "clips" not in made.rows
    assert len(made.rejected) == 1 and "sound" in made.rejected[0]

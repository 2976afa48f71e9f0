"""Videos as people have them: turned, uneven, longer heard than seen, of two people, half without a face."""

import numpy as np
import pytest
from PIL import Image

from corpus_media import synthetic_voice
from draw_face import draw_face
from test_media_movie import encode, turned
from voiceface.corpus.item import VideoItem
from voiceface.corpus.item_processing import process_item
from voiceface.corpus.options import PrepareOptions
from voiceface.media.movie import movie_facts
from voiceface.media.picture import decode_jpeg
from voiceface.media.write_movie import write_movie
from voiceface.records import SAMPLE_RATE

WIDE, HIGH = 256, 192


def scene(*faces):
    picture = Image.new("RGB", (WIDE, HIGH), (110, 110, 110))
    for seed, side, left, top in faces:
        picture.paste(draw_face(seed, side), (left, top))
    return np.asarray(picture)


def made_of(folder, **options):
    item = VideoItem(key="v", person="p", path="v.mp4", want=("faces", "clips"))
    return process_item(item, folder, PrepareOptions(**({"clip_fps": 10.0} | options)))


def rows(made, table):
    return [row for row, _ in made.rows.get(table, [])]


@pytest.mark.parametrize("heard", [1.5, 4.0])
def test_a_clip_is_as_long_as_its_picture_whatever_the_sound(tmp_path, heard):
    face = scene((3, 170, 40, 10))
    write_movie(tmp_path / "v.mp4", [face] * 20, fps=10, wave=synthetic_voice(1, 2.0))
    # The writer makes both equally long: another sound is muxed beside the same picture.
    remuxed(tmp_path / "v.mp4", synthetic_voice(1, heard))
    ((row, media),) = made_of(tmp_path).rows["clips"]
    samples = np.frombuffer(media["samples"], "<i2")
    assert row["seconds"] == 2.0 and len(row["sizes"]) == 20 and len(samples) == 2 * SAMPLE_RATE
    end = np.abs(samples[int(1.6 * SAMPLE_RATE) :].astype(float)).mean()
    assert end < 5 if heard < 2 else end > 500


def remuxed(path, wave):
    """The same picture with another sound beside it, each as long as it is."""
    import av

    whole = path.read_bytes()
    old = path.with_name("old.mp4")
    old.write_bytes(whole)
    with av.open(str(old)) as source, av.open(str(path), "w") as target:
        seen = source.streams.video[0]
        video = target.add_stream_from_template(seen)
        audio = target.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for packet in source.demux(seen):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        target.mux([*audio.encode(frame), *audio.encode(None)])
    old.unlink()


def test_an_uneven_rate_becomes_a_regular_one_that_keeps_the_time(tmp_path):
    # Frames stand 20 to 300 ms; the face moves right by the clock, not by the frame.
    times = np.cumsum([0, *([20, 300, 60, 100] * 6)])
    places = [scene((3, 150, 10 + round(t / 100), 20)) for t in times]
    encode(tmp_path / "v.mp4", places, times.tolist())
    remuxed(tmp_path / "v.mp4", synthetic_voice(1, times[-1] / 1000))
    ((row, media),) = made_of(tmp_path).rows["clips"]
    assert row["fps"] == 10.0 and abs(len(row["sizes"]) - times[-1] / 100) <= 4
    stops = np.cumsum(row["sizes"])
    pictures = [
        np.asarray(decode_jpeg(media["pictures"][stop - size : stop])).astype(float)
        for size, stop in zip(row["sizes"], stops, strict=True)
    ]
    # Dark hair and eyes on grey: the middle of what differs from the ground moves by the clock.
    middles = np.array([centre(picture) for picture in pictures])
    expected = np.array([times[np.abs(times - 100 * k).argmin()] / 100 for k in range(len(middles))])
    scale = (middles[-1] - middles[0]) / (expected[-1] - expected[0])
    assert np.corrcoef(middles, expected)[0, 1] > 0.99 and scale > 0.5


def centre(picture):
    ground = picture[2, 2]
    apart = np.abs(picture - ground).sum(2).sum(0)
    return (apart * np.arange(len(apart))).sum() / apart.sum()


def test_a_phone_held_upright_gives_an_upright_face(tmp_path):
    upright = np.asarray(Image.fromarray(scene((3, 170, 40, 10))).resize((HIGH * 4 // 3, HIGH)))
    lying = np.ascontiguousarray(np.rot90(upright))  # as the sensor sees it
    write_movie(tmp_path / "flat.mp4", [lying] * 20, fps=10, wave=synthetic_voice(1, 2.0))
    write_movie(tmp_path / "plain.mp4", [upright] * 20, fps=10, wave=synthetic_voice(1, 2.0))
    matrix = [0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000]
    turned(tmp_path / "flat.mp4", tmp_path / "v.mp4", matrix)
    assert movie_facts(tmp_path / "v.mp4").rotation == 270
    (row,) = rows(made_of(tmp_path), "clips")
    (tmp_path / "plain.mp4").replace(tmp_path / "v.mp4")
    (plain,) = rows(made_of(tmp_path), "clips")
    assert abs(row["roll"]) < 8
    assert np.abs(np.array(row["landmarks"]) - plain["landmarks"]).max() < 6


def test_of_two_people_the_one_in_front_is_followed_and_the_other_counted(tmp_path):
    both = scene((3, 150, 5, 20), (5, 100, 156, 50))
    write_movie(tmp_path / "v.mp4", [both] * 20, fps=10, wave=synthetic_voice(1, 2.0))
    (row,) = rows(made_of(tmp_path), "clips")
    assert row["others"] == 1
    large = rows(made_of(tmp_path), "faces")
    assert all(face["others"] == 1 and face["size"] > 50 for face in large) and len(large) == 2


def test_where_the_face_is_lost_for_half_the_frames_there_is_no_clip(tmp_path):
    face, nobody = scene((3, 170, 40, 10)), scene()
    write_movie(tmp_path / "v.mp4", [face] * 14 + [nobody] * 14, fps=10, wave=synthetic_voice(1, 2.8))
    made = made_of(tmp_path)
    (clip,) = rows(made, "clips")
    assert clip["start"] == 0.0 and 0.9 <= clip["seconds"] <= 1.4
    assert [row["time"] for row in rows(made, "faces")] == [0.0, 1.0]

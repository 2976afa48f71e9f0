import itertools
import os
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal

from voiceface.errors import InputError
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import load_sound, sound_seconds
from voiceface.media.write_movie import MOVIE_ENDINGS, write_movie

SHARED = Path(__file__).parents[2] / "shared" / "data"


def numbered(count: int, width: int = 64, height: int = 48):
    """Frames that carry their number as a bar code of eight blocks, and a red upper left corner."""
    for k in range(count):
        picture = np.full((height, width, 3), 60, np.uint8)
        for bit in range(8):
            if k >> bit & 1:
                picture[height // 2 :, bit * width // 8 : (bit + 1) * width // 8] = 220
        picture[: height // 4, : width // 4] = (230, 20, 20)
        yield picture


def number(picture: np.ndarray) -> int:
    row = picture[int(picture.shape[0] * 0.75)].mean(1)
    blocks = [row[int((bit + 0.5) * len(row) / 8)] for bit in range(8)]
    return sum((block > 140) << bit for bit, block in enumerate(blocks))


def encode(path, pictures, times, *, tick=Fraction(1, 1000), codec="libx264", gop=12, aspect=None):
    """Write frames at given ticks with PyAV, independently of our own writer."""
    with av.open(str(path), "w") as container:
        pictures = list(pictures)
        stream = container.add_stream(codec, rate=25, options={"crf": "10"} if codec == "libx264" else {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.gop_size, stream.codec_context.time_base = "yuv420p", gop, tick
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = time, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    """Four seconds at 25 frames a second with a voice, written by ourselves."""
    path = tmp_path_factory.mktemp("movie") / "a.mp4"
    write_movie(path, numbered(100), fps=25, wave=voice(4.0), metadata=TEXTS)
    return path


TEXTS = {"recipe": "talker", "Beschreibung": "weiß – 声\nzweite Zeile", "title": "a title", "x-seed": "0"}


def voice(seconds: float, rate: int = 16000) -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.arange(round(seconds * rate)) / rate
    return sum(0.02 * np.sin(2 * np.pi * (f * time + rng.random())) for f in rng.uniform(100, 3000, 40))


def test_what_is_written_is_read_back(movie):
    facts = movie_facts(movie)
    assert (facts.width, facts.height, facts.has_sound, facts.rotation) == (64, 48, True, 0)
    assert facts.seconds == pytest.approx(4.0, abs=1e-3) and facts.fps == pytest.approx(25)
    assert TEXTS.items() <= facts.metadata.items()
    read = list(frames(movie))
    assert [number(p) for _, p in read] == list(range(100))
    np.testing.assert_allclose([t for t, _ in read], np.arange(100) / 25, atol=1e-6)
    for (_, picture), truth in zip(read, numbered(100), strict=True):
        assert picture.dtype == np.uint8 and picture.flags.c_contiguous
        assert np.abs(picture.astype(int) - truth)[2:10, 2:12].max() < 12  # the red corner: colours hold
    with av.open(str(movie)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", 16000)


def test_the_voice_stays_with_the_picture(movie):
    assert abs(sound_seconds(movie) - 4) <= 1 / 25 and len(load_sound(movie)) == 64000
    wave, truth = load_sound(movie)[:64000], voice(4.0)
    shift = np.argmax(scipy.signal.correlate(wave, truth, method="fft")) - 63999
    assert abs(shift) <= 1
    part = load_sound(movie, start=2.0, stop=3.0)
    shift = np.argmax(scipy.signal.correlate(part, truth[32000:48000], method="fft")) - 15999
    assert abs(shift) <= 1


@pytest.mark.parametrize(("seconds", "rate"), [(1.0, 16000), (9.0, 16000), (2.0, 17000)])
def test_sound_is_cut_or_padded_to_the_picture(tmp_path, seconds, rate):
    write_movie(tmp_path / "a.mp4", numbered(60), fps=29.97, wave=voice(seconds, rate), rate=rate)
    facts = movie_facts(tmp_path / "a.mp4")
    assert facts.seconds == pytest.approx(60 * 1.001 / 30, abs=1e-3)
    wave = load_sound(tmp_path / "a.mp4")
    assert abs(len(wave) / 16000 - facts.seconds) <= 0.002
    if seconds == 1.0:
        assert wave[:15000].std() > 0.02 and wave[17000:].std() < 1e-3


@pytest.mark.parametrize(("start", "stop"), [(0.0, 0.5), (0.5, 0.7), (1.3, 2.0), (3.9, None), (2.02, 2.1)])
def test_a_part_is_that_part_of_the_whole(movie, start, stop):
    part = list(frames(movie, start=start, stop=stop))
    whole = [f for f in frames(movie) if start <= f[0] + 1e-4 and (stop is None or f[0] < stop - 1e-4)]
    assert len(part) == len(whole) > 0
    for (time, picture), (true_time, truth) in zip(part, whole, strict=True):
        assert time == true_time
        np.testing.assert_array_equal(picture, truth)


def test_a_jump_does_not_decode_what_lies_before(tmp_path, monkeypatch):
    encode(tmp_path / "a.mp4", numbered(250), range(0, 10000, 40), gop=25)
    from voiceface.media import movie as room

    seen = []
    original = room.decode_frames
    monkeypatch.setattr(room, "decode_frames", lambda *a: (seen.append(1) or frame for frame in original(*a)))
    assert [number(p) for _, p in frames(tmp_path / "a.mp4", start=8.0, stop=8.2)] == [
        200,
        201,
        202,
        203,
        204,
    ]
    assert len(seen) < 60


def test_variable_rates_keep_their_times(tmp_path):
    times = [0, 40, 50, 200, 210, 700, 1000, 1033]
    encode(tmp_path / "a.mp4", numbered(8), times)
    read = list(frames(tmp_path / "a.mp4"))
    np.testing.assert_allclose([t for t, _ in read], np.array(times) / 1000, atol=1e-6)
    assert [number(p) for _, p in read] == list(range(8))


@pytest.mark.parametrize("fps", [3, 10, 25, 30, 60])
@pytest.mark.parametrize(("start", "stop"), [(0.0, None), (0.31, None), (0.1, 0.83)])
def test_a_regular_rate_takes_the_nearest_frame(tmp_path, fps, start, stop):
    times = [0, 40, 50, 200, 210, 700, 1000, 1040]
    encode(tmp_path / "a.mp4", numbered(8), times, gop=3)
    got = list(frames(tmp_path / "a.mp4", fps=fps, start=start, stop=stop))
    expected_times = [start + k / fps for k in range(int(2 * fps))]
    expected_times = [t for t in expected_times if t < (stop or 1.08) - 1e-4]
    if stop is None:
        assert (
            abs(len(got) - len(expected_times)) <= 1
        )  # how long the last frame stands is the container's say
        expected_times = expected_times[: len(got)]
    assert len(got) == len(expected_times)
    np.testing.assert_allclose([t for t, _ in got], expected_times)
    for time, picture in got:
        away = np.abs(np.array(times) / 1000 - time)
        assert away[number(picture)] <= away.min() + 1e-6


def test_a_repeated_frame_can_be_drawn_on(movie):
    pictures = [p for _, p in frames(movie, fps=100, stop=0.2)]
    truth = [p.copy() for p in pictures]
    pictures[0][:] = 0
    assert all((p == t).all() for p, t in zip(pictures[1:], truth[1:], strict=True))


def turned(source: Path, path: Path, matrix: list[int]) -> None:
    """A copy whose track header has the matrix by which phones turn the picture (ISO 14496-12, 8.3.2)."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    assert struct.unpack(">i", data[at : at + 4]) == (0x10000,)
    data[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "turns", "rotation"),
    [
        ([0, 1, 0, -1, 0, 0, 0, 0, 0x4000], 3, 270),  # an upright phone
        ([-1, 0, 0, 0, -1, 0, 0, 0, 0x4000], 2, 180),
        ([0, -1, 0, 1, 0, 0, 0, 0, 0x4000], 1, 90),
    ],
)
def test_phones_turn_the_picture_by_a_matrix(tmp_path, matrix, turns, rotation):
    encode(tmp_path / "flat.mp4", numbered(5), range(0, 200, 40))
    matrix = [v if v == 0x4000 else v * 0x10000 for v in matrix]
    matrix[8] = 0x40000000
    turned(tmp_path / "flat.mp4", tmp_path / "turned.mp4", matrix)
    facts = movie_facts(tmp_path / "turned.mp4")
    assert facts.rotation == rotation
    assert (facts.width, facts.height) == ((48, 64) if turns % 2 else (64, 48))
    for (_, flat), (_, upright) in zip(
        frames(tmp_path / "flat.mp4"), frames(tmp_path / "turned.mp4"), strict=True
    ):
        np.testing.assert_array_equal(np.rot90(flat, turns), upright)
    # In words: a quarter turn clockwise brings the upper left corner to the upper right.
    if rotation == 270:
        red = upright[..., 0].astype(int) - upright[..., 1]
        assert red[:12, -12:].mean() > 100 > 30 > abs(red[:12, :12].mean())
    _, small = next(frames(tmp_path / "turned.mp4", long_side=32))
    assert max(small.shape) == 32 and small.shape[:2] == ((32, 24) if turns % 2 else (24, 32))


def test_scaling_averages_and_oblong_pixels_become_square(tmp_path):
    stripes = np.zeros((48, 64, 3), np.uint8)
    stripes[:, ::2] = 200  # a filter that skips pixels would give black or white
    encode(tmp_path / "a.mkv", [stripes], [0], aspect=Fraction(3, 2))
    facts = movie_facts(tmp_path / "a.mkv")
    assert (facts.width, facts.height) == (96, 48)
    ((_, whole),) = frames(tmp_path / "a.mkv")
    ((_, small),) = frames(tmp_path / "a.mkv", long_side=16)
    assert whole.shape == (48, 96, 3) and small.shape == (8, 16, 3)
    assert np.abs(small.astype(int) - 100).max() < 25
    assert next(frames(tmp_path / "a.mkv", long_side=500))[1].shape == (48, 96, 3)  # never enlarged


@pytest.mark.parametrize("space", ["ITU709", "ITU601"])
def test_stated_colour_spaces_are_honoured(tmp_path, space):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
        stream.codec_context.options = {"crf": "5"}
        stream.codec_context.colorspace = {"ITU709": 1, "ITU601": 6}[space]
        picture = np.full((48, 64, 3), (30, 200, 60), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=space)))
        container.mux(stream.encode(None))
    ((_, read),) = frames(path)
    assert np.abs(read.astype(int) - picture).max() <= 4


def test_sizes_become_even_and_a_generator_is_written_frame_by_frame(tmp_path):
    alive = []

    def drawn():
        for k, picture in enumerate(numbered(30, 63, 47)):
            alive.append(k)
            yield picture

    write_movie(tmp_path / "a.mp4", drawn(), fps=25)
    assert len(alive) == 30
    facts = movie_facts(tmp_path / "a.mp4")
    assert (facts.width, facts.height, facts.has_sound) == (64, 48, False)
    with pytest.raises(InputError, match="contains no sound"):
        load_sound(tmp_path / "a.mp4")


@pytest.mark.parametrize("ending", MOVIE_ENDINGS)
def test_every_ending_is_written_with_its_sound_and_what_it_says_of_itself(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_movie(path, numbered(25), fps=25, wave=voice(1.0), rate=16000, metadata={"synthetic": "true"})
    facts = movie_facts(path)
    assert facts.has_sound and facts.seconds == pytest.approx(1.0, abs=0.05)
    assert {key.lower(): value for key, value in facts.metadata.items()}["synthetic"] == "true"
    assert [number(picture) for _, picture in frames(path)] == list(range(25))
    with av.open(str(path)) as container:
        codecs = {stream.codec_context.name for stream in container.streams}
    assert ("opus" in str(codecs)) == (ending == ".webm") == ("h264" not in codecs)


@pytest.mark.parametrize("fps", [10, 12.5, 23.976, 30, 59.94, 50])
def test_any_rate(tmp_path, fps):
    write_movie(tmp_path / "a.mp4", numbered(7), fps=fps, wave=voice(0.2))
    assert movie_facts(tmp_path / "a.mp4").fps == pytest.approx(fps, rel=1e-4)
    np.testing.assert_allclose([t for t, _ in frames(tmp_path / "a.mp4")], np.arange(7) / fps, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"frames": []}, "no frame"),
        ({"frames": [np.zeros((48, 64), np.uint8)]}, "shape"),
        ({"frames": [np.zeros((48, 64, 3))]}, "float64"),
        ({"frames": [np.zeros((48, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)]}, "64, 64"),
        ({"fps": 0}, "0 frames a second"),
        ({"fps": float("nan")}, "nan frames"),
        ({"wave": np.array([np.nan])}, "NaN"),
        ({"wave": np.zeros(0)}, "0 samples"),
        ({"path": "a.gif"}, "ends in .gif, which no movie is written as; name it a.mp4"),
        ({"path": "a"}, "has no ending; name it a.mp4"),
        ({"path": "missing/a.mp4"}, "does not exist"),
    ],
)
def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, change, fault):
    given = {"path": "a.mp4", "frames": numbered(3), "fps": 25} | change
    with pytest.raises(InputError, match=fault):
        write_movie(tmp_path / given.pop("path"), given.pop("frames"), **given)
    assert os.listdir(tmp_path) == []


def test_an_interrupted_writer_leaves_nothing_behind(tmp_path):
    def interrupted():
        yield from numbered(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_movie(tmp_path / "a.mp4", interrupted(), fps=25, wave=voice(1))
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits")
def test_a_disk_that_takes_no_more(tmp_path):
    code = (
        "import resource, sys\nimport numpy as np\nfrom voiceface.errors import InputError\n"
        "from voiceface.media.write_movie import write_movie\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "rng = np.random.default_rng(0)\n"
        "noise = (rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(60))\n"
        "try:\n    write_movie(sys.argv[1], noise, fps=25, wave=np.zeros(40000))\n"
        "except InputError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.mp4")], capture_output=True, text=True, check=True
    )
    assert "a.mp4: the file is larger than" in done.stdout and os.listdir(tmp_path) == []


def bad_files(folder, movie):
    def made(name, data):
        (folder / name).write_bytes(data)
        return folder / name

    whole = movie.read_bytes()
    yield made("empty.mp4", b""), "is empty"
    yield made("text.mp4", b"nothing to see\n" * 500), "not media"
    yield made("half.mp4", whole[: int(len(whole) * 0.6)]), "cut short|damaged"  # its index is in front
    yield made("head.mp4", whole[:600]), "not media, or is damaged"
    encode(folder / "late.mp4", numbered(20), range(0, 800, 40))
    late = (folder / "late.mp4").read_bytes()
    yield made("headless.mp4", late[: len(late) // 2]), "not media, or is damaged"
    with av.open(str(folder / "voice.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 16000, 0
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    yield folder / "voice.m4a", "contains no video"
    yield folder, "is a folder"
    yield folder / "missing.mp4", "does not exist"


def test_bad_files_give_one_line_with_file_fault_and_remedy(tmp_path, movie, capfd):
    for path, fault in bad_files(tmp_path, movie):
        with pytest.raises(InputError, match=fault) as caught:
            list(frames(path))
        text = str(caught.value)
        assert text.startswith(f"{path}: ") and "; " in text and "\n" not in text
        if "half" not in path.name:
            with pytest.raises(InputError, match=fault):
                movie_facts(path)
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""
    for times in ({"start": -1}, {"start": 2, "stop": 2}, {"fps": 0}, {"fps": float("nan")}):
        with pytest.raises(InputError, match="correct the times"):
            list(frames(movie, **times))
    with pytest.raises(InputError, match="ends at second 4"):
        list(frames(movie, start=5))


def test_readers_that_stop_early_do_not_hang(movie):
    """Closing a threaded decoder in mid-stream once waited for ever on FFmpeg's log."""
    code = (
        "import itertools, sys\nfrom voiceface.media.movie import frames\n"
        "for k in range(60):\n"
        "    read = frames(sys.argv[1], start=k % 30 * 0.09, threads=4)\n"
        "    list(itertools.islice(read, k % 5))\nprint('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(movie)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "done\n" and done.stderr == ""


def test_a_file_object_and_mpeg_program_streams(tmp_path, movie):
    with open(movie, "rb") as file:
        assert [number(p) for _, p in itertools.islice(frames(file), 3)] == [0, 1, 2]
        assert movie_facts(file).width == 64
    encode(tmp_path / "a.mpg", numbered(50), range(50), tick=Fraction(1, 25), codec="mpeg2video")
    read = list(frames(tmp_path / "a.mpg"))
    assert [number(p) for _, p in read] == list(range(50)) and read[0][0] == pytest.approx(0, abs=1e-6)
    assert [number(p) for _, p in frames(tmp_path / "a.mpg", start=1.0, stop=1.2)] == list(range(25, 30))


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not here")
def test_real_clips():
    paths = sorted((SHARED / "videos" / "grid_samples").iterdir())[:2]
    paths += sorted((SHARED / "videos" / "scenes").iterdir())[:2]
    for path in paths:
        facts, read = movie_facts(path), list(frames(path, long_side=160))
        assert abs(len(read) / facts.fps - facts.seconds) < 0.06
        assert max(read[0][1].shape) == 160 and read[0][1].std() > 10
        assert abs(len(load_sound(path)) / 16000 - facts.seconds) < 0.2
        assert [t for t, _ in frames(path, start=1.0, stop=1.5)] == [
            t for t, _ in read if t + 1e-4 >= 1 and t < 1.5 - 1e-4
        ]

"""Lengths of files whose clock, header or joints say something else than what they hold."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
import scipy.io.wavfile

from voiceface.errors import InputError
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import load_sound, sound_seconds


def speechlike(seconds: float, rate: int) -> np.ndarray:
    """Tones below 3 kHz, the same at any rate: a signal whose every sample tells its place."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    return sum(np.sin(2 * np.pi * (f * time + rng.random())) for f in rng.uniform(80, 3000, 60)) / 40


def write_sound(path, wave, rate, codec, *, late=0, **settings):
    """Write a recording whose clock begins at ``late`` seconds."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono", **settings)
        for at in range(0, len(wave), 4096):
            part = np.ascontiguousarray(wave[None, at : at + 4096].astype(np.float32))
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, at + late * rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def bar_codes(count):
    """Frames that carry their number as a bar code of eight blocks."""
    for k in range(count):
        bits = np.array([60 + 160 * (k >> bit & 1) for bit in range(8)], np.uint8)
        yield np.broadcast_to(bits.repeat(8)[None, :, None], (48, 64, 3)).copy()


def bar_code(picture):
    return sum((picture[24, 8 * bit + 4].mean() > 140) << bit for bit in range(8))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.webm", "libopus"),
        ("a.mka", "flac"),
        ("a.mkv", "aac"),
        ("a.opus", "libopus"),
        ("a.wma", "wmav2"),
        ("a.m4a", "aac"),
        ("a.ts", "mp2"),
    ],
)
@pytest.mark.parametrize("late", [5, 1_700_000_000])
def test_a_segment_of_something_longer_lasts_as_long_as_what_it_holds(tmp_path, name, codec, late):
    """Recordings cut into segments go on with the clock, and live ones begin at the time of day."""
    if late > 5 and name == "a.ts":
        pytest.skip("its clock has 33 bits")
    path = tmp_path / name
    write_sound(str(path), speechlike(2.5, 48000), 48000, codec, late=late, bit_rate=96000)
    assert len(load_sound(path)) / 16000 == pytest.approx(2.5, abs=0.1)
    assert sound_seconds(path) == pytest.approx(2.5, abs=0.1)
    end = load_sound(path)[-14000:]
    part = load_sound(path, start=len(load_sound(path)) / 16000 - 1)
    assert np.corrcoef(part[-14000:], end)[0, 1] > 0.9


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha"])
def test_compressed_wav_is_measured_in_bytes(tmp_path, codec):
    """Many writers state these codecs' bytes a second wrong by a third."""
    path = tmp_path / "a.wav"
    write_sound(str(path), speechlike(8, 44100), 44100, codec)
    data = bytearray(path.read_bytes())
    data[28:32] = (len(data) // 8 * 2 // 3).to_bytes(4, "little")
    path.write_bytes(data)
    assert len(load_sound(path)) / 16000 == pytest.approx(8, abs=0.15)
    (tmp_path / "half.wav").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut short: [34]\.\d of [78]\.\d s"):
        load_sound(tmp_path / "half.wav")


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_joined_ogg_files_are_one_recording(tmp_path, name):
    truth = speechlike(4, 48000)
    write_sound(str(tmp_path / name), truth, 48000, "libopus")
    once = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(once + once)
    for source in (tmp_path / name, io.BytesIO(once + once)):
        whole = load_sound(source)
        assert len(whole) / 16000 == pytest.approx(8, abs=0.1) == sound_seconds(source)
        part = load_sound(source, start=5.0, stop=6.0)
        np.testing.assert_allclose(part[300:-300], whole[80300:95700], atol=2e-3)


def with_clocks(path, picture_at, sound_at):
    """Three seconds of picture and sound (the latter unless None) whose clocks begin at these seconds."""
    with av.open(str(path), "w") as container:
        codec = "libvpx" if path.suffix == ".webm" else "mpeg4"
        video = container.add_stream(codec, rate=25, width=64, height=48, pix_fmt="yuv420p")
        if sound_at is not None:
            audio = container.add_stream(
                "libopus" if path.suffix == ".webm" else "aac", rate=48000, layout="mono"
            )
        for k, picture in enumerate(bar_codes(75)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = k + picture_at * 25, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound_at is not None:
            frame = av.AudioFrame.from_ndarray(
                speechlike(3.0, 48000)[None].astype(np.float32), "fltp", "mono"
            )
            frame.sample_rate, frame.pts = 48000, sound_at * 48000
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm"])
def test_clocks_that_do_not_begin_at_zero(tmp_path, name):
    path = tmp_path / name
    for at in (10, 1_700_000_000):
        with_clocks(path, at, None)
        assert movie_facts(path).seconds == pytest.approx(3, abs=0.05), at
        assert [bar_code(p) for _, p in frames(path)] == list(range(75))
    for picture_at, sound_at in ((0, 100_000), (100_000, 0)):
        with_clocks(path, picture_at, sound_at)
        assert movie_facts(path).seconds == pytest.approx(3, abs=0.05)
        read = list(frames(path))
        assert len(read) == 75 and read[0][0] == pytest.approx(0, abs=0.03)
        assert len(load_sound(path, max_seconds=60)) / 16000 == pytest.approx(3, abs=0.05)
        assert sound_seconds(path) == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(("shape", "rate"), [((640_000,), 16000), ((640_000, 2), 44100)])
def test_a_recording_is_opened_by_its_header_unless_it_may_be_dts_in_disguise(tmp_path, shape, rate):
    class Counted(io.BytesIO):
        count = 0

        def read(self, size=-1):
            data = super().read(size)
            self.count += len(data)
            return data

    noise = (np.random.default_rng(0).standard_normal(shape) * 3000).astype(np.int16)
    scipy.io.wavfile.write(tmp_path / "a.wav", rate, noise)
    file = Counted((tmp_path / "a.wav").read_bytes())
    assert sound_seconds(file) == pytest.approx(len(noise) / rate, abs=1e-6)
    assert (file.count < 128 * 1024) == (rate == 16000)  # FFmpeg reads by 32 kB; stereo is tried as DTS

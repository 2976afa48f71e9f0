"""Lengths of files whose clock, header or joints say something else than what they hold."""

import functools
import io
import struct
import types
from fractions import Fraction

import av
import numpy as np
import pytest
import scipy.io.wavfile

from voiceface.errors import InputError
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import load_sound, sound_seconds


@functools.cache
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


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms", "pcm_mulaw", "pcm_s24le"])
@pytest.mark.parametrize("name", ["a.wav", "a.w64"])
def test_a_part_of_a_compressed_wav_is_that_part(tmp_path, name, codec):
    write_sound(str(tmp_path / name), speechlike(8, 44100), 44100, codec)
    whole = load_sound(tmp_path / name)
    part = load_sound(tmp_path / name, start=5.0, stop=6.0)
    np.testing.assert_allclose(part[300:-300], whole[80300:95700], atol=2e-3)


@pytest.mark.parametrize(
    ("container", "codec", "film"),
    [("matroska", "mp3", True), ("matroska", "pcm_s16le", True), ("asf", "wmav2", False)],
)
def test_a_recording_that_went_through_a_pipe_states_no_length(tmp_path, container, codec, film):
    """FFmpeg then divides its bytes by the bit rate of its beginning."""
    path = tmp_path / "a"
    wave = np.concatenate([speechlike(4, 44100), np.zeros(44100 * 4)]).astype(np.float32)
    with path.open("wb") as file:
        piped = types.SimpleNamespace(write=file.write, name="a")
        with av.open(piped, "w", format=container) as out:
            sound = out.add_stream(codec, rate=44100, layout="mono", bit_rate=96000)
            picture = out.add_stream("mpeg4", rate=25, width=64, height=48) if film else None
            for k, shown in enumerate(bar_codes(200)):
                if picture is not None:
                    frame = av.VideoFrame.from_ndarray(shown, format="rgb24").reformat(format="yuv420p")
                    frame.pts, frame.time_base = k, Fraction(1, 25)
                    out.mux(picture.encode(frame))
                heard = av.AudioFrame.from_ndarray(wave[None, k * 1764 : (k + 1) * 1764], "fltp", "mono")
                heard.sample_rate, heard.pts = 44100, k * 1764
                out.mux(sound.encode(heard))
            for stream in out.streams:
                out.mux(stream.encode(None))
    assert len(load_sound(path)) / 16000 == pytest.approx(8, abs=0.1) == sound_seconds(path)
    assert not film or movie_facts(path).seconds == pytest.approx(8, abs=0.1)


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


def test_a_part_of_flac_in_ogg_that_was_cut_out_of_something_longer(tmp_path):
    """FFmpeg (8.1) counts its packets from zero, but from the cut after a seek."""
    path = tmp_path / "a.ogg"
    write_sound(str(path), speechlike(6, 48000), 48000, "flac", late=3)
    whole = load_sound(path)
    assert len(whole) == 96000 and sound_seconds(path) == pytest.approx(6)
    np.testing.assert_allclose(load_sound(path, start=2.0, stop=3.0)[300:-300], whole[32300:47700], atol=2e-3)


def test_joined_ogg_files_of_other_channels_are_to_be_converted(tmp_path):
    write_sound(str(tmp_path / "a.ogg"), speechlike(1, 48000), 48000, "libopus")
    both = (tmp_path / "a.ogg").read_bytes()
    with av.open(str(tmp_path / "b.ogg"), "w") as container:
        stream = container.add_stream("libopus", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 48000), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    (tmp_path / "a.ogg").write_bytes(both + (tmp_path / "b.ogg").read_bytes())
    with pytest.raises(InputError, match=r"changes its channels on its way; convert it to WAV"):
        load_sound(tmp_path / "a.ogg")


def with_clocks(path, picture_at, sound_at, seconds=3):
    """Picture and three seconds of sound (unless None) whose clocks begin at these seconds."""
    with av.open(str(path), "w") as container:
        codec = "libvpx" if path.suffix == ".webm" else "mpeg4"
        video = container.add_stream(codec, rate=25, width=64, height=48, pix_fmt="yuv420p")
        if sound_at is not None:
            audio = container.add_stream(
                "libopus" if path.suffix == ".webm" else "aac", rate=48000, layout="mono"
            )
        for k, picture in enumerate(bar_codes(25 * seconds)):
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


def test_sound_whose_clock_is_far_off_behind_more_picture_than_ffmpeg_looks_at(tmp_path):
    with_clocks(tmp_path / "a.mkv", 0, 100_000, seconds=8)
    assert len(load_sound(tmp_path / "a.mkv")) / 16000 == pytest.approx(3, abs=0.05)
    assert sound_seconds(tmp_path / "a.mkv") == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(("shape", "rate"), [((640_000,), 16000), ((640_000, 2), 32000)])
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


@pytest.mark.parametrize(("stored", "valid"), [(32, 24), (32, 20), (24, 16), (24, 20), (16, 12), (16, 8)])
@pytest.mark.parametrize("before", [0, 40_001])
def test_samples_with_spare_bits_are_those_of_16_bits(tmp_path, stored, valid, before):
    """Recorders write 24 bits in 32; the header tells both numbers, and chunks may stand before it."""
    wave = (speechlike(1, 16000) * 30000).astype(np.int16)
    values = wave.astype(np.int64) >> max(0, 16 - valid) << stored - min(16, valid)
    data = values.astype("<i8").view(np.uint8).reshape(-1, 8)[:, : stored // 8].tobytes()
    block = stored // 8
    header = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16000, 16000 * block, block, stored, 22, valid, 4)
    header += bytes.fromhex("0100000000001000800000aa00389b71")
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        for name, body in ((b"JUNK", bytes(before)), (b"fmt ", header), (b"data", data))
    )
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    assert sound_seconds(path) == 1
    np.testing.assert_allclose(load_sound(path), wave / 2**15, atol=2.0 ** (1 - min(16, valid)))


def test_integers_of_64_bits_are_read(tmp_path):
    wave = (speechlike(1, 16000) * 30000).astype(np.int64)
    scipy.io.wavfile.write(tmp_path / "a.wav", 16000, wave << 48)
    np.testing.assert_array_equal(load_sound(tmp_path / "a.wav"), (wave / 2**15).astype(np.float32))

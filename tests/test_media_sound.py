import functools
import io
import os
import subprocess
import sys
import wave as riff
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.io.wavfile
import scipy.signal
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceface.errors import InputError
from voiceface.media.sound import load_sound, save_sound, sound_seconds, stream_sound

SHARED = Path(__file__).parents[2] / "shared" / "data"


@functools.cache
def speechlike(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Noise below 3 kHz, the same at any rate: a signal whose every sample tells its place."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    waves = sum(np.sin(2 * np.pi * (f * time + rng.random())) for f in rng.uniform(80, 3000, 60))
    return 0.5 * waves / np.sqrt(60) / 3


def encode(path, wave, rate, codec, *, layout="mono", file_format=None, options=None, **settings):
    """Write with FFmpeg's encoders, independently of our own writer."""
    with av.open(path, "w", format=file_format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, **settings)
        planes = np.atleast_2d(wave).astype(np.float32)
        for at in range(0, planes.shape[1], 4096):
            part = np.ascontiguousarray(planes[:, at : at + 4096])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def lag_and_error(wave, reference):
    """The shift in samples that fits best, and the relative error there."""
    n = min(len(wave), len(reference))
    wave, reference = wave[:n], reference[:n]
    shift = int(np.argmax(scipy.signal.correlate(wave, reference, method="fft"))) - (n - 1)
    a, b = (wave[shift:], reference[: n - shift]) if shift >= 0 else (wave[:shift], reference[-shift:])
    middle = slice(500, len(a) - 500)
    return shift, float(np.linalg.norm(a[middle] - b[middle]) / np.linalg.norm(b[middle]))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_wav_files_agree_with_scipy(tmp_path, dtype, rate):
    scale, zero = {"uint8": (127, 128), "int16": (32767, 0), "int32": (2**31 - 1, 0), "float32": (1, 0)}[
        dtype
    ]
    stored = (speechlike(0.7, rate) * scale + zero).astype(dtype)
    scipy.io.wavfile.write(tmp_path / "a.wav", rate, stored)
    same_rate = load_sound(tmp_path / "a.wav", rate=rate)
    full = {"uint8": 128, "int16": 2**15, "int32": 2**31, "float32": 1}[dtype]
    np.testing.assert_allclose(same_rate, (stored.astype(np.float64) - zero) / full, atol=1e-7)
    wave = load_sound(tmp_path / "a.wav")
    assert wave.dtype == np.float32 and len(wave) == round(len(stored) * 16000 / rate)
    assert wave.tobytes() == load_sound((stored, rate)).tobytes()  # the array and its file are one sound
    assert sound_seconds(tmp_path / "a.wav") == pytest.approx(len(stored) / rate, abs=1e-6)
    shift, error = lag_and_error(wave, speechlike(0.7, 16000))
    assert shift == 0 and error < (0.05 if dtype == "uint8" else 0.002)


def test_24_bit_wav_agrees_with_the_wave_module(tmp_path):
    values = np.array([0, 1, -1, 2**23 - 1, -(2**23), 123456], np.int32)
    with riff.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, 16000, 0, "NONE", ""))
        file.writeframes(b"".join(int(v).to_bytes(3, "little", signed=True) for v in values))
    np.testing.assert_array_equal(load_sound(tmp_path / "a.wav"), (values / 2**23).astype(np.float32))


def test_the_resampler_passes_what_it_must_and_stops_what_would_alias():
    """Its frequency response beside scipy's polyphase filter, an independent one."""
    for source in (44100, 48000):
        time = np.arange(source) / source
        for hertz, low, high in [(100, -0.1, 0.1), (3000, -0.1, 0.1), (7000, -0.5, 0.1), (9500, -300, -60)]:
            tone = 0.5 * np.sin(2 * np.pi * hertz * time)
            ours = load_sound((tone, source))[2000:-2000]
            theirs = scipy.signal.resample_poly(tone, 16000, source)[2000:-2000]
            level = 20 * np.log10(np.std(ours) / np.std(tone) + 1e-15)
            assert low <= level <= high, (source, hertz, level)
            if hertz <= 3000:
                assert np.abs(ours - theirs).max() < 2e-3


def test_the_delay_of_the_resampler_is_compensated():
    click = np.zeros(44100)
    click[22050] = 1.0
    assert np.argmax(load_sound((click, 44100))) == 8000
    assert np.argmax(load_sound((click[::2].copy(), 8000), rate=48000)) == 11025 * 6


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5000), st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000]))
def test_the_length_is_exact(samples, rate):
    wave = load_sound((np.full(samples, 0.25), rate))
    assert abs(len(wave) - samples * 16000 / rate) <= 0.5 + 1e-9 or len(wave) == 1


@pytest.mark.parametrize(
    ("name", "codec", "rate", "error"),
    [
        ("a.flac", "flac", 44100, 0.002),
        ("a.mp3", "libmp3lame", 44100, 0.2),
        ("a.m4a", "aac", 44100, 0.2),
        ("a.mkv", "aac", 48000, 0.2),
        ("a.ogg", "libopus", 48000, 0.2),
        ("a.webm", "libopus", 48000, 0.2),
        ("a.aiff", "pcm_s16be", 22050, 0.002),
        ("a.wav", "pcm_alaw", 8000, 0.1),
    ],
)
def test_codecs_and_containers(tmp_path, name, codec, rate, error):
    path = tmp_path / name
    try:
        encode(str(path), speechlike(4, rate), rate, codec)
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg cannot write {codec}")
    truth = speechlike(4, 16000)
    wave = load_sound(path)
    assert abs(len(wave) / 16000 - 4) < 0.03 and (name != "a.m4a" or len(wave) == 64000)
    assert abs(sound_seconds(path) - 4) < 0.06
    shift, measured = lag_and_error(wave, truth)
    assert abs(shift) <= 1 and measured < error
    # Sought: within the millisecond that Matroska's clock counts in, to the sample elsewhere.
    part = load_sound(path, start=2.5, stop=3.5)
    assert len(part) == 16000
    shift, measured = lag_and_error(part, truth[40000:56000])
    assert abs(shift) <= (16 if name in ("a.mkv", "a.webm") else 1)
    if name not in ("a.mkv", "a.webm"):
        np.testing.assert_allclose(part[300:-300], wave[40300:55700], atol=2e-3)
    with open(path, "rb") as file:
        file.seek(7)  # read from the beginning all the same
        np.testing.assert_array_equal(load_sound(file), wave)
        assert not file.closed
        np.testing.assert_array_equal(load_sound(io.BytesIO(path.read_bytes())), wave)


def test_stereo_and_surround_are_mixed_by_their_places(tmp_path):
    rng = np.random.default_rng(0)
    places = rng.uniform(-0.5, 0.5, (6, 4000)).astype(np.float32)
    shares = np.array([0.5, 0.5, 0.5**0.5, 0.0, 0.5**1.5, 0.5**1.5])
    expected = shares @ places / shares.sum()
    scipy.io.wavfile.write(tmp_path / "plain.wav", 16000, places.T)  # six channels of unstated place
    encode(str(tmp_path / "named.wav"), places, 16000, "pcm_f32le", layout="5.1")
    for source in (tmp_path / "plain.wav", tmp_path / "named.wav", (places, 16000), (places.T, 16000)):
        np.testing.assert_allclose(load_sound(source), expected, atol=1e-6)
    encode(str(tmp_path / "stereo.wav"), places[:2], 16000, "pcm_f32le", layout="stereo")
    np.testing.assert_allclose(load_sound(tmp_path / "stereo.wav"), places[:2].mean(0), atol=1e-6)
    np.testing.assert_allclose(load_sound((places[:3], 16000)), places[:3].mean(0), atol=1e-6)
    loud = np.ones((6, 500), np.float32)
    assert load_sound((loud, 16000)).max() <= 1.0  # weights add up to one: nothing clips


def test_arrays_that_can_be_used():
    np.testing.assert_allclose(load_sound((np.array([1.2, -1.5, 0.5]), 16000)), [1, -1, 0.5])  # overshoot
    np.testing.assert_allclose(load_sound((np.array([[0.5], [0.25]]), 16000)), [0.5, 0.25])
    np.testing.assert_allclose(load_sound((np.array([0.5], np.float16), np.int64(16000))), [0.5])
    np.testing.assert_allclose(load_sound((np.array([-64, 127], np.int8), 16000)), [-0.5, 127 / 128])


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ((np.array([0.0, np.nan]), 16000), "NaN or infinite"),
        ((np.array([0.0, np.inf]), 16000), "NaN or infinite"),
        ((np.array([1e300, 0.0]), 16000), "NaN or infinite"),
        ((np.array([20000.0, 3.0]), 16000), "reaches 20000"),
        ((np.array([2, 3]), 16000), "int64"),
        ((np.array([True, False]), 16000), "bool"),
        ((np.array([1j]), 16000), "complex"),
        ((np.zeros(0), 16000), "0 samples"),
        ((np.zeros((2, 0)), 16000), "0 samples"),
        ((np.zeros((2, 2)), 16000), "either way round"),
        ((np.zeros((100, 100)), 16000), "shape"),
        ((np.zeros((2, 2, 2)), 16000), "shape"),
        ((np.zeros(5), 0), "rate of 0"),
        ((np.zeros(5), 16000.5), "rate of 16000.5"),
        ((np.zeros(5), float("nan")), "rate of nan"),
        ((np.zeros(5), "16000"), "rate of 16000"),
        ((16000, np.zeros(5)), "pair"),
        ((np.zeros(5),), "pair"),
        (np.zeros(5), "no path and no file object"),
    ],
)
def test_arrays_that_cannot(source, fault):
    with pytest.raises(InputError, match=fault) as caught:
        load_sound(source)
    assert "\n" not in str(caught.value) and "; " in str(caught.value)


def bad_files(folder):
    wave = (speechlike(10, 16000) * 30000).astype(np.int16)
    scipy.io.wavfile.write(folder / "good.wav", 16000, wave)
    whole = (folder / "good.wav").read_bytes()
    encode(str(folder / "good.flac"), wave / 32768, 16000, "flac")
    encode(str(folder / "good.m4a"), wave / 32768, 16000, "aac", options={"movflags": "faststart"})
    encode(str(folder / "late.m4a"), wave / 32768, 16000, "aac")
    broken = np.zeros(16000, np.float32)
    broken[8000] = np.nan
    with av.open(str(folder / "silent.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))

    def made(name, data):
        (folder / name).write_bytes(data)
        return folder / name

    yield made("empty.wav", b""), "is empty"
    yield made("text.wav", b"not a sound at all\n" * 500), "not media"
    yield made("noise.mp3", np.random.default_rng(0).bytes(300)), "not media|contains no sound|damaged"
    yield made("header.wav", whole[:44]), "cut short: its header is all"
    yield made("zero.wav", whole[:40] + bytes(4)), "0 samples"
    yield made("half.wav", whole[: len(whole) // 2]), "cut short: 5.0 of 10.0"
    flac = (folder / "good.flac").read_bytes()
    yield made("half.flac", flac[: len(flac) // 2]), "cut short"
    m4a = (folder / "good.m4a").read_bytes()
    yield made("half.m4a", m4a[: len(m4a) // 2]), "cut short"
    m4a = (folder / "late.m4a").read_bytes()
    yield made("headless.m4a", m4a[: len(m4a) // 2]), "not media, or is damaged"
    scipy.io.wavfile.write(folder / "nan.wav", 16000, broken)
    yield folder / "nan.wav", "NaN"
    scipy.io.wavfile.write(folder / "scale.wav", 16000, np.full(100, 9000, np.float32))
    yield folder / "scale.wav", "reaches 9000"
    yield folder / "silent.mp4", "contains no sound"
    yield folder, "is a folder"
    yield folder / "missing.wav", "does not exist"


def test_bad_files_give_one_line_with_file_fault_and_remedy(tmp_path, capfd):
    for path, fault in bad_files(tmp_path):
        with pytest.raises(InputError, match=fault) as caught:
            load_sound(path)
        text = str(caught.value)
        assert text.startswith(f"{path}: ") and "; " in text and "\n" not in text
        with pytest.raises(InputError):
            list(stream_sound(str(path)))
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""  # FFmpeg's own remarks are kept off the terminal
    assert len(load_sound(tmp_path / "half.wav", stop=4.0)) == 64000  # what is there can be used by name


def test_a_recording_whose_writer_was_killed_is_read(tmp_path):
    """Recorders that write to a pipe leave 0xFFFFFFFF as the length: no sign of damage."""
    scipy.io.wavfile.write(tmp_path / "a.wav", 16000, np.full(16000, 1000, np.int16))
    data = bytearray((tmp_path / "a.wav").read_bytes())
    for placeholder in (0xFFFFFFFF, 0x7FFFF000, 2_000_000_000):
        data[4:8] = data[40:44] = placeholder.to_bytes(4, "little")
        (tmp_path / "pipe.wav").write_bytes(data)
        assert len(load_sound(tmp_path / "pipe.wav")) == 16000


def test_a_little_damage_is_tolerated_and_much_is_not(tmp_path):
    truth = speechlike(10, 16000)
    encode(str(tmp_path / "a.m4a"), truth, 16000, "aac")
    data = (tmp_path / "a.m4a").read_bytes()
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    for share, fine in ((0.01, True), (0.5, False)):
        middle, half = (begin + end) // 2, int(share * (end - begin) / 2)
        bad = data[: middle - half] + b"\xff" * (2 * half) + data[middle + half :]
        (tmp_path / "bad.m4a").write_bytes(bad)
        if fine:
            wave = load_sound(tmp_path / "bad.m4a")
            # What comes after the hole is still at its own time.
            assert len(wave) == pytest.approx(160000, abs=1024)
            shift, error = lag_and_error(wave[100000:160000], truth[100000:160000])
            assert abs(shift) <= 1 and error < 0.2
        else:
            with pytest.raises(InputError, match="damaged|cut short"):
                load_sound(tmp_path / "bad.m4a")


def test_parts_of_a_sound(tmp_path):
    wave = speechlike(6, 16000).astype(np.float32)
    encode(str(tmp_path / "a.wav"), wave, 16000, "pcm_f32le")
    for source in (tmp_path / "a.wav", (wave, 16000)):
        np.testing.assert_array_equal(load_sound(source, start=4.25, stop=5.0), wave[68000:80000])
        np.testing.assert_array_equal(load_sound(source, max_seconds=1.5), wave[:24000])
        np.testing.assert_array_equal(load_sound(source, start=5, max_seconds=60), wave[80000:])
        for start, stop in [(7, None), (6, None)]:
            with pytest.raises(InputError, match="after second"):
                load_sound(source, start=start, stop=stop)
        for start, stop in [(-1, None), (2, 2), (2, 1), (float("nan"), None)]:
            with pytest.raises(InputError, match="start < stop"):
                load_sound(source, start=start, stop=stop)
    with pytest.raises(InputError, match="0 Hz"):
        load_sound((wave, 16000), rate=0)


def test_blocks_join_to_the_whole(tmp_path):
    wave = speechlike(5, 44100)
    scipy.io.wavfile.write(tmp_path / "a.wav", 44100, (wave * 32767).astype(np.int16))
    whole = load_sound(tmp_path / "a.wav")
    for seconds in (0.3, 1.0, 5.0, 60.0):
        blocks = list(stream_sound(tmp_path / "a.wav", block_seconds=seconds))
        assert {len(b) for b in blocks[:-1]} <= {round(seconds * 16000)} and len(blocks[-1]) > 0
        np.testing.assert_array_equal(np.concatenate(blocks), whole)
    assert len(load_sound((wave[:2205], 44100))) == 800  # 50 ms


@pytest.mark.parametrize(("name", "resumed"), [("late.mkv", 105), ("late.mov", 85)])
def test_sound_that_begins_late_or_pauses_keeps_its_time(tmp_path, name, resumed):
    """In a video the voice must stay with the lips. (PCM in MOV can begin late, but has no pauses.)"""
    with av.open(str(tmp_path / name), "w") as container:
        video = container.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        audio = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for k in range(125):
            picture = av.VideoFrame(32, 32, "yuv420p")
            picture.pts = k
            container.mux(video.encode(picture))
            if 75 <= k < 85 or k >= resumed:  # sound from 3.0 to 3.4 s and from 4.2 to 5.0 s
                frame = av.AudioFrame.from_ndarray(np.full((1, 640), 8000, np.int16), "s16", "mono")
                frame.sample_rate, frame.pts = 16000, 640 * k
                container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    wave = load_sound(tmp_path / name)
    expected = np.zeros(80000, np.float32)
    expected[48000:54400] = expected[640 * resumed :] = 8000 / 32768
    np.testing.assert_array_equal(wave, expected)
    for start in (0.5, 2.5, 3.2, 3.7, 4.5):  # sought, before the first sound, within it, in the gap, after it
        part = load_sound(tmp_path / name, start=start, stop=start + 0.5)
        np.testing.assert_array_equal(part, expected[round(start * 16000) :][:8000])
    assert sound_seconds(tmp_path / name) == pytest.approx(5.0, abs=0.05)


def test_saving_is_the_inverse_of_loading(tmp_path):
    path = tmp_path / "a.wav"
    stored = np.array([0, 1, -1, 32767, -32768, 12345], np.int16)
    save_sound(path, stored)
    np.testing.assert_array_equal(scipy.io.wavfile.read(path)[1], stored)
    save_sound(path, load_sound(path), rate=8000)
    rate, again = scipy.io.wavfile.read(path)
    assert rate == 8000
    np.testing.assert_array_equal(again, stored)
    save_sound(path, np.array([1.5, -1.5, 0.0]))
    np.testing.assert_array_equal(scipy.io.wavfile.read(path)[1], [32767, -32768, 0])
    before = path.read_bytes()
    for bad in (np.zeros((2, 5)), np.array([np.nan]), np.array([True]), np.array([5000.0])):
        with pytest.raises(InputError, match="a.wav"):
            save_sound(path, bad)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("minutes", [20, pytest.param(120, marks=pytest.mark.slow)])
def test_hours_of_sound_pass_through_bounded_memory(tmp_path, minutes):
    """Two hours are a 57.6 MB file and 460 MB of samples; 20 minutes are 77 MB of them."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read from Linux")  # getrusage begins at the parent's peak
    path = tmp_path / "long.wav"
    with riff.open(str(path), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        minute = (speechlike(60, 8000) * 127 + 128).astype(np.uint8).tobytes()
        for _ in range(minutes):
            file.writeframes(minute)
    code = (
        "import sys\nimport numpy as np\n"
        "from voiceface.media.sound import load_sound, stream_sound\n"
        "top = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "load_sound((np.zeros(8000), 8000))\nbefore = top()\n"
        "n = sum(map(len, stream_sound(sys.argv[1])))\nprint(n, top() - before)\n"
    )
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    samples, grown = map(int, out.stdout.split())
    assert samples == minutes * 60 * 16000 and grown / 1024 < 40
    assert sound_seconds(path) == pytest.approx(60 * minutes, abs=0.01)
    assert len(load_sound(path, start=60 * minutes - 9, stop=60 * minutes - 5)) == 64000


def test_the_length_of_vorbis_with_long_and_short_blocks(tmp_path):
    """A packet's stated duration is too short where the block's length changes; the clock is right."""
    wave = speechlike(4, 16000)
    wave[::3000] += 0.9  # a click makes the encoder take short blocks
    soundfile.write(tmp_path / "a.ogg", wave, 16000, format="OGG", subtype="VORBIS")
    assert sound_seconds(tmp_path / "a.ogg") == pytest.approx(len(load_sound(tmp_path / "a.ogg")) / 16000)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not here")
def test_real_voices():
    paths = sorted((SHARED / "pairs" / "voices").iterdir())[::60]
    for path in paths:
        wave = load_sound(path)
        assert 2.4 < len(wave) / 16000 < 6.6 and 1e-4 < wave.std() < 0.6
        assert sound_seconds(path) == pytest.approx(len(wave) / 16000, abs=0.05)

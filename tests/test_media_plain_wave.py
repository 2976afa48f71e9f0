"""WAVs read without FFmpeg: the same samples to the bit as through it, only where nothing else is meant."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import struct
import tracemalloc

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.media import sound
from voiceface.media.plain_wave import open_plain_wave
from voiceface.media.sound import load_sound, sound_seconds

TYPES = {(1, 8): "u1", (1, 16): "<i2", (1, 24): "<i4", (1, 32): "<i4", (3, 32): "<f4", (3, 64): "<f8"}
SUBTYPE = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def stored(samples, kind):
    """Floats (samples, channels) in [-1, 1] as a WAV stores them."""
    coding, bits = kind
    if coding == 3:
        return samples.astype(TYPES[kind]).tobytes()
    if bits == 8:
        return np.clip(samples * 128 + 128, 0, 255).astype("u1").tobytes()
    full = 2.0 ** (31 if bits == 24 else bits - 1)
    whole = np.clip(samples * full, -full, full - 1).astype(TYPES[kind])
    if bits != 24:
        return whole.tobytes()
    return whole.reshape(-1, 1).view("u1").reshape(-1, 4)[:, 1:].tobytes()


def wav(samples, kind=(1, 16), rate=16_000, *, extensible=None, before=b"", after=b"", size=None, end=b""):
    """A WAV's bytes; ``extensible``: its mask of speakers; ``size``: what the header says of the data."""
    data, count, (coding, bits) = stored(samples, kind), samples.shape[1], kind
    facts = count, rate, rate * count * bits // 8, count * bits // 8, bits
    form = struct.pack("<HHIIHH", coding if extensible is None else 0xFFFE, *facts) + end
    if extensible is not None:
        form += struct.pack("<HHIH", 22, bits, extensible, coding) + SUBTYPE
    size = len(data) if size is None else size
    body = b"WAVE" + chunk(b"fmt ", form) + before + b"data" + struct.pack("<I", size) + data
    body += b"\0" * (len(data) % 2) + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def noise(count, channels=1, seed=0):
    return np.random.default_rng(seed).normal(size=(count, channels)) * 0.1


def is_taken(data):
    with open_plain_wave(io.BytesIO(data)) as wave:
        return wave is not None


def both_ways(data, monkeypatch, **part):
    """The samples, or the error, as read here and by FFmpeg."""
    found = []
    for ffmpeg in (False, True):
        with monkeypatch.context() as patch:
            if ffmpeg:
                patch.setattr(sound, "open_plain_wave", lambda source: contextlib.nullcontext())
            try:
                found.append((load_sound(io.BytesIO(data), **part), sound_seconds(io.BytesIO(data))))
            except InputError as error:
                found.append(str(error))
    return found


def assert_same(data, monkeypatch, **part):
    ours, theirs = both_ways(data, monkeypatch, **part)
    if isinstance(theirs, str):
        assert ours == theirs
        return
    assert ours[1] == theirs[1] and np.array_equal(ours[0], theirs[0]), part


INFO = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a name"))
FACT = struct.pack("<I", 20_011)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_coding_is_read_as_by_ffmpeg(kind, channels, monkeypatch):
    samples = noise(20_011, channels)
    data = wav(samples, kind)
    assert is_taken(data)
    assert_same(data, monkeypatch)
    for part in ({"start": 0.3, "stop": 0.9}, {"start": 1.1, "rate": 44_100}, {"max_seconds": 0.5}):
        assert_same(data, monkeypatch, **part)
    for mask in (0, 4 if channels == 1 else 3):
        assert is_taken(wide := wav(samples, kind, extensible=mask))
        assert_same(wide, monkeypatch)


@pytest.mark.parametrize("rate", [1000, 8000, 11_025, 22_050, 44_100, 96_000, 12_347])
def test_every_rate_is_read_as_by_ffmpeg(rate, monkeypatch):
    data = wav(noise(2 * rate + 7), rate=rate)
    assert is_taken(data)
    for part in ({}, {"rate": 24_000}, {"start": 0.7, "stop": 1.9}):
        assert_same(data, monkeypatch, **part)


def test_what_a_recorder_spoilt_is_mended_as_by_ffmpeg(monkeypatch):
    """The mixdown is learnt from the beginning, packet for packet the same."""
    left = noise(12 * 8000 + 5)
    for samples, kind in (
        (left + 0.3, (1, 16)),
        (np.hstack([left, -left]), (1, 24)),
        (np.hstack([left, 0.1 * left]), (1, 16)),
        (left * 30, (3, 32)),
    ):
        data = wav(samples, kind, rate=8000)
        assert is_taken(data)
        for part in ({}, {"start": 11.2}):
            assert_same(data, monkeypatch, **part)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, 1000.0])
def test_samples_that_are_none_are_refused_as_by_ffmpeg(value, monkeypatch):
    samples = noise(20_000)
    samples[15_000] = value
    data = wav(samples, (3, 64))
    assert is_taken(data) and isinstance(both_ways(data, monkeypatch)[0], str)
    assert_same(data, monkeypatch)


def test_harmless_chunks_are_passed_over(monkeypatch):
    samples = noise(20_011)
    odd = chunk(b"JUNK", b"abc")
    for before, after in itertools.product((INFO, chunk(b"fact", FACT), odd), (b"", INFO, odd)):
        data = wav(samples, before=before, after=after)
        assert is_taken(data)
        assert_same(data, monkeypatch)
    assert is_taken(wav(samples, end=b"\0\0"))  # WAVEFORMATEX without an extension


def test_what_is_not_certain_is_left_to_ffmpeg(monkeypatch):
    samples, stereo = noise(20_011), noise(20_011, 2)
    whole = wav(samples)
    uncertain = {
        "RIFX": b"RIFX" + whole[4:],
        "RF64": b"RF64" + whole[4:],
        "no size": wav(samples, size=0),
        "unknown size": wav(samples, size=2**32 - 1),
        "too long": wav(samples, size=50_000),
        "half a sample": wav(samples, size=40_021),
        "cut short": whole[:20_000],
        "only a header": whole[:44],
        "other number in fact": wav(samples, before=chunk(b"fact", struct.pack("<I", 7))),
        "unknown chunk": wav(samples, before=chunk(b"what", b"1234")),
        "two formats": wav(samples, before=chunk(b"fmt ", bytes(16))),
        "too short a LIST": wav(samples, before=chunk(b"LIST", b"")),
        "bytes behind": whole + b"12345",
        "other speakers": wav(samples, extensible=2),
        "an extension": wav(samples, end=b"\2\0\0\0"),
        "perhaps DTS": wav(stereo, rate=44_100),
        "passed on": wav(samples)[:44] + bytes.fromhex("72f81f4e") + wav(samples)[48:],
        "mp3 in it": whole[:20] + struct.pack("<H", 0x55) + whole[22:],
        "no samples": wav(samples[:0]),
        "four channels": wav(noise(5000, 4)),
    }
    for what, data in uncertain.items():
        assert not is_taken(data), what
        assert_same(data, monkeypatch)
    assert is_taken(wav(stereo, (1, 24), rate=44_100)) and is_taken(wav(stereo, rate=31_999))


def test_damaged_headers_are_read_as_by_ffmpeg(monkeypatch):
    chance, data = random.Random(0), wav(noise(3000), before=INFO)
    for _ in range(150):
        spoilt = bytearray(data)
        for _ in range(chance.randint(1, 2)):
            spoilt[chance.randrange(80)] = chance.randrange(256)
        assert_same(bytes(spoilt), monkeypatch)


def test_no_header_has_memory_set_aside():
    whole = wav(noise(16_000))
    lies = [whole[:40] + struct.pack("<I", size) + whole[44:] for size in (0x7FFEFFFE, 0xFFFFFFFE)]
    lies.append(whole[:16] + struct.pack("<I", 0x7FFFFFFF) + whole[20:])
    lies += [wav(noise(16_000), before=chunk(b"JUNK", b"") * 100_000)]
    lies += [wav(noise(16_000), after=chunk(b"JUNK", b"") * 100)]
    for data in lies:
        tracemalloc.start()
        assert not is_taken(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1e6, peak


def test_a_file_that_shrinks_meanwhile_is_cut_short(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(noise(32_000)))
    with open_plain_wave(path) as wave:
        assert wave.read(0, 100).shape == (1, 100) and wave.read(31_990, 40_000).shape == (1, 10)
        path.write_bytes(wav(noise(100)))
        with pytest.raises(InputError, match="shorter while it was read"):
            wave.read(0, 32_000)

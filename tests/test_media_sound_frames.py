"""Frames that are joined before they are mixed give the samples of frames taken one by one, to the bit."""

import av
import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.media.container import open_media
from voiceface.media.mixdown import learn_mixdown
from voiceface.media.resample import resample
from voiceface.media.samples import as_float
from voiceface.media.sound import load_sound, stream_sound
from voiceface.media.sound_frames import Frame, learn_frames, place_frames, read_frames

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
FORMATS = [
    ("ogg", "vorbis", 2, 44100),
    ("ogg", "libopus", 1, 48000),
    ("ogg", "flac", 1, 16000),
    ("m4a", "aac", 1, 16000),
    ("mka", "aac", 6, 44100),
    ("flac", "flac", 6, 22050),
    ("flac", "flac", 1, 8000),
    ("mp3", "libmp3lame", 2, 11025),
    ("wav", "adpcm_ms", 1, 11025),
    ("mka", "pcm_f64le", 2, 12345),
]


def sound(seconds, rate, channels, offset=0.0):
    times = np.arange(int(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * 180 * times) * (0.3 + 0.2 * np.sin(2 * np.pi * 3 * times))
    noise = np.random.default_rng(0).normal(0, 0.02, (channels, len(times)))
    return (wave * np.linspace(1, 0.5, channels)[:, None] + noise + offset).astype(np.float32)


def write(path, codec, wave, rate, *, gap=0.0):
    """Encode (channels, samples); from the middle on times are later by ``gap`` seconds."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, layout=LAYOUTS[len(wave)], options={"strict": "-2"})
        context = stream.codec_context
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout=LAYOUTS[len(wave)])
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(
            context.format.name, context.layout.name, rate, frame_size=context.frame_size or 1024
        )
        packets = [packet for part in resampler.resample(frame) for packet in stream.encode(part)]
        packets += [packet for part in resampler.resample(None) for packet in stream.encode(part)]
        for number, packet in enumerate([*packets, *stream.encode(None)]):
            if packet.pts is not None and number > len(packets) // 2:
                packet.pts += round(gap / packet.time_base)
                packet.dts = packet.pts
            file.mux(packet)
    return path


def one_by_one(path, rate):
    """The file at another rate, every frame converted, mixed and resampled by itself."""
    with open_media(path, "audio") as media:
        mixdown, frames = learn_frames(media)
        pieces, at = [], 0
        for frame in frames:
            late = 0.0 if frame.time is None else frame.time - at / frame.rate
            if 0.1 * (at > 0) < late < 600:
                pieces.append((np.zeros(round(late * frame.rate), np.float32), frame.rate))
            pieces.append((mixdown(as_float(frame.samples, "file"), frame.names), frame.rate))
            at = sum(len(piece) for piece, _ in pieces)
    return np.clip(np.concatenate(list(resample(iter(pieces), rate))), -1, 1)


@pytest.mark.parametrize(("container", "codec", "channels", "rate"), FORMATS)
@pytest.mark.parametrize("seconds", [0.3, 3.3])
def test_joined_frames_are_those_taken_one_by_one(tmp_path, container, codec, channels, rate, seconds):
    path = write(tmp_path / f"a.{container}", codec, sound(seconds, rate, channels), rate)
    for wanted in (16000, 22050):
        plain, joined = one_by_one(path, wanted), load_sound(path, rate=wanted)
        if container == "m4a":  # it states its length, behind which what the codec added is left out
            assert 0 <= len(plain) - len(joined) <= 4096 * wanted / rate
            joined = joined[:-200]  # the resampler met the end there
            plain = plain[: len(joined)]
        assert np.array_equal(joined, plain)


@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_what_a_recorder_spoilt_is_mended_alike(tmp_path, offset):
    path = write(tmp_path / "a.mka", "pcm_s16le", sound(12.0, 8000, 2, offset), 8000)
    joined = load_sound(path, rate=8000)
    assert np.array_equal(joined, one_by_one(path, 8000))
    assert abs(joined.mean()) < 0.01
    parts = [load_sound(path, rate=8000, start=0.0, stop=11.3), load_sound(path, rate=8000, start=11.3)]
    assert np.array_equal(joined, np.concatenate(parts))


def test_a_gap_of_the_clock_is_as_long_a_silence(tmp_path):
    path = write(tmp_path / "a.mka", "pcm_s16le", sound(2.0, 16000, 1), 16000, gap=0.5)
    joined = load_sound(path)
    assert np.array_equal(joined, one_by_one(path, 16000))
    assert len(joined) == pytest.approx(2.5 * 16000, abs=32)
    silent = np.flatnonzero(joined == 0)
    assert len(silent) >= 7900


@pytest.mark.parametrize("damage", ["cut", "bytes"])
def test_a_damaged_file_gives_what_single_frames_give(tmp_path, damage):
    path = write(tmp_path / "a.ogg", "libopus", sound(6.0, 16000, 1), 16000)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) * 2 // 3]
    else:
        for place in range(len(data) // 2, len(data) // 2 + 40, 4):
            data[place] ^= 255
    path.write_bytes(data)
    try:
        plain = one_by_one(path, 16000)
    except InputError as error:
        with pytest.raises(InputError, match=str(error.fault)):
            load_sound(path)
    else:
        assert np.array_equal(load_sound(path), plain)


def test_frames_change_format_rate_and_channels_on_their_way():
    names, others = ["FC"], ["FL", "FR"]
    few, many = np.full((1, 300), 0.25, np.float32), np.full((2, 500), 0.5, np.float32)
    frames = [
        Frame(0.0, 1000, few, names),
        Frame(0.3, 1000, few, names),
        Frame(0.6, 1000, many, others),
        Frame(1.1, 2000, (few * 32768).astype(np.int16), names[:]),
        Frame(3.0, 2000, few, names),
    ]
    mixdown = learn_mixdown([], 1)
    found = list(place_frames(iter(frames), mixdown, "file", sought=None, last=lambda rate: None))
    assert [(at, rate, len(wave)) for at, rate, wave in found] == [
        (0, 1000, 600), (600, 1000, 500), (2200, 2000, 300), (2500, 2000, 2000), (4500, 2000, 1500),
        (6000, 2000, 300),
    ]  # fmt: skip
    assert [float(np.abs(wave).max()) for _, _, wave in found] == [0.25, 0.5, 0.25, 0, 0, 0.25]


def test_no_frame_behind_the_end_is_asked_for(tmp_path):
    path = write(tmp_path / "a.ogg", "libopus", sound(20.0, 16000, 1), 16000)
    with open_media(path, "audio") as media:
        mixdown, _ = learn_frames(media)
    asked = 0

    def counted():
        nonlocal asked
        with open_media(path, "audio") as media:
            for frame in read_frames(media):
                asked += frame.samples.shape[1]
                yield frame

    parts = place_frames(counted(), mixdown, "file", sought=None, last=lambda rate: round(2.5 * rate))
    taken = 0
    while taken < 120000:
        taken += len(next(parts)[2])
    assert asked == taken < 120000 + 2048


def test_blocks_are_whole_whatever_the_frames(tmp_path):
    path = write(tmp_path / "a.ogg", "libopus", sound(3.7, 16000, 1), 16000)
    blocks = list(stream_sound(path, block_seconds=0.25))
    assert {len(block) for block in blocks[:-1]} == {4000}
    assert np.array_equal(np.concatenate(blocks), load_sound(path))

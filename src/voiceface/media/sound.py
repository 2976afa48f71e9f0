"""Sound in and out: any file FFmpeg reads, or an array, as mono float32 at the rate that is asked for."""

from __future__ import annotations

import wave as riff
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.container import (
    CannotSeekError,
    check_complete,
    check_length,
    counted_seconds,
    declared_seconds,
    open_media,
    seek_container,
)
from voiceface.media.files import atomic_path, check_readable, source_name
from voiceface.media.mixdown import MIXDOWN_SECONDS, MIXDOWN_VALUES, learn_mixdown
from voiceface.media.plain_wave import PlainWave, open_plain_wave
from voiceface.media.resample import join_pieces, resample
from voiceface.media.samples import (
    RATES,
    Pieces,
    Wave,
    as_float,
    channels_and_rate,
    check_samples,
)
from voiceface.media.sound_frames import Parts, learn_frames, place_frames, read_frames
from voiceface.records import SAMPLE_RATE

SoundSource = str | Path | BinaryIO | tuple[np.ndarray, int]
"""A path, a file object open for binary reading (from its beginning), or an array with its rate, Hz."""

_LONGEST_PACKET = 4096  # samples: AAC with spectral band replication has 2048
_PIECE_SECONDS = 1.0  # what is mixed and resampled at a time
_PREROLL_SECONDS = 1.0  # decoders need some packets before their output settles


def load_sound(
    source: SoundSource,
    *,
    rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
    start: float = 0.0,
    stop: float | None = None,
) -> Wave:
    """All of a sound (or the part from ``start`` to ``stop``) as one mono wave.

    Channels are mixed by their place (the effects channel left out, weights adding up to 1) before
    resampling, done by FFmpeg's swresample, whose delay is compensated: sample ``k`` belongs to the
    time ``start + k / rate`` and the length is that of the source within a sample. Codecs that pad
    their last packet may add up to that packet where the file does not say (MP4 does). Times count
    from the file's first moment, in a video too; where its sound begins later, or has gaps, there is
    silence.

    Args:
        source: Path, binary file object, or ``(array, rate)`` with an array of ``(samples,)``,
            ``(samples, channels)`` or ``(channels, samples)`` (the shorter axis is the channels'):
            floats in [-1, 1], or integers of 8, 16 or 32 bits, scaled by their full range.
        rate: Samples a second of the result, Hz.
        max_seconds: At most this much is read.
        start: Seconds to leave out at the beginning; files are sought, not read, up to there.
        stop: Second to end at.

    Returns:
        ``(samples,)`` float32 in [-1, 1] (overshoots are clipped). What a recorder spoilt is mended alike
        in every part: channels that cancel each other, a constant offset, floats far above 1
        (see `learn_mixdown`).

    Raises:
        InputError: the source is missing, not sound, empty, damaged, cut short, not finite or far too loud.

    >>> load_sound((np.array([[0, 16384], [0, -16384]] * 2, np.int16), 16000), rate=16000).tolist()
    [0.25, -0.25, 0.25, -0.25]
    """
    if max_seconds is not None:
        stop = start + max_seconds if stop is None else min(stop, start + max_seconds)
    return np.concatenate(list(stream_sound(source, rate=rate, start=start, stop=stop)))


def stream_sound(
    source: SoundSource,
    *,
    rate: int = SAMPLE_RATE,
    block_seconds: float = 60.0,
    start: float = 0.0,
    stop: float | None = None,
) -> Iterator[Wave]:
    """The samples of `load_sound` in blocks of ``block_seconds`` (the last shorter), in bounded memory.

    Yields:
        ``(samples,)`` float32 in [-1, 1], at least one sample each.

    Raises:
        InputError: as `load_sound`; a fault late in the file is raised when it is reached.
    """
    name = _name(source)
    if rate not in RATES or not block_seconds * rate >= 1:
        raise InputError(name, f"cannot be read at {rate} Hz in blocks of {block_seconds} s", "use 16000 Hz")
    if not start >= 0.0 or (stop is not None and not stop > start):
        raise InputError(name, f"has nothing from second {start} to {stop}", "give 0 <= start < stop")
    block, waiting, held = round(block_seconds * rate), list[Wave](), 0
    nothing = True
    pieces = ((check_samples(piece, name), at) for piece, at in join_pieces(_pieces(source, start, stop)))
    for piece in resample(pieces, rate):
        waiting.append(np.clip(piece, -1.0, 1.0))
        held += len(piece)
        while held >= block:
            joined = np.concatenate(waiting)
            yield joined[:block]
            waiting, held, nothing = [joined[block:]], held - block, False
    if held:
        yield np.concatenate(waiting)
    elif nothing:
        where = f" after second {start:g}" if start else ""
        raise InputError(name, f"contains no sound{where} (0 samples)", "record it again")


def sound_seconds(source: SoundSource) -> float:
    """How long a sound lasts in seconds, without decoding it.

    What the file's header states, or else the sum of its packets: exact for uncompressed sound, within
    a packet (some 0.05 s) otherwise.

    Raises:
        InputError: the source is missing, not sound, or empty.
    """
    if isinstance(source, tuple):
        samples, rate = channels_and_rate(source)
        return float(samples.shape[-1] / rate)
    check_readable(source)
    with open_plain_wave(source) as wave:
        if wave is not None:
            return wave.samples / wave.rate
    with open_media(source, "audio") as media:
        seconds = declared_seconds(media)
        if seconds is None:
            seconds = counted_seconds(media)
    if seconds <= 0:
        raise InputError(source_name(source), "contains no sound (0 samples)", "record it again")
    return seconds


def save_sound(path: str | Path, wave: NDArray[Any], *, rate: int = SAMPLE_RATE) -> None:
    """Write a mono wave as 16-bit WAV, whole or not at all.

    Args:
        path: The file to write or replace.
        wave: ``(samples,)``, floats in [-1, 1] (clipped beyond) or int16, which is kept as it is.
        rate: Samples a second, Hz.

    Raises:
        InputError: the wave is not one-dimensional or not finite, or the file cannot be written.
    """
    samples = np.asarray(wave)
    if samples.ndim != 1 or samples.dtype.kind not in "fi" or len(samples) >= 2**31 - 64:
        raise InputError(
            path,
            f"cannot hold a wave of shape {samples.shape}, {samples.dtype}",
            "give (samples,) floats or int16",
        )
    if samples.dtype != np.int16:
        mono = check_samples(as_float(samples, str(path)), str(path))
        samples = np.clip(np.rint(mono * 2.0**15), -(2**15), 2**15 - 1)
    with atomic_path(path) as temporary, temporary.open("wb") as file, riff.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.astype("<i2").tobytes())


def _name(source: SoundSource) -> str:
    return "<array>" if isinstance(source, tuple) else source_name(source)


def _pieces(source: SoundSource, start: float, stop: float | None) -> Pieces:
    if isinstance(source, tuple):
        yield from _array_pieces(source, start, stop)
        return
    check_readable(source)
    with open_plain_wave(source) as wave:
        if wave is not None:
            yield from _wave_pieces(wave, start, stop)
            return
    try:
        yield from _file_pieces(source, start, stop, seek=start > _PREROLL_SECONDS)
    except CannotSeekError:
        yield from _file_pieces(source, start, stop, seek=False)


# ---------------------------------------------------------------------------------------- arrays


def _array_pieces(source: tuple[np.ndarray, int], start: float, stop: float | None) -> Pieces:
    samples, rate = channels_and_rate(source)
    first = round(start * rate)
    last = samples.shape[1] if stop is None else first + round((stop - start) * rate)
    step = max(1, round(_PIECE_SECONDS * rate))
    beginning = samples[:, : min(round(MIXDOWN_SECONDS * rate), MIXDOWN_VALUES // len(samples))]
    mixdown = learn_mixdown([(as_float(beginning, "<array>"), [])], rate)
    for at in range(first, min(last, samples.shape[1]), step):
        part = samples[:, at : min(at + step, last)]
        yield mixdown(as_float(part, "<array>"), []), rate


# ---------------------------------------------------------------------------------------- files


def _wave_pieces(wave: PlainWave, start: float, stop: float | None) -> Pieces:
    """As `_file_pieces`, to the bit: the mixdown is learnt from as much, and pieces are of whole packets."""
    rate, announced = wave.rate, wave.samples / wave.rate
    if start >= announced:
        return
    first = round(start * rate)
    last = wave.samples if stop is None else min(wave.samples, first + round((stop - start) * rate))
    check_length(wave.name, (announced if stop is None else last / rate) - start)
    known, seconds, values = 0, 0.0, 0
    while seconds < MIXDOWN_SECONDS and values < MIXDOWN_VALUES and known < wave.samples:
        count = min(wave.packet, wave.samples - known)
        known, seconds, values = known + count, seconds + count / rate, values + count * len(wave.channels)
    beginning = as_float(wave.read(0, known), wave.name)
    mixdown = learn_mixdown([(beginning, wave.channels)], rate)
    step = -(-rate // wave.packet) * wave.packet
    for at in range(first, last, step):
        end = min(at + step, last)
        part = beginning[:, at:end] if end <= known else as_float(wave.read(at, end), wave.name)
        yield mixdown(part, wave.channels), rate


def _file_pieces(source: str | Path | BinaryIO, start: float, stop: float | None, *, seek: bool) -> Pieces:
    """Mixed samples of a file between two times of its own clock."""
    at, rate = 0, 1
    with open_media(source, "audio") as media:
        announced = declared_seconds(media)
        if announced is not None and start >= announced:
            return
        if stop is None:
            check_length(media.name, (announced or 0.0) - start)
        if seek and not media.seeks:
            raise CannotSeekError
        mixdown, frames = learn_frames(media)
        if seek:
            seek_container(media, start - _PREROLL_SECONDS)
            frames = read_frames(media)

        def first_and_last(rate: int) -> tuple[int, int | None]:
            first = round(start * rate)
            return first, None if stop is None else first + round((stop - start) * rate)

        parts = place_frames(
            frames, mixdown, media.name, sought=start if seek else None, last=lambda r: first_and_last(r)[1]
        )
        if announced is not None and media.container.format.name.startswith("mov"):
            parts = _without_padding(parts, announced)
        for at, rate, part in parts:
            first, last = first_and_last(rate)
            wanted = part[max(0, first - at) : None if last is None else max(0, last - at)]
            at += len(part)
            check_length(media.name, at / rate - start)
            if len(wanted):
                yield wanted, rate
            if last is not None and at >= last:
                return
        check_complete(media, at / rate, stop)


def _without_padding(parts: Parts, seconds: float) -> Parts:
    """Leave out what a codec added to fill its last packet, where the header (MP4's) states the true length.

    A header that is wrong by more than a packet is not believed.
    """
    held: list[tuple[int, int, Wave]] = []
    for at, rate, part in parts:
        keep = round(seconds * rate) - at
        if not held and len(part) <= keep:
            yield at, rate, part
            continue
        if not held and keep > 0:
            yield at, rate, part[:keep]
            at, part = at + keep, part[keep:]
        held.append((at, rate, part))
        if sum(len(padding) for _, _, padding in held) > _LONGEST_PACKET:
            yield from held
            yield from parts
            return

"""The decoded frames of a sound file, joined to parts of about a second, mixed and placed on its clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.container import (
    GAP_SECONDS,
    JUMP_SECONDS,
    CannotSeekError,
    OpenMedia,
    decode_frames,
)
from voiceface.media.mixdown import MIXDOWN_SECONDS, MIXDOWN_VALUES, Mixdown, learn_mixdown
from voiceface.media.samples import Wave, as_float, check_rate

Parts = Iterator[tuple[int, int, Wave]]
"""Mono parts of a file: the sample (of its clock) each begins at, its rate in Hz, its samples."""


class Frame(NamedTuple):
    """What a decoder gives at a time."""

    time: float | None
    """Seconds from the file's first moment."""
    rate: int
    samples: NDArray[Any]
    """``(channels, samples)`` in the decoder's own format."""
    names: list[str]
    """Of the channels; the same list as long as format and channels stay the same."""


_ONE_PLANE = {"flt": "f4", "dbl": "f8", "s16": "i2", "s32": "i4", "u8": "u1"}  # as FFmpeg holds a mono frame
_PART_SECONDS = 1.0
_SILENT = ["silence"]  # the names of what the clock lacks


def read_frames(media: OpenMedia) -> Iterator[Frame]:
    """Every frame from where the container stands."""
    zero: float | None = None
    rate, timed, form, layout, kind = 0, True, "", None, None
    names: list[str] = []
    for frame in decode_frames(media):
        # What does not change from frame to frame is asked once: it took longer than decoding Vorbis.
        if zero is None:
            zero, timed = media.zero, media.timed
        if frame.layout != layout or frame.format.name != form:
            form, layout = frame.format.name, frame.layout
            names = [channel.name for channel in layout.channels]
            kind = _ONE_PLANE.get(form.removesuffix("p")) if len(names) == 1 else None
        if rate != frame.sample_rate:
            rate = frame.sample_rate
            check_rate(media.name, rate)
        time = frame.time if timed else None
        if kind is not None:
            samples = np.frombuffer(frame.planes[0], kind, frame.samples)[None]
        else:
            samples = _samples(frame, len(names))
        yield Frame(None if time is None else time - zero, rate, samples, names)


def learn_frames(media: OpenMedia) -> tuple[Mixdown, Iterator[Frame]]:
    """The mixdown of a file that stands at its beginning, and all its frames from there."""
    frames, held, seconds, values = read_frames(media), list[Frame](), 0.0, 0
    fault: Exception | None = None
    try:
        while seconds < MIXDOWN_SECONDS and values < MIXDOWN_VALUES:
            frame = next(frames)
            held.append(frame)
            seconds, values = seconds + frame.samples.shape[1] / frame.rate, values + frame.samples.size
    except StopIteration:
        pass
    except (InputError, av.FFmpegError) as error:
        fault = error  # raised where it lies, should that be read at all
    runs = [list(run) for _, run in itertools.groupby(held, key=lambda frame: id(frame.names))]
    parts = [(_joined([frame.samples for frame in run], media.name), run[0].names) for run in runs]
    mixdown = learn_mixdown(parts, held[0].rate if held else 1)
    return mixdown, _then_raise(held, fault) if fault else itertools.chain(held, frames)


def place_frames(
    frames: Iterator[Frame],
    mixdown: Mixdown,
    name: str,
    *,
    sought: float | None,
    last: Callable[[int], int | None],
) -> Parts:
    """Mixed frames, joined to parts of about a second, with silence where the clock leaves a gap.

    Args:
        frames: in their order.
        mixdown: what makes one wave of their channels.
        name: of the file, for errors.
        sought: the second that was sought; None from the beginning.
        last: of a rate the sample at which reading ends, if anywhere: no frame behind it is asked for.

    Raises:
        CannotSeekError: the first frame after a seek does not say where it is.
    """
    waiting: list[NDArray[Any]] = []
    begin = rate = held = 0
    names: list[str] = []
    end: int | None = None
    for at, frame in _on_clock(frames, sought):
        if waiting and (frame.rate != rate or frame.names is not names):
            yield begin, rate, _mixed(waiting, mixdown, names, name)
            waiting = []
        if frame.rate != rate:
            rate, end = frame.rate, last(frame.rate)
        if frame.names is _SILENT:
            yield at, rate, frame.samples[0]
            continue
        if not waiting:
            begin, held, names = at, 0, frame.names
        waiting.append(frame.samples)
        held += frame.samples.shape[1]
        if held >= _PART_SECONDS * rate or (end is not None and begin + held >= end):
            yield begin, rate, _mixed(waiting, mixdown, names, name)
            waiting = []
    if waiting:
        yield begin, rate, _mixed(waiting, mixdown, names, name)


def _on_clock(frames: Iterator[Frame], sought: float | None) -> Iterator[tuple[int, Frame]]:
    """Every frame with the sample it begins at, and silent ones where the clock leaves a gap."""
    at: int | None = None
    rate = 1
    for frame in frames:
        if at is None and sought is not None:
            if frame.time is None or not 0 <= frame.time <= sought:
                raise CannotSeekError
            at, rate, late = round(frame.time * frame.rate), frame.rate, 0.0
        else:
            if frame.rate != rate:
                at, rate = round((at or 0) * frame.rate / rate), frame.rate
            at = at or 0
            late = 0.0 if frame.time is None else frame.time - at / rate
        if GAP_SECONDS * (at > 0) < late < JUMP_SECONDS:
            for begin in range(0, round(late * rate), rate):
                silence = np.zeros((1, min(rate, round(late * rate) - begin)), np.float32)
                yield at, Frame(None, rate, silence, _SILENT)
                at += silence.shape[1]
        yield at, frame
        at += frame.samples.shape[1]
    if at is None and sought is not None:
        raise CannotSeekError


def _mixed(frames: list[NDArray[Any]], mixdown: Mixdown, names: list[str], name: str) -> Wave:
    """Frames of one format as one wave."""
    if len(names) <= 2:
        return mixdown(_joined(frames, name), names)
    # The last bit of a product of more channels depends on where it begins: every part must be alike.
    return np.concatenate([mixdown(as_float(frame, name), names) for frame in frames])


def _joined(frames: list[NDArray[Any]], name: str) -> Wave:
    """Frames of one format as one of floats."""
    return as_float(frames[0] if len(frames) == 1 else np.concatenate(frames, axis=1), name)


def _samples(frame: Any, channels: int) -> NDArray[Any]:  # noqa: ANN401 - PyAV's frame
    """A frame's samples as they come; of 64-bit integers, which PyAV does not convert, the upper half."""
    if frame.format.name != "s64":
        samples: NDArray[Any] = frame.to_ndarray()
    else:
        samples = (np.frombuffer(frame.planes[0], np.int64, frame.samples * channels) >> 32).astype(np.int32)
    return samples if frame.format.is_planar else samples.reshape(-1, channels).T


def _then_raise(frames: list[Frame], fault: Exception) -> Iterator[Frame]:
    yield from frames
    raise fault

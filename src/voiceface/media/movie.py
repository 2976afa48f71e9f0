"""Moving pictures in and out: upright frames with their times, and H.264 + AAC files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.bounded_reader import MOST_PIXELS
from voiceface.media.container import (
    CannotSeekError,
    OpenMedia,
    check_complete,
    check_length,
    counted_seconds,
    declared_seconds,
    decode_frames,
    open_media,
    seek_container,
)
from voiceface.media.files import source_name

Picture = NDArray[np.uint8]
_Timed = Iterator[tuple[float, av.VideoFrame]]

_SAME = 1e-4  # seconds; what two clocks' rounding may differ by
_OBLONG = (0.25, 4.0)  # beyond, a pixel's stated shape is a fault of the file


@dataclass(frozen=True, kw_only=True)
class MovieFacts:
    """What a movie's header says; sizes are those of the upright picture with square pixels."""

    seconds: float
    fps: float
    """Frames a second on average; 0.0 where the file does not say."""
    width: int
    height: int
    has_sound: bool
    rotation: int = 0
    """Degrees (0, 90, 180, 270) that the stored frames are turned by counterclockwise to stand upright."""
    metadata: Mapping[str, str] = field(default_factory=dict)


def movie_facts(path: str | Path | BinaryIO) -> MovieFacts:
    """Length, rate, size and so on of a movie; one frame is decoded, the rest comes from the header.

    Raises:
        InputError: missing, empty, no video, or damaged from its beginning.
    """
    with open_media(path, "video") as media:
        name, container, stream = media.name, media.container, media.stream
        first = next(_timed(media, seeked=False), None)
        seconds = declared_seconds(media)
        if first is None:
            raise InputError(name, "contains no frame that can be decoded", "copy or download it again")
        turns = _quarter_turns(first[1])
        width, height = _upright_size(first[1], stream, None)
        if seconds is None:  # what was read for the first frame is behind us
            seconds = _counted(path)
        return MovieFacts(
            seconds=seconds or float(first[1].duration or 0) * float(stream.time_base),
            fps=float(stream.average_rate or stream.guessed_rate or 0),
            width=width,
            height=height,
            has_sound=any(s.type == "audio" and s.codec_context is not None for s in container.streams),
            rotation=90 * turns,
            metadata=dict(container.metadata),
        )


def _counted(path: str | Path | BinaryIO) -> float:
    with open_media(path, "video") as media:
        return counted_seconds(media)


def frames(
    path: str | Path | BinaryIO,
    *,
    start: float = 0.0,
    stop: float | None = None,
    fps: float | None = None,
    long_side: int | None = None,
    threads: int = 0,
) -> Iterator[tuple[float, Picture]]:
    """The frames of a movie with their times, upright, with square pixels, one at a time.

    Times count from the file's first moment, as `load_sound`'s do, so that sound and picture belong
    together. Variable frame rates keep their own times unless ``fps`` is given.

    Args:
        path: The movie.
        start: First second wanted; the file is sought, not decoded, up to the key frame before it.
        stop: Second to end before.
        fps: Give the frame nearest to ``start + k / fps`` for each ``k`` instead of every frame.
        long_side: Pixels the longer side may have at most; larger frames are scaled down (by area).
        threads: Threads to decode and to convert with; 0 for as many as there are cores.

    Yields:
        ``(seconds, picture)`` with a picture of ``(height, width, 3)`` uint8 RGB.

    Raises:
        InputError: missing, no video, damaged, cut short, or nothing between ``start`` and ``stop``.
    """
    name = source_name(path)
    if not start >= 0 or (stop is not None and not stop > start) or (fps is not None and not 0 < fps < 1e4):
        raise InputError(
            name, f"has nothing from second {start} to {stop} at {fps} a second", "correct the times"
        )
    try:
        yield from _frames(path, (start, stop), fps, long_side, threads, seeked=start > 0)
    except CannotSeekError:
        yield from _frames(path, (start, stop), fps, long_side, threads, seeked=False)


def _frames(
    path: str | Path | BinaryIO,
    span: tuple[float, float | None],
    fps: float | None,
    long_side: int | None,
    threads: int,
    *,
    seeked: bool,
) -> Iterator[tuple[float, Picture]]:
    name, (start, stop) = source_name(path), span
    with open_media(path, "video") as media:
        stream = media.stream
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        announced = declared_seconds(media)
        if announced is not None and start >= announced:
            raise InputError(
                name, f"ends at second {announced:g}, before {start:g}", "choose an earlier start"
            )
        if seeked:
            seek_container(media, start)
        every = _checked_seek(_timed(media, seeked=seeked), start if seeked else None)
        last = _LastFrameEnd(name, start)
        chosen = _between(last.watch(every), span) if fps is None else _nearest(last.watch(every), span, fps)
        convert = _FrameConverter(stream, long_side, threads)
        count = 0
        for time, frame in chosen:
            count += 1
            yield time, convert(frame)
        check_complete(media, last.end, stop)
    if not count:
        raise InputError(name, f"contains no frame after second {start:g}", "choose an earlier start")


def _timed(media: OpenMedia, *, seeked: bool) -> _Timed:
    """Decoded frames with seconds since the file's first moment, rising; a frame without a time gets one."""
    stream = media.stream
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MOST_PIXELS:
        raise InputError(media.name, f"has frames of {width} x {height} pixels", "scale it down first")
    step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    before: float | None = None
    for frame in decode_frames(media):
        if frame.pts is not None:
            time = float(frame.pts * frame.time_base) - media.zero
        elif seeked and before is None:
            raise CannotSeekError
        else:
            time = 0.0 if before is None else before + step
        if before is None or time > before:
            before = time
            yield time, frame


def _checked_seek(every: _Timed, start: float | None) -> _Timed:
    """Refuse a seek that landed after its target, or nowhere."""
    first = next(every, None)
    if start is not None and (first is None or first[0] > start + _SAME):
        raise CannotSeekError
    if first is not None:
        yield from itertools.chain([first], every)


class _LastFrameEnd:
    """Remembers when the last frame that passed ends, and lets none pass that is too late."""

    def __init__(self, name: str, start: float) -> None:
        self.name, self.start, self.end = name, start, 0.0

    def watch(self, every: _Timed) -> _Timed:
        for time, frame in every:
            check_length(self.name, time - self.start)
            length = float((getattr(frame, "duration", 0) or 0) * (frame.time_base or 0))
            self.end = time + length
            yield time, frame


def _between(every: _Timed, span: tuple[float, float | None]) -> _Timed:
    start, stop = span
    for time, frame in every:
        if stop is not None and time >= stop - _SAME:
            return
        if time >= start - _SAME:
            yield time, frame


def _nearest(every: _Timed, span: tuple[float, float | None], fps: float) -> _Timed:
    """For each of the regular times the frame whose own time is nearest, the earlier one on a tie."""
    start, stop = span
    before: tuple[float, av.VideoFrame] | None = None
    wanted = (start + k / fps for k in itertools.count())
    target = next(wanted)
    length = 1 / fps
    for time, frame in every:
        while target <= time and (stop is None or target < stop - _SAME):
            near = before if before is not None and target - before[0] <= time - target else (time, frame)
            yield target, near[1]
            target = next(wanted)
        if stop is not None and target >= stop - _SAME:
            return
        length = float((getattr(frame, "duration", 0) or 0) * (frame.time_base or 0)) or length
        before = (time, frame)
    # The last frame stays on the screen for its own length.
    while before is not None and target < min(before[0] + length, stop or np.inf) - _SAME:
        yield target, before[1]
        target = next(wanted)


class _FrameConverter:
    """Frames as upright RGB arrays; one that is asked for twice in a row is converted once."""

    def __init__(self, stream: Any, long_side: int | None, threads: int) -> None:  # noqa: ANN401 - av types
        self.stream, self.long_side, self.threads = stream, long_side, threads
        self.scaler = VideoReformatter()
        self.last: tuple[av.VideoFrame, Picture] | None = None

    def __call__(self, frame: av.VideoFrame) -> Picture:
        if self.last is None or self.last[0] is not frame:
            turns = _quarter_turns(frame)
            width, height = _upright_size(frame, self.stream, self.long_side)
            if turns % 2:
                width, height = height, width
            scaled = self.scaler.reformat(
                frame, width, height, "rgb24", interpolation="AREA", threads=self.threads
            )
            self.last = frame, np.ascontiguousarray(np.rot90(scaled.to_ndarray(), turns))
            return self.last[1]
        return self.last[1].copy()  # the receiver of the first may have drawn on it


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Counterclockwise quarter turns that set the frame upright, from the display matrix phones write."""
    return round(getattr(frame, "rotation", 0) / 90) % 4


def _upright_size(frame: av.VideoFrame, stream: Any, long_side: int | None) -> tuple[int, int]:  # noqa: ANN401
    """Width and height of the picture to give: square pixels, upright, within ``long_side``."""
    width, height = float(frame.width), float(frame.height)
    oblong = float(stream.sample_aspect_ratio or 1)
    if _OBLONG[0] <= oblong <= _OBLONG[1]:
        width *= oblong
    if _quarter_turns(frame) % 2:
        width, height = height, width
    share = 1.0 if long_side is None else min(1.0, long_side / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))

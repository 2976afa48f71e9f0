"""Writing movies, sound and picture equally long: H.264 and AAC, or VP9 and Opus in WebM."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError, MissingPartError
from voiceface.media.files import atomic_path
from voiceface.media.sound import load_sound
from voiceface.records import SAMPLE_RATE

Picture = NDArray[np.uint8]


class _Format(NamedTuple):
    """How a movie is written whose name has one ending."""

    container: str
    video: tuple[str, ...]
    """Encoders, the first that is there being taken."""
    audio: str
    rates: frozenset[int]
    """Sample rates of the sound in Hz."""


_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
_H264 = ("libx264", "h264")  # the second: whatever else a system offers
_FORMATS = {
    ".mp4": _Format("mp4", _H264, "aac", _AAC_RATES),
    ".m4v": _Format("mp4", _H264, "aac", _AAC_RATES),
    ".mov": _Format("mov", _H264, "aac", _AAC_RATES),
    ".mkv": _Format("matroska", _H264, "aac", _AAC_RATES),
    ".webm": _Format("webm", ("libvpx-vp9",), "libopus", frozenset({8000, 12000, 16000, 24000, 48000})),
}
MOVIE_ENDINGS = tuple(_FORMATS)
"""How the name of a movie that `write_movie` writes may end."""
_QUALITY = {
    "libx264": {"crf": "18"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
}
_BT709 = 1  # the number of these colours in ITU-T H.273
_LIMITED_RANGE = 1


def write_movie(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float,
    wave: NDArray[Any] | Iterator[NDArray[np.float32]] | None = None,
    rate: int = SAMPLE_RATE,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write frames and a voice as a movie, whole or not at all, frame by frame.

    H.264 (yuv420p) and AAC, in WebM VP9 and Opus. The sound is padded with silence or cut to the length
    of the picture. Odd sizes grow by one repeated row or column, which yuv420p asks for. Any metadata key
    survives.

    Args:
        path: A name with one of `MOVIE_ENDINGS`.
        frames: Pictures of one size, ``(height, width, 3)`` uint8 RGB, taken one at a time.
        fps: Frames a second.
        wave: ``(samples,)`` mono sound as `load_sound` takes it, or an iterator of such float blocks
            (`stream_sound`), taken as the picture needs them; None for a silent movie.
        rate: Samples a second of ``wave``, Hz; of blocks one that the format takes.
        metadata: Texts to store in the file; `movie_facts` gives them back.

    Raises:
        InputError: no frame, frames of several sizes, an unusable wave, or ``path`` cannot be written.
        MissingPartError: this FFmpeg lacks the encoder.
    """
    kind = _format(path)
    if not 0 < fps <= 1000:
        raise InputError(path, f"cannot have {fps} frames a second", "choose one from 1 to 60")
    voice = None if wave is None else _voice(path, wave, rate, kind)
    pictures = (_even(picture, path) for picture in frames)
    first = next(pictures, None)
    if first is None:
        raise InputError(path, "would contain no frame", "give at least one")
    with atomic_path(path) as temporary, _opened(temporary, kind, metadata) as container:
        _encode(container, kind, itertools.chain([first], pictures), path, _fraction(fps), voice)


def _format(path: str | Path) -> _Format:
    ending = Path(path).suffix.lower()
    if ending in _FORMATS:
        return _FORMATS[ending]
    fault = f"ends in {ending}, which no movie is written as" if ending else "has no ending"
    better = Path(path).with_suffix(".mov" if ending == ".qt" else ".mp4").name
    others = ", ".join(MOVIE_ENDINGS[1:])
    raise InputError(path, fault, f"name it {better}, or with {others}")


def _encode(
    container: Any,  # noqa: ANN401 - av types
    kind: _Format,
    pictures: Iterator[Picture],
    path: str | Path,
    fps: Fraction,
    voice: _AudioFeed | None,
) -> None:
    """Picture and sound side by side, the sound never more than a frame ahead."""
    first = next(pictures)
    video = _video_stream(container, kind, fps, first)
    audio: Any = None
    if voice is not None:
        audio = container.add_stream(kind.audio, rate=voice.rate, layout="mono")
        audio.bit_rate = min(128_000, 4 * voice.rate)  # AAC allows 6 bits a sample
    written = 0
    for number, picture in enumerate(itertools.chain([first], pictures), start=1):
        if picture.shape != first.shape:
            fault = f"would contain frames of {first.shape[:2]} and of {picture.shape[:2]} pixels"
            raise InputError(path, fault, "make them one size")
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.pts, frame.time_base = number - 1, 1 / fps
        container.mux(video.encode(frame))
        if voice is not None:
            until = round(number / fps * voice.rate)
            container.mux(audio.encode(voice.frame(written, until)))
            written = until
    for stream in (video, audio):
        if stream is not None:
            container.mux(stream.encode(None))


@contextlib.contextmanager
def _opened(path: Path, kind: _Format, metadata: Mapping[str, str]) -> Iterator[Any]:
    """A movie to write to, through Python's own file, so that a full disk is an OSError as everywhere."""
    # Without the first flag only a dozen known keys are kept; the second lets it play while it loads.
    flags = {"movflags": "use_metadata_tags+faststart"} if kind.container in {"mp4", "mov"} else {}
    with (
        path.open("w+b") as file,
        av.open(file, mode="w", format=kind.container, options=flags) as container,
    ):
        container.metadata.update(metadata)
        yield container


def _video_stream(
    container: Any,  # noqa: ANN401 - av types
    kind: _Format,
    fps: Fraction,
    first: Picture,
) -> Any:  # noqa: ANN401
    for codec in kind.video:
        with contextlib.suppress(av.error.EncoderNotFoundError, ValueError):
            av.codec.Codec(codec, "w")
            break
    else:
        fault = "this FFmpeg does not have it"
        raise MissingPartError(f"the encoder {kind.video[0]}", fault, "pip install --force-reinstall av")
    stream = container.add_stream(codec, rate=fps, options=_QUALITY.get(codec, {}))
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / fps
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


class _AudioFeed:
    """Sound that is taken from its blocks as it is needed, and silent behind their end."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]], rate: int) -> None:
        self.blocks, self.rate = blocks, rate
        self.kept = np.zeros(0, np.float32)

    def frame(self, begin: int, end: int) -> av.AudioFrame:
        """The samples from ``begin`` to ``end``, which follow those given before."""
        count = end - begin
        while len(self.kept) < count and (block := next(self.blocks, None)) is not None:
            self.kept = np.concatenate([self.kept, block])
        part, self.kept = self.kept[:count], self.kept[count:]
        padded = np.pad(part, (0, count - len(part)))[None]
        frame = av.AudioFrame.from_ndarray(padded, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self.rate, begin, Fraction(1, self.rate)
        return frame


def _voice(
    path: str | Path, wave: NDArray[Any] | Iterator[NDArray[np.float32]], rate: int, kind: _Format
) -> _AudioFeed:
    if isinstance(wave, Iterator):
        if rate not in kind.rates:
            raise InputError(path, f"cannot hold sound of {rate} Hz", "give blocks of 48000 Hz")
        return _AudioFeed(wave, rate)
    kept = rate if rate in kind.rates else 48000
    return _AudioFeed(iter([load_sound((np.asarray(wave), rate), rate=kept)]), kept)


def _even(picture: NDArray[Any], path: str | Path) -> Picture:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or picture.size == 0:
        fault = f"cannot hold a frame of shape {picture.shape}, {picture.dtype}"
        raise InputError(path, fault, "give (height, width, 3) uint8")
    height, width = picture.shape[:2]
    return np.ascontiguousarray(np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))


def _fraction(fps: float) -> Fraction:
    """29.97 means 30000/1001: the nearest of the rates in use, or else the nearest simple fraction."""
    ntsc = Fraction(round(fps) * 1000, 1001)
    return (
        ntsc if abs(float(ntsc) - fps) < 5e-3 * (fps != round(fps)) else Fraction(fps).limit_denominator(1001)
    )

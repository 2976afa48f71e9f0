"""Opening and decoding one stream of a sound or video file: what sound and movie share."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from voiceface.errors import InputError
from voiceface.media.files import check_readable, source_name

__all__ = [
    "declared_seconds",
    "check_complete",
    "decode_frames",
    "open_container",
    "start_time",
    "find_stream",
]

# FFmpeg's own remarks are dropped: a fault reaches the user once, as an InputError. Any level but None
# would send them through Python, where a decoder's thread waits for the lock that the thread closing
# it holds: a deadlock (seen with PyAV 18, and their issue 751).
av.logging.set_level(None)

_REMEDY = {"audio": "give an audio file, or a video with sound", "video": "give a video file"}
_HOLDS = {"audio": "contains no sound", "video": "contains no video"}
# Containers whose header states how long they are; elsewhere FFmpeg guesses it from the bit rate.
_STATES_LENGTH = {"wav", "w64", "aiff", "au", "flac", "mov", "matroska", "avi", "asf", "caf", "ogg"}
_FEW_BAD_PACKETS = 3  # a lost packet or two is a click, not a damaged file
_BAD_SHARE = 0.1


@contextlib.contextmanager
def open_container(
    source: str | Path | BinaryIO, kind: Literal["audio", "video"]
) -> Iterator[InputContainer]:
    """An open container; FFmpeg's errors, while opening and inside the block, become the user's.

    Only the file itself is read: playlists that point to the network are not followed. A file object
    stays open.

    Raises:
        InputError: missing, empty, a folder, not media, or not readable.
    """
    check_readable(source)
    name = source_name(source)
    # "file:" keeps FFmpeg from taking a colon in a name for a protocol.
    target: Any = f"file:{os.fspath(source)}" if isinstance(source, str | os.PathLike) else source
    try:
        container = av.open(
            target, mode="r", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except av.FFmpegError as error:
        raise _explained(error, name, kind) from error
    try:
        yield container
    except av.FFmpegError as error:
        raise _explained(error, name, kind) from error
    finally:
        container.close()


def _explained(error: av.FFmpegError, name: str, kind: Literal["audio", "video"]) -> InputError:
    if isinstance(error, PermissionError):
        return InputError(name, "may not be read", "change its permissions")
    if error.errno == errno.ENOMEM:
        return InputError(name, "needs more memory than there is", "cut it into shorter files")
    if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        return InputError(name, "is not media, or is damaged from its beginning", _REMEDY[kind])
    return InputError(name, f"cannot be decoded ({error.strerror})", _REMEDY[kind])


def find_stream(
    container: InputContainer, kind: Literal["audio", "video"], name: str
) -> AudioStream | VideoStream:
    """The stream a player would choose.

    Raises:
        InputError: there is none of this kind (a cover picture is no video), or no decoder for it.
    """
    streams: list[Any] = [s for s in container.streams if s.type == kind and not _is_cover(s)]
    if not streams:
        raise InputError(name, _HOLDS[kind], _REMEDY[kind])
    best: Any = container.streams.best(kind)
    stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    if stream.codec_context is None:
        raise InputError(
            name, "is coded in a way this FFmpeg cannot decode", "convert it to WAV or MP4 first"
        )
    return stream  # type: ignore[no-any-return]


def _is_cover(stream: Any) -> bool:  # noqa: ANN401 - any stream
    disposition = getattr(stream, "disposition", None)
    return bool(disposition & av.stream.Disposition.attached_pic) if disposition is not None else False


def decode_frames(container: InputContainer, stream: AudioStream | VideoStream, name: str) -> Iterator[Any]:
    """Every frame from where the container stands; damaged packets are left out while they are few.

    Raises:
        InputError: at the end, when more than a tenth of the packets (and more than three) were damaged.
    """
    good = bad = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            break
        except av.error.InvalidDataError:
            bad += 1
            break  # the container itself is broken here; what follows cannot be found
        try:
            frames = packet.decode()
        except av.error.EOFError:
            break
        except av.FFmpegError as error:  # broken data also reads as a feature that is not supported yet
            if error.errno == errno.ENOMEM:
                raise
            bad += 1
            continue
        good += 1
        yield from frames
    if bad > _FEW_BAD_PACKETS and bad > _BAD_SHARE * (good + bad):
        raise InputError(name, f"is damaged ({bad} of {good + bad} packets)", "copy or download it again")


class CannotSeekError(Exception):
    """This container gives no usable times after a seek; it must be read from its beginning."""


def seek_container(container: InputContainer, second: float) -> None:
    """Go to the last point at or before ``second`` (of the container's clock) where decoding can begin.

    Raises:
        CannotSeekError: the container cannot.
    """
    try:
        container.seek(round(max(second, 0.0) * av.time_base))
    except (av.FFmpegError, OSError) as error:
        raise CannotSeekError from error


def start_time(container: InputContainer) -> float:
    """The container's own time of its first moment, in seconds: sound and picture count from it."""
    return 0.0 if container.start_time is None else container.start_time / av.time_base


def declared_seconds(container: InputContainer, stream: AudioStream | VideoStream) -> float | None:
    """When ``stream`` ends on the file's own clock (see `start_time`), in seconds, as its header says.

    None where it does not say, or only guesses.
    """
    if container.format.name.split(",")[0] not in _STATES_LENGTH:
        return None
    if stream.duration is not None and stream.time_base is not None:
        late = (
            0.0
            if stream.start_time is None
            else float(stream.start_time * stream.time_base) - start_time(container)
        )
        return max(late, 0.0) + float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def check_complete(name: str, had: float, announced: float) -> None:
    """Refuse a file that ends well before its own header says (both in seconds).

    Raises:
        InputError: more than half a second and more than a twentieth are missing.
    """
    if announced - had > max(0.5, 0.05 * announced):
        fault = f"is cut short: {had:.1f} of {announced:.1f} s are there"
        raise InputError(name, fault, "copy or download it again")

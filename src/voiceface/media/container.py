"""Opening and decoding one stream of a sound or video file: what sound and movie share."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from voiceface.errors import InputError
from voiceface.media.bounded_reader import MOST_PIXELS, BoundedReader, open_bounded
from voiceface.media.check_mov_header import check_mov_header
from voiceface.media.container_bytes import (
    is_chained_ogg,
    is_plain_wave,
    padded_bits,
    share_of_riff,
    states_length,
)
from voiceface.media.files import check_readable, source_name
from voiceface.media.samples import check_rate

# FFmpeg's own remarks are dropped: a fault reaches the user once, as an InputError. Any level but None
# would send them through Python, where a decoder's thread waits for the lock that the thread closing
# it holds: a deadlock (seen with PyAV 18, and their issue 751).
av.logging.set_level(None)

_REMEDY = {"audio": "give an audio file, or a video with sound", "video": "give a video file"}
_CONVERT = "convert it to WAV or MP4 first"
_HOLDS = {"audio": "contains no sound", "video": "contains no video"}
# Containers whose header states how long they are; elsewhere FFmpeg guesses it from the bit rate, or, in
# Ogg, from the last page that is there. What the second ones state is when they end on their own clock,
# which need not begin at zero: in the middle of a recording that was cut into segments it does not.
_STATES_LENGTH = {"wav", "w64", "aiff", "au", "mov", "caf"}
_BY_BYTES = {"wav", "w64", "aiff", "au", "caf"}  # FFmpeg seeks by bytes, and guesses what they last
_STATES_END = {"flac", "matroska", "asf"}
_STARTS_LATE = 0.5  # seconds; an encoder's delay is shorter
GAP_SECONDS = 0.1  # of silence; a shorter gap is the jitter of a coarse clock
JUMP_SECONDS = 600.0  # a longer one is a clock that was set anew, or another clock
# Every container of sound or video that people have, and none that names other files: a playlist, an edit
# list or a script would have FFmpeg read what its writer chose.
_CONTAINERS = (
    "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,loas,amr,amrnb,amrwb,ac3,eac3,dts,truehd,ape,wv,tta,tak,mpc,mpc8,"
    "oma,voc,nistsphere,ircam,sox,qcp,gsm,dss,mov,matroska,avi,asf,flv,mpeg,mpegts,mpegvideo,h264,hevc,m4v,"
    "mxf,rm,dv,ivf,nut,wtv,gif"
)
LONGEST_HOURS = 24
"""Of what one file holds: a small one may claim any time, and its silence or still picture costs work."""
_MOST = {"max_pixels": str(MOST_PIXELS)}  # also where frames grow behind the first one
# Nothing of the sound is tried as other codings: 0.5 ms instead of 5 to open a recording.
_HURRY = {"probesize": "2048", "analyzeduration": "1"}
_FEW_BAD_PACKETS = 3  # a lost packet or two is a click, not a damaged file
_BAD_SHARE = 0.1


@dataclass(frozen=True)
class OpenMedia:
    """An open file with the stream of it that is read."""

    name: str
    container: InputContainer
    stream: Any
    """`AudioStream` or `VideoStream`."""
    reader: BoundedReader
    share: float | None = None
    """How much of the announced bytes is there, 0 to 1, where that is known (see `share_of_riff`)."""
    stated: bool = True
    """Whether the header of a Matroska or ASF file states its length (see `states_length`)."""

    @property
    def zero(self) -> float:
        """The container's own time of its first moment, in seconds: sound and picture count from it.

        A stream that begins more than `JUMP_SECONDS` later has a clock of its own.
        """
        first = 0.0 if self.container.start_time is None else self.container.start_time / av.time_base
        return self.own_start if self.own_start - first > JUMP_SECONDS else first

    @property
    def timed(self) -> bool:
        """Whether its packets' times are true: FFmpeg (8.1) counts FLAC's in Ogg from two beginnings."""
        return not (self.container.format.name == "ogg" and self.stream.codec_context.name == "flac")

    @property
    def seeks(self) -> bool:
        """Whether times after a seek are true: in a WAV and its like only where all samples take as much."""
        kind, codec = self.container.format.name, self.stream.codec_context.name
        if kind == "ogg":
            return self.timed and not is_chained_ogg(self.reader)  # a clock begins anew with every link
        return kind not in _BY_BYTES or codec.startswith("pcm_")

    @property
    def late(self) -> float:
        """Seconds from the first moment to the stream's beginning."""
        return max(self.own_start - self.zero, 0.0)

    @property
    def own_start(self) -> float:
        """The container's own time of the stream's beginning, in seconds."""
        start, tick = self.stream.start_time, self.stream.time_base
        return 0.0 if start is None or tick is None else float(start * tick)


@contextlib.contextmanager
def open_media(source: str | Path | BinaryIO, kind: Literal["audio", "video"]) -> Iterator[OpenMedia]:
    """An open file; FFmpeg's errors, while opening and inside the block, become the user's.

    FFmpeg reads the file itself and nothing else, whatever names stand in it; playlists and scripts are
    refused, and opening takes at most `PATIENCE` seconds. A file object stays open.

    Raises:
        InputError: missing, empty, a folder, not media, without a stream of this kind, or not readable.
    """
    check_readable(source)
    name = source_name(source)
    with open_bounded(source, name) as reader:
        share = share_of_riff(reader)
        check_mov_header(reader)
        reader.corrected = padded_bits(reader)
        stated = states_length(reader)
        hurry = _HURRY if is_plain_wave(reader) else {}
        try:
            container = av.open(
                reader,
                mode="r",
                options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "none", **hurry},
                metadata_errors="replace",
                io_open=reader.refuse,
            )
        except av.error.ArgumentError as error:  # the answer to a demuxer that is not on the list
            fault = (
                f"is no {'sound' if kind == 'audio' else 'video'} file (a picture, a playlist or a script)"
            )
            raise InputError(name, fault, _REMEDY[kind]) from error
        except av.FFmpegError as error:
            raise _explained(error, name, kind) from error
        try:
            reader.restart()
            yield OpenMedia(name, container, _find_stream(container, kind, name), reader, share, stated)
        except av.FFmpegError as error:
            raise _explained(error, name, kind) from error
        finally:
            container.close()


def _explained(error: av.FFmpegError, name: str, kind: Literal["audio", "video"]) -> InputError:
    if isinstance(error, PermissionError):
        return InputError(name, "may not be read", "change its permissions")
    if error.errno == errno.ENOMEM:
        return InputError(name, "needs more memory than there is", "cut it into shorter files")
    if isinstance(error, av.error.PatchWelcomeError):
        fault = "is coded in a way this FFmpeg cannot decode, or changes its channels on its way"
        return InputError(name, fault, _CONVERT)
    if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        return InputError(name, "is not media, or is damaged from its beginning", _REMEDY[kind])
    return InputError(name, f"cannot be decoded ({error.strerror})", _REMEDY[kind])


def _find_stream(
    container: InputContainer, kind: Literal["audio", "video"], name: str
) -> AudioStream | VideoStream:
    """The stream a player would choose; a cover picture is no video."""
    streams: list[Any] = [s for s in container.streams if s.type == kind and not _is_cover(s)]
    if not streams:
        raise InputError(name, _HOLDS[kind], _REMEDY[kind])
    best: Any = container.streams.best(kind)
    stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    if stream.codec_context is None:
        raise InputError(name, "is coded in a way this FFmpeg cannot decode", _CONVERT)
    if kind == "audio" and stream.codec_context.sample_rate:
        check_rate(name, stream.codec_context.sample_rate)
    stream.codec_context.options = _MOST
    return stream  # type: ignore[no-any-return]


def _is_cover(stream: Any) -> bool:  # noqa: ANN401 - any stream
    disposition = getattr(stream, "disposition", None)
    return bool(disposition & av.stream.Disposition.attached_pic) if disposition is not None else False


def decode_frames(media: OpenMedia) -> Iterator[Any]:
    """Every frame from where the container stands; damaged packets are left out while they are few.

    Raises:
        InputError: at the end, when more than a tenth of the packets (and more than three) were damaged, or
            nothing comes for `PATIENCE` seconds.
    """
    good = bad = 0
    packets = media.container.demux(media.stream)
    while True:
        media.reader.restart()
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
        fault = f"is damaged ({bad} of {good + bad} packets)"
        raise InputError(media.name, fault, "copy or download it again")


def check_length(name: str, seconds: float) -> None:
    """Refuse a file of over `LONGEST_HOURS` (InputError)."""
    if seconds > 3600 * LONGEST_HOURS:
        fault = f"is over {LONGEST_HOURS} hours long"
        raise InputError(name, fault, "cut it into shorter files, or correct its times")


class CannotSeekError(Exception):
    """This container gives no usable times after a seek; it must be read from its beginning."""


def seek_container(media: OpenMedia, second: float) -> None:
    """Go to the last point at or before ``second`` (from the first moment) where decoding can begin.

    Raises:
        CannotSeekError: the container cannot.
    """
    try:
        media.container.seek(round(max(media.zero + second, 0.0) * av.time_base))
    except (av.FFmpegError, OSError) as error:
        raise CannotSeekError from error


def declared_seconds(media: OpenMedia) -> float | None:
    """When the stream ends, in seconds from the file's first moment, as its header says.

    None where it does not say, only guesses, or may have been cut out of something longer.
    """
    kind, container, stream = media.container.format.name.split(",")[0], media.container, media.stream
    if kind not in _STATES_LENGTH | _STATES_END or (kind in _STATES_END and media.own_start > _STARTS_LATE):
        return None
    if kind in ("matroska", "asf") and not media.stated:
        return None
    if len(container.streams) > 1:  # what these state is the end of all streams, one of which may be far off
        end = (container.duration or 0) / av.time_base
        if kind == "asf" or (kind == "matroska" and end > 3600 * LONGEST_HOURS):
            return None
    if stream.duration is not None and stream.time_base is not None:
        return (media.late if kind in _STATES_LENGTH else 0.0) + float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None


def counted_seconds(media: OpenMedia) -> float:
    """When the stream ends, in seconds from the file's first moment, by the packets that are there.

    Nothing is decoded. Clocks that begin anew, as in joined Ogg files, add up.
    """
    end = shift = 0.0
    sound = media.stream.type == "audio"
    for packet in media.container.demux(media.stream):
        media.reader.restart()
        if packet.time_base is None or (packet.pts is None and not packet.duration):
            continue
        begin = (
            end
            if packet.pts is None or not media.timed
            else float(packet.pts * packet.time_base) - media.zero + shift
        )
        if begin - end > JUMP_SECONDS or (sound and end - begin > GAP_SECONDS):  # pictures are not in order
            begin, shift = end, shift + end - begin
        end = max(end, begin + float((packet.duration or 0) * packet.time_base))
    return end


def check_complete(media: OpenMedia, had: float, stop: float | None) -> None:
    """Refuse a file that ends well before its own header says.

    Args:
        media: The file, read to its end or to ``stop``.
        had: Seconds from its first moment to the end of what was decoded.
        stop: The second that was to be read to; None for the end.

    Raises:
        InputError: more than half a second and more than a twentieth are missing, or everything is.
    """
    if media.share == 0:
        raise InputError(media.name, "is cut short: its header is all there is", "copy or download it again")
    announced = had / media.share if media.share else declared_seconds(media)
    if announced is None:
        return
    wanted = announced if stop is None else min(announced, stop)
    if wanted - had > max(0.5, 0.05 * wanted):
        fault = f"is cut short: {had:.1f} of {wanted:.1f} s are there"
        raise InputError(media.name, fault, "copy or download it again")

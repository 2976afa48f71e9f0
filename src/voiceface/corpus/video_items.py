"""From a video to rows: windows of its sound, pictures of the person, clips of them talking.

Every frame is decoded once where memory allows. Detection costs far more than all the rest, so faces
are looked for at a few frames a second and linked over time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.corpus.item import Maker, VideoItem, VideoReader
from voiceface.corpus.item_processing import (
    Made,
    Media,
    context,
    crop,
    digest,
    face_row,
    place,
    read_samples,
    small,
    sound_columns,
    unseen,
    voice_row,
    whose,
)
from voiceface.corpus.options import Options
from voiceface.corpus.tables import Row
from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.detect import Detection, detect
from voiceface.face.dlib_embedding import CHIP, describe
from voiceface.face.landmarks import with_landmarks
from voiceface.face.pixels import shrink
from voiceface.media.movie import MovieFacts, frames, movie_facts
from voiceface.media.picture import decode_jpeg, encode_jpeg
from voiceface.records import SAMPLE_RATE, Box
from voiceface.video.cuts import cuts
from voiceface.video.tracks import Track, best_track, link

__all__ = ["film", "windows"]

CLIP_DETECTIONS_PER_SECOND = 2.0
"""Looks for faces a second where clips are wanted (or more, if more pictures are)."""
SHORTEST = 1.0
"""Seconds; a shorter stretch is no clip."""
HELD = 300_000_000
"""Bytes of frames kept while the person's track is not known yet; a longer video is decoded twice."""
MAX_FACES_PER_FRAME = 3
"""Faces a frame that are followed, the surest."""
SAME = 0.5
"""Descriptors this near are the person again after a cut or a gap; dlib's 0.6 would let relatives through."""

Frame = tuple[float, npt.NDArray[np.uint8]]


def film(item: VideoItem, where: Path | Maker, options: Options, made: Made) -> None:
    """Add to ``made`` all rows that the video (below the folder ``where``, or made there) is wanted for."""
    want = set(item.want)
    reel = _VideoFile(item, where / item.path) if isinstance(where, Path) else where.video(item)
    samples: npt.NDArray[np.int16] | None = None

    def sound() -> None:
        nonlocal samples
        samples = reel.samples()
        if "voices" in want:
            for start, stop in windows(len(samples), options):
                at = item.start + start / SAMPLE_RATE
                row = voice_row(item, _id(item, at), _session(item), at, samples[start:stop])
                made.add("voices", *row)

    if want & {"voices", "clips"}:
        made.attempt(sound)
    if want & {"faces", "clips"}:
        made.attempt(lambda: _pictures(item, reel, options, made, samples))


@dataclass(frozen=True)
class _VideoFile:
    """The `VideoReader` of a video file."""

    item: VideoItem
    path: Path

    def samples(self) -> npt.NDArray[np.int16]:
        return read_samples(self.path, self.item.start, self.item.stop)

    def facts(self) -> MovieFacts:
        return movie_facts(self.path)

    def frames(self, *, fps: float) -> Iterator[Frame]:
        return frames(self.path, start=self.item.start, stop=self.item.stop, fps=fps, threads=1)

    def box(self, time: float) -> Box | None:
        return None


def windows(samples: int, options: Options) -> list[tuple[int, int]]:
    """First and last (exclusive) sample of each window; what is shorter than one window is kept whole.

    The rest after the last whole window is covered by none.

    >>> windows(9 * 16000, Options(window_seconds=4, window_overlap=2))
    [(0, 64000), (32000, 96000), (64000, 128000)]
    """
    size = round(options.window_seconds * SAMPLE_RATE)
    if not size or samples <= size:
        return [(0, samples)]
    step = size - round(options.window_overlap * SAMPLE_RATE)
    return [(start, start + size) for start in range(0, samples - size + 1, step)]


def _session(item: VideoItem) -> str:
    return item.session or item.key


def _id(item: VideoItem, time: float) -> str:
    # Fixed digits, so that sorting by id is sorting by time.
    return f"{item.key}@{time:09.3f}"


@dataclass
class _Sightings:
    """What was seen at each look: faces with their points, and their encoded crops."""

    known: Callable[[float], Box | None]
    """Where the face is at a moment, if the reel knows: for a detector that finds none."""
    times: list[float] = field(default_factory=list)
    faces: list[list[Detection]] = field(default_factory=list)
    crops: list[list[tuple[Row, dict[str, bytes]]]] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    """Whether this look is one of the pictures a second to keep."""

    def watch(self, stream: Iterable[Frame], looks: float, options: Options) -> Iterator[Frame]:
        """Pass frames on, looking for faces at ``looks`` of them a second."""
        first: float | None = None
        last_look = last_kept = -1
        for time, pixels in stream:
            first = time if first is None else first
            look = math.floor((time - first) * looks + 1e-6)
            if look > last_look:
                keep = math.floor((time - first) * options.face_fps + 1e-6)
                self._look(time, pixels, options)
                self.kept.append(keep > last_kept)
                last_look, last_kept = look, max(keep, last_kept)
            yield time, pixels

    def _look(self, time: float, pixels: npt.NDArray[np.uint8], options: Options) -> None:
        reduced, across, down = shrink(pixels, options.detect_side)
        faces = []
        for face in detect(reduced)[:MAX_FACES_PER_FRAME]:
            left, top, right, bottom = face.box
            box: Box = (left * across, top * down, right * across, bottom * down)
            faces.append(with_landmarks(pixels, replace(face, box=box, landmarks=None)))
        if not faces and (known := self.known(time)) is not None:
            faces.append(with_landmarks(pixels, unseen(known)))
        self.times.append(time)
        self.faces.append(faces)
        self.crops.append([face_row(pixels, face, options) for face in faces])


def _pictures(
    item: VideoItem, reel: VideoReader, options: Options, made: Made, samples: npt.NDArray[np.int16] | None
) -> None:
    facts = reel.facts()
    clips = "clips" in item.want and samples is not None
    fps = (options.clip_fps or facts.fps or 25.0) if clips else options.face_fps
    stream = functools.partial(reel.frames, fps=fps)
    looks, held = _Sightings(reel.box), None
    rate = max(options.face_fps, CLIP_DETECTIONS_PER_SECOND) if clips else options.face_fps
    watched: Iterator[Frame] = looks.watch(stream(), rate, options)
    if clips:
        seconds = (item.stop or facts.seconds) - item.start
        if seconds * fps * facts.width * facts.height * 3 <= HELD:
            watched = iter(held := list(watched))
        breaks, end = _cuts(watched)
    else:
        breaks, end = [], max((time for time, _ in watched), default=item.start)
    if not looks.times:
        raise InputError(item.path, "holds no picture in this stretch", "check its start and stop")
    gap = 1.6 / rate
    boxes = [[face.box for face in faces] for faces in looks.faces]
    scores = [[face.score for face in faces] for faces in looks.faces]
    tracks = _follow(link(boxes, scores, looks.times, cuts=breaks, gap=gap), looks)
    if not tracks:
        raise InputError(item.path, "no face was found in it", "use a video that shows the speaker's face")
    if "faces" in item.want:
        _add_faces(item, looks, tracks, made)
    if clips and samples is not None:
        pieces = [p for t in tracks for p in _pieces(t, looks, breaks, end + 1 / fps, options)]
        _ClipCutter(item, looks, samples, fps, options).clips(
            held if held is not None else stream(), pieces, made
        )


def _cuts(stream: Iterator[Frame]) -> tuple[list[float], float]:
    """The cuts of a stream and the time of its last frame."""
    end = 0.0

    def timed() -> Iterator[Frame]:
        nonlocal end
        for time, pixels in stream:
            end = time
            yield time, pixels

    return cuts(timed()), end


def _follow(tracks: Sequence[Track], looks: _Sightings) -> list[Track]:
    """The surest track, and others at other times that show the same person, in order of time."""
    main = best_track(tracks)
    if main is None:
        return []
    chosen = [main]
    others = sorted((t for t in tracks if t is not main), key=lambda t: (-t.weight, t.start))
    apart = [t for t in others if t.stop < main.start or t.start > main.stop]
    if apart:
        chips = np.stack([_chip(track, looks) for track in (main, *apart)])
        described = describe(chips)
        near = np.linalg.norm(described[1:] - described[0], axis=1) < SAME
        for track, same in zip(apart, near, strict=True):
            if same and all(track.stop < kept.start or track.start > kept.stop for kept in chosen):
                chosen.append(track)
    return sorted(chosen, key=lambda track: track.start)


def _chip(track: Track, looks: _Sightings) -> npt.NDArray[np.uint8]:
    """The aligned face of a track's best sighting."""
    rows = [looks.crops[frame][index] for frame, index in track.places]
    row, media = max(rows, key=lambda made: float(made[0]["quality"]))
    pixels = np.asarray(decode_jpeg(media["pictures"]))
    points = np.asarray(row["landmarks"]).reshape(5, 2)
    return align(pixels, points, size=CHIP, template="dlib")


def _add_faces(item: VideoItem, looks: _Sightings, tracks: Sequence[Track], made: Made) -> None:
    for track in tracks:
        for frame, index in track.places:
            if looks.kept[frame]:
                row, media = looks.crops[frame][index]
                time = looks.times[frame]
                told = whose(item, _id(item, time), _session(item))
                told |= {"time": round(time, 6), "others": len(looks.faces[frame]) - 1}
                made.add("faces", row | told, media)


@dataclass
class _ClipSegment:
    """A stretch of one track: from the first frame at or after ``start`` to the last before ``stop``."""

    start: float
    stop: float
    track: Track
    part: tuple[int, int, int, int] = (0, 0, 0, 0)
    pictures: list[bytes] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    first: float = 0.0


def _pieces(
    track: Track, looks: _Sightings, breaks: Sequence[float], end: float, options: Options
) -> list[_ClipSegment]:
    """A track's stretch, to the cuts or looks around it, in equal parts no longer than allowed."""
    first, last = int(track.places[0, 0]), int(track.places[-1, 0])
    before = max((cut for cut in breaks if cut <= track.start + 1e-6), default=looks.times[0])
    after = min((cut for cut in breaks if cut > track.stop + 1e-6), default=end)
    # Seen at the first look of a shot, seen since its beginning; likewise at its end.
    start = track.start if first and looks.times[first - 1] >= before else before
    stop = track.stop if last + 1 < len(looks.times) and looks.times[last + 1] < after else after
    count = max(1, math.ceil((stop - start) / options.clip_seconds - 1e-6))
    edges = [start + (stop - start) * k / count for k in range(count + 1)]
    pairs = zip(edges, edges[1:], strict=False)
    return [_ClipSegment(a, b, track) for a, b in pairs if b - a >= SHORTEST - 1e-6]


@dataclass
class _ClipCutter:
    """Cuts the clips of one video out of its frames."""

    item: VideoItem
    looks: _Sightings
    samples: npt.NDArray[np.int16]
    fps: float
    options: Options

    def clips(self, stream: Iterable[Frame], pieces: Sequence[_ClipSegment], made: Made) -> None:
        """Add a row of ``clips`` for every piece; frames may come in any number, in order of time."""
        waiting = list(pieces)
        for time, pixels in stream:
            while waiting and time >= waiting[0].stop - 1e-6:
                self._finish(waiting.pop(0), made)
            if waiting and time >= waiting[0].start - 1e-6:
                self._add(waiting[0], time, pixels)
        for piece in waiting:
            self._finish(piece, made)

    def _sightings(self, piece: _ClipSegment) -> list[tuple[int, int]]:
        """Places (look, face) of the piece's track in it, or the nearest one."""
        times = piece.track.times
        inside = (times >= piece.start - 1e-6) & (times < piece.stop - 1e-6)
        if not inside.any():
            inside[np.argmin(np.abs(times - (piece.start + piece.stop) / 2))] = True
        return [(int(frame), int(index)) for frame, index in piece.track.places[inside]]

    def _add(self, piece: _ClipSegment, time: float, pixels: npt.NDArray[np.uint8]) -> None:
        if not piece.pictures:
            piece.part, piece.first = self._part(piece, pixels.shape[1], pixels.shape[0]), time
        picture = crop(pixels, piece.part, self.options.crop_side)
        piece.size = picture.size
        piece.pictures.append(encode_jpeg(picture, quality=92))

    def _part(self, piece: _ClipSegment, width: int, height: int) -> tuple[int, int, int, int]:
        """One part of the frame for the whole piece: every sighting's context fits in it."""
        seen = [self.looks.faces[frame][index] for frame, index in self._sightings(piece)]
        parts = np.array([context(face, width, height) for face in seen])
        x0, y0 = parts[:, :2].min(axis=0)
        x1, y1 = parts[:, 2:].max(axis=0)
        return int(x0), int(y0), int(x1), int(y1)

    def _finish(self, piece: _ClipSegment, made: Made) -> None:
        if len(piece.pictures) < SHORTEST * self.fps - 1.5:
            return
        places = self._sightings(piece)
        seen = [self.looks.faces[frame][index] for frame, index in places]
        # The median of a still head's boxes and points: a crop by them does not shake with the detector.
        edges = [float(edge) for edge in np.median([face.box for face in seen], axis=0)]
        points = np.median(np.stack([np.asarray(face.landmarks) for face in seen]), axis=0)
        sound = self._sound(piece)
        data = b"".join(piece.pictures)
        told = [self.looks.crops[frame][index][0] for frame, index in places]
        names = ("score", "quality", "size", "blur", "yaw", "pitch", "roll")
        row: Row = {
            **whose(self.item, _id(self.item, piece.first), _session(self.item)),
            **{"start": round(piece.first, 6), "seconds": len(piece.pictures) / self.fps, "fps": self.fps},
            **{"language": self.item.language, "emotion": self.item.emotion},
            **place((edges[0], edges[1], edges[2], edges[3]), points, piece.part, piece.size),
            **{name: small(np.median([row[name] for row in told])) for name in names},
            "others": max(len(self.looks.faces[frame]) - 1 for frame, _ in places),
            **sound_columns(sound),
            "content": digest(data + sound.tobytes()),
            "sizes": [len(picture) for picture in piece.pictures],
        }
        media: Media = {"pictures": data, "samples": sound.data.cast("B")}
        made.add("clips", row, media)

    def _sound(self, piece: _ClipSegment) -> npt.NDArray[np.int16]:
        """The samples of exactly the piece's frames; silence where the sound is shorter than the picture."""
        start = round((piece.first - self.item.start) * SAMPLE_RATE)
        length = round(len(piece.pictures) / self.fps * SAMPLE_RATE)
        found = self.samples[max(0, start) : start + length]
        return np.pad(found, (0, length - len(found))).astype("<i2")

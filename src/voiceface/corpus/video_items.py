"""From a video to rows: windows of its sound, pictures of the person, clips of them talking.

Every frame is decoded once where memory allows. Detection costs far more than all the rest, so faces
are detected at a few frames a second and linked over time.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.corpus.face_landmarks import locate_landmarks
from voiceface.corpus.face_search import FaceSearch
from voiceface.corpus.item import MediaGenerator, VideoItem, VideoReader
from voiceface.corpus.item_rows import (
    ItemResult,
    Media,
    as_float32,
    context_box,
    crop,
    digest,
    face_row,
    identity_columns,
    position_columns,
    read_samples,
    sound_columns,
    undetected_face,
    voice_row,
)
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.tables import Row
from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.detect import Detection
from voiceface.face.dlib_embedding import DLIB_FACE_SIZE, embed_faces
from voiceface.face.pixels import shrink
from voiceface.media.movie import MovieFacts, frames, movie_facts
from voiceface.media.picture import decode_jpeg, encode_jpeg
from voiceface.records import SAMPLE_RATE, Box
from voiceface.video.cuts import find_cuts
from voiceface.video.tracks import Track, best_track, link_boxes

CLIP_DETECTIONS_PER_SECOND = 2.0
"""Faces are detected so often a second where clips are wanted (or more often, if more pictures are)."""
MIN_CLIP_SECONDS = 1.0
"""A shorter stretch is no clip."""
MAX_BUFFERED_BYTES = 300_000_000
"""Of frames kept while the person's track is not known yet; a longer video is decoded twice."""
MAX_FACES_PER_FRAME = 3
"""Faces of a frame that are tracked, those of the highest score."""
SAME_PERSON_DISTANCE = 0.5
"""Embeddings nearer than this are the person again after a cut or a gap; dlib's 0.6 admits relatives."""

Frame = tuple[float, npt.NDArray[np.uint8]]


def process_video(
    item: VideoItem, media: Path | MediaGenerator, options: PrepareOptions, result: ItemResult
) -> None:
    """Add to ``result`` the rows that a video (below the folder ``media``, or generated) is wanted for."""
    outputs = set(item.want)
    reader = _VideoFile(item, media / item.path) if isinstance(media, Path) else media.video(item)
    samples: npt.NDArray[np.int16] | None = None

    def read_sound() -> None:
        nonlocal samples
        samples = reader.samples()
        if "voices" in outputs:
            for start, stop in voice_windows(len(samples), options):
                time = item.start + start / SAMPLE_RATE
                row = voice_row(
                    item,
                    _id(item, time),
                    _session(item),
                    time,
                    samples[start:stop],
                    detector=options.speech_detector,
                )
                result.add("voices", *row)

    if outputs & {"voices", "clips"}:
        result.run_step(read_sound)
    if outputs & {"faces", "clips"}:
        result.run_step(lambda: _add_pictures(item, reader, options, result, samples))


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


def voice_windows(samples: int, options: PrepareOptions) -> list[tuple[int, int]]:
    """First and last (exclusive) sample of each window; what is shorter than one window is kept whole.

    What follows the last whole window is in none.

    >>> voice_windows(9 * 16000, PrepareOptions(window_seconds=4, window_overlap=2))
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
class _Detections:
    """Of each frame that was searched: the faces with their landmarks, and their encoded crops."""

    true_box: Callable[[float], Box | None]
    """The face's box at a moment, where the reader knows it: for a detector that misses the face."""
    search: FaceSearch
    times: list[float] = field(default_factory=list)
    faces: list[list[Detection]] = field(default_factory=list)
    crops: list[list[tuple[Row, dict[str, bytes]]]] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    """Whether the frame is one of the pictures a second to keep."""

    def watch(self, stream: Iterable[Frame], rate: float, options: PrepareOptions) -> Iterator[Frame]:
        """Pass frames on, detecting faces in ``rate`` of them a second."""
        first: float | None = None
        last_searched = last_kept = -1
        for time, pixels in stream:
            first = time if first is None else first
            searched = math.floor((time - first) * rate + 1e-6)
            if searched > last_searched:
                keep = math.floor((time - first) * options.face_fps + 1e-6)
                self._search(time, pixels, options)
                self.kept.append(keep > last_kept)
                last_searched, last_kept = searched, max(keep, last_kept)
            yield time, pixels

    def _search(self, time: float, pixels: npt.NDArray[np.uint8], options: PrepareOptions) -> None:
        reduced, across, down = shrink(pixels, options.detect_side)
        faces = []
        for face in self.search(time, reduced)[:MAX_FACES_PER_FRAME]:
            left, top, right, bottom = face.box
            box: Box = (left * across, top * down, right * across, bottom * down)
            faces.append(replace(face, box=box, landmarks=None))
        if not faces and (box_there := self.true_box(time)) is not None:
            faces.append(undetected_face(box_there))
        faces = _located(pixels, faces, options)
        self.times.append(time)
        self.faces.append(faces)
        self.crops.append([face_row(pixels, face, options) for face in faces])


def _located(
    pixels: npt.NDArray[np.uint8], faces: Iterable[Detection], options: PrepareOptions
) -> list[Detection]:
    """The faces with their landmarks; those whose landmarks cannot be trusted are not in this frame."""
    found = []
    for face in faces:
        with contextlib.suppress(InputError):
            found.append(locate_landmarks(pixels, face, source=options.landmarks, name="frame"))
    return found


def _add_pictures(
    item: VideoItem,
    reader: VideoReader,
    options: PrepareOptions,
    result: ItemResult,
    samples: npt.NDArray[np.int16] | None,
) -> None:
    facts = reader.facts()
    clips = "clips" in item.want and samples is not None
    fps = (options.clip_fps or facts.fps or 25.0) if clips else options.face_fps
    stream = functools.partial(reader.frames, fps=fps)
    detections, buffered = _Detections(reader.box, FaceSearch(options)), None
    rate = max(options.face_fps, CLIP_DETECTIONS_PER_SECOND) if clips else options.face_fps
    watched: Iterator[Frame] = detections.watch(stream(), rate, options)
    if clips:
        seconds = (item.stop or facts.seconds) - item.start
        if seconds * fps * facts.width * facts.height * 3 <= MAX_BUFFERED_BYTES:
            watched = iter(buffered := list(watched))
        breaks, end = _cuts(watched)
    else:
        breaks, end = [], max((time for time, _ in watched), default=item.start)
    if not detections.times:
        raise InputError(item.path, "contains no picture in this stretch", "check its start and stop")
    gap = 1.6 / rate
    boxes = [[face.box for face in faces] for faces in detections.faces]
    scores = [[face.score for face in faces] for faces in detections.faces]
    tracks = _person_tracks(link_boxes(boxes, scores, detections.times, cuts=breaks, gap=gap), detections)
    if not tracks:
        raise InputError(
            item.path, "contains no detectable face", "use a video that shows the speaker's face"
        )
    if "faces" in item.want:
        _add_faces(item, detections, tracks, result)
    if clips and samples is not None:
        segments = [s for t in tracks for s in _segments(t, detections, breaks, end + 1 / fps, options)]
        cutter = _ClipCutter(item, detections, samples, fps, options)
        cutter.cut(buffered if buffered is not None else stream(), segments, result)


def _cuts(stream: Iterator[Frame]) -> tuple[list[float], float]:
    """The cuts of a stream and the time of its last frame."""
    end = 0.0

    def timed() -> Iterator[Frame]:
        nonlocal end
        for time, pixels in stream:
            end = time
            yield time, pixels

    return find_cuts(timed()), end


def _person_tracks(tracks: Sequence[Track], detections: _Detections) -> list[Track]:
    """The best track, and others at other times that show the same person, in order of time."""
    main = best_track(tracks)
    if main is None:
        return []
    chosen = [main]
    others = sorted((t for t in tracks if t is not main), key=lambda t: (-t.weight, t.start))
    apart = [t for t in others if t.stop < main.start or t.start > main.stop]
    if apart:
        embeddings = embed_faces(np.stack([_aligned_face(track, detections) for track in (main, *apart)]))
        near = np.linalg.norm(embeddings[1:] - embeddings[0], axis=1) < SAME_PERSON_DISTANCE
        for track, same in zip(apart, near, strict=True):
            if same and all(track.stop < kept.start or track.start > kept.stop for kept in chosen):
                chosen.append(track)
    return sorted(chosen, key=lambda track: track.start)


def _aligned_face(track: Track, detections: _Detections) -> npt.NDArray[np.uint8]:
    """The aligned face of a track's best picture."""
    rows = [detections.crops[frame][index] for frame, index in track.indices]
    row, media = max(rows, key=lambda crop: float(crop[0]["quality"]))
    pixels = np.asarray(decode_jpeg(media["pictures"]))
    points = np.asarray(row["landmarks"]).reshape(5, 2)
    return align(pixels, points, size=DLIB_FACE_SIZE, template="dlib")


def _add_faces(item: VideoItem, detections: _Detections, tracks: Sequence[Track], result: ItemResult) -> None:
    for track in tracks:
        for frame, index in track.indices:
            if detections.kept[frame]:
                row, media = detections.crops[frame][index]
                time = detections.times[frame]
                columns = identity_columns(item, _id(item, time), _session(item))
                columns |= {"time": round(time, 6), "others": len(detections.faces[frame]) - 1}
                result.add("faces", row | columns, media)


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


def _segments(
    track: Track, detections: _Detections, breaks: Sequence[float], end: float, options: PrepareOptions
) -> list[_ClipSegment]:
    """A track's stretch, up to the cuts or searched frames around it, in equal parts of allowed length."""
    times, (first, last) = detections.times, (int(track.indices[0, 0]), int(track.indices[-1, 0]))
    before = max((cut for cut in breaks if cut <= track.start + 1e-6), default=times[0])
    after = min((cut for cut in breaks if cut > track.stop + 1e-6), default=end)
    # Detected in the first searched frame of a shot: visible since its beginning; likewise at its end.
    start = track.start if first and times[first - 1] >= before else before
    stop = track.stop if last + 1 < len(times) and times[last + 1] < after else after
    count = max(1, math.ceil((stop - start) / options.clip_seconds - 1e-6))
    edges = [start + (stop - start) * k / count for k in range(count + 1)]
    pairs = zip(edges, edges[1:], strict=False)
    return [_ClipSegment(a, b, track) for a, b in pairs if b - a >= MIN_CLIP_SECONDS - 1e-6]


@dataclass
class _ClipCutter:
    """Cuts the clips of one video out of its frames."""

    item: VideoItem
    detections: _Detections
    samples: npt.NDArray[np.int16]
    fps: float
    options: PrepareOptions

    def cut(self, stream: Iterable[Frame], segments: Sequence[_ClipSegment], result: ItemResult) -> None:
        """Add a row of ``clips`` for every segment; frames come in order of time."""
        waiting = list(segments)
        for time, pixels in stream:
            while waiting and time >= waiting[0].stop - 1e-6:
                self._finish(waiting.pop(0), result)
            if waiting and time >= waiting[0].start - 1e-6:
                self._add(waiting[0], time, pixels)
        for segment in waiting:
            self._finish(segment, result)

    def _indices(self, segment: _ClipSegment) -> list[tuple[int, int]]:
        """(searched frame, face) of the segment's track within it, or the nearest one."""
        times = segment.track.times
        inside = (times >= segment.start - 1e-6) & (times < segment.stop - 1e-6)
        if not inside.any():
            inside[np.argmin(np.abs(times - (segment.start + segment.stop) / 2))] = True
        return [(int(frame), int(index)) for frame, index in segment.track.indices[inside]]

    def _add(self, segment: _ClipSegment, time: float, pixels: npt.NDArray[np.uint8]) -> None:
        if not segment.pictures:
            segment.part, segment.first = self._part(segment, pixels.shape[1], pixels.shape[0]), time
        picture = crop(pixels, segment.part, self.options.crop_side)
        segment.size = picture.size
        segment.pictures.append(encode_jpeg(picture, quality=92))

    def _part(self, segment: _ClipSegment, width: int, height: int) -> tuple[int, int, int, int]:
        """One part of the frame for the whole segment: the context of every detection fits in it."""
        faces = [self.detections.faces[frame][index] for frame, index in self._indices(segment)]
        parts = np.array([context_box(face, width, height) for face in faces])
        x0, y0 = parts[:, :2].min(axis=0)
        x1, y1 = parts[:, 2:].max(axis=0)
        return int(x0), int(y0), int(x1), int(y1)

    def _finish(self, segment: _ClipSegment, result: ItemResult) -> None:
        if len(segment.pictures) < MIN_CLIP_SECONDS * self.fps - 1.5:
            return
        indices = self._indices(segment)
        faces = [self.detections.faces[frame][index] for frame, index in indices]
        # Medians, because a crop by every frame's own box would shake with the detector.
        edges = [float(edge) for edge in np.median([face.box for face in faces], axis=0)]
        points = np.median(np.stack([np.asarray(face.landmarks) for face in faces]), axis=0)
        sound = self._sound(segment)
        data = b"".join(segment.pictures)
        rows = [self.detections.crops[frame][index][0] for frame, index in indices]
        names = ("score", "quality", "size", "blur", "yaw", "pitch", "roll")
        row: Row = {
            **identity_columns(self.item, _id(self.item, segment.first), _session(self.item)),
            **{
                "start": round(segment.first, 6),
                "seconds": len(segment.pictures) / self.fps,
                "fps": self.fps,
            },
            **{"language": self.item.language, "emotion": self.item.emotion},
            **position_columns((edges[0], edges[1], edges[2], edges[3]), points, segment.part, segment.size),
            **{name: as_float32(np.median([row[name] for row in rows])) for name in names},
            "others": max(len(self.detections.faces[frame]) - 1 for frame, _ in indices),
            **sound_columns(sound, detector=self.options.speech_detector),
            "content": digest(data + sound.tobytes()),
            "sizes": [len(picture) for picture in segment.pictures],
        }
        media: Media = {"pictures": data, "samples": sound.data.cast("B")}
        result.add("clips", row, media)

    def _sound(self, segment: _ClipSegment) -> npt.NDArray[np.int16]:
        """The samples of exactly the segment's frames; silence where the sound is shorter."""
        start = round((segment.first - self.item.start) * SAMPLE_RATE)
        length = round(len(segment.pictures) / self.fps * SAMPLE_RATE)
        found = self.samples[max(0, start) : start + length]
        return np.pad(found, (0, length - len(found))).astype("<i2")

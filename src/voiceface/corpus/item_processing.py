"""From one item to its rows: sound decoded, the face found and cut out, what fails told in one line.

Nothing here knows of shards or folders; the same item and options give the same rows anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from voiceface.audio.vad import speech_flags
from voiceface.corpus.item import FaceItem, Item, Maker, VideoItem, VoiceItem
from voiceface.corpus.options import Options
from voiceface.corpus.tables import Row
from voiceface.errors import InputError, MissingPartError
from voiceface.face.align import TEMPLATES, similarity, template_points
from voiceface.face.detect import Detection, detect
from voiceface.face.quality import quality, surest
from voiceface.media.picture import encode_jpeg, load_picture
from voiceface.media.sound import stream_sound
from voiceface.records import SAMPLE_RATE, Box

__all__ = ["Made", "context", "digest", "face_row", "make", "place", "read_samples", "unseen", "voice_row"]

LARGEST = 4096
"""A photo's long side is reduced to this before anything else: the smallest face worth keeping survives."""
_BLOCK = 60 * SAMPLE_RATE
_FLOOR = -120.0

Media = Mapping[str, bytes | memoryview]


@dataclass
class Made:
    """What became of one item: rows of each table with their bytes, and why others are missing."""

    rows: dict[str, list[tuple[Row, Media]]] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    def add(self, table: str, row: Row, media: Media) -> None:
        """Append one row."""
        self.rows.setdefault(table, []).append((row, media))

    def attempt(self, work: Callable[[], None]) -> None:
        """Do a part of the item's work; a file at fault becomes a rejection, a missing package does not."""
        try:
            work()
        except MissingPartError:
            raise
        except InputError as error:
            # Without the path: the row has it, relative to the root and so the same on every machine.
            self.rejected.append("; ".join(filter(None, (error.fault, error.remedy))))
        except MemoryError:
            self.rejected.append("is too large for this machine's memory")
        except Exception as error:  # noqa: BLE001 - decoders meet files nobody foresaw, and the run must go on
            self.rejected.append(" ".join(f"cannot be used ({type(error).__name__}: {error})".split()))


def make(item: Item, where: Path | Maker, options: Options) -> Made:
    """All rows of an item, whose media are below the folder ``where`` or are made there.

    Raises:
        MissingPartError: a package that the work needs is not installed.
    """
    made = Made()
    if isinstance(item, VoiceItem):
        made.attempt(lambda: _voice(item, where, made))
    elif isinstance(item, FaceItem):
        made.attempt(lambda: _face(item, where, options, made))
    else:
        # Here, for most corpora hold no video and need not load the decoder's and tracker's parts.
        from voiceface.corpus.video_items import film

        film(item, where, options, made)
    if not isinstance(where, Path) and not isinstance(item, VoiceItem):
        _fill_up(made, where.room(item))
    return made


def _fill_up(made: Made, room: int) -> None:
    """Follow every encoded picture with zeros (readers stop at its end mark) up to a multiple of ``room``."""

    def filled(data: bytes) -> bytes:
        return data + bytes(-len(data) % room)

    for table in ("faces", "clips"):
        for place, (row, media) in enumerate(made.rows.get(table, ())):
            sizes = row.get("sizes") or [len(media["pictures"])]
            stops = np.cumsum(sizes).tolist()
            old = bytes(media["pictures"])
            pictures = [filled(old[start:stop]) for start, stop in zip([0, *stops], stops, strict=False)]
            data = b"".join(pictures)
            row["content"] = digest(data + bytes(media.get("samples", b"")))
            if table == "clips":
                row["sizes"] = [len(picture) for picture in pictures]
            made.rows[table][place] = row, {**media, "pictures": data}


def digest(data: bytes | memoryview) -> str:
    """The content digest of a row: 32 hexadecimal digits of SHA-256.

    >>> digest(b"")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(data).hexdigest()[:32]


def read_samples(path: Path, start: float, stop: float | None) -> npt.NDArray[np.int16]:
    """A file's sound as 16 kHz mono int16, decoded in blocks (an hour takes 115 MB, not 460).

    Raises:
        InputError: as `stream_sound`.
    """
    blocks = stream_sound(path, rate=SAMPLE_RATE, start=start, stop=stop)
    pieces = [np.clip(np.rint(block * 32768.0), -32768, 32767).astype("<i2") for block in blocks]
    return np.concatenate(pieces) if pieces else np.zeros(0, "<i2")


def sound_columns(samples: npt.NDArray[np.int16]) -> Row:
    """Level (dB below full scale, root mean square) and seconds that WebRTC takes for speech."""
    power, speech = 0.0, 0
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK].astype(np.float32) / np.float32(32768.0)
        power += float(np.sum(np.square(block), dtype=np.float64))
        speech += int(speech_flags(block, rate=SAMPLE_RATE, frame_ms=20).sum())
    level = 10.0 * np.log10(power / max(1, len(samples)) + 1e-12)
    return {"level": small(max(_FLOOR, level)), "speech": small(speech * 0.02)}


def whose(item: Item, id: str, session: str) -> Row:
    """The columns that say whose a row is and where it comes from."""
    return {"id": id, "person": item.person, "session": session, "source": item.path, "split": item.split}


def voice_row(
    item: VoiceItem | VideoItem, id: str, session: str, start: float, samples: npt.NDArray[np.int16]
) -> tuple[Row, Media]:
    """One row of ``voices`` with its samples."""
    data = samples.data.cast("B")
    row = {
        **whose(item, id, session),
        "start": round(start, 6),
        "seconds": len(samples) / SAMPLE_RATE,
        "language": item.language,
        "emotion": item.emotion,
        **sound_columns(samples),
        "content": digest(data),
    }
    return row, {"samples": data}


def _voice(item: VoiceItem, where: Path | Maker, made: Made) -> None:
    if isinstance(where, Path):
        samples = read_samples(where / item.path, item.start, item.stop)
    else:
        samples = where.sound(item)
    made.add("voices", *voice_row(item, item.key, item.session, item.start, samples))


def _face(item: FaceItem, where: Path | Maker, options: Options, made: Made) -> None:
    if not isinstance(where, Path):
        pixels, box = where.picture(item)
        faces = detect(pixels) or [unseen(box)]
    elif item.box is None:
        pixels = np.asarray(load_picture(where / item.path, long_side=LARGEST))
        faces = detect(pixels)
    else:
        # A given box counts the pixels of the file as it is.
        pixels = np.asarray(load_picture(where / item.path))
        faces = [Detection(box=item.box, score=1.0, detector="listed")]
    face = surest(pixels, faces)
    if face is None:
        raise InputError(item.path, "no face was found in it", "use one that shows the face from the front")
    row, media = face_row(pixels, face, options)
    row |= {**whose(item, item.key, item.session), "time": None, "others": len(faces) - 1}
    made.add("faces", row, media)


def unseen(box: Box) -> Detection:
    """A made face that the detector did not find, where its maker put it; its score of exactly 0 tells."""
    return Detection(box=box, score=0.0, detector="made")


def context(face: Detection, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a picture to keep: whole pixels around the box and every template's window, turned too."""
    assert face.landmarks is not None
    left, top, right, bottom = face.box
    corners = [np.array([[left, top], [right, bottom]])]
    for template in TEMPLATES:
        turn = similarity(template_points(template, 1), np.asarray(face.landmarks, np.float64) + 0.5)
        corners.append((turn @ np.array([(0, 1, 0, 1), (0, 0, 1, 1), (1, 1, 1, 1)], np.float64)).T)
    # Points gone astray must not drag in the whole picture.
    room = 2.0 * face.side
    low = np.maximum(np.concatenate(corners).min(axis=0), (left - room, top - room))
    high = np.minimum(np.concatenate(corners).max(axis=0), (right + room, bottom + room))
    x0, y0 = (int(max(0, np.floor(edge))) for edge in low)
    x1, y1 = int(min(width, np.ceil(high[0]))), int(min(height, np.ceil(high[1])))
    if x1 - x0 < 2 or y1 - y0 < 2:
        fault = f"{face.box} lies outside the picture ({width} x {height})"
        raise InputError("face box", fault, "correct it")
    return x0, y0, x1, y1


def crop(pixels: npt.NDArray[np.uint8], part: tuple[int, int, int, int], side: int) -> Image.Image:
    """The part of a picture, its long side reduced to ``side`` if it is longer."""
    x0, y0, x1, y1 = part
    picture = Image.fromarray(pixels[y0:y1, x0:x1])
    scale = min(1.0, side / max(picture.size))
    if scale == 1.0:
        return picture
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BICUBIC)


def place(
    box: Box, landmarks: npt.NDArray[np.float32], part: tuple[int, int, int, int], size: tuple[int, int]
) -> Row:
    """Box and points of a picture in the pixels of a crop of ``size`` (width, height), with that size."""
    x0, y0, x1, y1 = part
    scale = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])
    edges = (np.asarray(box).reshape(2, 2) - (x0, y0)) * scale
    # Points name pixels by their number: half a pixel more is the distance from the corner.
    points = (np.asarray(landmarks, np.float64) + 0.5 - (x0, y0)) * scale - 0.5
    named = dict(zip(("left", "top", "right", "bottom"), map(small, edges.ravel()), strict=True))
    told = [small(value) for value in points.ravel()]
    return {**named, "landmarks": told, "width": size[0], "height": size[1]}


def face_quality_columns(pixels: npt.NDArray[np.uint8], face: Detection) -> Row:
    """Score and quality columns of a face."""
    told = quality(pixels, face)
    facts = {name: small(getattr(told, name)) for name in ("size", "blur", "yaw", "pitch", "roll")}
    return {"score": small(face.score), "quality": small(told.score), **facts}


def face_row(
    pixels: npt.NDArray[np.uint8], face: Detection, options: Options
) -> tuple[Row, dict[str, bytes]]:
    """The media columns of one row of ``faces``, with its encoded crop and, if kept, the whole frame."""
    assert face.landmarks is not None
    height, width = pixels.shape[:2]
    part = context(face, width, height)
    picture = crop(pixels, part, options.crop_side)
    data = encode_jpeg(picture, quality=92)
    media = {"pictures": data}
    row: Row = {
        **place(face.box, face.landmarks, part, picture.size),
        **face_quality_columns(pixels, face),
        "content": digest(data),
        "frame_box": None,
    }
    if options.frame_side:
        frame = crop(pixels, (0, 0, width, height), options.frame_side)
        media["frames"] = encode_jpeg(frame, quality=92)
        seen = place(face.box, face.landmarks, (0, 0, width, height), frame.size)
        row["frame_box"] = [seen[edge] for edge in ("left", "top", "right", "bottom")]
    return row, media


def small(value: Any) -> float:  # noqa: ANN401 - any number
    """The number as a float32 column will give it back, so that digests agree before and after."""
    return float(np.float32(value))

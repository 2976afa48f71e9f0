"""The rows that corpus items become: sound and its level, the face and its crop, with their bytes.

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

from voiceface.audio.speech_activity import SpeechDetector, speech_frames
from voiceface.corpus.item import Item, VideoItem, VoiceItem
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.tables import Row
from voiceface.errors import InputError, MissingPartError
from voiceface.face.align import TEMPLATES, fit_similarity_transform, template_points
from voiceface.face.detect import Detection, detect, detect_haar
from voiceface.face.quality import quality
from voiceface.media.picture import encode_jpeg
from voiceface.media.sound import stream_sound
from voiceface.records import SAMPLE_RATE, Box

_BLOCK = 60 * SAMPLE_RATE
_FLOOR = -120.0

Media = Mapping[str, bytes | memoryview]


@dataclass
class ItemResult:
    """What one item became: rows of each table with their media, and why others are missing."""

    rows: dict[str, list[tuple[Row, Media]]] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    def add(self, table: str, row: Row, media: Media) -> None:
        """Append one row."""
        self.rows.setdefault(table, []).append((row, media))

    def run_step(self, step: Callable[[], None]) -> None:
        """Run a part of the item's work; a faulty file becomes a rejection, a missing package does not."""
        try:
            step()
        except MissingPartError:
            raise
        except InputError as error:
            # Without the path: the row has it, relative to the root and so the same on every machine.
            self.rejected.append("; ".join(filter(None, (error.fault, error.remedy))))
        except MemoryError:
            self.rejected.append("needs more memory than it may have; leave it out, or give --item-gigabytes")
        except Exception as error:  # noqa: BLE001 - decoders meet files nobody foresaw, and the run must go on
            self.rejected.append(" ".join(f"cannot be used ({type(error).__name__}: {error})".split()))


def digest(data: bytes | memoryview) -> str:
    """The content digest of a row: 32 hexadecimal digits of SHA-256.

    >>> digest(b"")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(data).hexdigest()[:32]


def read_samples(path: Path, start: float, stop: float | None) -> npt.NDArray[np.int16]:
    """A file's sound as 16 kHz mono int16, decoded in blocks: an hour takes 115 MB instead of 460.

    Raises:
        InputError: as `stream_sound`.
    """
    blocks = stream_sound(path, rate=SAMPLE_RATE, start=start, stop=stop)
    pieces = [np.clip(np.rint(block * 32768.0), -32768, 32767).astype("<i2") for block in blocks]
    return np.concatenate(pieces) if pieces else np.zeros(0, "<i2")


def sound_columns(samples: npt.NDArray[np.int16], *, detector: SpeechDetector) -> Row:
    """Level (dB relative to full scale, root mean square) and seconds of speech by a detector."""
    power, speech = 0.0, 0.0
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK].astype(np.float32) / np.float32(32768.0)
        power += float(np.sum(np.square(block), dtype=np.float64))
        speech += speech_frames(block, rate=SAMPLE_RATE, detector=detector).seconds
    level = 10.0 * np.log10(power / max(1, len(samples)) + 1e-12)
    return {"level": as_float32(max(_FLOOR, level)), "speech": as_float32(speech)}


def identity_columns(item: Item, id: str, session: str) -> Row:
    """Id, person, session, source file and authors' split of a row."""
    return {"id": id, "person": item.person, "session": session, "source": item.path, "split": item.split}


def voice_row(
    item: VoiceItem | VideoItem,
    id: str,
    session: str,
    start: float,
    samples: npt.NDArray[np.int16],
    *,
    detector: SpeechDetector,
) -> tuple[Row, Media]:
    """One row of ``voices`` with its samples."""
    data = samples.data.cast("B")
    row = {
        **identity_columns(item, id, session),
        "start": round(start, 6),
        "seconds": len(samples) / SAMPLE_RATE,
        "language": item.language,
        "emotion": item.emotion,
        **sound_columns(samples, detector=detector),
        "content": digest(data),
    }
    return row, {"samples": data}


def detect_faces(pixels: npt.NDArray[np.uint8], options: PrepareOptions) -> list[Detection]:
    """The faces of a picture by the options' detector, highest score first."""
    # Roldán III-A takes the most confident detection alone, against false ones.
    return detect_haar(pixels)[:1] if options.face_detector == "haar" else detect(pixels)


def undetected_face(box: Box) -> Detection:
    """A generated face that the detector missed, at its true box; a score of exactly 0 marks it."""
    return Detection(box=box, score=0.0, detector="made")


def context_box(face: Detection, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a picture to keep: whole pixels around the box and every template's rotated window."""
    assert face.landmarks is not None
    left, top, right, bottom = face.box
    corners = [np.array([[left, top], [right, bottom]])]
    for template in TEMPLATES:
        rotation = fit_similarity_transform(
            template_points(template, 1), np.asarray(face.landmarks, np.float64) + 0.5
        )
        corners.append((rotation @ np.array([(0, 1, 0, 1), (0, 0, 1, 1), (1, 1, 1, 1)], np.float64)).T)
    # Misplaced landmarks must not drag in the whole picture.
    margin = 2.0 * face.side
    low = np.maximum(np.concatenate(corners).min(axis=0), (left - margin, top - margin))
    high = np.minimum(np.concatenate(corners).max(axis=0), (right + margin, bottom + margin))
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


def position_columns(
    box: Box, landmarks: npt.NDArray[np.float32], part: tuple[int, int, int, int], size: tuple[int, int]
) -> Row:
    """Box and landmarks of a picture in the pixels of a crop of ``size`` (width, height), with that size."""
    x0, y0, x1, y1 = part
    scale = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])
    edges = (np.asarray(box).reshape(2, 2) - (x0, y0)) * scale
    # Landmarks count pixel centres: half a pixel more is the distance from the corner.
    points = (np.asarray(landmarks, np.float64) + 0.5 - (x0, y0)) * scale - 0.5
    named = dict(zip(("left", "top", "right", "bottom"), map(as_float32, edges.ravel()), strict=True))
    flat = [as_float32(value) for value in points.ravel()]
    return {**named, "landmarks": flat, "width": size[0], "height": size[1]}


def face_quality_columns(pixels: npt.NDArray[np.uint8], face: Detection) -> Row:
    """Score and quality columns of a face."""
    measured = quality(pixels, face)
    columns = {name: as_float32(getattr(measured, name)) for name in ("size", "blur", "yaw", "pitch", "roll")}
    return {"score": as_float32(face.score), "quality": as_float32(measured.score), **columns}


def face_row(
    pixels: npt.NDArray[np.uint8], face: Detection, options: PrepareOptions
) -> tuple[Row, dict[str, bytes]]:
    """The media columns of one row of ``faces``, with its encoded crop and, if wanted, the whole frame."""
    assert face.landmarks is not None
    height, width = pixels.shape[:2]
    part = context_box(face, width, height)
    picture = crop(pixels, part, options.crop_side)
    data = encode_jpeg(picture, quality=92)
    media = {"pictures": data}
    row: Row = {
        **position_columns(face.box, face.landmarks, part, picture.size),
        **face_quality_columns(pixels, face),
        "content": digest(data),
        "frame_box": None,
    }
    if options.frame_side:
        frame = crop(pixels, (0, 0, width, height), options.frame_side)
        media["frames"] = encode_jpeg(frame, quality=92)
        in_frame = position_columns(face.box, face.landmarks, (0, 0, width, height), frame.size)
        row["frame_box"] = [in_frame[edge] for edge in ("left", "top", "right", "bottom")]
    return row, media


def as_float32(value: Any) -> float:  # noqa: ANN401 - any number
    """The number rounded to float32, as its column stores it, so that digests agree before and after."""
    return float(np.float32(value))

"""From one item to its rows: sound decoded, the face detected and cropped, every failure in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voiceface.corpus.face_landmarks import locate_landmarks
from voiceface.corpus.item import FaceItem, Item, MediaGenerator, VoiceItem
from voiceface.corpus.item_rows import (
    ItemResult,
    detect_faces,
    digest,
    face_row,
    identity_columns,
    read_samples,
    undetected_face,
    voice_row,
)
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.video_items import process_video
from voiceface.errors import InputError
from voiceface.face.detect import Detection
from voiceface.face.quality import best_face
from voiceface.media.picture import load_picture

MAX_PHOTO_SIDE = 4096
"""A photo's long side is reduced to this before anything else: the smallest face worth keeping survives."""


def process_item(item: Item, media: Path | MediaGenerator, options: PrepareOptions) -> ItemResult:
    """All rows of an item, whose media lie below a folder or are generated.

    Raises:
        MissingPartError: a package that the work needs is not installed.
    """
    result = ItemResult()
    if isinstance(item, VoiceItem):
        result.run_step(lambda: _add_voice(item, media, options, result))
    elif isinstance(item, FaceItem):
        result.run_step(lambda: _add_face(item, media, options, result))
    else:
        process_video(item, media, options, result)
    if not isinstance(media, Path) and not isinstance(item, VoiceItem):
        _pad_pictures(result, media.padded_size(item))
    return result


def _pad_pictures(result: ItemResult, size: int) -> None:
    """Pad every encoded picture with zeros (readers stop at its end mark) to a multiple of ``size`` bytes."""
    for table in ("faces", "clips"):
        for index, (row, media) in enumerate(result.rows.get(table, ())):
            sizes = row.get("sizes") or [len(media["pictures"])]
            stops = np.cumsum(sizes).tolist()
            encoded = bytes(media["pictures"])
            parts = [encoded[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]
            padded = [part + bytes(-len(part) % size) for part in parts]
            data = b"".join(padded)
            row["content"] = digest(data + bytes(media.get("samples", b"")))
            if table == "clips":
                row["sizes"] = [len(part) for part in padded]
            result.rows[table][index] = row, {**media, "pictures": data}


def _add_voice(
    item: VoiceItem, media: Path | MediaGenerator, options: PrepareOptions, result: ItemResult
) -> None:
    if isinstance(media, Path):
        samples = read_samples(media / item.path, item.start, item.stop)
    else:
        samples = media.sound(item)
    detector = options.speech_detector
    row = voice_row(item, item.key, item.session, item.start, samples, detector=detector)
    result.add("voices", *row)


def _add_face(
    item: FaceItem, media: Path | MediaGenerator, options: PrepareOptions, result: ItemResult
) -> None:
    if not isinstance(media, Path):
        pixels, box = media.picture(item)
        faces = detect_faces(pixels, options) or [undetected_face(box)]
    elif item.box is None:
        pixels = np.asarray(load_picture(media / item.path, long_side=MAX_PHOTO_SIDE))
        faces = detect_faces(pixels, options)
    else:
        # A given box is in pixels of the file as it is.
        pixels = np.asarray(load_picture(media / item.path))
        faces = [Detection(box=item.box, score=1.0, detector="listed")]
    face = best_face(pixels, faces)
    if face is None:
        fault = "contains no detectable face, or one that is small, turned or not upright"
        raise InputError(item.path, fault, "crop it to one face seen from the front, upright")
    face = locate_landmarks(pixels, face, source=options.landmarks, name=item.path)
    row, encoded = face_row(pixels, face, options)
    row |= {**identity_columns(item, item.key, item.session), "time": None, "others": len(faces) - 1}
    result.add("faces", row, encoded)

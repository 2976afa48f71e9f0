"""Uploaded files as the readers of `voiceface.media` take them, within the limits of one file."""

from __future__ import annotations

import io
from collections.abc import Sequence

from voiceface.app.limits import Limits
from voiceface.app.messages import Upload
from voiceface.errors import InputError
from voiceface.media.picture import picture_size
from voiceface.media.sound import sound_seconds


class UploadedFile(io.BytesIO):
    """The bytes of an upload, with the name that errors call them."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(upload.data)
        self.name = upload.name


def check_sound(upload: Upload, limits: Limits) -> UploadedFile:
    """An uploaded recording, or video with sound, to be decoded.

    Raises:
        InputError: it is no sound, empty, or longer than the limits allow.
    """
    file = UploadedFile(upload)
    seconds = sound_seconds(file)
    if seconds > limits.sound_seconds:
        remedy = f"cut it to {limits.sound_seconds:g} s or less"
        raise InputError(file.name, f"is {seconds:.0f} s long", remedy)
    file.seek(0)
    return file


def check_picture(upload: Upload, limits: Limits) -> UploadedFile:
    """An uploaded picture, to be decoded.

    Raises:
        InputError: it is no picture, empty, or has more pixels than the limits allow.
    """
    file = UploadedFile(upload)
    width, height = picture_size(file)
    if width * height > limits.megapixels * 1e6:
        fault = f"has {width} x {height} pixels"
        raise InputError(file.name, fault, f"scale it down to {limits.megapixels:g} megapixels or less")
    file.seek(0)
    return file


def check_each(uploads: Sequence[Upload], kind: str, limits: Limits) -> list[UploadedFile | InputError]:
    """Uploads of a kind (``voice`` or ``face``), each to be decoded or with what is wrong with it."""
    check = check_sound if kind == "voice" else check_picture
    found: list[UploadedFile | InputError] = []
    for upload in uploads:
        try:
            found.append(check(upload, limits))
        except InputError as error:
            found.append(error)
    return found

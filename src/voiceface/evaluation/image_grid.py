"""Image grids: pictures in rows, with captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from voiceface.errors import InputError
from voiceface.media.picture import load_picture, save_png

Pictures = npt.NDArray[np.uint8]
CaptionedImage = tuple[Pictures, str]
"""A picture (height, width, 3) and the caption below it."""

_GAP, _LINE, _MARGIN = 8, 14, 12
_INK, _PAPER = (20, 20, 20), (250, 250, 250)


def draw_image_grid(
    rows: Sequence[Sequence[CaptionedImage]], *, title: str = "", side: int = 128
) -> Image.Image:
    """Draw pictures in rows, each with its caption below.

    Args:
        rows: Rows of pictures with captions; a caption's lines are cut to the picture's width.
        title: Above them.
        side: Pixels of the longer side of each picture.

    Raises:
        InputError: no picture at all.
    """
    if not any(len(row) for row in rows):
        raise InputError("image grid", "has no picture", "give one or more")
    font = ImageFont.load_default()
    texts = [[caption.splitlines() for _, caption in row] for row in rows]
    heights = [side + _LINE * max((len(lines) for lines in row), default=0) + _GAP for row in texts]
    top = _MARGIN + (_LINE + _GAP if title else 0)
    width = 2 * _MARGIN + max(len(row) for row in rows) * (side + _GAP) - _GAP
    page = Image.new("RGB", (width, top + sum(heights) + _MARGIN - _GAP), _PAPER)
    canvas = ImageDraw.Draw(page)
    if title:
        canvas.text((_MARGIN, _MARGIN), _cut(canvas, title, width - 2 * _MARGIN, font), fill=_INK, font=font)
    for row, lines, height in zip(rows, texts, heights, strict=True):
        for column, ((picture, _), caption) in enumerate(zip(row, lines, strict=True)):
            left = _MARGIN + column * (side + _GAP)
            page.paste(_fitted(picture, side), (left, top))
            for number, line in enumerate(caption):
                canvas.text(
                    (left, top + side + number * _LINE), _cut(canvas, line, side, font), fill=_INK, font=font
                )
        top += height
    return page


def write_image_grid(
    path: str | Path,
    rows: Sequence[Sequence[CaptionedImage]],
    *,
    title: str = "",
    side: int = 128,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write an image grid as a PNG, whole or not at all, with ``metadata`` as its text entries.

    Raises:
        InputError: no picture, or ``path`` cannot be written.
    """
    save_png(path, draw_image_grid(rows, title=title, side=side), metadata=metadata)


def _fitted(picture: Pictures, side: int) -> Image.Image:
    """The picture with its longer side ``side`` pixels; small ones enlarged without smoothing."""
    image = load_picture(picture)
    share = side / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return image.resize(size, Image.Resampling.NEAREST if share > 1 else Image.Resampling.LANCZOS)


def _cut(
    canvas: ImageDraw.ImageDraw, text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> str:
    """As much of a line as fits; characters that the font lacks are replaced."""
    text = text.encode("latin-1", errors="replace").decode("latin-1")
    while text and canvas.textlength(text, font=font) > width:
        text = text[:-1]
    return text

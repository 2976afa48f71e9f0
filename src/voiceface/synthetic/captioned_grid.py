"""Pictures in a grid with a caption under each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

from voiceface.errors import InputError

LINE = 12
"""Pixels a line of text takes in Pillow's own font."""


def captioned_grid(
    pictures: Iterable[Image.Image], captions: Sequence[str], *, columns: int = 5
) -> Image.Image:
    """Pictures of one size in rows, each with a caption of one or more lines below it.

    Raises InputError where there is no picture.
    """
    images = list(pictures)
    if not images:
        raise InputError("grid", "has no picture to show", "give at least one")
    width, height = images[0].size
    below = LINE * max(caption.count("\n") + 1 for caption in captions) + 4
    rows = -(-len(images) // columns)
    page = Image.new("RGB", (columns * width, rows * (height + below)), "white")
    pen = ImageDraw.Draw(page)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = index % columns * width, index // columns * (height + below)
        page.paste(image, (x, y))
        for line, text in enumerate(caption.split("\n")):
            pen.text((x + 3, y + height + 1 + LINE * line), text, fill="black")
    return page

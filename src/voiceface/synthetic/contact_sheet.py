"""Sheets of pictures to look at: people with their traits under them, expressions, frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

from voiceface.errors import InputError
from voiceface.synthetic.drawing import draw
from voiceface.synthetic.people import SyntheticPerson

__all__ = ["contact_sheet", "sheet"]

LINE = 12
"""Pixels a line of text takes in Pillow's own font."""
SHOWN = ("age", "size", "resonance", "breath", "tempo", "melody", "roughness", "register")


def sheet(pictures: Iterable[Image.Image], captions: Sequence[str], *, columns: int = 5) -> Image.Image:
    """Pictures of one size in rows, each with a caption of one or more lines below it.

    Raises InputError where there is no picture.
    """
    images = list(pictures)
    if not images:
        raise InputError("sheet", "has no picture to show", "give at least one")
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


def contact_sheet(
    people: Sequence[SyntheticPerson], *, columns: int = 5, size: int = 192, seed: int = 0
) -> Image.Image:
    """One picture of each person with the labels and what voice | face show of the shared traits below it."""
    captions = []
    for person in people:
        lines = [f"{person.seed}: {person.sex}, {person.age:.0f}, {person.accent.name}"]
        if person.spoken_accent != person.accent:
            lines[0] += f" (heard {person.spoken_accent.name})"
        pairs = [f"{name[:5]} {person.voice[name]:+.1f}|{person.face[name]:+.1f}" for name in SHOWN]
        lines += ["  ".join(pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
        captions.append("\n".join(lines))
    return sheet((draw(person, seed=seed, size=size) for person in people), captions, columns=columns)

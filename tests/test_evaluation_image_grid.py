"""Image grids: every picture is there, in its position."""

import numpy as np
import pytest
from PIL import Image

from voiceface.errors import InputError
from voiceface.evaluation.image_grid import draw_image_grid, write_image_grid

RED, BLUE = (np.full((20, 20, 3), (255, 0, 0), np.uint8), np.full((40, 20, 3), (0, 0, 255), np.uint8))


def test_pictures_lie_in_rows_with_captions(tmp_path):
    rows = [[(RED, "a\nb"), (BLUE, "c")], [(BLUE, "d" * 500)]]
    write_image_grid(tmp_path / "s.png", rows, title="Title", side=60, metadata={"Software": "voiceface"})
    with Image.open(tmp_path / "s.png") as page:
        assert page.text == {"Software": "voiceface"}
        pixels = np.asarray(page.convert("RGB")).astype(int)
    red, blue = ((np.abs(pixels - colour).sum(axis=2) == 0) for colour in ((255, 0, 0), (0, 0, 255)))
    assert red.sum() == 60 * 60 and blue.sum() == 2 * 60 * 30
    top = np.argwhere(red)[:, 0].max()
    assert (np.argwhere(blue)[:, 0] > top).sum() == 60 * 30  # the second row lies below the first
    assert ((pixels.sum(axis=2) < 200) & ~red & ~blue).sum() > 50  # ink


def test_captions_of_any_script_are_drawn_and_nothing_is_refused():
    assert draw_image_grid([[(RED, "名前 😀")]]).size[0] > 100
    with pytest.raises(InputError, match="no picture"):
        draw_image_grid([[], []])

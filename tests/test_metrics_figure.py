"""Figures are declared once: found by walking the folder, and their chance levels are true."""

from collections import Counter

import numpy as np
import pytest

from planted_component import planted
from voiceface.metrics.figure import figures
from voiceface.metrics.roc import SortedTrials
from voiceface.protocols import verification
from voiceface.protocols.face_set import Faces
from voiceface.protocols.generated_faces import face_set_figures
from voiceface.protocols.paired_comparison import compare
from voiceface.protocols.pixel_similarity import likeness

YOUDEN = '''"""Youden's index: the largest difference of the two rates (Youden 1950)."""

from __future__ import annotations

from voiceface.metrics.figure import Figure
from voiceface.metrics.roc import Floats

__all__ = ["YOUDEN", "youden"]


def youden(false: Floats, true: Floats) -> float:
    """Largest TPR - FPR over all thresholds, of cumulated weights."""
    if not false[-1] * true[-1] > 0:
        return float("nan")
    return float((true / true[-1] - false / false[-1]).max())


YOUDEN = Figure(name="Youden", of="trials", function=youden, chance=0.0, headline="Youden")
'''


def test_a_new_file_is_a_new_column_everywhere(tmp_path):
    scores, labels = [0.9, 0.8, 0.7, 0.1, 0.2, 0.75], [1, 1, 1, 0, 0, 0]
    people = (list("abcabc"), list("abcbca"))
    before = verification(scores, labels, people=people, resamples=20)
    with planted("voiceface.metrics", tmp_path, {"youden": YOUDEN}):
        after = verification(scores, labels, people=people, resamples=20)
        assert "Youden" in str(after) and "Youden" in {one.headline for one in figures()}
        assert compare(scores, scores, labels, people=people, figure="Youden", resamples=5).first > 0.6
    assert [str(e) for e in after.rows["all"]][:-1] == [str(e) for e in before.rows["all"]]
    added = after.figure("Youden")
    assert (
        added.value == pytest.approx(2 / 3) and added.low <= added.value <= added.high and added.chance == 0
    )
    assert "Youden" not in str(verification(scores, labels, people=people, resamples=0))


CONTRAST = '''"""Contrast."""

from voiceface.metrics.figure import Figure

CONTRAST = Figure(name="contrast", of="pictures", function=lambda a, b: a.std(axis=(1, 2, 3)), order=0)
TURN = Figure(name="turn", of="face sets", function=lambda a, b, unit: float(a[0, 0] * unit), order=0)
'''


def test_other_kinds_of_figures_are_found_too(tmp_path):
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)
    names = [str(k) for k in range(6)]
    faces = Faces.of(random.normal(size=(24, 3)), [str(k % 12) for k in range(24)])
    with planted("voiceface.metrics", tmp_path, {"contrast": CONTRAST}):
        row = likeness(pictures, pictures, people=(names, names), resamples=0).rows
        assert next(iter(row.values()))[0].name == "contrast"
        rows = face_set_figures(faces, faces, features="made").rows
        assert rows["generated faces as a set"][0].name == "turn"


def test_no_kind_has_two_figures_of_one_name():
    names = Counter((one.of, one.name) for one in figures())
    assert max(names.values()) == 1


@pytest.mark.parametrize("figure", figures("trials"), ids=lambda one: one.name)
def test_chance_is_what_random_scores_earn(figure):
    rng = np.random.default_rng(0)
    trials = SortedTrials.of(rng.normal(size=400_000), rng.random(400_000) < 0.3)
    earned = figure.function(*trials.cumulate())
    assert earned == pytest.approx(figure.chance_of(), rel=0.04, abs=5e-3)

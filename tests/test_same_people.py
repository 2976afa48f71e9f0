"""People who may be one person under two names are suggested, and nobody is merged."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from voiceface.cli.commands import prepare
from voiceface.pipelines.suggest_same_people import nearest_people


def unit(*numbers):
    row = np.array(numbers, np.float32)
    return row / np.linalg.norm(row)


def test_both_faces_and_voices_must_be_near_and_a_face_alone_nearer():
    one, other = unit(1, 0, 0), unit(0, 1, 0)
    lost = np.full(3, np.nan, np.float32)
    near, nearest = np.array([0.45, 0, 0], np.float32), np.array([0.35, 0, 0], np.float32)
    zero, far = np.zeros(3, np.float32), np.array([9, 9, 9], np.float32)
    given = {
        "ann": (zero, one),
        "ann-2": (near, unit(1, 0.5, 0)),
        "her-sister": (near, other),
        "bo": (far, one),
        "mute": (nearest, lost),
        "mute-2": (near + far, lost),
    }
    faces, voices = (np.stack(rows) for rows in zip(*given.values(), strict=True))
    found = nearest_people(list(given), faces, voices)
    assert {(one.person, one.other) for one in found} == {
        ("ann", "ann-2"), ("ann", "mute"), ("ann-2", "mute"), ("her-sister", "mute"),
    }  # fmt: skip
    assert [one.faces for one in found] == sorted(one.faces for one in found)
    assert {one.group for one in found} == {1}
    assert nearest_people(list(given)[3:], faces[3:], voices[3:]) == []


def test_they_are_printed_with_what_to_do(capsys):
    found = nearest_people(["Ann", "Annie"], np.zeros((2, 3), np.float32), np.stack([unit(1, 0), unit(1, 0)]))
    prepare._print_suggested(SimpleNamespace(path=Path("corpus")), found * 7)
    out = capsys.readouterr().out
    assert (
        "nobody was merged" in out and out.count("- Ann and Annie (faces 0.00 apart, voices 1.00 alike)") == 5
    )
    assert "all 7 pairs are listed in corpus" in out and "same_people.csv" in out

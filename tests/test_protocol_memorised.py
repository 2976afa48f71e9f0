"""Memorisation: copies are found and named, strangers and averages are not taken for them."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.protocols.face_set import Faces
from voiceface.protocols.memorisation_audit import memorisation_audit

RANDOM = np.random.default_rng(0)


def faces(rows, prefix, **more):
    return Faces.of(
        rows,
        [f"{prefix}{k}" for k in range(len(rows))],
        names=[f"{prefix}-{k}" for k in range(len(rows))],
        **more,
    )


def draw(count, seed):
    return np.random.default_rng(seed).normal(size=(count, 10))


TRAIN, HELD = faces(draw(150, 1), "t"), faces(draw(200, 2), "h")
DISTANCE, RATIO = "nearest training face (toy)", "nearest over next person (toy)"


def audited(rows, **more):
    return memorisation_audit(
        faces(rows, "d"), TRAIN, HELD, features="toy", resamples=more.pop("resamples", 0), **more
    )


def test_copies_are_all_found_and_named():
    rows = draw(100, 3)
    rows[::10] = TRAIN.rows[40:50] + 0.01 * draw(10, 4)
    report = audited(rows, resamples=200)
    below, nearer, *_ = report.rows[DISTANCE]
    assert 0.10 <= below.value <= 0.13 and below.chance == 0.01 and below.low > 0.03
    assert nearer.value > 0.5
    assert report.figure("below the 0.01 quantile", RATIO).value >= 0.10
    assert {(one.generated, one.nearest) for one in report.worst} == {
        (f"d-{10 * k}", f"t-{40 + k}") for k in range(10)
    }
    assert all(one.rarity == 0 and one.person == "t" + one.nearest[2:] for one in report.worst)
    assert "d-0 to t-40 of t40" in str(report) and len(report.to_dict()["worst"]) == 10


def test_strangers_have_the_share_that_strangers_have():
    values = [audited(draw(150, seed)).rows[DISTANCE] for seed in range(10, 30)]
    assert np.mean([row[0].value for row in values]) == pytest.approx(0.01, abs=0.008)
    assert np.mean([row[1].value for row in values]) == pytest.approx(0.5, abs=0.03)


def test_an_average_face_is_near_everybody_but_no_copy():
    report = audited(0.05 * draw(60, 5))
    assert report.figure("nearer than a stranger", DISTANCE).value > 0.9
    assert report.figure("below the 0.01 quantile", RATIO).value == 0.0


def test_figures_are_the_loop():
    rows = draw(30, 6)
    report = audited(rows, quantile=0.05)
    near = [np.linalg.norm(TRAIN.rows - row, axis=1).min() for row in rows]
    reference = sorted(np.linalg.norm(TRAIN.rows - row, axis=1).min() for row in HELD.rows)
    cut = reference[9]  # the smallest that 5 % of 200 do not exceed
    assert report.rows[DISTANCE][0].value == pytest.approx(np.mean(np.array(near) < cut))
    wins = np.mean([n < r for n in near for r in reference])
    assert report.rows[DISTANCE][1].value == pytest.approx(wins)
    assert report.generated_distances == pytest.approx(near)
    worst = report.worst[0]
    assert worst.distance == pytest.approx(min(near))
    assert worst.rarity == pytest.approx(np.mean(np.array(reference) < min(near)))


def test_the_interval_covers_the_true_share():
    """Drawn faces half as spread: their true share below the true 1 % quantile, from a large sample."""
    train = np.random.default_rng(7).normal(size=(40, 3))

    def near(rows):
        return np.linalg.norm(rows[:, None] - train, axis=2).min(axis=1)

    random = np.random.default_rng(8)
    reference = near(random.normal(size=(60_000, 3)))
    true = (near(0.5 * random.normal(size=(60_000, 3))) < np.quantile(reference, 0.1)).mean()
    covered = 0
    for k in range(60):
        report = memorisation_audit(
            faces(0.5 * random.normal(size=(80, 3)), "d"),
            faces(train, "t"),
            faces(random.normal(size=(200, 3)), "h"),
            features="toy",
            quantile=0.1,
            resamples=100,
            seed=k,
        )
        below = report.rows[DISTANCE][0]
        covered += below.low <= true <= below.high
    assert 0.86 <= covered / 60 <= 1


def test_faces_not_found_are_counted_out():
    found = np.arange(30) > 3
    report = memorisation_audit(
        faces(draw(30, 6), "d", found=found), TRAIN, HELD, features="toy", resamples=0
    )
    assert report.excluded == {"generated faces not found": 4} and report.rows[DISTANCE][0].n == 26
    assert all(one.generated_index > 3 for one in report.worst)


def test_few_references_and_known_people_are_said():
    few = memorisation_audit(
        faces(draw(9, 3), "d"), TRAIN, faces(draw(20, 9), "h"), features="toy", resamples=0
    )
    assert any("too few held-out faces" in note for note in few.notes)
    known = memorisation_audit(
        faces(draw(9, 3), "d"), TRAIN, faces(draw(200, 9)[:150], "t"), features="toy", resamples=0
    )
    assert any("150 held-out people were trained on" in note for note in known.notes)


@pytest.mark.parametrize(
    ("held", "quantile", "told"),
    [
        (TRAIN, 0.01, "150 of 150 are training faces"),
        (HELD, 1.0, "between 0 and 1"),
        (faces(draw(9, 1)[:, :4], "h"), 0.01, "wide"),
        (faces(draw(9, 1), "h", found=np.zeros(9)), 0.01, "none that was found"),
    ],
)
def test_what_is_no_reference_is_refused(held, quantile, told):
    with pytest.raises(InputError, match=told):
        memorisation_audit(faces(draw(9, 3), "d"), TRAIN, held, features="toy", quantile=quantile)


def test_a_picture_stored_twice_is_left_out_and_counted():
    held = faces(np.concatenate([HELD.rows, TRAIN.rows[:3]]), "h")
    report = memorisation_audit(faces(draw(30, 6), "d"), TRAIN, held, features="toy", resamples=0)
    assert report.excluded == {"held-out faces that are training faces": 3}
    assert report.rows[DISTANCE][0].to_dict() == audited(draw(30, 6)).rows[DISTANCE][0].to_dict()

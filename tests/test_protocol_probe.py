"""A linear probe reads what lies on a line in rows, nothing where there is nothing, and knows its chance."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.protocols.linear_probe import PENALTIES, Probe, probed


def made(seed, count, *, told):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    rows = rng.normal(size=(count, 6)) * 5 + 40
    rows[:, :3] += told * np.eye(3)[labels]
    return rows, np.array(["a", "b", "c"])[labels], rng.integers(0, 9, count).astype(str)


def test_ridge_is_the_closed_form_of_its_penalty():
    rows, labels, _ = made(0, 80, told=9.0)
    probe = Probe.fit(rows, labels, check=(rows[:0], labels[:0]))
    placed = (rows - rows.mean(0)) / rows.std(0)
    wanted = (labels[:, None] == np.array(["a", "b", "c"])).astype(float)
    slow = np.linalg.solve(
        placed.T @ placed + PENALTIES[-1] * np.eye(6), placed.T @ (wanted - wanted.mean(0))
    )
    np.testing.assert_allclose(probe.weights, slow, atol=1e-9)  # nothing to check on: the most cautious


def test_the_penalty_is_the_one_that_is_best_on_other_items():
    """Unequal classes: too much caution always answers the common one."""
    rng = np.random.default_rng(3)
    labels = np.repeat(["a", "b", "c"], [30, 6, 4])
    rows, told = rng.normal(size=(40, 12)), {"a": 0.0, "b": 3.0, "c": -3.0}
    rows[:, 0] += [told[label] for label in labels]
    truth = np.repeat(["a", "b", "c"], 100)
    others = rng.normal(size=(300, 12))
    others[:, 0] += [told[label] for label in truth]
    placed, placed_others = ((some - rows.mean(0)) / rows.std(0) for some in (rows, others))
    wanted = (labels[:, None] == np.array(["a", "b", "c"])).astype(float)
    rights = []
    for penalty in PENALTIES:
        weights = np.linalg.solve(
            placed.T @ placed + penalty * np.eye(12), placed.T @ (wanted - wanted.mean(0))
        )
        answers = (placed_others @ weights + wanted.mean(0)).argmax(1)
        rights.append(float((np.array(["a", "b", "c"])[answers] == truth).mean()))
    chosen = Probe.fit(rows, labels, check=(others, truth))
    assert rights[-1] < max(rights)  # the most cautious is not the best here
    assert (chosen(others) == truth).mean() == pytest.approx(max(rights))


def test_what_is_told_is_read_and_what_is_not_is_chance():
    rows, labels, people = made(1, 600, told=30.0)
    told = probed("x", Probe.fit(rows[:300], labels[:300]), rows[300:], labels[300:], people[300:])
    assert told.value > 0.95 and told.low <= told.value <= told.high and 0.25 < told.chance < 0.45
    rows, labels, people = made(2, 600, told=0.0)
    none = probed("x", Probe.fit(rows[:300], labels[:300]), rows[300:], labels[300:], people[300:])
    assert none.low <= none.chance <= none.high and told.n == 300 and none.people == 9


def test_a_guesser_of_the_common_class_gains_nothing():
    labels = np.array(["common"] * 90 + ["rare"] * 10)
    rows = np.zeros((100, 2))
    found = probed("x", Probe.fit(rows, labels), rows, labels, np.arange(100).astype(str))
    assert found.value == pytest.approx(0.9) and found.chance == pytest.approx(0.9)


def test_one_class_is_refused():
    with pytest.raises(InputError, match="has 1 classes to tell apart; give it two or more"):
        Probe.fit(np.zeros((3, 2)), ["a", "a", "a"])

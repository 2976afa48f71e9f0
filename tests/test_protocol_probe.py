"""A linear probe reads what lies on a line in rows, nothing where there is nothing, and knows its chance."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.protocols.probe import PENALTIES, Probe, probed


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
    rng = np.random.default_rng(3)
    rows, labels = rng.normal(size=(40, 30)), np.repeat(["a", "b"], 20)
    rows[:, 0] += np.where(labels == "a", 2.0, -2.0)
    others, truth = rng.normal(size=(400, 30)), np.repeat(["a", "b"], 200)
    others[:, 0] += np.where(truth == "a", 2.0, -2.0)
    chosen = Probe.fit(rows, labels, check=(others, truth))
    best = (chosen(others) == truth).mean()
    for label, many in (("a", 40), ("b", 40)):  # checked on few of one class alone it may be another
        few = Probe.fit(rows, labels, check=(others[truth == label][:many], truth[truth == label][:many]))
        assert (few(others) == truth).mean() <= best


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

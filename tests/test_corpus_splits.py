"""Splits: nobody and nothing is in two parts, everything is placed once, the order of items never matters."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceface.corpus.splits import Selection, authors_split, fold_people, split_known, split_people
from voiceface.errors import InputError
from voiceface.records import Person

TABLES = ("voices", "faces", "clips")


class Shelf:
    """Columns as a corpus gives them, without one on disk."""

    path = Path("shelf")

    def __init__(self, people, rows):
        self.people = people
        self.person_index = {person.id: index for index, person in enumerate(people)}
        self.rows = {table: [row for row in rows if row["table"] == table] for table in TABLES}
        self.tables = {table: self.rows[table] for table in TABLES}

    def person_of(self, table):
        return self.column(table, "person").astype(str)

    def column(self, table, name):
        values = [
            row.get(name, {"time": math.nan, "start": 0.0, "seconds": 1.0}.get(name, ""))
            for row in self.rows[table]
        ]
        return np.array(values, dtype=float if name in ("start", "seconds", "time") else object)


def shelf(sizes, genders=None, sessions=2, twice=False, **more):
    """Person i has ``sizes[i]`` files of voice, every other in the same session, and as many photographs.

    With ``twice`` every other file holds two windows, which overlap.
    """
    people, rows = [], []
    for number, size in enumerate(sizes):
        id = f"p{number:03d}"
        people.append(Person(id=id, gender=(genders or [""] * len(sizes))[number]))
        for take in range(size):
            session = f"s{take // sessions}" if sessions else ""
            told = {"person": id, "session": session, **more}
            rows.append({"table": "voices", "source": f"{id}/{take}.wav", **told})
            rows.append({"table": "faces", "source": f"{id}/{take}.jpg", **told})
            if twice and take % 2:
                rows.append({"table": "voices", "source": f"{id}/{take}.wav", "start": 0.5, **told})
    return Shelf(people, rows)


def parts(split):
    return {"train": split.train, "validation": split.validation, "test": split.test}


def placed(corpus, split, table):
    """Part of every row of a table; fails if one is in two."""
    found = {}
    for name, part in parts(split).items():
        for row in getattr(part, table).tolist():
            assert row not in found
            found[row] = name
    return found


genders = st.lists(st.sampled_from(["f", "m", ""]), min_size=3, max_size=60)
seeds = st.integers(0, 5)


@settings(deadline=None, max_examples=60)
@given(genders, seeds, st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_unknown_people_are_in_one_part_and_strata_keep_their_shares(of, seed, validation, test):
    corpus = shelf([1] * len(of), of)
    split = split_people(corpus, seed=seed, validation=validation, test=test)
    people = {name: part.people for name, part in parts(split).items()}
    everybody = [person for some in people.values() for person in some]
    assert sorted(everybody) == [person.id for person in corpus.people]
    assert all(people.values())
    assert len(placed(corpus, split, "voices")) == len(of) == len(placed(corpus, split, "faces"))
    for gender, size in Counter(of).items():
        for name, share in (("validation", validation), ("test", test)):
            there = sum(corpus.people[corpus.person_index[id]].gender == gender for id in people[name])
            # Rounded up or down; a part that would be empty was given somebody.
            assert abs(there - share * size) < 1 + 1e-6 or len(people[name]) == 1


@settings(deadline=None, max_examples=40)
@given(genders, seeds, st.integers(2, 6))
def test_every_person_is_tested_in_one_fold_and_folds_are_alike(of, seed, folds):
    corpus = shelf([1] * len(of), of)
    if len(of) < folds or len(of) - math.ceil(len(of) / folds) < 2:
        return
    made = [fold_people(corpus, fold=fold, folds=folds, seed=seed) for fold in range(folds)]
    tested = [person for split in made for person in split.test.people]
    assert sorted(tested) == [person.id for person in corpus.people]
    for split in made:
        assert len(placed(corpus, split, "voices")) == len(of)
        assert not set(split.test.people) & {*split.train.people, *split.validation.people}
    for gender in {*of, None}:
        sizes = [
            sum(
                gender is None or corpus.people[corpus.person_index[id]].gender == gender
                for id in split.test.people
            )
            for split in made
        ]
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    seeds,
    st.sampled_from(["recording", "session", "clip"]),
)
def test_known_people_are_in_all_parts_and_no_unit_is_in_two(sizes, seed, by):
    corpus = shelf(sizes, twice=True)
    units = {"session": lambda size: math.ceil(size / 2)}.get(by, lambda size: size)
    kept = [f"p{n:03d}" for n, size in enumerate(sizes) if units(size) >= 3]
    if not kept:
        with pytest.raises(InputError, match="nobody has 3"):
            split_known(corpus, by=by, seed=seed)
        return
    split = split_known(corpus, by=by, seed=seed)
    where = {}
    for table in ("voices", "faces"):
        people, sources = corpus.column(table, "person"), corpus.column(table, "source")
        sessions = corpus.column(table, "session")
        found = placed(corpus, split, table)
        assert sorted(found) == [row for row in range(len(people)) if people[row] in kept]
        for row, part in found.items():
            unit = (people[row], sessions[row]) if by == "session" else sources[row]
            assert where.setdefault(unit, part) == part
        for name, part in parts(split).items():
            assert sorted(set(people[getattr(part, table)])) == kept, name


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(3, 6), min_size=3, max_size=8), seeds, st.randoms())
def test_splits_do_not_depend_on_the_order_of_items(sizes, seed, random):
    corpus = shelf(sizes)
    rows = [row for table in TABLES for row in corpus.rows[table]]
    people = list(corpus.people)
    random.shuffle(rows)
    mixed = Shelf(people, rows)

    def told(which, make):
        return {
            (name, source)
            for name, part in parts(make(which)).items()
            for table in ("voices", "faces")
            for source in which.column(table, "source")[getattr(part, table)]
        }

    for make in (
        lambda one: split_people(one, seed=seed),
        lambda one: fold_people(one, fold=1, folds=2, seed=seed),
        lambda one: split_known(one, seed=seed),
    ):
        assert told(corpus, make) == told(mixed, make)


def test_small_strata_do_not_pile_up_in_one_part():
    nations = [f"n{number // 2}" for number in range(100)]
    people = [Person(id=f"p{n:03d}", nationality=nation) for n, nation in enumerate(nations)]
    rows = [{"table": "voices", "person": person.id, "source": person.id} for person in people]
    for seed in range(5):
        split = split_people(Shelf(people, rows), seed=seed, stratify="nationality")
        assert {len(split.validation.people), len(split.test.people)} <= {9, 10, 11}


def test_another_seed_another_split():
    corpus = shelf([1] * 40)
    tested = {tuple(split_people(corpus, seed=seed).test.people) for seed in range(8)}
    assert len(tested) > 6


def test_overlapping_windows_are_one_clip():
    spans = [0.0, 2.0, 4.0, 20.0, 22.0, 40.0, 60.0, 62.0]
    rows = [
        {"table": "voices", "person": "a", "source": "a.mp4", "start": start, "seconds": 4.0}
        for start in spans
    ] + [{"table": "faces", "person": "a", "source": "a.mp4", "time": time} for time in (3.0, 41.0, 50.0)]
    corpus = Shelf([Person(id="a")], rows)
    for seed in range(6):
        split = split_known(corpus, by="clip", minimum=4, seed=seed)
        found, seen = placed(corpus, split, "voices"), placed(corpus, split, "faces")
        assert found[0] == found[1] == found[2] == seen[0]
        assert found[3] == found[4] and found[6] == found[7] and found[5] == seen[1]
        assert set(found.values()) == {"train", "validation", "test"}


def test_shares_of_known_recordings():
    split = split_known(shelf([20] * 5, sessions=0), validation=0.15, test=0.15)
    assert (len(split.train.voices), len(split.validation.voices), len(split.test.voices)) == (70, 15, 15)


def test_no_selection_part_when_none_is_wanted():
    split = split_people(shelf([1] * 10), validation=0.0, test=0.3)
    assert split.validation.people == [] and len(split.test.people) == 3 and len(split.train.people) == 7


def test_authors_parts_by_item_before_person():
    people = [Person(id="a", split="train"), Person(id="b", split="test"), Person(id="c")]
    rows = [
        {"table": "voices", "person": person, "source": f"{n}.wav", "split": split}
        for n, (person, split) in enumerate([("a", ""), ("a", "validation"), ("b", ""), ("c", "")])
    ]
    split = authors_split(Shelf(people, rows))
    assert split.train.voices.tolist() == [0] and split.validation.voices.tolist() == [1]
    assert split.test.voices.tolist() == [2]
    with pytest.raises(InputError, match="no split by its authors"):
        authors_split(shelf([2, 2]))
    with pytest.raises(InputError, match="'dev'"):
        authors_split(shelf([2, 2], split="dev"))


def test_selection_restricts_to_people():
    everything = Selection.everything(shelf([2, 3, 1]))
    assert everything.people == ["p000", "p001", "p002"] and len(everything) == 12
    some = everything.restrict(["p001", "nobody"])
    assert some.people == ["p001"] and some.voices.tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda corpus: split_people(corpus), "2 people do not serve 3 parts"),
        (lambda corpus: split_people(corpus, validation=0.5, test=0.5), "leave nothing to train on"),
        (lambda corpus: split_people(corpus, stratify="hair"), "there is no 'hair'"),
        (lambda corpus: fold_people(corpus, fold=2, folds=2), "there is no fold 2 of 2"),
        (lambda corpus: fold_people(corpus, fold=0, folds=5), "2 people for 5 folds"),
        (lambda corpus: split_known(corpus, by="hair"), "there is no 'hair'"),
        (lambda corpus: split_known(corpus, minimum=2), "do not serve 3 parts"),
        (lambda corpus: split_known(corpus, minimum=9), "nobody has 9 recordings"),
    ],
)
def test_what_cannot_be_split_is_told_in_one_line(make, told):
    with pytest.raises(InputError, match=told):
        make(shelf([4, 4]))

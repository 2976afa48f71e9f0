"""Splits of talking clips, and people who are left out of every part."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection, Split
from voiceface.errors import InputError

_MANY = 20
"""People with at least so many clips are split by clip, all others by person."""


def split_clips(corpus: Corpus, *, seed: int, validation: float, test: float, leave_out: str = "") -> Split:
    """Split clips: people with 20 or more have some in every part, all others are in one part.

    ``leave_out`` names people, separated by commas, who are in no part.

    Raises:
        InputError: no clips, an unknown person, or shares that leave nothing to learn from.
    """
    if not (validation > 0 and test >= 0 and validation + test < 1):
        fault = f"{validation} and {test} leave nothing to train or select on"
        raise InputError("validation and test", fault, "give shares that sum to less than 1")
    people = corpus.person_of("clips")
    ids = corpus.column("clips", "id").astype(str)
    if not len(ids):
        raise InputError(corpus.path, "contains no talking clips", "prepare some (--clips, or videos)")
    out = _left_out(leave_out, set(people.tolist()), f"who has no clips in {corpus.path}")
    many = {person for person, count in Counter(people.tolist()).items() if count >= _MANY}
    parts = np.full(len(ids), "train     ")
    parts[np.isin(people, sorted(out))] = "out"
    for unit in (None, *sorted(many - out)):
        alone = people == unit if unit else ~np.isin(people, sorted(many | out))
        rows = np.flatnonzero(alone)
        names = ids if unit else people
        order = sorted({names[row] for row in rows}, key=lambda name: _hash(seed, str(name)))
        held = round(validation * len(order)) or int(len(order) > 2 and not unit)
        tested = round(test * len(order))
        part_of = dict.fromkeys(order[:held], "validation") | dict.fromkeys(
            order[held : held + tested], "test"
        )
        for row in rows:
            parts[row] = part_of.get(names[row], "train")
    none = np.zeros(0, dtype=np.int64)
    assigned = np.char.strip(parts)
    return Split(
        *(
            Selection(corpus, none, none, np.flatnonzero(assigned == part))
            for part in ("train", "validation", "test")
        )
    )


def without_people(split: Split, leave_out: str) -> Split:
    """The same parts without the people that ``leave_out`` names, separated by commas.

    Raises:
        InputError: the corpus has nobody of that name.
    """
    corpus = split.train.corpus
    out = _left_out(leave_out, {person.id for person in corpus.people}, f"who is not in {corpus.path}")

    def kept(part: Selection) -> Selection:
        rows = [
            found[~np.isin(corpus.person_of(table)[found], sorted(out))]
            for table, found in (("voices", part.voices), ("faces", part.faces), ("clips", part.clips))
        ]
        return Selection(corpus, *rows)

    return Split(*(kept(part) for part in (split.train, split.validation, split.test)))


def _left_out(names: str, known: set[str], fault: str) -> set[str]:
    out = {name.strip() for name in names.split(",")} - {""}
    if strangers := sorted(out - known):
        raise InputError("--leave-out", f"names {strangers[0]!r}, {fault}", "name people of the corpus")
    return out


def _hash(seed: int, what: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1

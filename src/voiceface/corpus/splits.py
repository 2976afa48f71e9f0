"""Splits into training, validation and test parts that never share what they must not.

Two kinds, never mixed: *unknown people* (`split_people`, `fold_people`: nobody is in two parts) and
*known people* (`split_known`: everybody is in all parts, with other recordings). Every split depends on
the ids and the seed alone, not on the order of items, the machine or library versions.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError

PARTS = ("train", "validation", "test")
TABLES = ("voices", "faces", "clips")

T = TypeVar("T", bound=Hashable)
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Selection:
    """Some of a corpus' voices, faces and clips, by their numbers, rising."""

    corpus: Corpus
    voices: Rows
    faces: Rows
    clips: Rows

    @classmethod
    def everything(cls, corpus: Corpus) -> Selection:
        """All items of a corpus."""
        voices, faces, clips = (np.arange(len(corpus.tables[table])) for table in TABLES)
        return cls(corpus, voices, faces, clips)

    @cached_property
    def people(self) -> list[str]:
        """Sorted ids of everybody with an item here."""
        found: set[str] = set()
        for table in TABLES:
            found.update(np.unique(self.person_of(table)).tolist())
        return sorted(found)

    def person_of(self, table: str) -> npt.NDArray[np.str_]:
        """The person of each of the voices, faces or clips here, ``(items,)``."""
        rows: Rows = getattr(self, table)
        return self.corpus.person_of(table)[rows]

    def gender_of(self, table: str) -> npt.NDArray[np.str_]:
        """That person's gender, ``(items,)``: ``f``, ``m`` or blank."""
        known = {person.id: person.gender for person in self.corpus.people}
        return np.array([known[person] for person in self.person_of(table).tolist()], dtype=str)

    def restrict(self, people: Iterable[str]) -> Selection:
        """The items of these people only."""
        wanted = np.array(sorted(set(people)), dtype=str)
        kept = []
        for table in TABLES:
            rows = getattr(self, table)
            kept.append(rows[np.isin(self.corpus.person_of(table)[rows], wanted)])
        return Selection(self.corpus, *kept)

    def __len__(self) -> int:
        """Items of all three kinds."""
        return len(self.voices) + len(self.faces) + len(self.clips)


@dataclass(frozen=True, eq=False)
class Split:
    """Three selections of one corpus without a common item."""

    train: Selection
    validation: Selection
    test: Selection


def split_people(
    corpus: Corpus,
    *,
    seed: int = 0,
    validation: float = 0.1,
    test: float = 0.1,
    stratify: str | None = "gender",
    among: Iterable[str] | None = None,
) -> Split:
    """Split into unknown people: nobody is in two parts.

    Each part holds its share of each stratum, rounded up or down. People of whom the attribute is not
    known are a stratum of their own.

    Args:
        corpus: What to split; people without any item are left out.
        seed: Another seed, other people.
        validation: Share of the people to select on; 0 for none.
        test: Share of the people to test on; 0 for none.
        stratify: ``"gender"``, ``"nationality"`` or None.
        among: Only these people; None: everybody.

    Raises:
        InputError: shares that leave nobody to train on, fewer people than parts, an unknown attribute.
    """
    whole = Selection.everything(corpus)
    whole = whole if among is None else whole.restrict(among)
    strata = _strata(corpus, whole.people, stratify)
    part_of = _assign_parts(strata, _shares(validation, test, len(whole.people), "people"), str(seed))
    return _of_people(whole, part_of)


def fold_people(
    corpus: Corpus,
    *,
    fold: int,
    folds: int,
    seed: int = 0,
    validation: float = 0.1,
    stratify: str | None = "gender",
) -> Split:
    """Split for cross-validation: everybody is tested in exactly one of the folds.

    Args:
        corpus: What to split.
        fold: 0 to ``folds`` - 1: the fold to test on.
        folds: Two or more.
        seed: Decides who shares a fold; the same for all folds.
        validation: Share of the other people to select on; 0 for none.
        stratify: ``"gender"``, ``"nationality"`` or None; folds differ by one person a stratum at most.

    Raises:
        InputError: no such fold, fewer people than folds, an unknown attribute.
    """
    whole = Selection.everything(corpus)
    if folds < 2 or not 0 <= fold < folds:
        raise InputError("fold", f"there is no fold {fold} of {folds}", "give 0 <= fold < folds, folds >= 2")
    if len(whole.people) < folds:
        raise InputError(corpus.path, f"has {len(whole.people)} people for {folds} folds", "make fewer folds")
    strata = _strata(corpus, whole.people, stratify)
    # Strata end to end, people assigned in turn: each stratum's and the whole's folds differ by one at most.
    row = [person for _, people in sorted(strata.items()) for person in _shuffled(people, f"{seed}")]
    tested = set(row[fold::folds])
    rest = {name: [person for person in people if person not in tested] for name, people in strata.items()}
    shares = _shares(validation, 0.0, len(whole.people) - len(tested), "people outside the fold")
    part_of = _assign_parts(rest, shares, f"{seed} fold {fold}")
    return _of_people(whole, part_of | dict.fromkeys(tested, "test"))


def split_known(
    corpus: Corpus,
    *,
    by: str = "recording",
    minimum: int = 3,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
) -> Split:
    """Split the items of known people: everybody is in every part, no recording (session, clip) in two.

    Args:
        corpus: What to split.
        by: What stays together: ``"recording"`` (a file), ``"session"`` (a video or session; the file
            where no session is known) or ``"clip"`` (what overlaps in time, such as neighbouring windows).
        minimum: People with fewer recordings (clips) that hold their voice are left out; so are people
            with fewer sessions than parts.
        seed: Another seed, other items.
        validation: Share of each person's recordings (sessions, clips) to select on.
        test: The same to test on.

    Raises:
        InputError: nobody has that many, ``minimum`` too small to serve every part, an unknown ``by``.
    """
    if by not in ("recording", "session", "clip"):
        raise InputError("by", f"there is no {by!r}", "give 'recording', 'session' or 'clip'")
    word = "clip" if by == "clip" else "recording"
    shares = _shares(validation, test, minimum, f"{word}s a person (minimum)")
    needed = minimum if by != "session" else sum(share > 0 for share in shares.values())
    units, counted = _units(corpus, by), _recordings(corpus) if by == "session" else {}
    owned: dict[str, dict[Hashable, set[str]]] = defaultdict(lambda: defaultdict(set))
    for table in TABLES:
        for unit, person in zip(units[table], corpus.person_of(table), strict=True):
            owned[person][unit].add(table)
    part_of: dict[Hashable, str] = {}
    kept = []
    for person in sorted(owned):
        with_voice = [unit for unit, tables in owned[person].items() if tables != {"faces"}]
        if len(with_voice or owned[person]) < needed or counted.get(person, minimum) < minimum:
            continue
        kept.append(person)
        # Voices and photographs are often files of their own: both are split over all parts.
        for silent in (False, True):
            group: dict[str, list[Hashable]] = defaultdict(list)
            for unit, tables in owned[person].items():
                if unit not in part_of and silent == (tables == {"faces"}):
                    group[",".join(sorted(tables))].append(unit)
            part_of |= _assign_parts(group, shares, f"{seed} {person} {silent}", every=True)
    if not kept:
        remedy = "lower the minimum, or take another corpus or a split into unknown people"
        sessions = f" of {needed} sessions" if by == "session" else ""
        raise InputError(corpus.path, f"nobody has {minimum} {word}s{sessions}", remedy)
    whole = Selection.everything(corpus).restrict(kept)
    return _split(whole, lambda table, rows: [part_of[units[table][row]] for row in rows])


def authors_split(corpus: Corpus, named: Mapping[str, str] | None = None) -> Split:
    """The split that the source's authors made, by item or by person; items without one are left out.

    Args:
        corpus: What to split.
        named: Another split instead: part by item, by session or by person, what is nearest deciding.

    Raises:
        InputError: the source has no split, or names a part that is none of train, validation and test.
    """
    of_person = {person.id: person.split for person in corpus.people}
    whole = Selection.everything(corpus)

    def parts(table: str, rows: Rows) -> list[str]:
        if named is not None:
            columns = [corpus.column(table, name) for name in ("id", "session", "person")]
            return [next((named[c[row]] for c in columns if c[row] in named), "") for row in rows]
        splits, people = corpus.column(table, "split"), corpus.person_of(table)
        return [splits[row] or of_person.get(people[row], "") for row in rows]

    found = {part for table in TABLES for part in parts(table, getattr(whole, table))} - {""}
    if not found:
        remedy = "split it into unknown people instead (split_people)"
        raise InputError(corpus.path, "its source has no split by its authors", remedy)
    if strange := found - set(PARTS):
        fault = f"has a split called {sorted(strange)[0]!r}"
        raise InputError(corpus.path, fault, f"the source must name one of {', '.join(PARTS)}")
    return _split(whole, parts)


def _split(whole: Selection, parts: Callable[[str, Rows], Sequence[str]]) -> Split:
    chosen: dict[str, list[Rows]] = {part: [] for part in PARTS}
    for table in TABLES:
        rows = getattr(whole, table)
        assigned = np.array(parts(table, rows), dtype=str)
        for part in PARTS:
            chosen[part].append(rows[assigned == part])
    return Split(*(Selection(whole.corpus, *chosen[part]) for part in PARTS))


def _of_people(whole: Selection, part_of: Mapping[str, str]) -> Split:
    def parts(table: str, rows: Rows) -> list[str]:
        return [part_of[person] for person in whole.corpus.person_of(table)[rows]]

    return _split(whole, parts)


def _strata(corpus: Corpus, people: Sequence[str], by: str | None) -> dict[str, list[str]]:
    if by not in ("gender", "nationality", None):
        raise InputError("stratify", f"there is no {by!r}", "give 'gender', 'nationality' or None")
    strata: dict[str, list[str]] = defaultdict(list)
    for id in people:
        known = corpus.person_index.get(id)
        value = getattr(corpus.people[known], by) if by is not None and known is not None else ""
        strata[value].append(id)
    return strata


def _shares(validation: float, test: float, count: int, of_what: str) -> dict[str, float]:
    """Share of each part, if ``count`` things can serve all that are wanted."""
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        fault = f"{validation} and {test} leave nothing to train on"
        raise InputError("validation and test", fault, "give shares that sum to less than 1")
    wanted = {"validation": validation, "test": test}
    needed = 1 + sum(share > 0 for share in wanted.values())
    if count < needed:
        raise InputError(
            "split", f"{count} {of_what} do not serve {needed} parts", "give more, or fewer parts"
        )
    return {"train": 1.0 - validation - test, **wanted}


def _shuffled(things: Iterable[T], seed: str) -> list[T]:
    """In an order that the seed and each thing's own name decide."""
    return sorted(things, key=lambda one: (hashlib.sha256(f"{seed}\n{one}".encode()).digest(), str(one)))


def _assign_parts(
    strata: Mapping[str, Sequence[T]], shares: Mapping[str, float], seed: str, *, every: bool = False
) -> dict[T, str]:
    """Give everything to one part: in each stratum a part gets its share rounded up or down.

    What rounding takes from a part in one stratum is made up in the next, so that the totals keep
    to their shares too. A part that would stay empty gets one of the largest part's; with ``every``
    only if there are as many things as parts.
    """
    part_of: dict[T, str] = {}
    shortfall = dict.fromkeys(shares, 0.0)
    for name in sorted(strata, key=lambda name: (-len(strata[name]), name)):
        things = _shuffled(strata[name], seed)
        exact = {part: share * len(things) for part, share in shares.items()}
        counts = {part: math.floor(value + 1e-9) for part, value in exact.items()}
        rest = {part: exact[part] - counts[part] for part in shares if exact[part] - counts[part] > 1e-9}
        spare = len(things) - sum(counts.values())
        for part in sorted(rest, key=lambda part: (-(rest[part] + shortfall[part]), part))[:spare]:
            counts[part] += 1
        for part in shares:
            shortfall[part] += exact[part] - counts[part]
        names = [part for part in shares for _ in range(counts[part])]
        part_of.update(zip(things, names, strict=True))
    wanted = [part for part, share in shares.items() if share > 0]
    if not every or len(part_of) >= len(wanted):
        _fill_empty(part_of, wanted, seed)
    return part_of


def _fill_empty(part_of: dict[T, str], wanted: Sequence[str], seed: str) -> None:
    for part in wanted:
        if part not in part_of.values():
            sizes = {other: sum(one == other for one in part_of.values()) for other in wanted}
            largest = max(wanted, key=lambda other: sizes[other])
            part_of[_shuffled((one for one, p in part_of.items() if p == largest), f"{seed} fill")[0]] = part


def _recordings(corpus: Corpus) -> dict[str, int]:
    """Files with each person's voice, or of their faces where there is no voice."""
    held: dict[str, dict[bool, set[str]]] = defaultdict(lambda: {True: set(), False: set()})
    for table in TABLES:
        for person, source in zip(corpus.person_of(table), corpus.column(table, "source"), strict=True):
            held[person][table != "faces"].add(source)
    return {person: len(files[True] or files[False]) for person, files in held.items()}


def _units(corpus: Corpus, by: str) -> dict[str, list[Hashable]]:
    """What must stay together, for each row of each table."""
    if by == "clip":
        return _overlapping(corpus)
    sources = {table: corpus.column(table, "source") for table in TABLES}
    if by == "recording":
        return {table: [("file", source) for source in found] for table, found in sources.items()}
    # Two people's sessions may have one name ("1", "morning"); a file's name is its own.
    sessions = {
        table: list(zip(corpus.person_of(table), corpus.column(table, "session"), strict=True))
        for table in TABLES
    }
    files: dict[tuple[str, str], set[str]] = defaultdict(set)
    for table in TABLES:
        for session, source in zip(sessions[table], sources[table], strict=True):
            files[session].add(source)
    # A session of one file is that file, in the order and so in the part that a split by recording gives it.
    return {
        table: [
            ("session", *session) if session[1] and len(files[session]) > 1 else ("file", source)
            for session, source in zip(sessions[table], sources[table], strict=True)
        ]
        for table in TABLES
    }


def _overlapping(corpus: Corpus) -> dict[str, list[Hashable]]:
    """Rows of one file that overlap in time, directly or through others, are one unit."""
    spans: dict[str, list[tuple[float, float, str, int]]] = defaultdict(list)
    for table in TABLES:
        starts = corpus.column(table, "time" if table == "faces" else "start")
        lengths = np.zeros(len(starts)) if table == "faces" else corpus.column(table, "seconds")
        for row, source in enumerate(corpus.column(table, "source")):
            start = float(starts[row])
            # A photograph has no time: several rows of one are one moment.
            start = 0.0 if math.isnan(start) else start
            spans[source].append((start, start + float(lengths[row]), table, row))
    units: dict[str, list[Hashable]] = {table: [None] * len(corpus.tables[table]) for table in TABLES}
    for source, found in spans.items():
        reached, number = -math.inf, -1
        for start, stop, table, row in sorted(found):
            # Half a millisecond: windows that only touch are two.
            if start > reached - 5e-4:
                number += 1
            reached = max(reached, stop)
            units[table][row] = ("clip", source, number)
    return units

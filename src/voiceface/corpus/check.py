"""What can be wrong with a prepared corpus, each problem with its remedy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.item_rows import digest
from voiceface.errors import InputError

SILENCE_DB = -60.0
"""dB below full scale; a softer recording is silence."""
MIN_FACE_PIXELS = 32.0
"""Pixels of the original picture; a smaller face cannot be recognised."""
_NAMED = 5  # so many of a kind are named one by one, the others are counted
_ORDER = ("error", "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding."""

    severity: str
    """``error``: results would be wrong; ``warning``: worth a check."""
    what: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.severity}: {self.what}: {self.fault}; {self.remedy}"


def check_corpus(corpus: Corpus, *, deep: bool = False) -> list[Problem]:
    """All findings, errors first; an empty list for a sound corpus.

    Args:
        corpus: An opened corpus.
        deep: Read every recording and picture and compare it with its digest, too: minutes.
    """
    checks = [_unfinished, _missing, _people, _splits, _silent, _tiny, _duplicates]
    if deep:
        checks.append(_damaged)
    found = [problem for check in checks for problem in check(corpus)]
    return sorted(found, key=lambda problem: _ORDER.index(problem.severity))


def _some(problems: list[Problem]) -> Iterator[Problem]:
    """The first few, and how many more there are."""
    yield from problems[:_NAMED]
    if len(problems) > _NAMED:
        one = problems[_NAMED]
        more = len(problems) - _NAMED
        yield Problem(severity=one.severity, what=f"{more} more", fault=one.fault, remedy=one.remedy)


def _unfinished(corpus: Corpus) -> Iterator[Problem]:
    if not corpus.complete:
        remedy = "run the same `voiceface prepare` again: it does only what is missing"
        yield Problem(severity="error", what=str(corpus.path), fault="is not finished", remedy=remedy)
    if not any(map(len, corpus.tables.values())):
        remedy = "see why its files were rejected"
        yield Problem(severity="error", what=str(corpus.path), fault="contains nothing", remedy=remedy)


def _missing(corpus: Corpus) -> Iterator[Problem]:
    for table in corpus.tables.values():
        for gone in table.missing():
            yield Problem(severity="error", what=gone.what, fault=gone.fault, remedy=gone.remedy)
    if corpus.rejected:
        remedy = "the reasons are in rejected/"
        fault = f"{len(corpus.rejected)} files could not be used, first {corpus.rejected[0].path}"
        yield Problem(severity="warning", what="rejected", fault=fault, remedy=remedy)


def _people(corpus: Corpus) -> Iterator[Problem]:
    people_with_voice = set(corpus.person_of("voices")) | set(corpus.person_of("clips"))
    people_with_face = set(corpus.person_of("faces")) | set(corpus.person_of("clips"))
    # A corpus of voices alone or of faces alone misses nothing.
    one_sided = not people_with_voice or not people_with_face
    found = []
    for person in corpus.people:
        lacks = [
            name
            for name, ids in (("voice", people_with_voice), ("face", people_with_face))
            if person.id not in ids
        ]
        if lacks and not (one_sided and len(lacks) == 1):
            remedy = "nothing to do if that is intended: such people train only one side"
            fault = f"has no {' and no '.join(lacks)}"
            found.append(Problem(severity="warning", what=f"person {person.id}", fault=fault, remedy=remedy))
    yield from _some(sorted(found, key=lambda problem: problem.fault))


def _splits(corpus: Corpus) -> Iterator[Problem]:
    splits: dict[str, set[str]] = defaultdict(set)
    of_person = {person.id: person.split for person in corpus.people}
    for table in corpus.tables:
        rows = zip(corpus.person_of(table), corpus.column(table, "split"), strict=True)
        for person, split in set(rows):
            splits[person].add(split or of_person.get(person, ""))
    split_people = {person: names - {""} for person, names in splits.items() if len(names - {""}) > 1}
    if split_people and 2 * len(split_people) > len(splits):
        # Authors who split recordings do it to everybody; a mistake splits only a few.
        fault = f"{len(split_people)} of {len(splits)} people are in several splits"
        remedy = "such splits are for known people only: never report them as unknown people"
        yield Problem(severity="warning", what=str(corpus.path), fault=fault, remedy=remedy)
        return
    found = [
        Problem(
            severity="error",
            what=f"person {person}",
            fault=f"is in the splits {', '.join(sorted(names))}",
            remedy="correct the source's splits: a person belongs to one",
        )
        for person, names in sorted(split_people.items())
    ]
    yield from _some(found)


def _silent(corpus: Corpus) -> Iterator[Problem]:
    for table in ("voices", "clips"):
        level, speech = corpus.column(table, "level"), corpus.column(table, "speech")
        ids = corpus.column(table, "id")
        quiet = [
            Problem(severity="warning", what=f"{table} {ids[i]}", fault="is silent", remedy="leave it out")
            for i in np.flatnonzero(level < SILENCE_DB)
        ]
        yield from _some(quiet)
        wordless = np.flatnonzero((level >= SILENCE_DB) & (speech <= 0))
        if len(wordless):
            fault = f"{len(wordless)} contain no detectable speech, first {ids[wordless[0]]}"
            yield Problem(severity="warning", what=table, fault=fault, remedy="listen to some of them")


def _tiny(corpus: Corpus) -> Iterator[Problem]:
    for table in ("faces", "clips"):
        size, ids = corpus.column(table, "size"), corpus.column(table, "id")
        small = [
            Problem(
                severity="warning",
                what=f"{table} {ids[i]}",
                fault=f"the face is under {MIN_FACE_PIXELS:.0f} pixels ({size[i]:.0f})",
                remedy="leave it out or find a larger picture",
            )
            for i in np.flatnonzero(size < MIN_FACE_PIXELS)
        ]
        yield from _some(small)


def _duplicates(corpus: Corpus) -> Iterator[Problem]:
    for table in corpus.tables:
        contents = corpus.column(table, "content")
        counts = Counter(contents)
        repeated = {content for content, count in counts.items() if count > 1}
        if not repeated:
            continue
        groups: dict[str, list[int]] = defaultdict(list)
        for index, content in enumerate(contents):
            if content in repeated:
                groups[content].append(index)
        yield from _some(
            sorted(_groups(corpus, table, groups), key=lambda p: (_ORDER.index(p.severity), p.what))
        )


def _groups(corpus: Corpus, table: str, groups: dict[str, list[int]]) -> Iterator[Problem]:
    ids, people = corpus.column(table, "id"), corpus.person_of(table)
    for rows in groups.values():
        owners = sorted({people[row] for row in rows})
        apart = len(owners) > 1
        yield Problem(
            severity="error" if apart else "warning",
            what=f"{table} {ids[rows[0]]} and {ids[rows[1]]}",
            fault=f"hold the same media, as {' and '.join(owners)}" if apart else "hold the same media",
            remedy="find out whose it is and leave out the other" if apart else "leave out all but one",
        )


def _damaged(corpus: Corpus) -> Iterator[Problem]:
    arrays = {"voices": ("samples",), "faces": ("pictures",), "clips": ("pictures", "samples")}
    for name, table in corpus.tables.items():
        ids, contents = table.column("id"), table.column("content")
        bad = []
        for row in range(len(table)):
            try:
                data = b"".join(table.media(array, row).tobytes() for array in arrays[name])
                whole = digest(data) == contents[row]
            except InputError:
                whole = False
            if not whole:
                fault = "differs from what was written (a bad disk or copy)"
                remedy = "prepare the corpus again into a new folder"
                bad.append(Problem(severity="error", what=f"{name} {ids[row]}", fault=fault, remedy=remedy))
        yield from _some(bad)

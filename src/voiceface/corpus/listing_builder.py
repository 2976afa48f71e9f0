"""Collecting a source's listing: each person once, one key an item, everything left out with its reason."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from voiceface.corpus.file_tree import FoundFile
from voiceface.corpus.item import FaceItem, Item, Listing, Rejection, VideoItem, VoiceItem
from voiceface.errors import InputError
from voiceface.media.text_tables import open_text_table
from voiceface.media.unicode_names import in_one_form
from voiceface.records import Person

T = TypeVar("T")

NO_KNOWN_KIND = "does not end like sound, picture or video (.wav, .jpg, .mp4 ...)"
_GENDERS = {"f": "f", "female": "f", "woman": "f", "w": "f", "m": "m", "male": "m", "man": "m"}
_SPLITS = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation",
    "val": "validation", "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip


def gender_of(text: str) -> str:
    """``f``, ``m`` or ``""`` for any of the usual spellings.

    >>> gender_of("Female"), gender_of(" M "), gender_of("?")
    ('f', 'm', '')
    """
    return _GENDERS.get(text.strip().casefold(), "")


def split_of(text: str) -> str:
    """``train``, ``validation``, ``test`` or ``""`` for any of the usual spellings."""
    return _SPLITS.get(text.strip().casefold(), "")


def age_of(text: str) -> float | None:
    """An age in years, if the text is one."""
    try:
        age = float(text)
    except ValueError:
        return None
    return age if 0 <= age <= 130 else None


def evenly_spaced(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of the items, evenly spaced; 0 gives them all.

    >>> evenly_spaced("abcdefghi", 3)
    ['b', 'e', 'h']
    """
    if not 0 < most < len(items):
        return items
    return [items[(2 * at + 1) * len(items) // (2 * most)] for at in range(most)]


class ListingBuilder:
    """What a source has found so far; `build` makes the listing.

    A person mentioned twice is one person; where two mentions contradict each other the fact is
    cleared and the contradiction listed. An item whose key is taken is a copy: copies are counted by
    folder and listed as one rejection each.
    """

    def __init__(self, root: Path, source: str) -> None:
        self.root, self.source = root, source
        self.rejected: list[Rejection] = []
        self._people: dict[str, Person] = {}
        self._contested: set[tuple[str, str]] = set()
        self._items: dict[tuple[str, str], Item] = {}
        self._copies: dict[tuple[str, str], list[str]] = {}
        self._others: dict[str, list[str]] = {}
        self._numbers: dict[tuple[str, str], int] = {}

    def add_person(self, id: str, *, where: str = "", **facts: str | float | None) -> str:
        """Note a person and what is known of them (fields of `Person`); returns the id."""
        id = in_one_form(id)
        known = self._people.get(id)
        if known is None:
            self._people[id] = Person(id=id, **facts)  # type: ignore[arg-type]
            return id
        changes: dict[str, str | float | None] = {}
        for fact, value in facts.items():
            before = getattr(known, fact)
            if value in ("", None) or value == before or (id, fact) in self._contested:
                continue
            if before in ("", None):
                changes[fact] = value
                continue
            self._contested.add((id, fact))
            changes[fact] = None if fact == "age" else ""
            consequence = "put in no split" if fact == "split" else "taken as unknown"
            self.reject(where or id, f"{fact} of {id} is '{before}' and '{value}': {consequence}", person=id)
        if changes:
            self._people[id] = dataclasses.replace(known, **changes)  # type: ignore[arg-type]
        return id

    def has(self, kind: type[VoiceItem] | type[FaceItem] | type[VideoItem], key: str) -> bool:
        """Whether an item of this kind and key has been taken."""
        return (kind.__name__, in_one_form(key)) in self._items

    def item_with_key(self, item: Item) -> Item | None:
        """The item of the same kind that holds this one's key, if any."""
        return self._items.get((type(item).__name__, in_one_form(item.key)))

    def add(self, item: Item) -> bool:
        """Take an item; False (and a note) if another one of its kind holds the key."""
        if not item.key.isascii():
            item = dataclasses.replace(item, key=in_one_form(item.key))
        slot = (type(item).__name__, item.key)
        held = self._items.setdefault(slot, item)
        if held is item:
            return True
        folder = item.path.rpartition("/")[0] or item.path
        top = "/".join(folder.split("/")[:2])
        group = (top, "." + item.path.rpartition(".")[2].lower())
        self._numbers[group] = self._numbers.get(group, 0) + 1
        self._copies.setdefault(group, [item.path, held.path])
        return False

    def reject(self, path: str, reason: str, person: str = "") -> None:
        """Leave something out, saying why in one line."""
        self.rejected.append(Rejection(path=path, reason=" ".join(reason.split()), person=person))

    def reject_if_fault(self, found: FoundFile) -> bool:
        """Whether this is no media file but a fault of the walk, or a file of no known kind: then listed.

        Files of no known kind are listed as one rejection for each suffix.
        """
        if found.kind == "fault":
            self.reject(found.path, found.reason)
        elif found.kind == "other":
            suffix = os.path.splitext(found.path)[1].lower()
            self._others.setdefault(suffix, []).append(found.path)
        return found.kind in ("fault", "other")

    def count(self, kind: type[VoiceItem] | type[FaceItem] | type[VideoItem] | None = None) -> int:
        """How many items there are, of one kind or of all."""
        return sum(kind is None or isinstance(item, kind) for item in self._items.values())

    def build(self, expected_layout: str, *, include_people_without_items: bool = False) -> Listing:
        """Close the builder: people, items and rejections, each sorted.

        People without an item are left out unless ``include_people_without_items`` is asked for.

        Raises:
            InputError: nothing was found; says what was ``expected_layout`` and the first fault met.
        """
        for (top, suffix), (copy, held) in self._copies.items():
            number = self._numbers[top, suffix]
            reason = (
                f"repeats {held}"
                if number == 1
                else f"{number} {suffix} files repeat others ({copy} is {held})"
            )
            self.reject(copy if number == 1 else top, f"{reason}; the other copy is used")
        for suffix, paths in self._others.items():
            more = f"; nor do {len(paths) - 1:,} more {suffix or 'files without suffix'}" if paths[1:] else ""
            self.reject(paths[0], f"{NO_KNOWN_KIND}{more}")
        if not self._items:
            first = min(self.rejected, key=lambda rejection: rejection.path, default=None)
            hint = f"; {len(self.rejected)} left out, first {first.path}: {first.reason}" if first else ""
            fault = f"no {self.source} data found in it{hint}"
            raise InputError(self.root, fault, f"looked for {expected_layout}")
        speaking = {item.person for item in self._items.values()}
        people = [
            self._people[id] for id in sorted(self._people) if include_people_without_items or id in speaking
        ]
        items = sorted(self._items.values(), key=lambda item: (item.key, type(item).__name__))
        rejected = sorted(self.rejected, key=lambda rejection: (rejection.path, rejection.reason))
        return Listing(root=self.root, people=people, items=items, rejected=rejected)


def add_people_from_table(
    builder: ListingBuilder, path: Path, *, ids: Iterable[str] = ("person", "id", "speaker")
) -> None:
    """Note the people of a table ``person, name, gender, nationality, age, ethnicity, split``.

    All columns but the first are optional.

    Raises:
        InputError: it is no table or has no column of people.
    """
    first, *others = ids
    facts = ("name", "gender", "nationality", "age", "ethnicity", "split")
    table = open_text_table(
        path, {first: others}, {fact: ("sex",) if fact == "gender" else () for fact in facts}
    )
    for row in table.rows():
        id, where = row.values[first], f"{path.name}, line {row.line}"
        if not id:
            builder.reject(where, "names no person")
            continue
        known = {
            fact: row.values[fact] for fact in ("name", "nationality", "ethnicity") if row.values.get(fact)
        }
        builder.add_person(
            id,
            where=where,
            gender=gender_of(row.values.get("gender", "")),
            split=split_of(row.values.get("split", "")),
            age=age_of(row.values.get("age", "")),
            **known,
        )

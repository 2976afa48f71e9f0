"""New trial lists from plain columns, drawn by a seed and stored with their arguments and checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.files import write_json
from voiceface.protocols.input_checks import as_names
from voiceface.protocols.trial_lists import GalleryList, RetrievalList, TrialList, write_galleries, write_pins

__all__ = [
    "Items",
    "check_sampled_list",
    "sample_galleries",
    "sample_retrieval",
    "sample_trials",
    "write_sampled_list",
]

Ints = NDArray[np.intp]
Names = NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Items:
    """Voices or faces as plain columns of one length."""

    ids: Sequence[str] | Names
    people: Sequence[str] | Names
    attributes: Mapping[str, Sequence[str] | Names] = field(default_factory=dict)
    """Gender, nationality, age group …: blank where unknown."""
    videos: Sequence[str] | Names | None = None
    """The video each was cut from; needed for cross-video positives."""

    def column(self, name: str) -> Names:
        """One attribute as text.

        Raises:
            InputError: there is no such attribute, or it has another length.
        """
        if name not in self.attributes:
            raise InputError(
                f"attribute {name!r}", "is not among the columns", f"have {list(self.attributes)}"
            )
        values = np.array([str(v) for v in self.attributes[name]])
        if len(values) != len(self.ids):
            raise InputError(f"attribute {name!r}", f"has {len(values):,} values", f"give {len(self.ids):,}")
        return values


class _IndexedItems:
    """Items checked and indexed: by person, and by person and stratum."""

    def __init__(self, items: Items, share: Sequence[str], what: str) -> None:
        n = len(items.ids)
        self.ids = as_names(np.array(list(items.ids), dtype=str), n, f"ids of the {what}")
        if len(np.unique(self.ids)) < n:
            raise InputError(f"ids of the {what}", "repeat", "name every item once")
        self.people = as_names(np.array(list(items.people), dtype=str), n, f"people of the {what}")
        columns = [items.column(name) for name in share]
        self.stratum = (
            np.array(["\x1f".join(row) for row in zip(*columns, strict=True)]) if columns else np.full(n, "")
        )
        self.known = np.all([c != "" for c in columns], axis=0) if columns else np.ones(n, dtype=bool)
        self.videos = None if items.videos is None else np.array([str(v) for v in items.videos])
        self.order = np.argsort(self.ids, kind="stable")  # the draw depends on the names, not on their order

    def by_person(self) -> dict[str, Ints]:
        """Places of every person's items, those of unknown stratum left out."""
        found: dict[str, list[int]] = {}
        for i in self.order[self.known[self.order]]:
            found.setdefault(str(self.people[i]), []).append(int(i))
        return {person: np.array(found[person], dtype=np.intp) for person in sorted(found)}


def _others(side: _IndexedItems) -> tuple[dict[str, Ints], dict[str, list[str]]]:
    """Places by person, and people by stratum (a person with items in several strata is in each)."""
    places = side.by_person()
    strata: dict[str, list[str]] = {}
    for person, mine in places.items():
        for stratum in np.unique(side.stratum[mine]):
            strata.setdefault(str(stratum), []).append(person)
    return places, strata


def sample_trials(
    voices: Items, faces: Items, *, share: Sequence[str] = (), cross_video: bool = False, seed: int = 0
) -> TrialList:
    """One positive and one negative for every voice, in random order, so that parity tells nothing.

    Args:
        voices: The voices.
        faces: The faces.
        share: Attributes the negative's person shares with the voice's: () random, ("gender",) G,
            ("gender", "nationality") GN and so on.
        cross_video: Positives pair items of different videos only.
        seed: Seed of the draw; it depends on names, not on the order of the columns.

    Returns:
        The trials; ``left_out`` counts the voices that have no right or no wrong face.

    Raises:
        InputError: columns do not fit, or no voice has both a right and a wrong face.
    """
    rng = np.random.default_rng(seed)
    left, right = _IndexedItems(voices, share, "voices"), _IndexedItems(faces, share, "faces")
    if cross_video and (left.videos is None or right.videos is None):
        raise InputError("cross_video", "needs the videos of both sides", "give Items(videos=…)")
    places, strata = _others(right)
    rows: list[tuple[int, int, bool]] = []
    for i in left.order[left.known[left.order]]:
        mine = places.get(str(left.people[i]), np.array([], dtype=np.intp))
        if cross_video and left.videos is not None and right.videos is not None:
            mine = mine[right.videos[mine] != left.videos[i]]
        people = [p for p in strata.get(str(left.stratum[i]), []) if p != left.people[i]]
        if len(mine) and people:
            other = places[people[int(rng.integers(len(people)))]]
            other = other[right.stratum[other] == left.stratum[i]]
            rows += [(int(i), int(rng.choice(mine)), True), (int(i), int(rng.choice(other)), False)]
    if not rows:
        raise InputError(
            "trials", "no voice has both a right and a wrong face", "check people and attributes"
        )
    chosen = [rows[k] for k in rng.permutation(len(rows))]
    left_out = len(left.ids) - len(rows) // 2
    a, b = np.array([r[0] for r in chosen]), np.array([r[1] for r in chosen])
    return TrialList(
        name="trials",
        left=left.ids[a].astype(str),
        right=right.ids[b].astype(str),
        labels=np.array([r[2] for r in chosen]),
        left_people=left.people[a].astype(str),
        right_people=right.people[b].astype(str),
        left_out=left_out,
    )


def sample_galleries(
    probes: Items, items: Items, *, n: int = 10, share: Sequence[str] = (), seed: int = 0
) -> GalleryList:
    """One nested gallery a probe: its first N columns are the gallery of size N, of N different people.

    Args:
        probes: Voices (or faces) that ask.
        items: Faces (or voices) that answer.
        n: Largest gallery.
        share: Attributes the others share with the probe's person.
        seed: Seed of the draw.

    Raises:
        InputError: columns do not fit, or no probe has a right item and ``n - 1`` others.
    """
    rng = np.random.default_rng(seed)
    left, right = _IndexedItems(probes, share, "probes"), _IndexedItems(items, share, "items")
    places, strata = _others(right)
    asked, rows = [], []
    for i in left.order[left.known[left.order]]:
        mine = places.get(str(left.people[i]))
        people = [p for p in strata.get(str(left.stratum[i]), []) if p != left.people[i]]
        if mine is None or len(people) < n - 1:
            continue
        row = [int(rng.choice(mine))]
        for k in rng.permutation(len(people))[: n - 1]:
            other = places[people[int(k)]]
            row.append(int(rng.choice(other[right.stratum[other] == left.stratum[i]])))
        asked.append(int(i))
        rows.append(row)
    if not rows:
        raise InputError("galleries", f"no probe has a right item and {n - 1} others", "ask for a smaller n")
    table = np.array(rows)
    return GalleryList(
        name="galleries",
        probes=left.ids[asked].astype(str),
        candidates=right.ids[table].astype(str),
        people=right.people[table].astype(str),
        left_out=len(left.ids) - len(asked),
    )


def sample_retrieval(voices: Items, faces: Items, *, most: int, seed: int = 0) -> RetrievalList:
    """At most ``most`` voices and faces a person, of people who have both."""
    rng = np.random.default_rng(seed)
    sides = _IndexedItems(voices, (), "voices"), _IndexedItems(faces, (), "faces")
    by_person = [side.by_person() for side in sides]
    people = [p for p in by_person[0] if p in by_person[1]]
    if not people:
        raise InputError("retrieval", "nobody has both a voice and a face", "check people")
    drawn = [np.concatenate([rng.permutation(places[p])[:most] for p in people]) for places in by_person]
    (a, b), (left, right) = drawn, sides
    return RetrievalList(
        name="retrieval",
        voices=left.ids[a].astype(str),
        faces=right.ids[b].astype(str),
        voice_people=left.people[a].astype(str),
        face_people=right.people[b].astype(str),
    )


def write_sampled_list(
    path: str | Path, drawn: TrialList | GalleryList, arguments: Mapping[str, Any]
) -> None:
    """Write a drawn list and, beside it as ``PATH.json``, its arguments, seed among them, and its sha256."""
    if isinstance(drawn, TrialList):
        write_pins(path, drawn)
    else:
        write_galleries(path, drawn)
    facts = {
        "arguments": dict(arguments),
        "rows": len(drawn),
        "left_out": drawn.left_out,
        "sha256": _sha256(path),
    }
    write_json(Path(f"{path}.json"), facts)


def check_sampled_list(path: str | Path) -> dict[str, Any]:
    """The facts stored beside a drawn list.

    Raises:
        InputError: they are missing or the list is not the one they were written with.
    """
    try:
        facts: dict[str, Any] = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{path}.json", "cannot be read", "keep it beside the list") from None
    if facts.get("sha256") != _sha256(path):
        raise InputError(path, "was changed after it was drawn (its checksum differs)", "draw it again")
    return facts


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()

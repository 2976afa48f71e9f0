"""Whom a published list names, in whatever format and under whichever of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.voxceleb_names import VoxCelebNames, parse_voxceleb_path
from voiceface.protocols.read_lines import read_lines
from voiceface.protocols.trial_lists import PINS_HEADER, read_pins


def listed_names(path: Path) -> list[str]:
    """The items of a published list of trials, galleries or retrieval, or its lines where it names people.

    Raises:
        InputError: the file is missing, empty or a faulty list.
    """
    lines = read_lines(path)
    if lines[0].strip() == PINS_HEADER:
        trials = read_pins(path)
        return sorted({*trials.left.tolist(), *trials.right.tolist()})
    items = {word for line in lines for word in line.split() if "/" in word}
    return sorted(items or {line.strip() for line in lines if line.strip()})


def listed_person(written: str, names: VoxCelebNames, owners: Mapping[str, str]) -> str | None:
    """The id of whom a name or an item of a list is, or None for a stranger.

    Args:
        written: an item's name in any scheme, or a person's id or name.
        names: the known people by id and name.
        owners: known items' people.
    """
    if written in owners:
        return owners[written]
    file = parse_voxceleb_path(written)
    first = file.person if file is not None else written.partition("/")[0]
    found = names.identity(first) or names.identity(written)
    return found.id if found is not None else None


def people_of_names(
    path: Path, written: Iterable[str], names: VoxCelebNames, owners: Mapping[str, str]
) -> tuple[set[str], int]:
    """Ids of the known people among those named, and how many of the names are of strangers.

    Raises:
        InputError: nobody is known, so that the list and the people are named by different schemes.
    """
    found = [listed_person(one, names, owners) for one in written]
    people = {id for id in found if id is not None}
    if not people:
        raise InputError(path, "names none of these people", "give the list that belongs to them")
    return people, sum(id is None for id in found)

"""Trial lists, people's metadata and lists of names, as commands take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.voxceleb_names import VoxCelebNames, read_names
from voiceface.protocols.read_lines import read_lines
from voiceface.protocols.trial_lists import (
    PINS_HEADER,
    TrialList,
    read_pins,
    read_shape_of_sound,
    read_voxceleb,
)


def read_trials(path: Path, format: str, people: VoxCelebNames | None) -> TrialList:
    """A verification list in any of the published formats; ``auto`` detects it from the first line.

    Raises:
        InputError: it cannot be read, has an unknown format, or needs the people's metadata.
    """
    if format == "auto":
        first = read_lines(path)[0].strip()
        columns = first.split()
        if first == PINS_HEADER:
            format = "pins"
        elif len(columns) == 3 and columns[0] in {"0", "1"}:
            format = "voxceleb"
        elif len(columns) == 2:
            format = "shape-of-sound"
        else:
            fault = f"begins with {first[:60]!r}, which is not a known format of verification trials"
            raise InputError(path, fault, f"give `label item item` lines, or the header {PINS_HEADER}")
    if format == "pins":
        return read_pins(path)
    if format == "voxceleb":
        return read_voxceleb(path, people)
    if people is None:
        raise InputError(path, "contains names without labels", "give --people vox1_meta.csv")
    return read_shape_of_sound(path, people)


def read_metadata(path: Path | None) -> VoxCelebNames | None:
    """People by id and name, or None where no file is given."""
    return None if path is None else read_names(path)


def person_attributes(
    attributes: Sequence[str], people: VoxCelebNames | None
) -> dict[str, Mapping[str, str]]:
    """For each attribute its value by person, under id and name alike.

    Raises:
        InputError: there is no metadata.
    """
    if not attributes:
        return {}
    if people is None:
        raise InputError("--matched", "requires people's attributes", "give --people vox1_meta.csv too")
    return {
        name: {who: getattr(people.people[id], name) for who, id in people.ids.items()} for name in attributes
    }


def read_name_list(path: Path) -> list[str]:
    """Names, one per line."""
    return [line.strip() for line in read_lines(path) if line.strip()]


def read_person_ids(path: Path) -> list[str]:
    """The people of a prepared corpus, or of a file of names."""
    if path.is_dir():
        from voiceface.corpus.corpus import Corpus

        return [person.id for person in Corpus.open(path).people]
    return read_name_list(path)

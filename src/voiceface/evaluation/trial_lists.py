"""Trial lists, people's metadata and lists of names, as commands take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from voiceface.errors import InputError
from voiceface.media.voxceleb_names import VoxCelebNames, is_voxceleb_id, read_names
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
        return read_pins(path, people)
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


def training_people(path: Path, trials: TrialList, people: VoxCelebNames | None) -> list[str]:
    """The training people as a list of trials names them.

    Args:
        path: a prepared corpus, or a file of ids or names, one per line.
        trials: the list that they are compared with.
        people: metadata that joins ids and names; a corpus joins its own.

    Raises:
        InputError: the list and the training people are named by different schemes, so that nobody could
            be recognised.
    """
    if path.is_dir():
        from voiceface.corpus.corpus import Corpus
        from voiceface.corpus.split_names import corpus_names

        corpus = Corpus.open(path)
        written, names = [person.id for person in corpus.people], corpus_names(corpus)[0]
    else:
        written, names = read_name_list(path), VoxCelebNames()
    listed = np.unique(np.concatenate([trials.left_people, trials.right_people])).tolist()

    def joined(one: str) -> str:
        inner = names.person(one)
        return people.person(inner) if people is not None and people.identity(inner) else inner

    trained = {joined(one) for one in written}
    found = [one for one in listed if joined(one) in trained]
    if not found and not _one_scheme(listed, sorted(trained)):
        fault = f"names people like {written[0]!r}, and {trials.name} like {listed[0]!r}"
        raise InputError(path, fault, "give --people vox1_meta.csv, which joins ids and names")
    return found


def _one_scheme(listed: Sequence[str], trained: Sequence[str]) -> bool:
    """Whether two sets of people without a common one are written alike: VoxCeleb's ids, or names."""
    kinds = [
        {"number" if one.isdecimal() else "id" if is_voxceleb_id(one) else "name" for one in side}
        for side in (listed, trained)
    ]
    return bool(kinds[0] & kinds[1])

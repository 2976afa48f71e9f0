"""Which split a training uses: its authors' own, a file's, or the recipe's by chance; and who is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from voiceface.corpus.split_names import corpus_names, split_by_names
from voiceface.corpus.splits import Selection, Split, authors_split, split_people
from voiceface.errors import InputError
from voiceface.media.files import write_json
from voiceface.media.read_json import read_json
from voiceface.protocols.list_people import listed_names, people_of_names
from voiceface.training.run import Run
from voiceface.training.split_choice import SplitChoice

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

SPLIT_FILE = "split.json"
"""In the folder of a training: the names that its split was chosen by, where any were given."""


@dataclass(frozen=True, kw_only=True)
class ChosenSplit:
    """A training's split, and how it came about."""

    split: Split
    by: str
    """``authors``, ``random`` or ``file``."""
    left_out: int
    file: str
    why: str = ""
    """Why the authors' split does not serve, where they made one."""

    def record(self) -> dict[str, Any]:
        """For run.json."""
        named = {"file": self.file} if self.file else {}
        return {"by": self.by, **named, "left_out": self.left_out, "people": self._counts()}

    def __str__(self) -> str:
        """One line for the user."""
        source = {"authors": "the authors'", "random": "by the random seed", "file": f"of {self.file}"}
        counts = ", ".join(f"{part} {count:,}" for part, count in self._counts().items())
        out = f"; {self.left_out:,} people left out" if self.left_out else ""
        why = f" (not the authors': {self.why})" if self.why else ""
        return f"split {source[self.by]}{why}: people {counts}{out}"

    def _counts(self) -> dict[str, int]:
        parts = {"train": self.split.train, "validation": self.split.validation, "test": self.split.test}
        return {name: len(part.people) for name, part in parts.items()}


def read_choice(corpus: Corpus, *, split: str | None = None, leave_out: str | None = None) -> SplitChoice:
    """The choice that ``--split`` and ``--leave-out`` make.

    Args:
        corpus: what is split; names are joined to its people.
        split: ``authors``, ``random`` or a file of lines ``PERSON PART`` (or ``CODE RECORDING``).
        leave_out: a published list of trials or a file of people, one a line; or people, by commas.

    Raises:
        InputError: a file is missing or faulty, or names nobody of the corpus.
    """
    by, parts, files = "", {}, []
    if split in ("authors", "random"):
        by = split
    elif split is not None:
        by, parts = "file", split_by_names(Path(split), corpus)
        files.append(Path(split).name)
    left_out: set[str] = set()
    if leave_out is not None:
        path = Path(leave_out)
        given = listed_names(path) if path.is_file() else [one.strip() for one in leave_out.split(",")]
        names, owners = corpus_names(corpus)
        left_out, strangers = people_of_names(path, filter(None, given), names, owners)
        if strangers and not path.is_file():
            raise InputError("--leave-out", f"names {strangers} who are not in {corpus.path}", "correct them")
        files += [path.name] if path.is_file() else []
    return SplitChoice(by=by, parts=parts, left_out=frozenset(left_out), file=", ".join(files))


def choose_split(run: Run, corpus: Corpus) -> ChosenSplit:
    """The split that ``run`` trains with on ``corpus``; every recipe's is decided here.

    Raises:
        InputError: the corpus cannot be split so.
    """
    choice, by, why = run.choice, run.choice.by, ""
    if by == "random" or (not by and not has_authors_split(corpus)):
        by, split = "random", run.split(corpus)
    elif by == "file":
        split = _published(run, authors_split(corpus, choice.parts))
    else:
        try:
            by, split = "authors", _published(run, authors_split(corpus))
        except InputError as error:
            if choice.by == "authors":
                raise
            by, why, split = "random", error.fault, run.split(corpus)
    split = _without(split, choice.left_out) if choice.left_out else split
    return ChosenSplit(split=split, by=by, left_out=len(choice.left_out), file=choice.file, why=why)


def serves(run: Run, corpus: Corpus, choice: SplitChoice) -> bool:
    """Whether that choice splits the corpus' people by a published split with people to test on.

    Raises:
        InputError: the split was asked for and does not serve.
    """
    if choice.by == "random":
        return False
    found = choose_split(replace(run, people="unknown", choice=choice), corpus)
    if found.by != "random" and found.split.test.people:
        return True
    if choice.by:
        raise InputError(corpus.path, "its split has nobody to test on", "give --folds")
    return False


def has_authors_split(corpus: Corpus) -> bool:
    """Whether the source's authors divided its people or items."""
    return any(person.split for person in corpus.people) or any(
        (corpus.column(table, "split").astype(str) != "").any() for table in ("voices", "faces", "clips")
    )


def save_choice(folder: Path, choice: SplitChoice) -> None:
    """Keep the names of a choice in the folder of its training; weights themselves name nobody."""
    if choice.parts or choice.left_out:
        write_json(
            folder / SPLIT_FILE,
            {"by": choice.by, "parts": dict(choice.parts), "left_out": sorted(choice.left_out)},
        )


class _Saved(TypedDict):
    by: str
    parts: dict[str, str]
    left_out: list[str]


def saved_choice(weights: Path, card: Mapping[str, Any]) -> SplitChoice:
    """The choice that weights were trained with, from run.json and the folder of their training."""
    recorded = card.get("split")
    if not isinstance(recorded, Mapping):  # from before there was a choice
        return SplitChoice(by="random")
    by = str(recorded.get("by", "random"))
    for folder in (weights, weights.parent):
        if (folder / SPLIT_FILE).is_file():
            found = read_json(folder / SPLIT_FILE, _Saved, remedy="train again")
            return SplitChoice(by=by, parts=found["parts"], left_out=frozenset(found["left_out"]))
    return SplitChoice(by=by)


def _published(run: Run, split: Split) -> Split:
    """A published split as the run can use it.

    Raises:
        InputError: it divides people where the run needs recordings of known people, or the reverse.
    """
    corpus = split.train.corpus
    if run.people == "clips":
        split = Split(*(_clips_alone(part) for part in (split.train, split.validation, split.test)))
    trained, selected, tested = (set(part.people) for part in (split.train, split.validation, split.test))
    if run.people == "known":
        split = _known_people(run, split, trained & tested & (selected or trained))
    elif run.people == "unknown" and (
        both := (trained & tested) | (trained & selected) | (selected & tested)
    ):
        fault = f"its split divides the recordings of {len(both):,} people, and none of unknown people"
        raise InputError(corpus.path, fault, "train on known people, or give --split random")
    if not split.train.people:
        raise InputError(corpus.path, "its split has nobody to train on", "give --split random")
    if run.validate is None or split.validation.people:
        return split
    share = float(run.arguments.get("validation") or 0.1)
    if run.people == "known":
        fault = "its split has no validation part of known people"
        raise InputError(corpus.path, fault, "give it one, or --split random")
    carved = split_people(corpus, among=split.train.people, seed=run.seed, validation=share, test=0.0)
    kept, held = (split.train.restrict(part.people) for part in (carved.train, carved.validation))
    return Split(kept, held, split.test)


def _known_people(run: Run, split: Split, everywhere: set[str]) -> Split:
    """The split of those who are in every part and have as many recordings as the recipe asks for."""
    corpus, minimum = split.train.corpus, int(run.arguments.get("minimum") or 1)
    owners, counts = np.unique(corpus.person_of("voices"), return_counts=True)
    few = set(owners[counts < minimum].tolist()) if len(owners) else set()
    kept = everywhere - few
    if not kept:
        fault = "its split has nobody whose recordings are in every part"
        if few & everywhere:
            fault += f" and who has {minimum} of them"
        raise InputError(corpus.path, fault, "train on unknown people, or give --split random")
    return Split(*(part.restrict(kept) for part in (split.train, split.validation, split.test)))


def _clips_alone(part: Selection) -> Selection:
    none = np.zeros(0, dtype=np.int64)
    return replace(part, voices=none, faces=none)


def _without(split: Split, people: Iterable[str]) -> Split:
    out = set(people)
    parts = (split.train, split.validation, split.test)
    return Split(*(part.restrict(set(part.people) - out) for part in parts))

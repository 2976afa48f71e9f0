"""Ground truth of a synthetic corpus: its causal model, its people's traits, the best possible scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.media.files import atomic_path
from voiceface.synthetic.ceiling import STRATA, Estimate, ceiling, people_scores
from voiceface.synthetic.people import SyntheticPerson
from voiceface.synthetic.traits import CONTINUOUS, FACE_PRIVATE, VOICE_PRIVATE, CausalModel, Population

TRAITS = Path("traits") / "people.parquet"
"""Where a corpus keeps its people's true traits."""


def _columns(people: Population, model: CausalModel) -> dict[str, npt.NDArray[Any]]:
    """A population as named columns of plain values."""
    names = np.array(model.accents, dtype=object)
    columns: dict[str, npt.NDArray[Any]] = {
        "sex": people.sex,
        "accent": names[people.accent],
        "voice.accent": names[people.voice_accent],
        "voice.sex": people.voice_sex,
        "face.sex": people.face_sex,
        "face.skin": people.skin,
        "face.hair": people.hair,
    }
    for prefix, traits, values in (
        ("cause", CONTINUOUS, people.causes), ("voice", CONTINUOUS, people.voice),
        ("voice", VOICE_PRIVATE, people.voice_private), ("face", CONTINUOUS, people.face),
        ("face", FACE_PRIVATE, people.face_private),
    ):  # fmt: skip
        columns |= {f"{prefix}.{trait}": values[:, k] for k, trait in enumerate(traits)}
    return columns


def write_traits(out: Path, people: Sequence[SyntheticPerson]) -> None:
    """Write the true traits of people, a row each sorted by id, into a corpus' folder.

    Columns: ``id``, ``sex`` (0 women, 1 men), ``accent``; ``cause.TRAIT``, ``voice.TRAIT``, ``face.TRAIT``.
    """
    ordered = sorted(people, key=lambda person: person.id)
    each = [_columns(person.population, person.model) for person in ordered]
    table: dict[str, Any] = {"id": [person.id for person in ordered]}
    table |= {name: np.concatenate([one[name] for one in each]) for name in each[0]}
    path = out / TRAITS
    path.parent.mkdir(parents=True, exist_ok=True)
    new = pa.table(table)
    if path.is_file() and pq.read_table(path).equals(new):
        return
    with atomic_path(path) as temporary:
        pq.write_table(new, temporary, compression="zstd")


def is_synthetic(corpus: Corpus) -> bool:
    """Whether a corpus' people are synthetic, so that its ceiling is known."""
    made = corpus.card.get("made")
    return isinstance(made, Mapping) and made.get("kind") == "synthetic"


def synthetic_model(corpus: Corpus) -> CausalModel:
    """The causal model that a corpus' people were sampled from.

    Raises:
        InputError: its people are not synthetic, or its card is damaged.
    """
    if not is_synthetic(corpus):
        raise InputError(corpus.path, "is not a corpus of synthetic people", "no ceiling is known for others")
    return CausalModel.from_facts(corpus.card["made"].get("model", {}))


def true_traits(corpus: Corpus, people: Iterable[str] | None = None) -> Population:
    """The true causes and traits of people (all of the corpus by default), a row each in the order given.

    Raises:
        InputError: the corpus is not synthetic, its table of traits is damaged, or a person is not in it.
    """
    model = synthetic_model(corpus)
    path = corpus.path / TRAITS
    try:
        table = pq.read_table(path)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        row_of = {id: row for row, id in enumerate(columns["id"])}
        rows = [row_of[person] for person in (people or (p.id for p in corpus.people))]
        accent = {name: k for k, name in enumerate(model.accents)}
        two = {name: np.array([accent[a] for a in columns[name]]) for name in ("accent", "voice.accent")}

        def stacked(prefix: str, traits: Sequence[str]) -> npt.NDArray[np.float64]:
            return np.stack([columns[f"{prefix}.{trait}"] for trait in traits], axis=1)

        return Population(
            sex=columns["sex"], accent=two["accent"], causes=stacked("cause", CONTINUOUS),
            voice_sex=columns["voice.sex"], voice_accent=two["voice.accent"],
            voice=stacked("voice", CONTINUOUS), voice_private=stacked("voice", VOICE_PRIVATE),
            face_sex=columns["face.sex"], skin=columns["face.skin"], hair=columns["face.hair"],
            face=stacked("face", CONTINUOUS), face_private=stacked("face", FACE_PRIVATE),
        ).take(rows)  # fmt: skip
    except (OSError, pa.ArrowException, KeyError) as error:
        fault = f"does not have everybody's traits ({type(error).__name__}: {error})"
        raise InputError(path, fault, "prepare the corpus again, or name people of it") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingRow:
    """One figure: what nobody can beat on average, and what the oracle has on these very people."""

    protocol: str
    """``verification``, ``matching`` or ``retrieval``."""
    stratum: str
    """``random``, ``G``, ``N``, ``A`` or ``GNA``: what negatives share with the probe's person."""
    direction: str
    """``voice->face``, ``face->voice``, or empty where there is none."""
    figure: str
    """``auc``, ``eer``, ``1:N``, ``R@K``, ``map`` or ``median_rank``."""
    ceiling: Estimate
    """The expectation over people of the causal model, with its standard error."""
    oracle: float
    """What an oracle that sees these people's traits scores on them: it differs by sampling noise."""

    def __str__(self) -> str:
        """As a line of the table."""
        what = " ".join(filter(None, (self.protocol, self.stratum, self.direction, self.figure)))
        return f"{what:<42} {self.ceiling!s:>18} {self.oracle:>9.4f}"


@dataclass(frozen=True)
class CeilingTable:
    """The best possible scores on some people of a synthetic corpus."""

    people: int
    rows: tuple[CeilingRow, ...]

    def __iter__(self) -> Iterator[CeilingRow]:
        """The rows."""
        return iter(self.rows)

    def find(
        self, protocol: str, figure: str, *, stratum: str = "random", direction: str = ""
    ) -> CeilingRow | None:
        """The row of a figure; None where there is none (a gallery too small, say)."""
        wanted = (protocol, figure, stratum, direction)
        return next((r for r in self if (r.protocol, r.figure, r.stratum, r.direction) == wanted), None)

    def __str__(self) -> str:
        """As it is printed."""
        head = f"{f'{self.people} people':<42} {'ceiling ± error':>18} {'oracle':>9}"
        return "\n".join([head, *map(str, self.rows)])


def ceiling_for(
    corpus: Corpus,
    people: Iterable[str] | None = None,
    *,
    strata: Iterable[str] = tuple(STRATA),
    sizes: Sequence[int] = (2, 3, 4, 5, 6, 7, 8, 9, 10),
    recall: Sequence[int] = (1, 5, 10),
    faces: int = 1,
    blocks: int = 24,
    seed: int = 0,
) -> CeilingTable:
    """The best that anybody can score on these people (all by default): computed from the corpus alone.

    Beside the expected ceiling, with its standard error over ``blocks`` samples of as many people, is
    what the oracle reaches on these very people. ``faces`` counts a gallery's items a person in retrieval.

    Raises:
        InputError: the corpus is not synthetic, a person is not in it, or fewer than two are named.
    """
    model = synthetic_model(corpus)
    ids = list(people) if people is not None else [person.id for person in corpus.people]
    if len(ids) < 2:
        raise InputError("people", f"are {len(ids)}", "a ceiling needs at least two people to confuse")
    sizes = tuple(size for size in sizes if size <= len(ids)) or (2,)
    strata = tuple(strata)
    expected = ceiling(
        model, strata=strata, sizes=sizes, gallery=len(ids), faces=faces, recall=recall, blocks=blocks,
        seed=seed,
    )  # fmt: skip
    reached = people_scores(
        model, true_traits(corpus, ids), strata=strata, sizes=sizes, faces=faces, recall=recall
    )
    rows = (
        CeilingRow(**key._asdict(), ceiling=expected[key], oracle=value)
        for key, value in reached.items()
        if key.protocol != "attributes" and key in expected and np.isfinite(value)
    )
    return CeilingTable(len(ids), tuple(rows))

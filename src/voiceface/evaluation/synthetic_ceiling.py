"""Best achievable scores on synthetic people, and the share of them that a model reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.protocols.estimate import Estimate
    from voiceface.synthetic.ground_truth import CeilingTable

_STRATA = {"all": "random", "same gender": "G"}
_FIGURES = {"AUC": "auc", "1:2": "1:2", "1:5": "1:5", "1:10": "1:10", "R@10": "R@10", "mAP": "map"}
"""Names in a report to those in a ceiling; all are shares, of which more is better."""


def ceiling_for_people(
    corpus: Corpus, people: Iterable[str], *, faces: int, recall: Sequence[int] = (1, 5, 10)
) -> CeilingTable | None:
    """The ceiling for these people with ``faces`` pictures among them; None of people who exist."""
    from voiceface.synthetic.ground_truth import ceiling_for, is_synthetic

    if not is_synthetic(corpus):
        return None
    known = sorted(set(people))
    return ceiling_for(corpus, known, recall=recall, faces=max(1, round(faces / max(1, len(known)))))


def ceiling_for_embedding_files(
    corpus: Path | None, voices: Path | None, faces: Path | None
) -> CeilingTable | None:
    """The ceiling for the people of two files of embeddings; None where it is not known."""
    if corpus is None or voices is None or faces is None:
        return None
    from voiceface.corpus.corpus import Corpus
    from voiceface.evaluation.embedding_files import read_named_embeddings

    opened = Corpus.open(corpus)
    owner = dict(zip(opened.column("voices", "id"), opened.column("voices", "person"), strict=True))
    people = [owner[name] for name in read_named_embeddings(voices).names.tolist() if name in owner]
    return ceiling_for_people(opened, people, faces=len(read_named_embeddings(faces).names))


def ceiling_to_dict(ceiling: CeilingTable | None) -> dict[str, Any]:
    """``{"ceiling": rows}``, or nothing."""
    return {} if ceiling is None else {"ceiling": [asdict(row) for row in ceiling]}


def shares_of_ceiling(
    ceiling: CeilingTable | None, reports: Mapping[str, Mapping[str, Iterable[Estimate]]]
) -> dict[str, float]:
    """Share of the achievable improvement over chance, by figure; empty without a ceiling.

    Args:
        ceiling: of the people evaluated.
        reports: ``verification``, ``matching`` and ``retrieval``: a report's rows of each.

    Returns:
        ``(value - chance) / (ceiling - chance)``; below 0 where it is worse than chance.
    """
    found: dict[str, float] = {}
    for protocol, rows in reports.items() if ceiling is not None else ():
        for row, figures in rows.items():
            direction, _, within = row.partition(", ") if "->" in row else ("", "", row)
            stratum = _STRATA.get(within or "all")
            for one in figures if stratum else ():
                best = ceiling and ceiling.find(
                    protocol, _FIGURES.get(one.name, ""), stratum=stratum or "", direction=direction
                )
                if best and best.ceiling.value - one.chance > 1e-6:
                    share = (one.value - one.chance) / (best.ceiling.value - one.chance)
                    found[f"{protocol}, {row}: {one.name}"] = round(share, 4)
    return found

"""The best that anybody could score on synthetic people, beside what a model scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceface.cli.terminal import say

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.synthetic.truth import CeilingTable

__all__ = ["as_json", "ceiling_among", "ceiling_of_files", "tell_ceiling"]


def ceiling_among(corpus: Corpus, people: Iterable[str], *, faces: int) -> CeilingTable | None:
    """The ceiling for these people with ``faces`` pictures among them; None of people who exist."""
    from voiceface.corpus.synthetic.truth import ceiling_for, is_synthetic

    if not is_synthetic(corpus):
        return None
    known = sorted(set(people))
    return ceiling_for(corpus, known, faces=max(1, round(faces / max(1, len(known)))))


def ceiling_of_files(corpus: Path | None, voices: Path | None, faces: Path | None) -> CeilingTable | None:
    """The ceiling for the people of two files of embeddings; None where it cannot be told."""
    if corpus is None or voices is None or faces is None:
        return None
    from voiceface.cli.embeddings import read_named
    from voiceface.corpus.corpus import Corpus

    opened = Corpus.open(corpus)
    owner = dict(zip(opened.column("voices", "id"), opened.column("voices", "person"), strict=True))
    people = [owner[name] for name in read_named(voices).names.tolist() if name in owner]
    return ceiling_among(opened, people, faces=len(read_named(faces).names))


def tell_ceiling(ceiling: CeilingTable | None) -> None:
    """Print it, if there is one."""
    if ceiling is not None:
        say(f"\nThe ceiling for these people, who are synthetic\n{ceiling}")


def as_json(ceiling: CeilingTable | None) -> dict[str, Any]:
    """``{"ceiling": rows}``, or nothing."""
    return {} if ceiling is None else {"ceiling": [asdict(row) for row in ceiling]}

"""What a corpus holds, what was rejected and what its check finds, as JSON can hold it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from voiceface.corpus.check import check_corpus
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.statistics import corpus_statistics


def corpus_report(corpus: Corpus) -> dict[str, Any]:
    """The report of a corpus.

    Returns:
        ``corpus`` (its path), ``fingerprint``, ``complete``, the numbers of ``people``, ``voices``, ``faces``
        and ``clips``, and lists: ``rejected``, ``problems`` (`Problem`), ``statistics`` (`StatisticsRow`).

    Raises:
        InputError: a part of the corpus is damaged.
    """
    return {
        "corpus": str(corpus.path),
        "fingerprint": corpus.fingerprint,
        "complete": corpus.complete,
        "people": len(corpus.people),
        **{name: len(rows) for name, rows in corpus.tables.items()},
        "rejected": [
            {"path": one.path, "person": one.person, "reason": one.reason} for one in corpus.rejected
        ],
        "problems": [asdict(problem) for problem in check_corpus(corpus)],
        "statistics": [asdict(line) for line in corpus_statistics(corpus).lines],
    }

"""The report of a prepared corpus in a worker process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.corpus_report import corpus_report
from voiceface.errors import InputError

_MOST_REJECTED = 200
"""Rejected files that are named; all are counted."""


def corpus_facts(path: Path) -> dict[str, Any]:
    """`corpus_report` by the corpus' name: where it lies on the server is nobody's business.

    Raises:
        InputError: it is no corpus any more, or a part of it is damaged.
    """
    name = path.resolve().name
    try:
        report = corpus_report(Corpus.open(path))
    except InputError as error:
        raise InputError(error.what.replace(str(path), name), error.fault, error.remedy) from error
    rejected = report["rejected"]
    for problem in report["problems"]:
        problem["what"] = problem["what"].replace(str(path), name)
    limited = {"rejected_files": len(rejected), "rejected": rejected[:_MOST_REJECTED]}
    return {**report, "corpus": name, **limited}

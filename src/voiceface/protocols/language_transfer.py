"""The FAME challenge: one model a language, tested on that language and on the other.

Saeed et al. 2024 and Moscati et al. 2025 (FAME 2026): the score is the mean of the four equal error rates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval, resample_counts, resample_trials
from voiceface.metrics.roc import Floats, SortedTrials, crossing
from voiceface.protocols.checked_trials import CheckedTrials
from voiceface.protocols.estimate import Column, Estimate, estimate_row
from voiceface.protocols.input_checks import as_names, as_scores, few
from voiceface.protocols.read_lines import read_lines
from voiceface.protocols.report import Report
from voiceface.protocols.submission_files import join_keys, read_submission, read_table, unique_keys

_FILE = re.compile(r"sub_scores?_([A-Za-z]+)_(heard|unheard)\.txt")
_EXPECTED = "sub_score_English_heard.txt, sub_score_English_unheard.txt and so for the other language"
_CONVENTION = "interpolated on the exact ROC; the organisers' convention is not published"


def fame(
    distances: ArrayLike,
    labels: ArrayLike,
    conditions: ArrayLike,
    *,
    people: tuple[ArrayLike, ArrayLike] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Equal error rate of every condition, and their mean: the score of the FAME challenge.

    Args:
        distances: (n,) finite, lower for the same person.
        labels: (n,) 1 for the same person, 0 for two.
        conditions: (n,) test language and whether it was trained on: "English heard" or "English unheard".
        people: person of the voice and of the face of every trial; without them there is no interval.
            Everybody is sampled once for all conditions, so the mean's interval knows that they share people.
        resamples: resamples over people; 0: no intervals
        seed: random seed of the resamples

    Raises:
        InputError: values missing or not finite, a condition of one class, or labels that contradict people.

    >>> report = fame([0.1, 0.9, 0.3, 0.8], [1, 0, 1, 0], ["E heard", "E heard", "E unheard", "E unheard"])
    >>> print(report.figure("EER", "overall score"))
    EER 0.000 chance 0.500 (n 4)
    """
    trials = CheckedTrials(-as_scores(distances, "distances"), labels, people, None)
    names, place = np.unique(as_names(conditions, len(trials.scores), "conditions"), return_inverse=True)
    kept = [trials.cut(place == at, str(name))[0][0] for at, name in enumerate(names)]
    parts = [SortedTrials.of(trials.scores[rows], trials.same[rows]) for rows in kept]
    values = np.array([crossing(*part.cumulate()) for part in parts])
    samples, counted = None, [0] * (len(names) + 1)
    if trials.voice is not None and trials.face is not None:
        sides = [(trials.voice[rows], trials.face[rows]) for rows in kept]
        counted = [len(np.unique(np.concatenate(side))) for side in sides] + [trials.people]
        if resamples:
            counts = resample_counts([np.arange(trials.people)], trials.people, resamples, seed)
            columns = [
                resample_trials([part], [side], counts, lambda a, b: np.array([crossing(a, b)]))[:, 0]
                for part, side in zip(parts, sides, strict=True)
            ]
            samples = np.stack([*columns, np.mean(columns, axis=0)], axis=1)
    titles = [*(str(name) for name in names), "overall score"]
    sizes = [*(len(rows) for rows in kept), len(trials.scores)]
    found = {}
    for at, title in enumerate(titles):
        value = values[at] if at < len(values) else values.mean()
        found[title] = _row(value, None if samples is None else samples[:, at], sizes[at], counted[at])
    notes = () if people is not None else ("no intervals: the people of the trials were not given",)
    return Report(rows=found, notes=(f"overall score: mean of {len(names)} EERs", *notes))


def _row(value: float, samples: Floats | None, n: int, people: int) -> list[Estimate]:
    ends = None if samples is None else interval(samples[:, None])
    kept = 0 if samples is None else int((~np.isnan(samples)).sum())
    column = Column("EER", 0.5, _CONVENTION)
    return estimate_row([column], [value], ends, n=n, people=people, resamples=kept)


def read_fame_submission(submission: str | Path, answers: Sequence[str | Path]) -> dict[str, Any]:
    """The four files of a submission joined with the answers: the arguments of `fame`.

    Args:
        submission: A folder or flat zip of ``sub_score_LANGUAGE_heard.txt`` and ``..._unheard.txt`` for two
            languages, lines ``key distance``.
        answers: CSV files with the columns ``key,label`` and, for intervals, ``voice_person,face_person``.
            The organisers publish none: these are for a test set of one's own.

    Raises:
        InputError: a file is missing or faulty, two files disagree on a language's trials, a key unanswered.
    """
    files = read_submission(submission, _FILE, _EXPECTED)
    given = {}
    for name, lines in files.items():
        named = _FILE.fullmatch(name)
        assert named is not None
        given[named[1], named[2]] = (name, *_scores(name, lines))
    languages = sorted({language for language, _ in given})
    if len(languages) != 2 or len(given) != 4 or len(files) != 4:
        fault = f"holds {', '.join(files)}"
        raise InputError(submission, fault, f"the score is of four files: {_EXPECTED}")
    tables = [read_table(path, read_lines(path), ("key", "label")) for path in answers]
    heads = set.intersection(*(set(table) for table in tables)) if tables else set()
    if not heads:
        raise InputError("--answers", "is missing", "give a CSV of key,label")
    known = {head: np.concatenate([table[head] for table in tables]) for head in heads}
    place = unique_keys(answers[0], known["key"])
    rows, distances, conditions = [], [], []
    for (language, kind), (name, keys, values) in sorted(given.items()):
        other = given[language, "unheard" if kind == "heard" else "heard"]
        if set(keys.tolist()) != set(other[1].tolist()):
            raise InputError(name, f"scores other trials than {other[0]}", "score one list with both models")
        rows.append(join_keys(name, keys, place))
        distances.append(values)
        conditions += [f"{language} {kind}"] * len(keys)
    at = np.concatenate(rows)
    left_out = len(place) - len(np.unique(at))
    if left_out:
        raise InputError(submission, f"lacks {left_out:,} of the answered trials", "score every trial")
    found: dict[str, Any] = {"distances": np.concatenate(distances), "labels": known["label"][at]}
    found["conditions"] = np.array(conditions)
    if {"voice_person", "face_person"} <= heads:
        found["people"] = (known["voice_person"][at], known["face_person"][at])
    return found


def _scores(name: str, lines: list[str]) -> tuple[NDArray[np.str_], Floats]:
    """Keys and distances of one file."""
    rows = [line.split() for line in lines if line.strip()]
    bad = [at for at, row in enumerate(rows, start=1) if len(row) != 2 or not _is_distance(row[1])]
    if bad:
        raise InputError(name, f"rows {few(bad)} are no `key distance`", "write a finite distance a trial")
    keys = np.array([row[0] for row in rows])
    unique_keys(name, keys)
    return keys, np.array([float(row[1]) for row in rows])


def _is_distance(text: str) -> bool:
    try:
        return bool(0.0 <= float(text) < np.inf)
    except ValueError:
        return False


PROTOCOL = fame

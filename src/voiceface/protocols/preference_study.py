"""A blind comparison of two sets of clips: who is shown on which side, and what the answers say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voiceface.errors import InputError
from voiceface.metrics.bootstrap import interval, resample_counts
from voiceface.metrics.roc import Floats
from voiceface.protocols.estimate import Column, estimate_row
from voiceface.protocols.report import Report

CHOICES = ("left", "right", "same")


@dataclass(frozen=True, slots=True)
class StudyPair:
    """Two clips of one name, shown side by side."""

    clip: str
    first_left: bool
    """Whether the clip of the first set stands on the left."""


def study_pairs(clips: Sequence[str], *, seed: int = 0) -> list[StudyPair]:
    """The pairs in the order shown; the first set stands on the left in half of them (to one).

    Depends on the names and the seed alone, so that answers can be read without a key.

    Raises:
        InputError: no clip, or one name twice.

    >>> [pair.clip for pair in study_pairs(["a", "b", "c"], seed=1)]
    ['b', 'c', 'a']
    """
    names = sorted(clips)
    if not names:
        raise InputError("study", "has no pair of clips of one name", "name both sets' clips alike")
    if len(set(names)) < len(names):
        raise InputError("study", "has a clip twice", "name every clip once")
    keys = [hashlib.sha256(f"{seed}\n{name}".encode()).digest() for name in names]
    order = sorted(range(len(names)), key=lambda k: keys[k])
    # Another shuffle decides the sides, or every other pair shown would have them turned.
    turned = sorted(range(len(names)), key=lambda k: hashlib.sha256(keys[k]).digest())
    left = set(turned[: (len(names) + keys[order[0]][0] % 2) // 2])
    return [StudyPair(names[k], k in left) for k in order]


def study_id(clips: Sequence[str], *, seed: int = 0) -> str:
    """Names a study: 16 hexadecimal digits of its clips and seed."""
    return hashlib.sha256(json.dumps([seed, sorted(clips)]).encode()).hexdigest()[:16]


def preference(
    sheets: Sequence[Mapping[str, Any]],
    *,
    names: tuple[str, str] = ("first", "second"),
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """How often the first set's clip was preferred, with an interval over raters and people.

    "No difference" counts half. Raters and people are resampled apart and an answer weighs the product of
    both counts (Owen 2007, the pigeonhole bootstrap); what there is only one of is not resampled.

    Args:
        sheets: Exported answers, one a rater: ``study``, ``seed``, ``clips``, ``people`` (clip to
            person), ``rater`` and ``answers``, each with ``clip`` and ``choice``.
        names: What the two sets are called.
        resamples: For the 95 % interval; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: no answers, sheets of two studies, a rater twice, an unknown clip or choice.
    """
    raters, people, won, left, same, skipped = _collected(sheets)
    if not len(won):
        raise InputError("answers", "hold no answer", "let somebody rate the clips")
    samples = _resampled(raters, people, np.stack([won, left, same], axis=1), resamples, seed)
    columns = (
        Column(f"{names[0]} preferred to {names[1]}", 0.5, "share of answers, no difference counts half"),
        Column("left preferred", 0.5, "far from chance: raters favour a side"),
        Column("no difference", convention="share of answers"),
    )
    facts = {"n": len(won), "people": len(np.unique(people))}
    rows = estimate_row(
        columns,
        [one.mean() for one in (won, left, same)],
        None if samples is None else interval(samples),
        **facts,
        resamples=0 if samples is None else len(samples),
    )
    counts = len(np.unique(raters)), len(np.unique(people))
    over = " and ".join(f"{n} {what}" for n, what in zip(counts, ("raters", "people"), strict=True) if n > 1)
    notes = (f"interval over {over}" if over else "one rater and one person: no interval",)
    excluded = {"pairs not answered": skipped} if skipped else {}
    return Report(rows={"all": rows}, excluded=excluded, notes=notes)


def _collected(sheets: Sequence[Mapping[str, Any]]) -> tuple[Any, Any, Floats, Floats, Floats, int]:
    """Rater and person of every answer, the first set's points, the left side's, no difference; skipped."""
    raters, people = [], []
    points: list[tuple[float, float, float]] = []
    skipped, seen, study = 0, set(), None
    for number, sheet in enumerate(sheets):
        try:
            clips, seed = [str(clip) for clip in sheet["clips"]], int(sheet["seed"])
            rater, person_of = str(sheet["rater"]) or f"rater {number + 1}", dict(sheet.get("people", {}))
            answers = [(str(one["clip"]), str(one["choice"])) for one in sheet["answers"]]
            stated = str(sheet["study"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("answers", f"lack {error}", "give the file that the page exported") from None
        if stated != study_id(clips, seed=seed) or study not in (None, stated):
            raise InputError(f"answers of {rater}", "are of another study", "give the answers of one page")
        if rater in seen:
            raise InputError(f"rater {rater!r}", "is there twice", "give every rater's newest file once")
        study = stated
        seen.add(rater)
        first_left = {pair.clip: pair.first_left for pair in study_pairs(clips, seed=seed)}
        if len({clip for clip, _ in answers}) < len(answers):
            raise InputError(f"answers of {rater}", "answer a pair twice", "give the exported file")
        for clip, choice in answers:
            if clip not in first_left or choice not in CHOICES:
                fault = f"hold {choice!r} for clip {clip!r}"
                raise InputError(f"answers of {rater}", fault, "give the file that the page exported")
            half = 0.5 if choice == "same" else None
            on_left = half if half is not None else float(choice == "left")
            mine = half if half is not None else float((choice == "left") == first_left[clip])
            points.append((mine, on_left, float(choice == "same")))
            raters.append(rater)
            people.append(str(person_of.get(clip, clip)))
        skipped += len(clips) - len(answers)
    won, left, same = np.array(points, dtype=np.float64).reshape(-1, 3).T
    return np.array(raters), np.array(people), won, left, same, skipped


def _resampled(raters: Any, people: Any, values: Floats, resamples: int, seed: int) -> Floats | None:  # noqa: ANN401
    """The means under every resample of raters and of people, (resamples, k); None with one of each."""
    weights = np.ones((resamples, len(values)))
    sampled = False
    for place, side in enumerate((raters, people)):
        names, index = np.unique(side, return_inverse=True)
        if len(names) > 1 and resamples:
            counts = resample_counts([np.arange(len(names))], len(names), resamples, seed * 2 + place)
            weights *= counts[:, index]
            sampled = True
    if not sampled:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = weights @ values / weights.sum(axis=1, keepdims=True)
    return means


PROTOCOL = preference

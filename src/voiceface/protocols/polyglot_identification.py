"""POLY-SIM: who speaks, of people known from one language, with or without the face (Moscati et al. 2026).

Closed-set identification of MAV-Celeb's people. P3 has voice and face in the language of the training, P4
the voice alone; P5 and P6 are the same in the other language. The score is the mean of the four accuracies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.media.files import write_text
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.input_checks import as_names, few
from voiceface.protocols.people_bootstrap import People, ends, mean_of_items
from voiceface.protocols.read_lines import read_lines
from voiceface.protocols.report import Report
from voiceface.protocols.submission_files import join_keys, read_submission, read_table, unique_keys

Names = NDArray[np.str_]

SETTINGS = {
    "P3": "voice and face, language of the training",
    "P4": "voice alone, language of the training",
    "P5": "voice and face, the other language",
    "P6": "voice alone, the other language",
}
"""What there is to go by in each setting."""
_FILE = re.compile(r"submission_(v\d+)_(val|test)_([A-Za-z]+)_([A-Za-z]+)\.csv")
_EXPECTED = "submission_v1_val_English_English.csv and submission_v1_val_English_Urdu.csv"
_PERSON = re.compile(r"(?:v\d+-)?id(\d{4})")


@dataclass(frozen=True, kw_only=True)
class PolysimTrials:
    """A list of the challenge: a key, a voice and a face in every row, and nobody's name."""

    keys: Names
    voices: Names
    faces: Names


def polysim(
    predictions: ArrayLike,
    labels: ArrayLike,
    settings: ArrayLike,
    *,
    known_people: int = 0,
    resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Accuracy of closed-set identification in every setting, and their mean: the score of POLY-SIM.

    Args:
        predictions: (n,) the person that the model names.
        labels: (n,) the person who it is.
        settings: (n,) ``P3``, ``P4``, ``P5`` or ``P6``.
        known_people: how many people the model chooses from; 0: as many as are answers
        resamples: resamples over people, the same for all settings; 0: no intervals
        seed: random seed of the resamples

    Raises:
        InputError: lengths differ, a blank, a setting that does not exist or is missing, fewer known people
            than there are answers.

    >>> report = polysim([3, 4, 3, 3], [3, 4, 3, 4], ["P3", "P4", "P5", "P6"], resamples=0)
    >>> print(report.figure("accuracy", "average"))
    accuracy 0.750 chance 0.500 (n 4, people 2)
    """
    said = np.asarray(predictions)
    right = as_names(labels, len(said), "labels").astype(str)
    said = as_names(said, len(said), "predictions").astype(str)
    given = as_names(settings, len(said), "settings").astype(str)
    strange, lost = np.setdiff1d(given, list(SETTINGS)), np.setdiff1d(list(SETTINGS), given)
    if len(strange) or len(lost):
        fault = f"hold {few(strange)}" if len(strange) else f"lack {', '.join(lost)}"
        raise InputError("settings", fault, "give P3, P4, P5 and P6")
    whose = People(right, resamples=resamples, seed=seed)
    choices = known_people or len(whose)
    if choices < len(whose):
        fault = f"is {known_people} where {len(whose)} people are answers"
        raise InputError("known_people", fault, "give the number of people trained on")
    hits = said == right
    rows, samples = {}, []
    for setting, words in SETTINGS.items():
        kept = given == setting
        rows[f"{setting}: {words}"] = [
            mean_of_items("accuracy", hits, whose, kept=kept, chance=1.0 / choices, share=True)
        ]
        samples.append(whose.mean(hits, kept)[1])
    rows["average"] = [_average([row[0] for row in rows.values()], samples, whose, choices)]
    return Report(rows=rows, notes=(f"closed set of {choices:,} people",))


def _average(
    parts: list[Estimate], samples: Sequence[NDArray[np.float64] | None], whose: People, choices: int
) -> Estimate:
    value = float(np.mean([one.value for one in parts]))
    drawn = [one for one in samples if one is not None]
    low, high = ends(value, np.mean(drawn, axis=0) if drawn else None, len(whose))
    return Estimate(
        name="accuracy",
        value=value,
        low=low,
        high=high,
        chance=1.0 / choices,
        convention="mean of the four settings",
        n=sum(one.n for one in parts),
        people=len(whose),
        resamples=len(drawn[0]) if drawn else 0,
    )


def read_polysim_trials(path: str | Path) -> PolysimTrials:
    """A list of the challenge (``v1_English.csv``): a CSV with the header ``key,voices,faces``.

    Raises:
        InputError: another header, a row of another width or with a blank, or a key twice.
    """
    columns = read_table(path, read_lines(path), ("key", "voices", "faces"))
    unique_keys(path, columns["key"])
    return PolysimTrials(keys=columns["key"], voices=columns["voices"], faces=columns["faces"])


def polysim_label(person: str) -> int:
    """The number of a person in submissions: MAV-Celeb's id less 1.

    Raises:
        InputError: it is no id of MAV-Celeb.

    >>> polysim_label("id0001"), polysim_label("v1-id0070")
    (0, 69)
    """
    named = _PERSON.fullmatch(person)
    if named is None or named[1] == "0000":
        raise InputError(person, "is no id of MAV-Celeb", "name people id0001, or v1-id0001 as prepared")
    return int(named[1]) - 1


def submission_settings(path: str | Path) -> tuple[str, str]:
    """The settings of a submission's file by its name: P3 and P4, or P5 and P6 of the other language.

    Raises:
        InputError: it is not named as the challenge asks.

    >>> submission_settings("submission_v1_test_English_Urdu.csv")
    ('P5', 'P6')
    """
    named = _FILE.fullmatch(Path(path).name)
    if named is None:
        raise InputError(path, "is not named as the challenge asks", f"name the files {_EXPECTED}")
    return ("P3", "P4") if named[3] == named[4] else ("P5", "P6")


def write_polysim_submission(
    path: str | Path, trials: PolysimTrials, predictions: Mapping[str, Sequence[int]]
) -> None:
    """Write one file of a submission: ``key,p3,p4``, or ``key,p5,p6`` for the other language.

    Args:
        path: ``submission_VERSION_PHASE_TRAINED_TESTED.csv``.
        trials: From `read_polysim_trials`.
        predictions: For each of the two settings a label a trial, from `polysim_label`.

    Raises:
        InputError: the file is named otherwise, or predictions of its settings are missing.
    """
    settings = submission_settings(path)
    counts = [len(predictions.get(setting, ())) for setting in settings]
    if counts != [len(trials.keys)] * 2:
        fault = f"are {counts[0]:,} and {counts[1]:,} for {len(trials.keys):,} trials"
        raise InputError(f"predictions of {' and '.join(settings)}", fault, "name a person for every trial")
    columns = [predictions[setting] for setting in settings]
    rows = (f"{k},{int(a)},{int(b)}" for k, a, b in zip(trials.keys.tolist(), *columns, strict=True))
    write_text(Path(path), "\n".join([f"key,{','.join(settings).lower()}", *rows]) + "\n")


def read_polysim_submission(
    submission: str | Path, answers: Sequence[str | Path]
) -> dict[str, NDArray[np.generic]]:
    """The two files of a submission joined with the answers: the arguments of `polysim`.

    Args:
        submission: A folder or flat zip of the files of one version, phase and language of training.
        answers: CSV files with the columns ``key,label`` (``v1_English_test_key_dict.csv``), one a language.

    Raises:
        InputError: a file is missing or faulty, a prediction is no whole number, or trials are unanswered.
    """
    files = read_submission(submission, _FILE, _EXPECTED)
    names = {submission_settings(name): name for name in files}
    kinds = {name.rpartition("_")[0] for name in files}
    if len(files) != 2 or len(names) != 2 or len(kinds) != 1:
        fault = f"holds {', '.join(files)}"
        raise InputError(submission, fault, f"the score is of two files: {_EXPECTED}")
    tables = [read_table(path, read_lines(path), ("key", "label")) for path in answers]
    if not tables:
        raise InputError("--answers", "is missing", "give a CSV of key,label for each language")
    keys, labels = (np.concatenate([table[head] for table in tables]) for head in ("key", "label"))
    places = unique_keys(answers[0], keys)
    said, right, given = [], [], []
    answered: set[int] = set()
    for pair, name in sorted(names.items()):
        table = read_table(name, files[name], ("key", *(setting.lower() for setting in pair)))
        unique_keys(name, table["key"])
        rows = join_keys(name, table["key"], places)
        answered |= set(rows.tolist())
        for setting in pair:
            said.append(_numbers(name, table[setting.lower()]))
            right.append(_numbers(answers[0], labels[rows]))
            given += [setting] * len(rows)
    if len(answered) < len(places):
        fault = f"lacks {len(places) - len(answered):,} of the answered trials"
        raise InputError(submission, fault, "name a person for every trial")
    return {
        "predictions": np.concatenate(said),
        "labels": np.concatenate(right),
        "settings": np.array(given),
    }


def _numbers(name: str | Path, cells: Names) -> NDArray[np.int64]:
    """Labels as whole numbers; a spreadsheet's 3.0 is 3."""
    bad = [at for at, cell in enumerate(cells.tolist(), start=2) if not re.fullmatch(r"\d{1,6}(\.0)?", cell)]
    if bad:
        raise InputError(name, f"rows {few(bad)} hold no label", "labels are MAV-Celeb's ids less 1")
    return np.array([int(cell.partition(".")[0]) for cell in cells.tolist()], dtype=np.int64)


PROTOCOL = polysim

"""What is wrong with a trial list, before anybody is judged by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceface.errors import InputError
from voiceface.media.voxceleb_names import parse_voxceleb_path
from voiceface.protocols.input_checks import few
from voiceface.protocols.trial_lists import TrialList

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ListAudit:
    """Findings about one list of verification trials."""

    name: str
    trials: int
    positives: int
    misread: int
    """Rows whose label differs from the parity of their number (row 1 positive, row 2 negative, …)."""
    parity_positives: float
    """Share of true positives among the rows a parity reader takes for positive."""
    parity_negatives: float
    """Share of true positives among those it takes for negative."""
    same_video_positives: float
    """Share of the positives whose two items are of one video; NaN where names do not tell."""
    same_video_negatives: float
    repeated: int
    """Trials that stand in the list once more."""
    contradicting: int
    """Pairs that stand in it with both labels."""
    mislabelled: int
    """Trials whose label differs from the people of their two items."""
    people: int
    one_sided: int
    """People who appear in positives only or negatives only."""
    left_out: tuple[str, ...] = ()
    """Media named in the list that are not among the known ones."""
    violated: Mapping[str, int] = field(default_factory=dict)
    """Negatives that differ in an attribute they should share."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Negatives of which the attribute is not known."""
    shared_people: tuple[str, ...] = ()
    """People of the list who are also in training."""

    def misread_auc(self, auc: float) -> float:
        """What a model of true AUC ``auc`` would read if labels were taken from the row's parity."""
        return misread_auc(auc, self.parity_positives, self.parity_negatives)

    def findings(self) -> list[str]:
        """One line a defect; none for a clean list."""
        out = []
        if self.misread:
            read = self.misread_auc(0.775)
            out.append(
                f"labels do not alternate: {self.misread:,} of {self.trials:,} rows would be misread by "
                f"a reader of parity, and a model of AUC 0.775 would read {read:.3f}; "
                "score by the label column"
            )
        shares = self.same_video_positives, self.same_video_negatives
        if max(shares) > 0 and shares[0] != shares[1]:
            out.append(
                f"{shares[0]:.1%} of the positives and {shares[1]:.1%} of the negatives are of one video: "
                "report same-video and cross-video positives apart"
            )
        counts = {
            "trials stand in the list more than once": self.repeated,
            "pairs stand in the list with both labels": self.contradicting,
            "labels contradict the people of their items": self.mislabelled,
            "people are in positives only or negatives only": self.one_sided,
        }
        counts |= {f"negatives differ in {k}, which they should share": v for k, v in self.violated.items()}
        counts |= {f"negatives have no known {k}": v for k, v in self.unknown.items()}
        out += [f"{count:,} {words}" for words, count in counts.items() if count]
        if self.left_out:
            out.append(f"{few(self.left_out)} media of the list are missing")
        if self.shared_people:
            out.append(f"{few(self.shared_people)} people of the list are also in training")
        return out

    def __str__(self) -> str:
        """As it is printed."""
        head = (
            f"{self.name}: {self.trials:,} trials, {self.positives / self.trials:.1%} positive, "
            f"{self.people:,} people"
        )
        found = self.findings()
        return "\n".join([head, *(f"  - {line}" for line in found)] if found else [head, "  nothing found"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the findings in words."""
        plain = {k: None if isinstance(v, float) and v != v else v for k, v in asdict(self).items()}
        return {**plain, "findings": self.findings()}


def misread_auc(auc: float, positives: float, negatives: float) -> float:
    """AUC that is read when labels are wrong independently of the scores.

    Args:
        auc: The true one.
        positives: Share of true positives among what is read as positive.
        negatives: Share of true positives among what is read as negative.

    >>> misread_auc(0.8, 1.0, 0.0), misread_auc(0.8, 0.5, 0.5)
    (0.8, 0.5)
    """
    return round(0.5 + (positives - negatives) * (auc - 0.5), 12)


def audit_list(
    trials: TrialList,
    *,
    share: Mapping[str, Mapping[str, str]] | None = None,
    media: Collection[str] | None = None,
    training: Collection[str] | None = None,
) -> ListAudit:
    """Look a verification list over.

    Args:
        trials: The list; it must have labels.
        share: Attributes that the two people of a negative should share: for each its values by person
            (people as the list names them). Blank or absent means unknown.
        media: Names of all media that exist; None: not checked.
        training: People trained on, as the list names them; None: not checked.

    Raises:
        InputError: the list has no labels.
    """
    if trials.labels is None:
        raise InputError(trials.name, "has no labels", "give a labelled list")
    same = trials.labels
    odd = np.arange(len(same)) % 2 == 0  # row numbers begin with 1, so these are the odd ones
    repeated, contradicting = _repeats(trials, same)
    left, right = trials.left_people, trials.right_people
    in_positives = set(left[same]) | set(right[same])
    in_negatives = set(left[~same]) | set(right[~same])
    video = _same_video(trials)
    violated, unknown = _strata(trials, share or {})
    names = sorted(set(trials.left.tolist()) | set(trials.right.tolist()))
    known = set(media) if media is not None else None
    people = in_positives | in_negatives
    return ListAudit(
        name=trials.name,
        trials=len(same),
        positives=int(same.sum()),
        misread=int((same != odd).sum()),
        parity_positives=_share(same, odd),
        parity_negatives=_share(same, ~odd),
        same_video_positives=_share(video, same) if video is not None else float("nan"),
        same_video_negatives=_share(video, ~same) if video is not None else float("nan"),
        repeated=repeated,
        contradicting=contradicting,
        mislabelled=int((same != (left == right)).sum()),
        people=len(people),
        one_sided=len(in_positives ^ in_negatives),
        left_out=tuple(n for n in names if n not in known) if known is not None else (),
        violated=violated,
        unknown=unknown,
        shared_people=tuple(sorted(str(p) for p in people & set(training or ()))),
    )


def _share(what: Bools, among: Bools) -> float:
    return float(what[among].mean()) if among.any() else float("nan")


def _repeats(trials: TrialList, same: Bools) -> tuple[int, int]:
    """Trials that repeat an earlier pair, and pairs that carry both labels."""
    labels: dict[tuple[str, str], set[bool]] = {}
    for pair in zip(trials.left.tolist(), trials.right.tolist(), same.tolist(), strict=True):
        labels.setdefault(pair[:2], set()).add(pair[2])
    return len(same) - len(labels), sum(len(found) > 1 for found in labels.values())


def _same_video(trials: TrialList) -> Bools | None:
    """Which trials' items are of one video; None where the names do not tell."""
    videos = []
    for names in (trials.left, trials.right):
        unique, inverse = np.unique(names, return_inverse=True)
        files = [parse_voxceleb_path(name) for name in unique.tolist()]
        found = [file.video for file in files if file is not None and file.video]
        if len(found) < len(files):
            return None
        videos.append(np.array(found)[inverse])
    one: Bools = videos[0] == videos[1]
    return one


def _strata(
    trials: TrialList, share: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, int], dict[str, int]]:
    assert trials.labels is not None
    violated, unknown = {}, {}
    listed = {*trials.left_people.tolist(), *trials.right_people.tolist()}
    for attribute, values in share.items():
        if listed.isdisjoint(values):
            fault = f"its people are written like {min(listed)!r}, of whom no {attribute} is known"
            raise InputError(trials.name, fault, "give the metadata that belongs to the list")
        left, right = (
            np.array([values.get(p, "") for p in people[~trials.labels].tolist()], dtype=str)
            for people in (trials.left_people, trials.right_people)
        )
        blank = (left == "") | (right == "")
        violated[attribute] = int((~blank & (left != right)).sum())
        unknown[attribute] = int(blank.sum())
    return violated, unknown

"""How good a generated clip is: beside the real one picture by picture, beside its sound, beside the person.

Known and unknown voices are rows of their own. Every clip that does not enter a measure is counted there
with its reason; the measures of a clip that can be taken are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import ArrayLike

from voiceface.errors import InputError
from voiceface.metrics.sync_confidence import LEAST, REACH
from voiceface.protocols.clip_measurement import (
    Judges,
    Measured,
    VideoClip,
    clip_figures,
    measure,
    mismatched,
)
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.report import Report


@dataclass(frozen=True, kw_only=True)
class VideoReport(Report):
    """What `video` found: a row of figures for the generated and one for the real clips of each group."""

    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Measure and reason to the names of the clips that did not enter it."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = super().to_dict()
        notes, clips = plain.pop("notes"), {name: list(some) for name, some in self.left_out.items()}
        return {**plain, "left_out": clips, "notes": notes}


def video(
    clips: Iterable[VideoClip],
    *,
    judges: Judges | None = None,
    reach: int = REACH,
    resamples: int = 1000,
    seed: int = 0,
) -> VideoReport:
    """Measure clips, one at a time, and report means over them with intervals over people.

    Of one person alone, intervals are over clips, and a note says so.

    Chance is what the same clips give beside somebody else: SSIM, PSNR against a real clip of another
    person, confidence and mouth with the sound of another clip, identity with another person's
    reference.

    Args:
        clips: Generated clips with what is known of them; they may come from a generator, for only their
            embeddings are kept.
        judges: Callables that make embeddings of frames where a clip brings none.
        reach: Offsets that the sound is moved by, in frames.
        resamples: Resamples over people for the 95 % intervals; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: no clip, two of one name, or not one clip could be measured.
    """
    measured: list[Measured] = []
    others: list[VideoClip] = []  # the last real clip, and the last of a person before that one's
    for clip in clips:
        stranger = next((o for o in others if o.person != clip.person), None)
        measured.append(measure(clip, judges or Judges(), reach=reach, stranger=stranger))
        if clip.real is not None:
            others = [clip, *(o for o in others if o.person != clip.person)][:2]
    return report_measured(measured, reach=reach, resamples=resamples, seed=seed)


def report_measured(
    measured: Sequence[Measured], *, reach: int = REACH, resamples: int = 1000, seed: int = 0
) -> VideoReport:
    """What `video` reports, of clips measured elsewhere, in the order in which it would take them.

    Args:
        measured: What `measure` found of each clip.
        reach: Offsets that the sound was moved by, in frames.
        resamples: Resamples over people for the 95 % intervals; 0 for none.
        seed: Of the resamples.

    Raises:
        InputError: as `video`.
    """
    _check(measured)
    rows: dict[str, list[Estimate]] = {}
    left_out: dict[str, list[str]] = {}
    for group in sorted({one.group for one in measured}):
        mine = [one for one in measured if one.group == group]
        chances = mismatched(mine, reach=reach)
        for side in ("generated", "real"):
            name = f"{side}, {group}" if group else side
            row = _row(mine, side, chances, resamples=resamples, seed=seed)
            if row:
                rows[name] = row
            for one in mine:
                for reason in one.missing[side]:
                    left_out.setdefault(f"{name}: {reason}", []).append(one.name)
    if not rows:
        reasons = "; ".join(f"{reason} ({len(names)})" for reason, names in left_out.items())
        raise InputError("clips", f"could not be measured: {reasons}", "see the clips named")
    return VideoReport(
        rows=rows,
        excluded={name: len(names) for name, names in left_out.items()},
        left_out=left_out,
        notes=tuple(_notes(measured, reach)),
    )


def _check(measured: Sequence[Measured]) -> None:
    if not measured:
        raise InputError("clips", "there are none", "give at least one generated clip")
    names = [one.name for one in measured]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"clip {twice}", "is given twice", "name every clip once")


def _row(
    mine: Sequence[Measured], side: str, chances: dict[str, float], *, resamples: int, seed: int
) -> list[Estimate]:
    """The figures of one side of one group that at least one clip has."""
    row = []
    for figure in clip_figures():
        kept = [one for one in mine if figure.name in one.figures[side]]
        if not kept:
            continue
        owners = [one.person for one in kept]
        alone = len(set(owners)) < 2
        people = People([one.name for one in kept] if alone else owners, resamples=resamples, seed=seed)
        values: ArrayLike = [one.figures[side][figure.name] for one in kept]
        found = mean_of_items(
            figure.name,
            values,
            people,
            chance=chances.get(f"{side} {figure.name}", figure.chance_of()),
            convention=figure.convention + ("; one person: interval over clips" if alone else ""),
            share=figure.proportion,
        )
        row.append(replace(found, people=len(set(owners))))
    return row


def _notes(measured: Sequence[Measured], reach: int) -> list[str]:
    notes = []
    for side in ("generated", "real"):
        lost = sum(one.faceless[side][0] for one in measured)
        frames = sum(one.faceless[side][1] for one in measured)
        if frames:
            some = sum(one.faceless[side][0] > 0 for one in measured)
            notes.append(f"{side}: no face in {lost:,} of {frames:,} frames ({some} clips)")
    for group in sorted({one.group for one in measured}):
        if len({one.person for one in measured if one.group == group}) == 1:
            notes.append(f"{group or 'clips'}: one person, so that intervals are over clips")
    if any("sync confidence" in one.figures["generated"] for one in measured):
        note = f"sync needs {reach + LEAST} frames or more; its scale is that of the expert used"
        notes.append(note)
    return notes


PROTOCOL = video

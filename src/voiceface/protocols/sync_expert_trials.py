"""Is a sync expert to be believed: clips as recorded, moved by some frames, with another clip's sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.errors import InputError
from voiceface.metrics.sync_confidence import LEAST, REACH, Sync, sync
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.people_bootstrap import People, mean_of_items
from voiceface.protocols.video_quality import VideoReport

Rows = NDArray[np.floating]
_OVER_CLIPS = "over clips of one person"


def sync_trials(
    clips: Sequence[tuple[Rows, Rows]],
    *,
    people: Sequence[str],
    moved: int = 5,
    reach: int = REACH,
    resamples: int = 1000,
    seed: int = 0,
) -> VideoReport:
    """Judge an expert by real clips, whose sound is known to fit.

    Rows ``as recorded``, ``moved by N frames`` (the picture then comes N frames after its sound) and
    ``another clip's sound`` (another person's where there is one), each with the confidence, that at offset
    0 (median minus the distance there) and the shares of clips whose offset is found exactly and within 1.

    Args:
        clips: Mouth and sound embeddings (frames, d) of every clip.
        people: Whose each clip is.
        moved: Frames to move by, no more than ``reach``.
        reach: Offsets looked at, in frames.
        resamples: Resamples over people for the intervals; of a single person's clips, over the clips.
        seed: Of the resamples.

    Raises:
        InputError: no clip is long enough, or people of another number.
    """
    if len(people) != len(clips):
        raise InputError("people", f"are {len(people)} of {len(clips)} clips", "name one a clip")
    if not 0 < moved <= reach:
        raise InputError("moved", f"is {moved} frames", f"give 1 to {reach}")
    long = [k for k, (mouth, _) in enumerate(clips) if len(mouth) >= reach + LEAST + moved]
    if not long:
        fault = f"none of {len(clips)} has {reach + LEAST + moved} frames"
        raise InputError("clips", fault, "give longer ones")
    right, later, strange = [], [], []
    for place, k in enumerate(long):
        mouth, sound = clips[k]
        right.append(sync(sound, mouth, reach=reach))
        later.append(sync(sound[moved:], mouth[:-moved], reach=reach))
        round_ = [*long[place + 1 :], *long[:place]]
        other = next((o for o in round_ if people[o] != people[k]), round_[0] if round_ else None)
        if other is not None:
            count = min(len(mouth), len(clips[other][1]))
            strange.append((people[k], sync(clips[other][1][:count], mouth[:count], reach=reach)))
    owners = [people[k] for k in long]
    single = len(set(owners)) == 1
    # One person's clips say nothing of other people, but something of that person's other clips.
    units: Sequence[str] = [str(k) for k in range(len(owners))] if single else owners
    over = _OVER_CLIPS if single else "over people"
    rows = {
        "as recorded": _figures(right, 0, units, over, resamples, seed),
        f"moved by {moved} frames": _figures(later, moved, units, over, resamples, seed),
    }
    if strange:
        units = [str(k) for k in range(len(strange))] if single else [who for who, _ in strange]
        rows["another clip's sound"] = _figures(
            [told for _, told in strange], 0, units, over, resamples, seed
        )
    excluded = {"too short": len(clips) - len(long)} if len(long) < len(clips) else {}
    return VideoReport(rows=rows, excluded=excluded, notes=(f"intervals {over}",))


def _figures(
    measured: Sequence[Sync], offset: int, units: Sequence[str], over: str, resamples: int, seed: int
) -> list[Estimate]:
    """Confidence and shares of offsets found, of one way to join mouths and sounds."""
    people = People(units, resamples=resamples, seed=seed)
    offsets = np.array([one.offset for one in measured])
    every = len(measured[0].distances)
    table: tuple[tuple[str, ArrayLike, float, bool], ...] = (
        ("confidence", [one.confidence for one in measured], float("nan"), False),
        ("confidence at 0", [one.confidence_at_zero for one in measured], 0.0, False),
        ("offset exact", offsets == offset, 1 / every, True),
        ("offset within 1", np.abs(offsets - offset) <= 1, 3 / every, True),
    )
    found = [
        mean_of_items(name, values, people, chance=chance, share=share, convention=over)
        for name, values, chance, share in table
    ]
    return [replace(one, people=1) for one in found] if over == _OVER_CLIPS else found


PROTOCOL = sync_trials

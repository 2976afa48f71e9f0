"""What a demo shows and what it does not, in sentences computed from what came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voiceface.demo.user_files import shown_name

if TYPE_CHECKING:
    from voiceface.demo.rankings import ImaginedRanking, PictureRanking

_CHOICES = (("matching, voice->face: 1:2", ""), ("matching, voice->face, same gender: 1:2", "of one gender"))


def share(value: float) -> str:
    """A probability in per cent; not 0 or 100 where it is neither.

    >>> share(0.8249), share(0.0004), share(0.9999)
    ('82 %', 'under 1 %', 'over 99 %')
    """
    if 0 < value < 0.01:
        return "under 1 %"
    if 0.99 < value < 1:
        return "over 99 %"
    return f"{value:.0%}".replace("%", " %")


def compared(found: int, by_chance: float) -> str:
    """A count beside what a random order gives on average.

    >>> compared(13, 6.0), compared(1, 1.5), compared(6, 6.0)
    ('more than guessing gives (6)', 'fewer than guessing gives (1.5)', 'as many as guessing gives (6)')
    """
    guessed = f"{by_chance:.1f}".removesuffix(".0")
    if abs(found - by_chance) < 0.05:
        return f"as many as guessing gives ({guessed})"
    return f"{'more' if found > by_chance else 'fewer'} than guessing gives ({guessed})"


def imagined_statement(ranking: ImaginedRanking) -> str:
    """How many first places went to faces imagined for the very voice, and for one of its gender."""
    each = len(ranking.first[0])
    return (
        f"Each voice ranks all {ranking.found} imagined faces. Of the {ranking.places} places among their "
        f"first {each}, {ranking.own} went to faces imagined for that very voice: "
        f"{compared(ranking.own, ranking.own_by_chance)}. {ranking.same_gender} went to faces of a voice of "
        f"the same gender: {compared(ranking.same_gender, ranking.same_gender_by_chance)}."
    )


def picture_statement(ranking: PictureRanking) -> str:
    """Which picture fits best, and how often guessing puts a picture first."""
    (best, probability), count = ranking.ranked[0], len(ranking.ranked)
    if count == 1:
        return (
            f"{shown_name(best)} gets {share(probability)}. One picture cannot be ranked: by guessing it "
            "would be first too."
        )
    return (
        f"Of {count} pictures {shown_name(best)} fits best, with {share(probability)}. By guessing, each "
        f"would come first one time in {count}."
    )


def measured_statement(card: Mapping[str, Any]) -> str:
    """How often a matcher chooses the right one of two faces, from its card; empty where it does not say."""
    figures = card.get("results", {}).get("cross_validation", {})
    table = figures.get("value, 95 % interval over people, chance", {})
    parts = []
    for key, among in _CHOICES:
        if key in table:
            value, low, high, chance = table[key]
            interval = f"95 % interval {share(low)} to {share(high)}; guessing: {share(chance)}"
            between = f"between two people {among}, " if among else ""
            parts.append(f"{between}{share(value)} ({interval})")
    if not parts:
        return ""
    start = (
        "On people outside its training set this matcher chooses the right one of two faces for a voice in "
    )
    return f"{start}{' and, '.join(parts)}."

"""The blind study: sides that only the seed knows, and preferences read back with their interval."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.protocols.preference_study import preference, study_id, study_pairs

CLIPS = [f"p{k % 5}/{k:02}" for k in range(20)]


def sheet(rater, choose, *, clips=CLIPS, seed=3, **told):
    """Answers of one rater; ``choose`` gives the choice from the side of the first set."""
    pairs = study_pairs(clips, seed=seed)
    answers = [{"clip": p.clip, "choice": choose("left" if p.first_left else "right")} for p in pairs]
    people = {clip: clip.split("/")[0] for clip in clips}
    facts = {"study": study_id(clips, seed=seed), "seed": seed, "rater": rater, "clips": sorted(clips)}
    return facts | {"people": people, "answers": answers} | told


def other(side):
    return "right" if side == "left" else "left"


def test_sides_and_order_are_the_seeds_alone_and_balanced():
    for seed in range(30):
        pairs = study_pairs(CLIPS, seed=seed)
        assert pairs == study_pairs(list(reversed(CLIPS)), seed=seed)
        assert sorted(p.clip for p in pairs) == sorted(CLIPS)
        assert sum(p.first_left for p in pairs) == 10
    odd = [sum(p.first_left for p in study_pairs(CLIPS[:5], seed=seed)) for seed in range(60)]
    assert set(odd) == {2, 3}
    # Neither place nor side is to be guessed: over many seeds every clip stands left half of the time.
    left = np.mean(
        [
            [p.first_left for p in sorted(study_pairs(CLIPS, seed=s), key=lambda p: p.clip)]
            for s in range(400)
        ],
        axis=0,
    )
    assert abs(left - 0.5).max() < 0.12
    first = {study_pairs(CLIPS, seed=s)[0].clip for s in range(200)}
    assert len(first) == 20


def test_who_always_takes_the_first_set_and_who_never():
    always = preference([sheet("a", lambda side: side), sheet("b", lambda side: side)])
    one = always.rows["all"][0]
    assert (one.value, one.low, one.high, one.n, one.people, one.chance) == (1.0, 1.0, 1.0, 40, 5, 0.5)
    assert preference([sheet("a", other)]).rows["all"][0].value == 0
    left = preference([sheet("a", lambda side: "left")])
    assert left.rows["all"][0].value == 0.5 and left.rows["all"][1].value == 1.0
    same = preference([sheet("a", lambda side: "same")])
    assert [e.value for e in same.rows["all"]] == [0.5, 0.5, 1.0]


def test_the_interval_weighs_raters_times_people():
    """Against a slow loop over resamples that repeats answers."""
    random = np.random.default_rng(0)
    sheets = [sheet(r, lambda side: side if random.random() < 0.7 else other(side)) for r in "abc"]
    report = preference(sheets, names=("ours", "theirs"), resamples=4000, seed=1)
    one = report.rows["all"][0]
    assert one.name == "ours preferred to theirs" and report.notes == ("interval over 3 raters and 5 people",)
    won = {}
    for told in sheets:
        first = {p.clip: "left" if p.first_left else "right" for p in study_pairs(CLIPS, seed=3)}
        for a in told["answers"]:
            won.setdefault((told["rater"], a["clip"].split("/")[0]), []).append(
                a["choice"] == first[a["clip"]]
            )
    assert one.value == pytest.approx(np.mean(sum(won.values(), [])))
    slow = []
    for _ in range(2000):
        raters, people = random.choice(list("abc"), 3), random.choice([f"p{k}" for k in range(5)], 5)
        slow.append(np.mean([w for r in raters for p in people for w in won[r, p]]))
    low, high = np.quantile(slow, [0.025, 0.975])
    assert [one.low, one.high] == pytest.approx([low, high], abs=0.03)


def test_one_rater_has_an_interval_over_people_and_skipped_pairs_are_counted():
    told = sheet("a", lambda side: side)
    told["answers"] = told["answers"][:15]
    report = preference([told])
    assert report.excluded == {"pairs not answered": 5} and "over 5 people" in report.notes[0]
    alone = sheet("a", lambda side: side, clips=["p/1", "p/2"])
    assert np.isnan(preference([alone]).rows["all"][0].low)


def test_sheets_that_do_not_fit():
    good = sheet("a", lambda side: side)
    for bad, words in (
        ([sheet("b", other, seed=4), good], "another study"),
        ([good, good], "is there twice"),
        ([good | {"answers": [{"clip": "x", "choice": "left"}]}], "for clip 'x'"),
        ([good | {"answers": [{"clip": CLIPS[0], "choice": "up"}]}], "'up'"),
        ([good | {"answers": good["answers"] * 2}], "answer a pair twice"),
        ([good | {"answers": []}], "no answer"),
        ([good | {"seed": 9}], "another study"),
        ([{"rater": "a"}], "lack"),
        ([], "no answer"),
    ):
        with pytest.raises(InputError, match=words):
            preference(bad)
    with pytest.raises(InputError, match="no pair"):
        study_pairs([])

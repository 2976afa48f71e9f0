"""Drawn faces: what a collapsed, a perfect, an inverted and a random generator get in every protocol."""

import numpy as np
import pytest

from voiceface.errors import InputError
from voiceface.protocols.face_set import Faces
from voiceface.protocols.gender_agreement import GenderClassifier, gender_agreement
from voiceface.protocols.generated_faces import (
    discriminator_scores,
    face_set_figures,
    generated_face_matching,
    generated_faces,
)
from voiceface.protocols.pixel_similarity import likeness

PEOPLE = 60
NAMES = np.array([f"p{k:02}" for k in range(PEOPLE)])
SEXES = np.array(["f", "m", "m"])[np.arange(PEOPLE) % 3]


def crowd(seed, people=PEOPLE, first=0):
    """Centres of people (n, 12), women apart from men in the first number, with names and genders."""
    random = np.random.default_rng(seed)
    sexes = np.array(["f", "m", "m"])[np.arange(people) % 3]
    centres = random.normal(size=(people, 12))
    centres[:, 0] += np.where(sexes == "f", 4, -4)
    return centres, np.array([f"p{k:02}" for k in range(first, first + people)]), sexes


CENTRES, *_ = crowd(0)
OTHERS, OTHER_NAMES, OTHER_SEXES = crowd(1, 90, first=1000)
RANDOM = np.random.default_rng(2)
REAL = Faces.of(
    np.repeat(CENTRES, 2, axis=0) + 0.3 * RANDOM.normal(size=(120, 12)),
    np.repeat(NAMES, 2),
    genders=np.repeat(SEXES, 2),
    sharpness=np.full(120, 200.0),
)
TRAIN = Faces.of(OTHERS, OTHER_NAMES, genders=OTHER_SEXES)


def drawn_from(rows, **more):
    return Faces.of(rows, NAMES, genders=SEXES, **more)


def matched(faces, **more):
    return generated_face_matching(faces, REAL, centre=OTHERS.mean(0), n=(2, 5), resamples=0, **more).rows


@pytest.mark.parametrize("measure", ["L2", "centred cosine"])
def test_matching_of_collapsed_perfect_and_inverted_faces(measure):
    one = matched(drawn_from(np.tile(CENTRES[7], (PEOPLE, 1))))
    nowhere = matched(drawn_from(np.tile(OTHERS.mean(0), (PEOPLE, 1))))
    for n, k in ((2, 0), (5, 1)):
        assert one[f"matching, {measure}"][k].value == pytest.approx(1 / n, abs=1e-12)
        assert one[f"matching, {measure}, same gender"][k].value == pytest.approx(1 / n, abs=1e-12)
        assert nowhere[f"matching, {measure}"][k].value == pytest.approx(1 / n, abs=1e-12)
    tight = Faces.of(np.repeat(CENTRES, 2, axis=0), np.repeat(NAMES, 2), genders=np.repeat(SEXES, 2))
    perfect = generated_face_matching(
        drawn_from(CENTRES), tight, centre=OTHERS.mean(0), n=(2, 5), resamples=0
    ).rows
    assert [e.value for e in perfect[f"matching, {measure}"]] == pytest.approx([1.0, 1.0], abs=1e-12)


@pytest.mark.parametrize("known", [[0], [0, 1]])
def test_matching_within_a_gender_needs_two_people_of_it(known):
    genders = np.where(np.isin(np.arange(PEOPLE), known), "f", "")
    faces = Faces.of(CENTRES, NAMES, genders=genders)
    rows = generated_face_matching(faces, faces, centre=OTHERS.mean(0), n=(2,), resamples=0).rows
    assert ("matching, L2, same gender" in rows) == (len(known) == 2) and "matching, L2" in rows


def test_matching_of_an_inverted_generator_is_nothing():
    # On a line, each one's face is generated where it is farthest from its own and nearest to the others'.
    places = np.array([[-3.0, 0.0], [3.0, 0.0]])
    real = Faces.of(places, ["a", "b"])
    rows = generated_face_matching(
        Faces.of(places[::-1], ["a", "b"]), real, centre=[0.0, 0.0], n=(2,), resamples=0
    ).rows
    assert [row[0].value for row in rows.values()] == [0.0, 0.0]


def test_matching_is_the_loop_over_every_gallery_and_a_face_not_found_loses_all():
    found = np.arange(PEOPLE) % 4 > 0
    rows = CENTRES + 2 * np.random.default_rng(3).normal(size=CENTRES.shape)
    blind = np.where(found[:, None], rows, np.nan)
    got = matched(drawn_from(blind, found=found))
    middle = OTHERS.mean(0)

    def apart_l2(a, b):
        return np.linalg.norm(a - b)

    def apart_cosine(a, b):
        a, b = a - middle, b - middle
        return -np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)

    for measure, distance in (("L2", apart_l2), ("centred cosine", apart_cosine)):
        wins = []
        for k in range(PEOPLE):
            apart = np.array([distance(rows[k], row) for row in REAL.rows])
            own, others = apart[REAL.people == NAMES[k]], apart[REAL.people != NAMES[k]]
            wins.append(np.mean([np.mean(o < others) for o in own]) if found[k] else 0.0)
        assert got[f"matching, {measure}"][0].value == pytest.approx(np.mean(wins), abs=1e-9)


def test_the_centre_is_taken_off():
    shifted = Faces.of(REAL.rows + 50, REAL.people, genders=REAL.genders)
    rows = CENTRES + np.random.default_rng(4).normal(size=CENTRES.shape)
    plain = matched(drawn_from(rows))["matching, centred cosine"][0].value
    moved = generated_face_matching(
        drawn_from(rows + 50), shifted, centre=OTHERS.mean(0) + 50, n=(2,), resamples=0
    )
    assert moved.rows["matching, centred cosine"][0].value == pytest.approx(plain, abs=1e-6)


def test_gender_of_one_face_for_all_is_chance_and_of_right_faces_the_classifiers_own():
    judge = GenderClassifier.fit(TRAIN, resamples=0)
    assert judge.own[0].value > 0.97 and judge.own[0].n == 90
    one = gender_agreement(drawn_from(np.tile(CENTRES[1], (PEOPLE, 1))), judge, resamples=0).rows
    plain, balanced = one["gender, generated faces"]
    assert (plain.value, plain.chance) == pytest.approx(
        (2 / 3, 2 / 3), abs=1e-12
    )  # two of three are men: no merit
    assert balanced.value == 0.5 == balanced.chance
    right = gender_agreement(drawn_from(CENTRES), judge, resamples=0).rows["gender, generated faces"]
    assert right[0].value > 0.97 and right[0].chance == pytest.approx(5 / 9, abs=0.02)
    flipped = CENTRES * np.r_[-1.0, np.ones(11)]
    assert (
        gender_agreement(drawn_from(flipped), judge, resamples=0).rows["gender, generated faces"][1].value
        < 0.03
    )
    none = gender_agreement(drawn_from(CENTRES, found=np.zeros(PEOPLE)), judge, resamples=0)
    assert none.rows["gender, generated faces"][0].value == 0.0


def test_the_gender_classifiers_own_accuracy_is_of_people_it_never_met():
    # Two pictures of each person carry a mark of that person: learnt by heart, useless for anybody else.
    random = np.random.default_rng(5)
    marks = np.repeat(random.normal(size=(40, 60)), 2, axis=0)
    faces = Faces.of(marks, np.repeat(NAMES[:40], 2), genders=np.repeat(["f", "m"] * 20, 2))
    own = GenderClassifier.fit(faces, penalty=0.01, resamples=0)
    assert abs(own.own[1].value - 0.5) < 0.2
    assert ((own.logit(faces.rows) > 0) == (faces.genders == "f")).all()


def test_unknown_genders_are_left_out_and_counted():
    judge = GenderClassifier.fit(TRAIN, resamples=0)
    sexes = SEXES.copy()
    sexes[:10] = ""
    report = gender_agreement(Faces.of(CENTRES, NAMES, genders=sexes), judge, resamples=0)
    assert report.excluded == {"gender: speaker's gender unknown": 10}
    assert report.rows["gender, generated faces"][0].n == PEOPLE - 10
    with pytest.raises(InputError, match="1 women and"):
        GenderClassifier.fit(Faces.of(CENTRES[:5], NAMES[:5], genders=["f", "m", "m", "m", "m"]))


def test_heaps_know_collapse_blur_and_their_own_noise():
    one = face_set_figures(
        drawn_from(np.tile(CENTRES[3], (PEOPLE, 1)), sharpness=np.full(PEOPLE, 50.0)), REAL, features="x"
    )
    figures = {e.name: e for e in one.rows["generated faces as a set"]}
    assert figures["spread ratio"].value == pytest.approx(0, abs=1e-6)
    assert figures["recall"].value == 0 and figures["Fréchet (x)"].value > 20
    assert one.figure("sharpness ratio", "sharpness, generated over real").value == pytest.approx(0.25)
    right = face_set_figures(drawn_from(CENTRES), REAL, features="x", train=TRAIN)
    figures = {e.name: e for e in right.rows["generated faces as a set"]}
    floor = {e.name: e for e in right.rows["training faces in their place"]}
    assert 0.95 < figures["spread ratio"].low < figures["spread ratio"].high < 1.05
    assert figures["Fréchet (x)"].value < floor["Fréchet (x)"].value  # the same people, against others
    assert figures["kernel distance (x)"].low < figures["kernel distance (x)"].value
    assert "sharpness, generated over real" not in right.rows
    few = face_set_figures(drawn_from(CENTRES).only(np.arange(5)), REAL, features="x")
    assert not few.rows and "too few" in few.notes[0]


def test_the_whole_report_says_what_it_is_of():
    found = np.arange(PEOPLE) > 5
    rows = CENTRES + np.random.default_rng(6).normal(size=CENTRES.shape)
    report = generated_faces(
        drawn_from(rows, found=found), REAL, features="toy rows", train=TRAIN, resamples=50
    )
    assert report.figure("found", "found").value == pytest.approx(54 / 60)
    top = report.rows["identified among 60 people (nearest mean of real faces)"]
    assert top[0].chance == pytest.approx(1 / 60) and 0.3 < top[0].value <= 0.9
    assert report.excluded["face sets: generated faces not found"] == 6
    assert any("6 of 60, counted as misses" in note for note in report.notes)
    assert "Fréchet (toy rows)" in str(report) and report.to_dict()["rows"]["found"][0]["n"] == 60
    assert all(e.low <= e.value <= e.high for row in report.rows.values() for e in row if e.low == e.low)


def test_without_known_genders_the_rest_is_still_judged():
    report = generated_faces(
        Faces.of(CENTRES, NAMES), Faces.of(REAL.rows, REAL.people), features="x", resamples=0
    )
    assert not any("gender" in name for name in report.rows)
    assert any(note.startswith("gender is not judged") for note in report.notes)


@pytest.mark.parametrize(
    ("generated", "told"),
    [
        (lambda: Faces.of(CENTRES[:, :5], NAMES), "wide"),
        (lambda: drawn_from(CENTRES, found=np.zeros(PEOPLE)), "none of 60"),
        (lambda: drawn_from(np.where(np.eye(PEOPLE, 12) > 0, np.nan, CENTRES)), "12 .*NaN"),
        (lambda: Faces.of(CENTRES, NAMES, names=["a"] * PEOPLE), "two different rows"),
        (lambda: Faces.of(CENTRES, NAMES, genders=["x"] * PEOPLE), "write f, m"),
        (lambda: Faces.of(CENTRES, NAMES[:-1]), "people of"),
        (lambda: Faces.of(CENTRES, ["", *NAMES[1:]]), "blank"),
        (lambda: Faces.of(CENTRES, NAMES, found=np.full(PEOPLE, 2)), "found"),
        (lambda: Faces.of([[1.0], [1.0, 2.0]], ["a", "b"]), "one width"),
        (lambda: Faces.of(CENTRES, [f"q{k}" for k in range(PEOPLE)]), "no probe"),
    ],
)
def test_bad_faces_are_refused(generated, told):
    with pytest.raises(InputError, match=told):
        generated_faces(generated(), REAL, features="x", resamples=0)


def test_the_judge_prefers_voices_as_often_as_pairs_say():
    random = np.random.default_rng(7)
    voices, noises = random.normal(0.3, 1, 80).round(1), random.normal(0, 1, 50).round(1)
    report = discriminator_scores(voices, noises, people=np.arange(80) // 4, resamples=200)
    pairs = [(v > w) + 0.5 * (v == w) for v in voices for w in noises]
    area = report.figure("AUC", "voices above noises")
    assert area.value == pytest.approx(np.mean(pairs)) and area.low < area.value < area.high
    assert report.figure("deviation", "judge's score of voices").value == pytest.approx(voices.std())
    assert (
        discriminator_scores([1.0, 2.0], [0.0], resamples=0).figure("AUC", "voices above noises").value == 1.0
    )
    assert (
        discriminator_scores([1.0], [1.0, 1.0], resamples=0).figure("AUC", "voices above noises").value == 0.5
    )
    with pytest.raises(InputError, match="NaN"):
        discriminator_scores([np.nan], [1.0])


def test_the_judges_interval_covers_the_truth():
    random = np.random.default_rng(8)
    covered = 0
    for k in range(100):
        voices = np.repeat(random.normal(0.5, 1, 40), 3) + 0.3 * random.normal(size=120)
        noises = random.normal(0, 1.0, 80)
        area = discriminator_scores(voices, noises, people=np.arange(120) // 3, resamples=150, seed=k).rows[
            "voices above noises"
        ][0]
        covered += area.low <= TRUE_AREA <= area.high
    assert 0.88 <= covered / 100 <= 0.99


TRUE_AREA = 0.6356
"""P(voice > noise) of normals 0.5 apart, variances 1.09 and 1: Phi(0.5 / sqrt(2.09))."""


def test_likeness_knows_the_same_picture_and_the_wrong_person():
    random = np.random.default_rng(9)
    faces = random.integers(0, 256, (30, 16, 16, 3)).astype(np.uint8)
    names = np.arange(30).astype(str)
    report = likeness(faces, faces, people=(names, names), resamples=20)
    figures = {e.name: e for e in report.rows["beside a real picture of the person"]}
    assert figures["MAE on [0, 1]"].value == 0 and figures["SSIM"].value == pytest.approx(1)
    assert figures["MAE on [0, 1]"].chance == pytest.approx(1 / 3, abs=0.02)  # two uniform draws
    assert figures["MSE on [0, 1]"].chance == pytest.approx(1 / 6, abs=0.02)
    assert figures["SSIM"].chance < 0.1 and 3000 < figures["PAMSE of grey on [0, 255]"].chance * 10 < 30000
    mixed = likeness(faces, faces, people=(names, np.roll(names, 1)), resamples=0)
    figures = {e.name: e for e in mixed.rows["beside a real picture of the person"]}
    assert figures["SSIM"].value < 0.1
    some = likeness(faces, faces[:20], people=(names, names[:20]), resamples=0)
    assert some.excluded == {"likeness: no real picture of the person": 10}
    with pytest.raises(InputError, match="cut both"):
        likeness(faces, faces[:, :12], people=(names, names))
    with pytest.raises(InputError, match="nobody has"):
        likeness(faces, faces, people=(names, [f"x{k}" for k in names]))
    with pytest.raises(InputError, match="8-bit"):
        likeness(faces / 255.0, faces, people=(names, names))


def test_the_wrong_partner_is_never_of_the_person():
    from voiceface.protocols.pixel_similarity import _reference_pictures

    own, theirs = np.repeat(np.arange(5), 40), np.array([0, 1, 1, 1, 2, 4, 4])
    kept, right, wrong = _reference_pictures(own, theirs, 5, 0)
    assert (theirs[right] == own[kept]).all() and (theirs[wrong] != own[kept]).all()
    assert set(own[kept].tolist()) == {0, 1, 2, 4}
    assert set(wrong[own[kept] == 2].tolist()) == {0, 1, 2, 3, 5, 6}

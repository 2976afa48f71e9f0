"""The ceiling of a synthetic corpus: an oracle reaches it, blindness and a cut link give chance."""

import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from corpus_media import written
from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.protocols import matching, retrieval, verification
from voiceface.protocols.pair_verification import pair_trials
from voiceface.synthetic.ceiling import STRATA, age_band, oracle_scores, people_scores
from voiceface.synthetic.ground_truth import (
    TRAITS,
    ceiling_for,
    is_synthetic,
    synthetic_model,
    true_traits,
    write_traits,
)
from voiceface.synthetic.sources.synthetic import listing
from voiceface.synthetic.traits import CONTINUOUS, CausalModel

LOUD = 200.0
ONLY_SEX = {
    "voice_noise": {"sex": 0.01} | dict.fromkeys(CONTINUOUS, LOUD),
    "face_noise": {"sex": 0.01, "skin": LOUD, "hair": LOUD} | dict.fromkeys(CONTINUOUS, LOUD),
}
WAYS = ("voice->face", "face->voice")


def corpus_of(folder, people, **options):
    """A synthetic corpus without media: its card, its people and their traits."""
    listed = listing(people=people, voices=0, faces=1, **options)
    path = written(folder / "c", listed.people, [], made=json.loads(json.dumps(listed.generator.facts())))
    write_traits(path, [listed.generator.person(k) for k in range(people)])
    return Corpus.open(path)


def labels_of(corpus):
    """What strata share, told by the corpus' own table of people."""
    sex = np.array([p.gender for p in corpus.people])
    accent = np.array([p.nationality for p in corpus.people])
    band = age_band([p.age for p in corpus.people]).astype(str)
    joined = np.array([f"{s} {a} {b}" for s, a, b in zip(sex, accent, band, strict=True)])
    return {"G": sex, "N": accent, "A": band, "GNA": joined}


def judged(scores, corpus):
    """Every protocol's figures of a matrix of scores, named as `people_scores` names them."""
    ids = [person.id for person in corpus.people]
    trials = pair_trials(scores, people=(ids, ids))
    labels = labels_of(corpus)
    alike = {n: v[trials.voices] == v[trials.faces] for n, v in labels.items() if n != "GNA"}
    both = {name: (values, values) for name, values in labels.items() if name != "GNA"}
    told = {"resamples": 0, "people": (ids, ids)}
    verified = verification(trials.scores, trials.labels, strata=alike, resamples=0)
    matched = matching(scores, n=(2, 5), strata=both, **told)
    ranked = retrieval(scores, ks=(1, 10), **told)
    figures = {
        ("verification", "random", "", "auc"): verified.auc,
        ("verification", "random", "", "eer"): verified.eer,
    }
    for stratum, row in verified.strata.items():
        figures["verification", stratum, "", "auc"] = row[0]
    for way in WAYS:
        for size in (2, 5):
            for stratum in ("random", *both):
                name = "all" if stratum == "random" else stratum
                figures["matching", stratum, way, f"1:{size}"] = matched.accuracy(
                    size, direction=way, stratum=name
                )
        for k in (1, 10):
            figures["retrieval", "random", way, f"R@{k}"] = ranked.figure(f"R@{k}", direction=way)
    return figures


@pytest.mark.parametrize("link", [0.5, 1.0])
def test_the_oracle_in_our_protocols_is_what_the_table_says_and_reaches_the_ceiling(link, tmp_path):
    corpus = corpus_of(tmp_path, 160, link=link, clips=0, accents=("american", "indian"))
    people = true_traits(corpus)
    figures = judged(oracle_scores(synthetic_model(corpus), people, people), corpus)
    table = ceiling_for(corpus, blocks=16)
    found = people_scores(synthetic_model(corpus), people, sizes=(2, 5), recall=(1, 10))
    for key, estimate in figures.items():
        row = table.find(key[0], key[3], stratum=key[1], direction=key[2])
        # Two implementations, one number; in strata the protocols pool trials and tell the oracle no labels.
        if "random" in key or key[0] == "retrieval":
            assert estimate.value == pytest.approx(found[key], abs=2e-3), key
            assert row.oracle == found[key]
        # The luck of one draw of people is the scatter of the 16 blocks: 4 times the error of their mean.
        luck = 4 * row.ceiling.error
        assert abs(row.oracle - row.ceiling.value) < 4 * luck + 1e-9, str(row)
        if key[-1] != "eer":
            assert estimate.value < row.ceiling.value + 4 * luck + 0.02, str(row)


def test_an_embedder_that_is_blind_to_the_traits_gives_chance_in_every_protocol(tmp_path):
    corpus = corpus_of(tmp_path, 300, accents=("american", "indian"))
    rng = np.random.default_rng(0)
    voices, faces = (rng.standard_normal((300, 16)) for _ in range(2))
    figures = judged(voices @ faces.T, corpus)
    assert len(figures) > 20
    for key, estimate in figures.items():
        chance = 0.5 if key[0] == "verification" else estimate.chance
        assert estimate.value == pytest.approx(chance, abs=4.5 * np.sqrt(chance * (1 - chance) / 300)), key


def test_with_the_link_cut_everything_gives_chance(tmp_path):
    corpus = corpus_of(tmp_path, 300, link=0.0)
    people = true_traits(corpus)
    figures = judged(oracle_scores(synthetic_model(corpus), people, people), corpus)
    for key, estimate in figures.items():
        chance = 0.5 if key[0] == "verification" else estimate.chance
        assert estimate.value == pytest.approx(chance, abs=1e-6), key
    for row in ceiling_for(corpus, sizes=(2, 5), blocks=4):
        if row.figure in ("auc", "eer", "1:2"):
            assert row.ceiling.value == pytest.approx(0.5, abs=1e-9) and row.ceiling.error < 1e-9


@pytest.mark.parametrize(("link", "low", "high"), [(0.0, 0.40, 0.60), (1.0, 0.95, 1.0)])
def test_a_learner_finds_the_faces_sex_in_the_voices_traits_only_if_they_are_linked(
    link, low, high, tmp_path
):
    people = true_traits(corpus_of(tmp_path, 600, link=link))
    heard = np.column_stack([people.voice_sex, people.voice_accent, people.voice, people.voice_private])
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0).fit(
        heard[:300], people.sex[:300]
    )
    assert low <= roc_auc_score(people.sex[300:], forest.predict_proba(heard[300:])[:, 1]) <= high


def test_within_sex_nothing_is_left_where_only_the_sex_is_shared(tmp_path):
    corpus = corpus_of(tmp_path, 200, accents=("american",), **ONLY_SEX)
    people = true_traits(corpus)
    figures = judged(oracle_scores(synthetic_model(corpus), people, people), corpus)
    table = ceiling_for(corpus, sizes=(2,), blocks=8)
    # A negative of the other sex is always told, one of the same is a coin: 3/4.
    assert figures["verification", "random", "", "auc"].value == pytest.approx(0.75, abs=0.03)
    assert figures["verification", "G", "", "auc"].value == pytest.approx(0.5, abs=0.05)
    assert figures["matching", "random", "voice->face", "1:2"].value == pytest.approx(0.75, abs=0.03)
    assert figures["matching", "G", "voice->face", "1:2"].value == pytest.approx(0.5, abs=0.05)
    for figure, protocol, direction in (("auc", "verification", ""), ("1:2", "matching", "voice->face")):
        all_, within = (table.find(protocol, figure, stratum=s, direction=direction) for s in ("random", "G"))
        assert all_.ceiling.value == pytest.approx(0.75, abs=0.01)
        assert within.ceiling.value == pytest.approx(0.5, abs=0.01)


def test_the_table_is_computed_from_the_folder_alone(tmp_path):
    noise = {"voice_noise": {"age": 0.1}, "face_noise": {"skin": 1.5}}
    corpus = corpus_of(tmp_path, 40, link=0.7, seed=3, **noise)
    assert synthetic_model(corpus).facts() == CausalModel(link=0.7, **noise).facts()
    ids = [person.id for person in corpus.people][5:25]
    table = ceiling_for(corpus, ids, strata=("random", "G"), blocks=4)
    assert table.people == 20 and {row.stratum for row in table} == {"random", "G"}
    assert table.find("matching", "1:10", direction="voice->face").ceiling.error > 0
    text = str(table)
    assert "20 people" in text and "verification G auc" in text and "±" in text
    again = ceiling_for(Corpus.open(corpus.path), ids[::-1], strata=("random", "G"), blocks=4)
    assert [r.ceiling for r in again] == [r.ceiling for r in table]
    assert [r.oracle for r in again] == pytest.approx([r.oracle for r in table], abs=1e-9)


def test_few_people_have_the_strata_that_they_can_have(tmp_path):
    corpus = corpus_of(tmp_path, 9)
    table = ceiling_for(corpus, blocks=8)
    assert table.find("verification", "auc") and table.find("retrieval", "R@1", direction="face->voice")
    assert table.find("matching", "1:10", direction="voice->face") is None
    assert all(np.isfinite(row.ceiling.error) for row in table)
    with pytest.raises(InputError, match="two people"):
        ceiling_for(corpus, [corpus.people[0].id])


def test_what_is_not_synthetic_or_damaged_is_refused(tmp_path):
    corpus = corpus_of(tmp_path, 5)
    assert is_synthetic(corpus)
    with pytest.raises(InputError, match="nobody"):
        true_traits(corpus, ["nobody"])
    card = json.loads((corpus.path / "corpus.json").read_text())
    moved = card["made"]["model"] | {"accents": {"swedish": [0, 0]}}
    for change, word in (
        ({"made": {}}, "not a corpus of synthetic people"),
        ({"made": {"kind": "synthetic", "model": {}}}, "incomplete"),
        ({"made": {"kind": "synthetic", "model": moved}}, "tones"),
    ):  # fmt: skip
        (corpus.path / "corpus.json").write_text(json.dumps(card | change))
        with pytest.raises(InputError, match=word):
            ceiling_for(Corpus.open(corpus.path))
    (corpus.path / "corpus.json").write_text(json.dumps(card))
    (corpus.path / TRAITS).write_bytes(b"PAR1 cut short")
    with pytest.raises(InputError, match="traits"):
        true_traits(corpus)


def test_every_stratum_of_the_ceiling_has_a_row(tmp_path):
    corpus = corpus_of(tmp_path, 120, accents=("american",))
    table = ceiling_for(corpus, sizes=(2,), blocks=4)
    assert {row.stratum for row in table if row.protocol == "verification"} == set(STRATA)

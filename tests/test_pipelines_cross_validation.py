"""Cross-validation on made rows: a planted link is found, a broken one not; no fold meets its people."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from voiceface.corpus.splits import fold_people
from voiceface.errors import InputError
from voiceface.evaluation.cross_validation import cross_validate
from voiceface.models import pretrained, selection_embeddings
from voiceface.pipelines.weights import load_model
from voiceface.records import Person
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training import encoder_pairs
from voiceface.training.encoder_pairs import paired_items
from voiceface.training.training_folder import people_fingerprint

PEOPLE, EACH = 90, 2
SETTINGS = {
    "voice_encoder": "ge2e",
    "face_encoder": "dlib",
    "dim": 4,
    "heads": 2,
    "hidden": 8,
    "steps": 6,
    "batch_size": 32,
    "ridge": 1.0,
}
SETTINGS |= {"validation": 0.2}


class Shelf:
    """People, each with two voices and two faces, women and men in turn; no media behind them."""

    path = Path("shelf")

    def __init__(self, fingerprint="made"):
        self.fingerprint = fingerprint
        self.people = [Person(id=f"p{k:03}", gender="fm"[k % 2]) for k in range(PEOPLE)]
        self.person_index = {person.id: k for k, person in enumerate(self.people)}
        owners = np.repeat([person.id for person in self.people], EACH)
        self.tables = {"voices": owners, "faces": owners, "clips": owners[:0]}

    def person_of(self, table):
        return self.column(table, "person").astype(str)

    def column(self, table, name):
        if name == "id":
            return np.array([f"{table}-{k}" for k in range(len(self.tables[table]))], dtype=object)
        assert name == "person"
        return self.tables[table].astype(object)


def rows(seed, *, shuffled=False):
    """Voices and faces with three factors a person in common beside noise; shuffled, of different people."""
    random = np.random.default_rng(seed)
    factors = random.normal(size=(PEOPLE, 3))
    sides = []
    for width in (20, 128):
        own = factors[random.permutation(PEOPLE)] if shuffled else factors
        clean = np.repeat(own, EACH, axis=0) @ random.normal(size=(3, width)) / 3**0.5
        sides.append((clean + 0.7 * random.normal(size=clean.shape)).astype(np.float32))
    return sides


@pytest.fixture
def made(monkeypatch):
    """Put made rows where the encoders' would be."""

    def put(voices, faces):
        encoder = SimpleNamespace(name="ge2e", dim=voices.shape[1], fingerprint="made")
        monkeypatch.setattr(pretrained, "load_voice_encoder", lambda name, **_: encoder)
        for module in (encoder_pairs, selection_embeddings):
            monkeypatch.setattr(module, "voice_embeddings", lambda corpus, encoder: voices)
            monkeypatch.setattr(module, "face_embeddings", lambda corpus, encoder: faces)

    return put


def judged(out, *, folds=3, corpus=None, **changes):
    return cross_validate(
        "matcher",
        SETTINGS | changes,
        corpus or Shelf(),
        out,
        folds=folds,
        resamples=200,
        device="cpu",
    )


def test_a_planted_link_is_found_in_people_never_met(made, tmp_path):
    made(*rows(0))
    found = judged(tmp_path)
    auc = found.verification.auc
    assert auc.value > 0.85 and auc.low > 0.8 and auc.low < auc.value < auc.high and auc.groups == 3
    assert found.verification.rows["same gender"][0].value > 0.8  # the factors know no gender
    assert found.folds == 3 and found.corpus == "made" and found.recipe == "matcher"
    by_name = {one.name: one for one in next(iter(found.matching.rows.values()))}
    assert by_name["1:2"].value > 0.85
    assert found.retrieval.rows
    # Calibrated on each fold's validation people, the probabilities hold for the others.
    assert set(found.calibration) == {"ECE", "Cllr", "stated", "found"}
    assert found.calibration["ECE"] < 0.1 and found.calibration["Cllr"] < 0.9
    assert "AUC" in str(found) and json.loads(json.dumps(found.to_dict()))["folds"] == 3
    # What is judged is everybody, once, in a fold of its own.
    held = found.held
    assert held.voices.shape[0] == held.faces.shape[0] == PEOPLE * EACH
    assert sorted(np.unique(held.voice_people)) == [person.id for person in Shelf().people]
    assert all(len(set(held.voice_folds[held.voice_people == one])) == 1 for one in held.voice_people)
    assert set(held.calibrations) == {"0", "1", "2"}


def test_of_a_corpus_whose_faces_are_other_peoples_nothing_is_learnt(made, tmp_path):
    found = []
    for seed in range(4):
        made(*rows(seed, shuffled=True))
        found.append(judged(tmp_path / str(seed), folds=2).verification.auc)
    assert all(auc.low - 0.05 < 0.5 < auc.high + 0.05 for auc in found), [str(auc) for auc in found]
    # One draw of 90 people strays by 0.03; four by half of that.
    assert abs(np.mean([auc.value for auc in found]) - 0.5) < 0.045


def test_trained_on_wrong_labels_it_knows_nothing_of_the_right_ones(made, tmp_path):
    made(*rows(0))
    auc = judged(tmp_path, wrong_labels=True).verification.auc
    # Three factors laid on each other at random are never quite apart.
    assert abs(auc.value - 0.5) < 0.15, str(auc)


def test_a_control_is_blind_to_the_order_of_names():
    """Women and men in turn: the next one's faces would be the other sex's, and wrong in one way."""
    corpus = Shelf()
    whole = fold_people(corpus, fold=0, folds=2, validation=0.0).train
    items = paired_items(whole, wrong_labels=0)
    owners = [(corpus.tables["voices"][v[0]], corpus.tables["faces"][f[0]]) for v, f in items]
    assert all(voice != face for voice, face in owners)
    assert sorted(voice for voice, _ in owners) == sorted(face for _, face in owners)
    sexes = [int(voice[1:]) % 2 == int(face[1:]) % 2 for voice, face in owners]
    assert 0.25 < np.mean(sexes) < 0.75


def test_no_fold_is_judged_on_people_it_has_met(made, tmp_path):
    made(*rows(2))
    found = judged(tmp_path, folds=2)
    corpus = Shelf()
    for fold in range(2):
        split = fold_people(corpus, fold=fold, folds=2, validation=0.2)
        card = load_model(tmp_path / f"fold-{fold}-of-2").card
        assert card["people"] == {
            "count": len(split.train.people),
            "fingerprint": people_fingerprint(split.train.people),
        }
        met = set(split.train.people) | set(split.validation.people)
        judged_here = set(found.held.voice_people[found.held.voice_folds == str(fold)])
        assert judged_here == set(split.test.people) and not met & judged_here


def test_other_folds_in_the_same_place_never_take_these_for_theirs(made, tmp_path, monkeypatch):
    """Shuffled labels and an encoder that remembers: only a fold that met its people could be right."""
    made(*rows(3, shuffled=True))
    first = judged(tmp_path, folds=2)
    again = judged(tmp_path, folds=2)
    np.testing.assert_array_equal(first.held.voices, again.held.voices)  # not trained again
    judged(tmp_path, folds=3)
    cards = [load_model(tmp_path / f"fold-{fold}-of-3").card for fold in range(3)]
    for fold, card in enumerate(cards):
        split = fold_people(Shelf(), fold=fold, folds=3, validation=0.2)
        assert card["people"]["fingerprint"] == people_fingerprint(split.train.people)


def test_a_fold_in_an_argument_becomes_its_number_and_other_braces_stay(made, tmp_path, monkeypatch):
    made(*rows(4))
    asked = []
    plain = pretrained.load_voice_encoder
    monkeypatch.setattr(pretrained, "load_voice_encoder", lambda name, **_: asked.append(name) or plain(name))
    judged(tmp_path, folds=2, voice_encoder="students/{fold}/{odd}")
    assert set(asked) == {"students/0/{odd}", "students/1/{odd}"}


def test_the_linear_answer_alone_can_be_judged(made, tmp_path):
    made(*rows(0))
    assert judged(tmp_path, folds=2, heads=0).verification.auc.value > 0.8


def test_too_few_to_validate_on_is_said(made, tmp_path):
    made(*rows(5))
    with pytest.raises(InputError, match="validation: .*larger share"):
        judged(tmp_path, validation=0.01)


def test_a_recipe_that_compares_nothing_is_refused(tmp_path):
    pytest.importorskip("espeakng_loader")
    with pytest.raises(InputError, match="si_cpc: embeds no voices and faces"):
        cross_validate("si_cpc", {}, tiny_corpus(), tmp_path, folds=2)
    with pytest.raises(InputError, match="is not a known recipe"):
        cross_validate("matchmaker", {}, Shelf(), tmp_path, folds=2)

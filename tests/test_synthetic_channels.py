"""Nothing but what is heard and seen tells of a synthetic person; and the mouths move with the sound."""

import importlib.util

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from voiceface.corpus.item import FaceItem, VideoItem, VoiceItem
from voiceface.corpus.item_processing import process_item
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.views import clip_frames
from voiceface.synthetic.people import seed_of, synthetic_person
from voiceface.synthetic.sources.synthetic import listing

needs_espeak = pytest.mark.skipif(
    not importlib.util.find_spec("espeakng_loader"), reason="espeakng-loader is missing"
)
LEARNERS = {
    "linear": make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": RandomForestClassifier(20, min_samples_leaf=10, random_state=0),
}


def truths(ids):
    """Two-valued causes of people: sex, older, bigger, darker."""
    people = [synthetic_person(seed_of(id)).population for id in ids]
    return {
        "sex": np.array([p.sex[0] for p in people]),
        "age": np.array([p.causes[0, 0] > 0 for p in people]),
        "size": np.array([p.causes[0, 1] > 0 for p in people]),
        "tone": np.array([p.skin[0] > 0 for p in people]),
    }


def found_out(columns, ids):
    """AUC of each learner on unseen people for each cause, and how far luck alone goes (4.5 deviations)."""
    x = np.stack([np.asarray(column, dtype=float) for column in columns], axis=1)
    count = len(set(ids))
    luck = 4.5 / np.sqrt(3 * count)
    told = {}
    for cause, y in truths(ids).items():
        for name, learner in LEARNERS.items():
            guess = cross_val_predict(learner, x, y, groups=ids, cv=GroupKFold(3), method="predict_proba")
            told[cause, name] = roc_auc_score(y, guess[:, 1])
    return told, luck


def assert_chance(columns, ids):
    told, luck = found_out(columns, ids)
    assert luck < 0.3
    for key, value in told.items():
        assert abs(value - 0.5) < luck, (key, value)


def test_the_learners_find_what_is_there():
    """Else chance below would say nothing: a hint as weak as a deviation of noise is found."""
    ids = [synthetic_person(k).id for k in range(300)]
    rng = np.random.default_rng(0)
    sex = truths(ids)["sex"]
    told, luck = found_out([sex + rng.standard_normal(300), rng.standard_normal(300)], ids)
    assert min(told["sex", name] for name in LEARNERS) > 0.5 + luck


@pytest.mark.parametrize("people", [200, pytest.param(600, marks=pytest.mark.slow)])
def test_ids_keys_order_and_emotions_tell_nothing(people):
    options = {"voices": 1, "faces": 1, "clips": 1}
    for kind in (VoiceItem, FaceItem, VideoItem):
        items = [i for i in listing(people=people, **options).items if isinstance(i, kind)]
        ids = [item.person for item in items]
        seeds = np.array([seed_of(id) for id in ids])
        digits = [seeds // 10**k % 10 for k in range(4)]
        bits = [seeds >> k & 1 for k in range(8)]
        emotions = [hash_of(getattr(item, "emotion", "")) for item in items]
        sizes = [len(item.key) + len(item.path) + len(item.session) for item in items]
        assert_chance([np.arange(len(items)), *digits, *bits, emotions, sizes], ids)


def hash_of(text):
    return sum(text.encode())


def rows_of(kind, table, **options):
    listed = listing(**options)
    found = []
    for item in (i for i in listed.items if isinstance(i, kind)):
        made = process_item(item, listed.generator, PrepareOptions())
        assert not made.rejected
        found += [(row, media) for row, media in made.rows[table]]
    return found


@needs_espeak
@pytest.mark.parametrize("people", [120, pytest.param(250, marks=pytest.mark.slow)])
def test_a_recordings_length_level_and_times_tell_nothing(people):
    asked = {"people": people, "voices": 1, "faces": 0, "clips": 0, "seconds": 1.0}
    rows = [row for row, _ in rows_of(VoiceItem, "voices", **asked)]
    assert {(row["seconds"], row["start"], row["split"]) for row in rows} == {(1.0, 0.0, "")}
    level = np.array([row["level"] for row in rows])
    assert_chance([level, np.arange(len(rows))], [row["person"] for row in rows])


def test_a_pictures_bytes_and_times_tell_nothing():
    made = rows_of(FaceItem, "faces", people=80, voices=0, faces=1, clips=0, size=96)
    assert len({len(media["pictures"]) for _, media in made}) == 1
    assert {(row["time"], row["split"], row["frame_box"]) for row, _ in made} == {(None, "", None)}
    # What fills them up is the same for all: the picture itself ends before it.
    assert all(
        media["pictures"].endswith(bytes(64)) and b"\xff\xd9" in media["pictures"] for _, media in made
    )


@pytest.mark.slow
def test_the_bytes_of_full_size_pictures_are_as_many_for_all():
    made = rows_of(FaceItem, "faces", people=150, voices=0, faces=2, clips=0)
    assert len({len(media["pictures"]) for _, media in made}) == 1


@needs_espeak
def test_stored_clips_are_alike_in_all_but_what_they_show(tiny_corpus):
    corpus = tiny_corpus(people=3, voices=1, faces=1, clips=2)
    assert len({len(corpus.clip_wave(i)) for i in range(6)}) == 1
    assert set(corpus.column("clips", "start")) == {0.0} and set(corpus.column("clips", "seconds")) == {1.2}
    assert len({size for i in range(6) for size in corpus.tables["clips"].row(i)["sizes"]}) == 1


def seen_and_heard(corpus, index):
    """How much teeth and shade there is in the mouth's middle, and the sound's energy, a number a frame."""
    grey = clip_frames(corpus, index, size=128, template="dlib").astype(float).mean(axis=-1)
    column = grey[:, 76:116, 58:70].mean(axis=2)
    wave = corpus.clip_wave(index).astype(float)[: len(grey) * 640].reshape(len(grey), 640)
    return np.abs(np.diff(column, axis=1)).sum(axis=1), np.sqrt((wave**2).mean(axis=1))


@needs_espeak
def test_stored_mouths_move_with_the_sound_and_200_ms_are_noticed(tiny_corpus):
    corpus = tiny_corpus(people=3, voices=1, faces=1, clips=2)
    aligned, early, late = [], [], []
    for index in range(len(corpus.clips)):
        seen, heard = seen_and_heard(corpus, index)
        for shift, kept in ((0, aligned), (-5, early), (5, late)):
            kept.append(np.corrcoef(seen[5:-5], np.roll(heard, shift)[5:-5])[0, 1])
    assert np.mean(aligned) > 0.25
    assert np.mean(aligned) > max(np.mean(early), np.mean(late)) + 0.15

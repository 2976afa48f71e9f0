"""Judges of talking clips: identity and emotion, by networks that no generator was trained against."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voiceface.errors import InputError
from voiceface.evaluation import emotion_judges, identity_judge
from voiceface.evaluation.emotion_judges import ExpressionJudge, RidgeEmotionJudge
from voiceface.evaluation.identity_judge import IdentityJudge
from voiceface.evaluation.talking_clips import KNOWN, UNKNOWN, TestClip, as_video_clips
from voiceface.face.align import change_template
from voiceface.models.expression_classifier import ExpressionClassifier
from voiceface.protocols.clip_measurement import Judges

PEOPLE, FEELINGS = ("ann", "ben", "cid"), ("anger", "fear", "joy")


def frames_of(person, feeling, seed):
    """A person is a grey level; a feeling is a bright bar in another place."""
    random = np.random.default_rng(seed)
    made = 60 + 40 * person + random.integers(0, 6, (6, 32, 32, 3))
    made[:, 4 + 8 * feeling : 8 + 8 * feeling, 6:26] += 60
    return made.astype(np.uint8)


class Corpus:
    """Three people, each feeling four times; clips made on the spot."""

    def __init__(self):
        self.what = [(p, f, k) for p in range(3) for f in range(3) for k in range(4)]
        self.clips = [SimpleNamespace(emotion=FEELINGS[f], person=PEOPLE[p]) for p, f, _ in self.what]

    def person_of(self, table):
        return self.column(table, "person").astype(str)

    def column(self, table, name):
        if name == "person":
            return np.array([PEOPLE[p] for p, _, _ in self.what])
        return np.array([f"clip-{k}" for k in range(len(self.what))])

    def clip_frames(self, row):
        return frames_of(*self.what[row][:2], seed=row)


def part(rows):
    return SimpleNamespace(clips=np.array(rows, np.int64))


@pytest.fixture
def made(monkeypatch):
    corpus = Corpus()
    for module in (emotion_judges, identity_judge):
        monkeypatch.setattr(module, "clip_frames", lambda corpus, row, **_: corpus.clip_frames(row))
    test = [row for row, (_, _, take) in enumerate(corpus.what) if take == 0]
    train = [row for row in range(36) if row not in test]
    told = [
        TestClip(
            name=f"clip-{row}",
            person=PEOPLE[corpus.what[row][0]],
            group=KNOWN,
            emotion=FEELINGS[corpus.what[row][1]],
            real=corpus.clip_frames(row),
            wave=np.ones(3_840, np.float32),
            driving_sound=np.ones(3_840, np.float32),
            own_still=lambda size, template: np.zeros((size, size, 3), np.uint8),
            other_still=lambda size, template: np.zeros((size, size, 3), np.uint8),
        )
        for row in test
    ]
    return corpus, SimpleNamespace(train=part(train), test=part(test)), told


def turned(told):
    """Every clip generated as one of another person."""
    return {clip.name: told[k - 3].real for k, clip in enumerate(told)}


def test_people_are_found_by_other_clips_of_theirs(made):
    corpus, split, told = made
    levels = Judges(identity=lambda frames, points: frames.mean((1, 2))[::3])
    judge = IdentityJudge(corpus, split, told, levels, template="dlib")
    right = judge.accuracy(told, None, resamples=20, seed=0)
    assert (right.value, right.n, right.people) == (1.0, 9, 3) and right.chance == pytest.approx(1 / 3)
    assert judge.accuracy(told, turned(told), resamples=20, seed=0).value == 0.0
    assert judge.accuracy(told[:3], None, resamples=20, seed=0) == "one person"


def test_feelings_are_found_on_any_face_and_wrong_ones_are_not(made):
    corpus, split, told = made
    judge = RidgeEmotionJudge(corpus, split, size=32, template="dlib")
    assert "27 real training clips" in judge.note
    right = judge.accuracy(told, None, resamples=20, seed=0)
    assert right.value == 1.0 and right.chance == pytest.approx(1 / 3)
    shifted = {clip.name: told[3 * (k // 3) + (k + 1) % 3].real for k, clip in enumerate(told)}
    assert judge.accuracy(told, shifted, resamples=20, seed=0).value == 0.0
    for clip in corpus.clips:
        clip.emotion = ""
    dumb = RidgeEmotionJudge(corpus, split, size=32, template="dlib")
    assert dumb.accuracy(told, None, resamples=20, seed=0) == "no emotion labels"


def test_a_face_that_differs_more_than_an_emotion_hides_none(made):
    """A person's own look, larger than the bar of a feeling, is taken away with the person's mean."""
    corpus, split, told = made
    plain = RidgeEmotionJudge(corpus, split, size=32, template="dlib").recognise
    frames = [clip.real.astype(int) for clip in told]
    look = np.linspace(0, 120, 32).astype(int)[None, :, None, None]
    odd = [np.clip(one + look * (k // 3 == 1), 0, 255).astype(np.uint8) for k, one in enumerate(frames)]
    people = [clip.person for clip in told]
    wanted = [FEELINGS.index(clip.emotion) for clip in told]
    assert plain(odd, people).tolist() == wanted
    assert plain(odd, ["somebody"] * 9).tolist() != wanted


@pytest.fixture(scope="module")
def expressions():
    """The expression network, trained for a moment on the bars."""
    torch.manual_seed(0)
    model = ExpressionClassifier(emotions=FEELINGS, width=4, features=16, size=32)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    labels = torch.arange(3).repeat(8)
    for step in range(40):
        faces = [frames_of(step % 3, int(label), 100 * step + k)[0] for k, label in enumerate(labels)]
        pictures = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float()
        optimiser.zero_grad()
        model.error({"pictures": pictures, "labels": labels}, {})["loss"].backward()
        optimiser.step()
    card = {"recipe": "expression", "contract": {"template": "dlib"}, "corpus": "another"}
    return SimpleNamespace(model=model.eval(), card=card, name="expression")


def test_the_expression_network_names_emotions_over_frames(made, expressions):
    corpus, _, told = made
    judge = ExpressionJudge("runs/expression", expressions, corpus, told, template="dlib")
    assert judge.accuracy(told, None, resamples=20, seed=0).value == 1.0
    shifted = {clip.name: told[3 * (k // 3) + (k + 1) % 3].real for k, clip in enumerate(told)}
    assert judge.accuracy(told, shifted, resamples=20, seed=0).value == 0.0
    # Of frames that are aligned otherwise only the alignment changes.
    wide = ExpressionJudge("runs/expression", expressions, corpus, told, template="portrait")
    turned_back = change_template(told[1].real, source="portrait", target="dlib", size=32)
    assert wide.recognise([told[1].real], ["ann"]) == judge.recognise([turned_back], ["ann"])


@pytest.mark.parametrize(
    ("group", "trained", "fault"),
    [
        (KNOWN, [0], "was trained on 1 of the 9 tested clips"),
        (UNKNOWN, [1, 2], "was trained on 1 of the people that are unknown to the generator"),
        (KNOWN, [1, 2], ""),
    ],
)
def test_an_emotion_judge_that_knows_the_test_is_refused(
    made, expressions, monkeypatch, group, trained, fault
):
    corpus, _, told = made
    told = [replace(clip, group=group) for clip in told]
    split = SimpleNamespace(train=part(trained), validation=part(trained[1:]))
    monkeypatch.setattr(emotion_judges, "training_split", lambda *_: split)
    if not fault:
        ExpressionJudge("runs/expression", expressions, corpus, told, template="dlib")
        return
    with pytest.raises(InputError, match=fault) as refusal:
        ExpressionJudge("runs/expression", expressions, corpus, told, template="dlib")
    assert ("--leave-out ann,ben,cid" in str(refusal.value)) == (group == UNKNOWN)


def test_real_clips_stand_alone_and_drawn_ones_beside_them(made):
    told = made[2]
    alone = list(as_video_clips(told, None, fps=25.0, template="dlib"))
    assert all(
        clip.real is None and (clip.generated == one.real).all()
        for clip, one in zip(alone, told, strict=True)
    )
    beside = next(iter(as_video_clips(told, turned(told), fps=25.0, template="dlib")))
    assert (beside.real == told[0].real).all() and (beside.generated == told[-3].real).all()
    assert beside.generated_points.shape == (6, 5, 2)

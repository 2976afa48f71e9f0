"""Where Speech2Video loses the emotion: in the student's μ, or on the way from μ to the frames.

    python benchmarks/si_emotion.py CORPUS WEIGHTS EMOTION JUDGE [--most 40]

WEIGHTS are of si_speech2video, trained on students (`--speech-encoder` of si_distill) whose emotion teacher
is EMOTION; JUDGE are of recipe expression, from another training than EMOTION. Clips of the training, which
are an upper bound, and of people outside it are generated with the μ of their sound, with the teacher's μ* of
their own frames, and with the μ* of a clip of another emotion; the judge then names the emotion of the
frames. Intervals over people.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from training_people import weights_and_split, weights_parser

from voiceface.corpus.views import clip_frames
from voiceface.evaluation.emotion_judges import ExpressionJudge
from voiceface.evaluation.talking_clips import KNOWN, select_test_clips, talk_from_speech
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.teacher import embed_with_teacher
from voiceface.pipelines.weights import load_model
from voiceface.protocols.people_bootstrap import People, mean_of_items

EVERY, SIDE = 3, 96


def groups_of(corpus, loaded, split, most):
    """Clips that were trained on, and those of people who were not."""
    options = {
        "size": loaded.model.face_size,
        "template": loaded.model.face_template,
        "most": most,
        "wrong_sound": False,
    }
    tested = select_test_clips(corpus, split, **options)
    # The training clips in the place of the test's.
    trained = select_test_clips(corpus, replace(split, test=split.train), **options)
    return {
        "trained on": [clip for clip in trained if clip.group == KNOWN],
        "unknown people": [clip for clip in tested if clip.group != KNOWN],
    }


def with_emotion(loaded, clip, emotion):
    """The clip's frames with this μ; None: that of its sound."""
    hearing = loaded.model.hearing
    if emotion is not None:
        own = hearing.identity_and_emotion
        hearing.identity_and_emotion = lambda wave: (own(wave)[0], emotion)
    try:
        return talk_from_speech(loaded, seed=0)(clip)
    finally:
        if emotion is not None:
            del hearing.identity_and_emotion


class Report:
    """Prints how often the emotions found are those wanted.

    Args:
        names: of the emotions.
        people: of the clips.
    """

    def __init__(self, names, people):
        self.count, self.whose = len(names), People(people, resamples=1000, seed=0)

    def line(self, what, found, wanted):
        """One line."""
        shares = [np.bincount(one, minlength=self.count) / len(one) for one in (found, wanted)]
        chance = float(shares[0] @ shares[1])
        share = mean_of_items("right", found == wanted, self.whose, chance=chance, share=True)
        print(f"  {what}: {share}", flush=True)


def teacher_frames(corpus, clips):
    """What the emotion teacher saw of each clip in the training of the students."""
    rows = {clip.id: row for row, clip in enumerate(corpus.clips)}
    for clip in clips:
        frames = clip_frames(corpus, rows[clip.name], size=SIDE, template="dlib")
        yield list(torch.from_numpy(frames[::EVERY]))


def report(loaded, teacher, judge, corpus, clips):
    """Print a group's lines."""
    hearing, owners = loaded.model.hearing, [clip.person for clip in clips]
    rows = [embed_with_teacher(teacher, frames).mean(0) for frames in teacher_frames(corpus, clips)]
    targets = [hearing.standardised("emotion", row[None])[0] for row in rows]
    labels = np.array([judge.names.index(clip.emotion) for clip in clips])
    # For every clip one of another emotion.
    apart = [np.flatnonzero(labels != label) for label in labels]
    others = [int(rows[k % len(rows)]) for k, rows in enumerate(apart)]
    lines = Report(judge.names, owners)
    lines.line("real frames", judge.recognise([clip.real for clip in clips], owners), labels)
    waves = [torch.from_numpy(np.array(clip.wave)) for clip in clips]
    mean, scale = (hearing.get_buffer(f"emotion_{name}") for name in ("mean", "deviation"))
    scores = torch.stack([mean + scale * hearing.identity_and_emotion(wave)[1] for wave in waves])
    lines.line("largest of the six scores μ", scores.argmax(1).numpy(), labels)
    made = {}
    for what, emotions, wanted in (
        ("frames by μ of the sound", [None] * len(clips), labels),
        ("frames by the teacher's μ*", targets, labels),
        ("frames by μ* of another emotion, which is wanted", [targets[k] for k in others], labels[others]),
    ):
        made[what] = [with_emotion(loaded, *pair) for pair in zip(clips, emotions, strict=True)]
        lines.line(what, judge.recognise(made[what], owners), wanted)
    _, own, other = made.values()
    same = np.mean([np.abs(a.astype(float) - b).mean() for a, b in zip(own, other, strict=True)])
    apart = np.mean([np.abs(a[0].astype(float) - b[0]).mean() for a, b in pairwise(own)])
    print(f"  another emotion's μ* changes a pixel by {same:.2f} of 255 levels, another clip by {apart:.1f}")


def main():
    parser = weights_parser(__doc__)
    parser.add_argument("emotion")
    parser.add_argument("judge", type=Path)
    parser.add_argument("--most", type=int, default=40, help="clips of a group")
    given, corpus, loaded, split = weights_and_split(parser)
    teacher, judging = load_teacher(given.emotion), load_model(given.judge)
    for name, clips in groups_of(corpus, loaded, split, given.most).items():
        tested = [] if name == "trained on" else clips
        judge = ExpressionJudge(given.judge, judging, corpus, tested, template=loaded.model.face_template)
        print(f"{name}: {len(clips)} clips")
        report(loaded, teacher, judge, corpus, clips)


if __name__ == "__main__":
    main()

"""How far a sync expert is to be believed, on a corpus of talking clips.

    python benchmarks/sync_expert.py WEIGHTS CORPUS [--people a,b] [--test] [--moved 5] [--follow]

Prints confidence and offsets of clips as recorded, moved by some frames, and with another clip's sound.
``--test`` takes the clips that the weights' own split tests on; ``--follow`` looks for the face in every
frame instead of keeping the clip's one place (for heads that move).
"""

import argparse

import numpy as np

from voiceface.corpus.corpus import Corpus
from voiceface.evaluation.clip_files import track_face_points
from voiceface.face.mouth import crop_mouths_from_frames
from voiceface.models.sync_expert import embed_mouths
from voiceface.pipelines.weights import load_model, run_of
from voiceface.protocols.sync_expert_trials import sync_trials
from voiceface.recipes.sync_expert import clip_mouths_and_sound


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("corpus")
    parser.add_argument("--people", default="")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--moved", type=int, default=5)
    given = parser.parse_args()
    loaded, corpus = load_model(given.weights), Corpus.open(given.corpus)
    chosen = np.arange(len(corpus.clips))
    if given.test:
        chosen = run_of(loaded).split(corpus).test.clips
    owners = corpus.column("clips", "person").astype(str)
    wanted = {name for name in given.people.split(",") if name}
    rows, people = [], []
    for clip in chosen.tolist():
        if wanted and owners[clip] not in wanted:
            continue
        if given.follow:
            pictures = np.stack([np.asarray(one) for one in corpus.clip_pictures(clip)])
            points = track_face_points(pictures)
            if np.isfinite(points).all(axis=(1, 2)).mean() <= 0.5:
                print(f"left out: {corpus.clips[clip].id}: no face in half of the frames")
                continue
            mouths, wave = crop_mouths_from_frames(pictures, points), corpus.clip_wave(clip)
        else:
            mouths, wave = clip_mouths_and_sound(corpus, clip, side=90)
        rows.append(embed_mouths(loaded.model, mouths, wave))
        people.append(owners[clip])
    report = sync_trials(rows, people=people, moved=given.moved)
    for name, row in report.rows.items():
        print(name)
        for one in row:
            print("  ", one)
    print(report.excluded or "", *report.notes)


if __name__ == "__main__":
    main()

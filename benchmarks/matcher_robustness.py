"""How far a matcher falls when the sound or the picture is poor, and what several recordings give back.

    python benchmarks/matcher_robustness.py CORPUS student [ge2e campplus+student] [--record]

Five folds over people, the recipe `matcher` trained on intact media; only the media of the test people are
changed. White noise at 10 and 5 dB, a telephone's band (300 to 3,400 Hz), one second of speech; aligned faces
of 40 pixels, behind drawn glasses, behind a drawn mask over mouth and nose; and the third of the faces that
is turned farthest to a side, by the eyes' distances from the nose. "Less" is the paired loss on the same
trials.

Enrolment: everybody with one recording trains, and those with several are tested. A face is compared with the
mean embedding of one, two or four recordings of other videos than its own, and a voice with as many pictures;
the other people have as many in theirs. A figure is of the people who have enough, so figures of one number
"of" can be compared.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from voice_encoders import fold_models, given_encoders, record_matchers

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.face.align import template_points
from voiceface.models.corpus_embeddings import align_corpus_face, face_embeddings, voice_embeddings
from voiceface.models.selection_embeddings import embed_selection
from voiceface.protocols.pair_verification import pair_trials, verification
from voiceface.protocols.paired_comparison import compare
from voiceface.recipes.matcher import recipe

RATE = 16_000
ENROLLED = {2: (1, 2), 4: (1, 2, 4)}
"""How many are averaged, by how many a person must have."""
AGAIN = 10
"""Random choices of the enrolled items, each a trial."""


def noisy(wave, decibels, seed):
    """White noise as loud as the recording less ``decibels``."""
    noise = np.random.default_rng(seed).standard_normal(len(wave))
    return wave + noise * np.sqrt(np.mean(wave**2)) * 10 ** (-decibels / 20)


def telephone(wave):
    """300 to 3,400 Hz."""
    spectrum, hertz = np.fft.rfft(wave), np.fft.rfftfreq(len(wave), 1 / RATE)
    return np.fft.irfft(spectrum * ((hertz >= 300) & (hertz <= 3400)), len(wave))


def loudest_second(wave):
    """The second with the most energy, so that it is not a pause."""
    energy, length = np.cumsum(np.r_[0.0, wave**2]), min(RATE, len(wave))
    start = int((energy[length:] - energy[:-length]).argmax())
    return wave[start : start + RATE]


SOUNDS = {
    "noise at 10 dB": lambda wave, seed: noisy(wave, 10, seed),
    "noise at 5 dB": lambda wave, seed: noisy(wave, 5, seed),
    "telephone band": lambda wave, seed: telephone(wave),
    "1 s of speech": lambda wave, seed: loudest_second(wave),
}


def small(face, template):
    """The aligned face as 40 pixels show it."""
    side = face.shape[0]
    tiny = Image.fromarray(face).resize((40, 40), Image.Resampling.BOX)
    return np.asarray(tiny.resize((side, side), Image.Resampling.BICUBIC))


def glasses(face, template):
    """Dark frames around both eyes, with a bridge."""
    points = template_points(template, face.shape[0])
    eyes, picture = (points[:2].mean(0), points[2:4].mean(0)), Image.fromarray(face.copy())
    draw, radius = ImageDraw.Draw(picture), 0.36 * abs(eyes[0][0] - eyes[1][0])
    width = max(2, round(radius / 6))
    for x, y in eyes:
        box = (x - radius, y - 0.8 * radius, x + radius, y + 0.9 * radius)
        draw.rounded_rectangle(box, radius=radius / 2, outline=(25, 22, 20), width=width)
    left, right = sorted(eye[0] for eye in eyes)
    draw.line((left + radius, eyes[0][1], right - radius, eyes[1][1]), fill=(25, 22, 20), width=width)
    return np.asarray(picture)


def mask(face, template):
    """A surgical mask from the bridge of the nose to below the chin."""
    points = template_points(template, face.shape[0])
    (x, nose), side = points[4], face.shape[0]
    wide, eye = 0.62 * abs(points[0][0] - points[2][0]), points[:4, 1].mean()
    top, picture = nose - 0.45 * (nose - eye), Image.fromarray(face.copy())
    edge = [(x - wide, top + 0.1 * side), (x, top), (x + wide, top + 0.1 * side)]
    below = [(x + 0.8 * wide, 0.9 * side), (x, side), (x - 0.8 * wide, 0.9 * side)]
    ImageDraw.Draw(picture).polygon(edge + below, fill=(150, 185, 205))
    return np.asarray(picture)


PICTURES = {"face of 40 pixels": small, "glasses drawn": glasses, "mask drawn": mask}


def turned(corpus):
    """How far each face is turned: 0 where the nose lies between the eyes, 1 beneath one of them."""
    found = []
    for face in corpus.faces:
        points = np.asarray(face.landmarks, dtype=float)
        eyes, nose = (points[:2].mean(0), points[2:4].mean(0)), points[4]
        along = (eyes[1] - eyes[0]) / np.square(eyes[1] - eyes[0]).sum()
        found.append(abs(2 * float((nose - eyes[0]) @ along) - 1))
    return np.array(found)


def changed_rows(corpus, encoders):
    """Voice and face embeddings of the encoders, by condition; "intact" is kept beside the corpus."""
    waves = [np.asarray(corpus.wave(k), dtype=np.float64) / 32768 for k in range(len(corpus.voices))]
    voice, face = encoders.voice(), encoders.face()
    voices = {"intact": voice_embeddings(corpus, voice)}
    for name, change in SOUNDS.items():
        made = (np.clip(change(wave, k), -1, 1).astype(np.float32) for k, wave in enumerate(waves))
        voices[name] = np.concatenate([voice.embed([wave]) for wave in made])
        print(f"embedded: {name}", flush=True)
    faces = {"intact": face_embeddings(corpus, face)}
    for name, change in PICTURES.items():
        rows = []
        for k in range(len(corpus.faces)):
            aligned = align_corpus_face(corpus, k, size=face.size, template=face.template)
            rows.append(face.embed(change(aligned, face.template)[None]))
        faces[name] = np.concatenate(rows)
        print(f"embedded: {name}", flush=True)
    return voices, faces


def measured(corpus, encoder, resamples):
    """Rows of figures: AUC by condition and its paired loss; enrolment."""
    found, angles, kept = {}, turned(corpus), None
    for fold, model, _, test in fold_models(corpus, voice_encoder=encoder):
        voices, faces = kept = kept or changed_rows(corpus, model.encoders)
        owners = test.person_of("voices"), test.person_of("faces")
        left = {name: model.project_voices(rows[test.voices]) for name, rows in voices.items()}
        right = {name: model.project_faces(rows[test.faces]) for name, rows in faces.items()}
        side = angles[test.faces] > np.quantile(angles, 2 / 3)
        pairs = [(name, left[name], right["intact"]) for name in left]
        pairs += [(name, left["intact"], right[name]) for name in right if name != "intact"]
        for name, one, other in pairs:
            trials = pair_trials(one.astype(np.float64) @ other.T, people=owners)
            found.setdefault(name, []).append((trials, fold))
        for name, chosen in (("faces turned to a side", side), ("frontal faces", ~side)):
            people = owners[0], owners[1][chosen]
            trials = pair_trials(left["intact"].astype(np.float64) @ right["intact"][chosen].T, people=people)
            found.setdefault(name, []).append((trials, fold))
    return figures_of(found, resamples) + enrolment(corpus, encoder, resamples)


def joined(parts):
    """Scores, labels, people of both sides and folds of all trials."""
    columns = [
        (trials.scores, trials.labels, *trials.people, np.full(len(trials.labels), fold))
        for trials, fold in parts
    ]
    return [np.concatenate(column) for column in zip(*columns, strict=True)]


def figures_of(found, resamples):
    """AUC of each condition; where the trials are those of intact media, what is lost."""
    figures, intact = [], joined(found["intact"])
    for name, parts in found.items():
        scores, labels, voice, face, groups = joined(parts)
        told = {"people": (voice, face), "groups": groups, "resamples": resamples}
        figures.append((name, verification(scores, labels, **told).auc))
        if name != "intact" and len(scores) == len(intact[0]):
            figures.append((f"{name}, less", compare(scores, intact[0], labels, **told).difference))
    return figures


def enrolment(corpus, encoder, resamples):
    """AUC of those with several recordings, by how many are averaged; a model of everybody else."""
    run, everybody = recipe(voice_encoder=encoder), Selection.everything(corpus)
    people, counts = np.unique(everybody.person_of("voices"), return_counts=True)
    several = people[counts > 1].tolist()
    rest = everybody.restrict(set(people) - set(several))
    model = run.build(facts := run.facts(rest)).eval()
    run.start(model, rest, facts)
    test = everybody.restrict(several)
    voices, faces = embed_selection(model, test)
    sides = {
        "recordings": (("voices", voices), ("faces", faces)),
        "pictures": (("faces", faces), ("voices", voices)),
    }
    figures = []
    for kind, (enrolled, probes) in sides.items():
        for least, numbers in ENROLLED.items():
            for number in numbers:
                rows = enrolled_trials(test, enrolled, probes, least=least, number=number)
                scores, labels, owner, probe = map(np.array, zip(*rows, strict=True))
                one = verification(scores, labels, people=(owner, probe), resamples=resamples).auc
                figures.append((f"{number} of {least} {kind}, {len(set(probe))} people", one))
    return figures


def enrolled_trials(test, enrolled, probes, *, least, number):
    """Score, label, enrolled person and probe's person of each probe with each person."""
    (side, rows), (other, probe_rows) = enrolled, probes
    owners, probe_owners = test.person_of(side), test.person_of(other)
    videos, probe_videos = videos_of(test, side), videos_of(test, other)
    random, trials = np.random.default_rng(0), []
    for probe, person in enumerate(probe_owners):
        if len(set(videos[owners == person]) - {probe_videos[probe]}) < least:
            continue
        for who in sorted(set(owners)):
            theirs = np.flatnonzero((owners == who) & (videos != probe_videos[probe]))
            if len(theirs) < least:
                continue
            for _ in range(AGAIN):
                mean = rows[random.choice(theirs, number, replace=False)].mean(0)
                score = float(mean @ probe_rows[probe] / np.linalg.norm(mean))
                trials.append((score, who == person, who, person))
    return trials


def videos_of(test, side):
    """The video that each voice or face came from."""
    return np.array([getattr(test.corpus, side)[int(k)].session for k in getattr(test, side)])


def main():
    given = given_encoders(__doc__)
    corpus = Corpus.open(given.corpus)
    for encoder in given.encoders:
        figures = measured(corpus, encoder, given.resamples)
        for name, figure in figures:
            print(f"{encoder}, {name}: {figure}", flush=True)
        protocol = f"poor media and enrolment, {encoder}, 5 folds over people"
        record_matchers(given, corpus, figures, protocol=protocol, encoders=[encoder])


if __name__ == "__main__":
    main()

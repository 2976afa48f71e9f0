"""Speech2Video's first stage: linear probes of contrastive predictive coding (CPC) and of its two students.

Probed by ridge regression: the speaker (people in the training set, on other clips of theirs), the emotion
(the same people, and unknown people), and the phone (unknown people). The contexts of CPC are compared with
those of the same network untrained, with log-mels and voice statistics, and with the teachers' embeddings;
probes with shuffled labels are the control. Phones are known for synthetic people alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.audio.voice_statistics import voice_statistics
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Split
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.training_split import training_split
from voiceface.models.disentangling import Disentangling, pool_contexts
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.mel_speech_encoder import log_mels
from voiceface.models.predictive_coding import speech_contexts
from voiceface.models.speech2video import TEMPLATE
from voiceface.models.speech_encoder import CONTEXTS_PER_SECOND
from voiceface.models.teacher import embed_with_teacher
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.voice.cpc import HOP, CpcNet, rms_level
from voiceface.pipelines.weights import load_model
from voiceface.protocols.linear_probe import Probe, probed
from voiceface.synthetic.ground_truth import is_synthetic

Embeddings = npt.NDArray[np.float64]

_SIDE, _EVERY = 96, 5
"""Side in pixels of the faces that teachers see, and one frame in so many is used."""
_AROUND = 5
"""Steps of 10 ms on either side that log-mels are joined with: 125 ms in all."""
_RARE = 0.01
"""Share of the moments: phones that are rarer are left out."""
_RESAMPLES, _SEED = 1000, 0

_LAST, _MEAN, _SPREAD = "ω, c_T", "ω, mean of c_t", "ω, mean, deviation and change of c_t"
_RANDOM = "ω of an untrained network, all three"
_MELS, _PLAIN = "log-mels, mean and deviation", "66 voice statistics"
_NU, _MU, _IDENTITY_TEACHER, _EMOTION_TEACHER = (
    "ν, S_id",
    "μ, S_emo",
    "ν*, the identity teacher",
    "μ*, the emotion teacher",
)
_SHUFFLED = ", shuffled labels"


def tables(
    corpus: Corpus, out: Path, *, distilled: str = "", emotion: str = "", clips: int = 1000, phones: int = 150
) -> list[Table]:
    """Probe speech features on clips of people in the training set, and of unknown people.

    Args:
        corpus: talking clips with sound.
        out: folder of the tables; nothing else is written.
        distilled: weights of si_distill of this corpus
        emotion: the emotion teacher, whose embeddings are probed too
        clips: maximum number of training clips that probes are fitted on
        phones: maximum number of clips for the probes of phones, in training and in testing

    Raises:
        InputError: no weights, those of another recipe or corpus, or no clips to test on.
    """
    if not distilled:
        raise InputError("--distilled", "names no weights", "train si_distill and name its folder")
    model, split = _load(corpus, distilled)
    parts = _parts(corpus, split, clips)
    features = _pooled_features(corpus, model, [row for rows in parts.values() for row in rows], emotion)
    students = tuple(name for name in (_NU, _MU, _IDENTITY_TEACHER, _EMOTION_TEACHER) if name in features)
    speech = (_LAST, _MEAN, _SPREAD, _RANDOM, _MELS, _PLAIN)
    found = [
        _table("Speech features", corpus, parts, features, (speech, _SPREAD)),
        _table("Students and teachers", corpus, parts, features, (students, _NU)),
    ]
    if is_synthetic(corpus):
        found.append(_phone_table(corpus, model, parts, phones))
    return found


def _load(corpus: Corpus, distilled: str) -> tuple[Disentangling, Split]:
    loaded = load_model(distilled)
    if not isinstance(loaded.model, Disentangling):
        raise InputError(distilled, f"holds {loaded.card['recipe']}", "give weights of si_distill")
    split = training_split(distilled, loaded, corpus)
    if split is None:
        raise InputError(distilled, "was not trained on this corpus", "give weights that were")
    return loaded.model, split


def _parts(corpus: Corpus, split: Split, clips: int) -> dict[str, list[int]]:
    """Clips to fit on, to choose the penalty on, and to test on: of known and of unknown people."""
    owners = corpus.person_of("clips")
    trained = set(owners[split.train.clips].tolist())
    seen = trained | set(owners[split.validation.clips].tolist())
    every = {
        "train": split.train.clips.tolist()[:: max(1, -(-len(split.train.clips) // clips))],
        "validation": split.validation.clips.tolist(),
        "known": [row for row in split.test.clips.tolist() if owners[row] in trained],
        "unknown": [row for row in range(len(owners)) if owners[row] not in seen],
    }
    parts = {name: [r for r in rows if corpus.clip_wave(r).any()] for name, rows in every.items()}
    if not parts["known"] and not parts["unknown"]:
        raise InputError(corpus.path, "leaves no clip to test on", "raise --test, or --leave-out some")
    return parts


def _pooled_features(
    corpus: Corpus, model: Disentangling, rows: Sequence[int], emotion: str
) -> dict[str, Embeddings]:
    """All features of these clips by name, ``(all clips of the corpus, d)``; NaN for other clips."""
    identity_teacher = load_teacher(model.teacher)
    emotion_teacher = load_teacher(emotion) if emotion else None
    random = _untrained_model(model)
    found: dict[str, dict[int, Tensor]] = {}
    for row in rows:
        wave = as_wave(corpus.clip_wave(row))
        contexts = speech_contexts(model.net, wave)
        nu, mu = _student_embeddings(model, contexts)
        mels = log_mels(wave / rms_level(wave))
        features = {
            _LAST: pool_contexts(contexts, "last"),
            _MEAN: pool_contexts(contexts, "mean"),
            _SPREAD: pool_contexts(contexts, "spread"),
            _RANDOM: pool_contexts(speech_contexts(random, wave), "spread"),
            _MELS: torch.cat([mels.mean(0), mels.std(0)]),
            _PLAIN: voice_statistics(wave).float(),
            _NU: nu,
            _MU: mu,
        }
        frames = torch.from_numpy(clip_frames(corpus, row, size=_SIDE, template=TEMPLATE))
        features[_IDENTITY_TEACHER] = embed_with_teacher(identity_teacher, [frames[0]])[0]
        if emotion_teacher is not None:
            embeddings = embed_with_teacher(emotion_teacher, list(frames[::_EVERY]))
            features[_EMOTION_TEACHER] = embeddings.mean(0)
        for name, one in features.items():
            found.setdefault(name, {})[row] = one
    return {name: _stacked(one, len(corpus.clips)) for name, one in found.items()}


@torch.no_grad()
def _student_embeddings(model: Disentangling, contexts: Tensor) -> tuple[Tensor, Tensor]:
    """ν and μ of a recording's contexts."""
    identity, emotion = model.students(pool_contexts(contexts, model.pooling)[None])
    return identity[0], emotion[0]


def _stacked(found: Mapping[int, Tensor], count: int) -> Embeddings:
    width = len(next(iter(found.values())))
    rows = np.full((count, width), np.nan)
    for row, one in found.items():
        rows[row] = one.numpy()
    return rows


@torch.no_grad()
def _untrained_model(model: Disentangling) -> CpcNet:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return CpcNet(width=model.net.width, context=model.net.context).eval()


def _cells(
    corpus: Corpus, parts: Mapping[str, list[int]], rows: Embeddings, *, column: str, shuffle: bool = False
) -> list[Cell]:
    """Accuracy of a column's linear probe on clips of known and of unknown people."""
    labels = corpus.column("clips", column).astype(str)
    owners = corpus.person_of("clips")
    fit, check = ([r for r in parts[name] if labels[r]] for name in ("train", "validation"))
    targets = labels[fit]
    if shuffle:
        targets = np.random.default_rng(_SEED).permutation(targets)
    if len(set(targets.tolist())) < 2:
        return ["no labels", "no labels"]
    probe = Probe.fit(rows[fit], targets, check=(rows[check], labels[check]))
    cells: list[Cell] = []
    for name in ("known", "unknown"):
        some = [r for r in parts[name] if labels[r]]
        if not some or (column == "person" and name == "unknown"):
            cells.append(None if some else "no clips")
            continue
        name = f"{column} read"
        cells.append(probed(name, probe, rows[some], labels[some], owners[some], resamples=_RESAMPLES))
    return cells


def _table(
    title: str,
    corpus: Corpus,
    parts: Mapping[str, list[int]],
    features: Mapping[str, Embeddings],
    shown: tuple[Sequence[str], str],
) -> Table:
    names, control = shown
    rows: dict[str, Sequence[Cell]] = {}
    for name in names:
        speaker = _cells(corpus, parts, features[name], column="person")
        rows[name] = [speaker[0], *_cells(corpus, parts, features[name], column="emotion")]
    speaker = _cells(corpus, parts, features[control], column="person", shuffle=True)
    emotion = _cells(corpus, parts, features[control], column="emotion", shuffle=True)
    rows[control + _SHUFFLED] = [speaker[0], *emotion]
    owners = corpus.person_of("clips")
    counts = {name: (len(some), len(set(owners[some].tolist()))) for name, some in parts.items()}
    notes = [
        "; ".join(f"{name}: {clips} clips of {people} people" for name, (clips, people) in counts.items()),
        "ridge regression fitted on training clips, its penalty chosen on validation clips; "
        "chance is a guesser with the same frequencies",
    ]
    columns = ["speaker, known people", "emotion, known people", "emotion, unknown people"]
    return Table(
        title=f"{title}: speaker and emotion by a linear probe", columns=columns, rows=rows, notes=notes
    )


def _phone_table(corpus: Corpus, model: Disentangling, parts: Mapping[str, list[int]], most: int) -> Table:
    """Probes of every moment: the phone that is spoken."""
    random = _untrained_model(model)
    encoders: dict[str, Callable[[Tensor], Tensor]] = {
        "c_t": lambda wave: speech_contexts(model.net, wave),
        "c_t of an untrained network": lambda wave: speech_contexts(random, wave),
        "log-mels of 25 ms": _mels_per_step,
        "log-mels of 125 ms": lambda wave: _join_neighbours(_mels_per_step(wave)),
    }
    tested = "unknown" if parts["unknown"] else "known"
    fit, check, test = (_spread(parts[name], most) for name in ("train", "validation", tested))
    phones = {clip: _phone_classes(corpus, clip) for clip in {*fit, *check, *test}}
    frequent = _frequent([phones[clip] for clip in fit])
    phones_of = [{clip: phones[clip] for clip in some} for some in (fit, check, test)]
    rows: dict[str, Sequence[Cell]] = {}
    for name, encoder in encoders.items():
        training, validation, test_rows = (_labelled(corpus, some, encoder, frequent) for some in phones_of)
        probe = Probe.fit(training[0], training[1], check=validation[:2])
        rows[name] = [probed("sound read", probe, *test_rows, resamples=_RESAMPLES)]
        if name == "c_t":
            shuffled = np.random.default_rng(_SEED).permutation(training[1])
            probe = Probe.fit(training[0], shuffled, check=validation[:2])
            rows[name + _SHUFFLED] = [probed("sound read", probe, *test_rows, resamples=_RESAMPLES)]
    notes = [
        f"steps of 10 ms; {len(frequent)} phone-like classes, the first symbols of eSpeak's phonemes "
        f"without stress and length, in six languages; pauses and phones rarer than {_RARE:.0%} are left out",
        f"fitted on {len(fit)} clips, tested on {len(test)}",
    ]
    title = f"Speech features: phones by a linear probe, {tested} people"
    return Table(title=title, columns=["phone"], rows=rows, notes=notes)


def _spread(rows: Sequence[int], most: int) -> list[int]:
    return list(rows)[:: max(1, -(-len(rows) // most))]


def _mels_per_step(wave: Tensor) -> Tensor:
    """Log-mels for every 10 ms begun, around its middle."""
    padded = torch.nn.functional.pad(wave / rms_level(wave), (120, 120 + -len(wave) % 160))
    return log_mels(padded)


def _join_neighbours(rows: Tensor) -> Tensor:
    padded = torch.cat([rows[:1].expand(_AROUND, -1), rows, rows[-1:].expand(_AROUND, -1)])
    return padded.unfold(0, 2 * _AROUND + 1, 1).flatten(1)


def _phone_classes(corpus: Corpus, clip: int) -> npt.NDArray[np.str_]:
    """The phone class at the middle of every step of 10 ms; "" for a pause."""
    # Imported here, so that other papers do not load the synthetic people.
    from voiceface.synthetic.media_generator import spoken_phonemes
    from voiceface.synthetic.talking_clip import phone_class

    phones = np.full(-(-len(corpus.clip_wave(clip)) // HOP), "", dtype="<U4")
    for event in spoken_phonemes(corpus, clip):
        first, last = (max(0, round(time * CONTEXTS_PER_SECOND)) for time in (event.start, event.stop))
        phones[first:last] = phone_class(event.name)
    return phones


def _frequent(phones: Sequence[npt.NDArray[np.str_]]) -> list[str]:
    every = np.concatenate(phones)
    names, counts = np.unique(every[every != ""], return_counts=True)
    return [str(n) for n, count in zip(names, counts, strict=True) if count >= _RARE * counts.sum()]


def _labelled(
    corpus: Corpus,
    clips: Mapping[int, npt.NDArray[np.str_]],
    encoder: Callable[[Tensor], Tensor],
    frequent: Sequence[str],
) -> tuple[Embeddings, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Features, phones and people of every moment of clips in which one of the frequent phones is spoken."""
    rows, labels, people = [], [], []
    for clip, phones in clips.items():
        features = encoder(as_wave(corpus.clip_wave(clip))).numpy()
        kept = np.isin(phones, list(frequent))
        rows.append(features[kept].astype(np.float64))
        labels.append(phones[kept])
        people.append(np.full(int(kept.sum()), corpus.clips[clip].person))
    return np.concatenate(rows), np.concatenate(labels), np.concatenate(people)

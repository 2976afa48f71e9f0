"""Speech2Video's first stage: what predictive coding hears, and what its two students keep of it.

What is probed, by ridge regression on rows: who speaks (known people, clips that nothing was trained on),
what is felt (the same, and people never met), and which sounds are spoken (people never met). Beside the
contexts of predictive coding stand those of the same network untrained, plain log-mels and statistics, and
what the teachers see; a probe whose labels are dealt anew is the control. Sounds are known of synthetic
people alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.audio.voice_statistics import voice_statistics
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.training_split import training_split
from voiceface.models.disentangling import Disentangling, whole
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.mel_speech_encoder import log_mels
from voiceface.models.predictive_coding import hear
from voiceface.models.talking_clips import STEPS, TEMPLATE
from voiceface.models.teacher import described
from voiceface.models.voice_encoder import as_wave
from voiceface.nn.voice.cpc import HOP, CpcNet, loudness
from voiceface.pipelines.weights import load_model
from voiceface.protocols.linear_probe import Probe, probed
from voiceface.synthetic.ground_truth import is_synthetic

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Split

__all__ = ["tables"]

Rows = npt.NDArray[np.float64]

_SIDE, _EVERY = 96, 5
"""Pixels that teachers see, and of how many frames one."""
_AROUND = 5
"""Moments of 10 ms on either side that log-mels are joined with: 125 ms in all."""
_RARE = 0.01
"""Of the moments: a sound that is rarer is left out."""
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
_RELABELLED = ", labels dealt anew"


def tables(
    corpus: Corpus, out: Path, *, distilled: str = "", emotion: str = "", clips: int = 1000, phones: int = 150
) -> list[Table]:
    """Probe what is heard in the clips of people who were learnt from, and of people who were not.

    Args:
        corpus: talking clips with sound.
        out: nothing is written there but the tables.
        distilled: weights of si_distill of this corpus
        emotion: the emotion teacher, whose rows are probed too
        clips: of the training, to fit the probes on, at most
        phones: clips whose every moment's sound is probed, at most, for fitting and for judging alike

    Raises:
        InputError: no weights, those of another recipe or corpus, or no clips to judge on.
    """
    if not distilled:
        raise InputError("--distilled", "names no weights", "train si_distill and name its folder")
    model, split = _opened(corpus, distilled)
    parts = _parts(corpus, split, clips)
    told = _pooled_features(corpus, model, [row for rows in parts.values() for row in rows], emotion)
    made = [_heard(corpus, parts, told), _kept(corpus, parts, told)]
    if is_synthetic(corpus):
        made.append(_sounds(corpus, model, parts, phones))
    return made


def _opened(corpus: Corpus, distilled: str) -> tuple[Disentangling, Split]:
    loaded = load_model(distilled)
    if not isinstance(loaded.model, Disentangling):
        raise InputError(distilled, f"holds {loaded.card['recipe']}", "give weights of si_distill")
    split = training_split(distilled, loaded, corpus)
    if split is None:
        raise InputError(distilled, "was not trained on this corpus", "give weights that were")
    return loaded.model, split


def _parts(corpus: Corpus, split: Split, clips: int) -> dict[str, list[int]]:
    """Clips to fit on, to choose the penalty on, and to judge on: of known people and of those never met."""
    owners = corpus.column("clips", "person").astype(str)
    trained = set(owners[split.train.clips].tolist())
    met = trained | set(owners[split.validation.clips].tolist())
    every = {
        "train": split.train.clips.tolist()[:: max(1, -(-len(split.train.clips) // clips))],
        "validation": split.validation.clips.tolist(),
        "known": [row for row in split.test.clips.tolist() if owners[row] in trained],
        "unknown": [row for row in range(len(owners)) if owners[row] not in met],
    }
    parts = {name: [r for r in rows if corpus.clip_wave(r).any()] for name, rows in every.items()}
    if not parts["known"] and not parts["unknown"]:
        raise InputError(corpus.path, "leaves no clip to judge on", "raise --test, or --leave-out some")
    return parts


def _pooled_features(
    corpus: Corpus, model: Disentangling, rows: Sequence[int], emotion: str
) -> dict[str, Rows]:
    """Every way of hearing or seeing a clip as a row, ``(all clips of the corpus, d)``; NaN if not asked."""
    seen = load_teacher(model.teacher)
    felt = load_teacher(emotion) if emotion else None
    random = _untrained_model(model)
    found: dict[str, dict[int, Tensor]] = {}
    for row in rows:
        wave = as_wave(corpus.clip_wave(row))
        contexts = hear(model.net, wave)
        identity, kept = _student_embeddings(model, contexts)
        mels = log_mels(wave / loudness(wave))
        told = {
            _LAST: whole(contexts, "last"),
            _MEAN: whole(contexts, "mean"),
            _SPREAD: whole(contexts, "spread"),
            _RANDOM: whole(hear(random, wave), "spread"),
            _MELS: torch.cat([mels.mean(0), mels.std(0)]),
            _PLAIN: voice_statistics(wave).float(),
            _NU: identity,
            _MU: kept,
        }
        frames = torch.from_numpy(clip_frames(corpus, row, size=_SIDE, template=TEMPLATE))
        told[_IDENTITY_TEACHER] = described(seen, [frames[0]])[0]
        if felt is not None:
            told[_EMOTION_TEACHER] = described(felt, list(frames[::_EVERY])).mean(0)
        for name, one in told.items():
            found.setdefault(name, {})[row] = one
    return {name: _stacked(one, len(corpus.clips)) for name, one in found.items()}


@torch.no_grad()
def _student_embeddings(model: Disentangling, contexts: Tensor) -> tuple[Tensor, Tensor]:
    """ν and μ of contexts that are heard already."""
    identity, emotion = model.students(whole(contexts, model.how)[None])
    return identity[0], emotion[0]


def _stacked(found: Mapping[int, Tensor], count: int) -> Rows:
    width = len(next(iter(found.values())))
    made = np.full((count, width), np.nan)
    for row, one in found.items():
        made[row] = one.numpy()
    return made


@torch.no_grad()
def _untrained_model(model: Disentangling) -> CpcNet:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return CpcNet(width=model.net.width, context=model.net.context).eval()


def _cells(
    corpus: Corpus, parts: Mapping[str, list[int]], rows: Rows, *, column: str, anew: bool = False
) -> list[Cell]:
    """How well a column is read from rows, of known people's clips and of those of people never met."""
    labels = corpus.column("clips", column).astype(str)
    owners = corpus.column("clips", "person").astype(str)
    fit, check = ([r for r in parts[name] if labels[r]] for name in ("train", "validation"))
    wanted = labels[fit]
    if anew:
        wanted = np.random.default_rng(_SEED).permutation(wanted)
    if len(set(wanted.tolist())) < 2:
        return ["not told", "not told"]
    probe = Probe.fit(rows[fit], wanted, check=(rows[check], labels[check]))
    cells: list[Cell] = []
    for name in ("known", "unknown"):
        some = [r for r in parts[name] if labels[r]]
        if not some or (column == "person" and name == "unknown"):
            cells.append(None if some else "no clips")
            continue
        told = probed(f"{column} read", probe, rows[some], labels[some], owners[some], resamples=_RESAMPLES)
        cells.append(told)
    return cells


def _heard(corpus: Corpus, parts: Mapping[str, list[int]], told: Mapping[str, Rows]) -> Table:
    """Probes of what is heard as a whole."""
    names = (_LAST, _MEAN, _SPREAD, _RANDOM, _MELS, _PLAIN)
    return _table(
        "What is heard: speaker and emotion by a linear probe", corpus, parts, told, (names, _SPREAD)
    )


def _kept(corpus: Corpus, parts: Mapping[str, list[int]], told: Mapping[str, Rows]) -> Table:
    """Probes of the students beside their teachers: identity from ν and not μ, emotion from μ and not ν?"""
    names = tuple(name for name in (_NU, _MU, _IDENTITY_TEACHER, _EMOTION_TEACHER) if name in told)
    title = "What the students keep: identity and emotion by a linear probe"
    return _table(title, corpus, parts, told, (names, _NU))


def _table(
    title: str,
    corpus: Corpus,
    parts: Mapping[str, list[int]],
    told: Mapping[str, Rows],
    shown: tuple[Sequence[str], str],
) -> Table:
    names, control = shown
    rows: dict[str, Sequence[Cell]] = {}
    for name in names:
        speaker = _cells(corpus, parts, told[name], column="person")
        rows[name] = [speaker[0], *_cells(corpus, parts, told[name], column="emotion")]
    speaker = _cells(corpus, parts, told[control], column="person", anew=True)
    felt = _cells(corpus, parts, told[control], column="emotion", anew=True)
    rows[control + _RELABELLED] = [speaker[0], *felt]
    owners = corpus.column("clips", "person").astype(str)
    counts = {name: (len(some), len(set(owners[some].tolist()))) for name, some in parts.items()}
    notes = [
        "; ".join(f"{name}: {clips} clips of {people} people" for name, (clips, people) in counts.items()),
        "ridge regression fitted on the training's clips, its penalty chosen on the validation's; "
        "chance is a guesser whose answers are as frequent",
    ]
    columns = ["speaker, known people", "emotion, known people", "emotion, people never met"]
    return Table(title=title, columns=columns, rows=rows, notes=notes)


def _sounds(corpus: Corpus, model: Disentangling, parts: Mapping[str, list[int]], most: int) -> Table:
    """Probes of every moment: which sound is spoken."""
    random = _untrained_model(model)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "c_t": lambda wave: hear(model.net, wave),
        "c_t of an untrained network": lambda wave: hear(random, wave),
        "log-mels of 25 ms": _moments,
        "log-mels of 125 ms": lambda wave: _joined(_moments(wave)),
    }
    judged = "unknown" if parts["unknown"] else "known"
    fit, check, test = (_spread(parts[name], most) for name in ("train", "validation", judged))
    said = {clip: _phone_classes(corpus, clip) for clip in {*fit, *check, *test}}
    frequent = _frequent([said[clip] for clip in fit])
    parted = [{clip: said[clip] for clip in some} for some in (fit, check, test)]
    rows: dict[str, Sequence[Cell]] = {}
    for name, way in ways.items():
        known, chosen, heard = (_labelled(corpus, some, way, frequent) for some in parted)
        probe = Probe.fit(known[0], known[1], check=chosen[:2])
        rows[name] = [probed("sound read", probe, *heard, resamples=_RESAMPLES)]
        if name == "c_t":
            anew = np.random.default_rng(_SEED).permutation(known[1])
            lost = Probe.fit(known[0], anew, check=chosen[:2])
            rows[name + _RELABELLED] = [probed("sound read", lost, *heard, resamples=_RESAMPLES)]
    whom = "people never met" if judged == "unknown" else "known people"
    notes = [
        f"moments of 10 ms; {len(frequent)} phone-like classes, the first symbols of eSpeak's phonemes "
        f"without stress and length, in six languages; pauses and sounds rarer than {_RARE:.0%} are left out",
        f"fitted on {len(fit)} clips, judged on {len(test)}",
    ]
    title = f"What is heard: sounds by a linear probe, {whom}"
    return Table(title=title, columns=["sound"], rows=rows, notes=notes)


def _spread(rows: Sequence[int], most: int) -> list[int]:
    return list(rows)[:: max(1, -(-len(rows) // most))]


def _moments(wave: Tensor) -> Tensor:
    """A row of log-mels for every 10 ms begun, around its middle."""
    padded = torch.nn.functional.pad(wave / loudness(wave), (120, 120 + -len(wave) % 160))
    return log_mels(padded)


def _joined(rows: Tensor) -> Tensor:
    padded = torch.cat([rows[:1].expand(_AROUND, -1), rows, rows[-1:].expand(_AROUND, -1)])
    return padded.unfold(0, 2 * _AROUND + 1, 1).flatten(1)


def _phone_classes(corpus: Corpus, clip: int) -> npt.NDArray[np.str_]:
    """The class of the sound at the middle of every moment of 10 ms; "" for a pause."""
    # Here, so that papers without synthetic people need no drawing.
    from voiceface.synthetic.media_generator import spoken_phonemes
    from voiceface.synthetic.talking_clip import phone_class

    said = np.full(-(-len(corpus.clip_wave(clip)) // HOP), "", dtype="<U4")
    for event in spoken_phonemes(corpus, clip):
        first, last = (max(0, round(time * STEPS)) for time in (event.start, event.stop))
        said[first:last] = phone_class(event.name)
    return said


def _frequent(said: Sequence[npt.NDArray[np.str_]]) -> list[str]:
    every = np.concatenate(said)
    names, counts = np.unique(every[every != ""], return_counts=True)
    return [str(n) for n, count in zip(names, counts, strict=True) if count >= _RARE * counts.sum()]


def _labelled(
    corpus: Corpus,
    clips: Mapping[int, npt.NDArray[np.str_]],
    way: Callable[[Tensor], Tensor],
    frequent: Sequence[str],
) -> tuple[Rows, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Rows, sounds and people of every moment of clips in which one of the frequent sounds is spoken."""
    rows, sounds, people = [], [], []
    for clip, said in clips.items():
        heard = way(as_wave(corpus.clip_wave(clip))).numpy()
        kept = np.isin(said, list(frequent))
        rows.append(heard[kept].astype(np.float64))
        sounds.append(said[kept])
        people.append(np.full(int(kept.sum()), corpus.clips[clip].person))
    return np.concatenate(rows), np.concatenate(sounds), np.concatenate(people)

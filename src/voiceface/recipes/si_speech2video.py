"""A talking face from speech alone: frames drawn from contexts of speech, emotion and an inflated identity.

Paper     Si et al. 2021, Speech2Video, section 2.2 (the second stage: the adversarial composer)
Data      talking clips with sound: prepare videos, cremad, synthetic
Command   voiceface train si_speech2video --corpus CORPUS
Cost      see docs/papers/si.md
Reported  CREMA-D SSIM 0.541, PSNR 20.540, confidence 5.1 (from the true still face 0.705, 23.568, 5.4)
Differs   hears by default by log-mels (c_t), our voice encoder (ν) and plain statistics (μ); --hearing with
          weights of si_distill is the paper's predictive coding and students; dlib's maps for VGGFace's;
          equations 4 to 6 as least squares with real at 1 and generated at 0 for the judges, generated at 1
          for the generator; 6 has real pairs at 1, another moment's sound and drawn frames at 0; 8 is the
          half above the nose; sums over pixels and moments are means with weights of 100; a frame's c_t is
          the mean over the 10 ms contexts while it stands, its neighbours' joined to it (--around);
          "naturalness" (rate 1e-5) is D_sync; widths, norms (batch in the generator, spectral in the judges
          of frames and sync) and RMSProp's smoothing (0.99) are not stated
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.metrics.image import psnr, ssim
from voiceface.models.disentangling import Disentangling
from voiceface.models.mel_speech_encoder import MelSpeechEncoder, mel_statistics
from voiceface.models.speech2video import Heard, LossWeights, Sizes, Speech2Video, pooled_maps
from voiceface.models.speech2video_talking import Speech2VideoTalkingFace
from voiceface.models.sync_expert import SyncModel
from voiceface.models.talking_clips import TEMPLATE, ClipSampling, TalkingClips, clip_rate, listen
from voiceface.models.talking_face import Who
from voiceface.models.voice_encoder import as_wave
from voiceface.recipes import si_distill
from voiceface.recipes._weights import open_weights
from voiceface.training.run import Facts, Optimiser, Run

if TYPE_CHECKING:
    from voiceface.models.model import Model

__all__ = ["recipe", "smoke"]

_MELS = "mels"
_SpeechEncoder = MelSpeechEncoder | Disentangling
_CONTRACT = {"rate": 16_000, "template": TEMPLATE, "clips": True, "cue": "voice"}
_SHOWN = 24
"""Clips that a validation draws, at most."""
_EVERY = 5
"""Of whose frames every so many-eth is compared."""


def recipe(
    *,
    hearing: str = "mels",
    size: int = 64,
    fps: float = 25.0,
    width: int = 32,
    identity_width: int = 32,
    judge_width: int = 32,
    around: int = 2,
    identity: float = 1.0,
    frames: float = 1.0,
    sync: float = 1.0,
    similarity: float = 100.0,
    gradient: float = 100.0,
    lower: float = 0.0,
    expert: float = 0.0,
    sync_weights: str = "sync-expert",
    forcing: float = 0.0,
    lr: float = 3e-4,
    lr_identity: float = 3e-4,
    lr_frames: float = 1e-4,
    lr_sync: float = 1e-5,
    clips: int = 16,
    moments: int = 3,
    ema: float = 0.0,
    steps: int = 20_000,
    every: int = 1_000,
    validation: float = 0.15,
    test: float = 0.15,
    leave_out: str = "",
    wrong_sound: bool = False,
    seed: int = 0,
) -> Run:
    """The run; ``hearing`` is ``mels`` or names weights of ``si_distill``.

    Those are predictive coding and its students; ``mels`` are log-mels, a speaker embedding and statistics,
    of which nothing is trained.

    ``identity``, ``frames`` and ``sync`` weigh the judges of equations 4, 5 and 6, ``similarity`` and
    ``gradient`` equations 8 and 9; 0 leaves one out. Not in the paper: ``lower``, equation 8 on the mouth's
    half; ``expert``, a frozen sync expert's loss, for which moments follow each other; ``forcing``, the share
    of the clips whose ν is the teacher's; ``around``, frames whose contexts are joined on either side.

    ``fps`` is the corpus' frame rate. ``leave_out`` names people whose clips are in no part: to be tested on
    as unknown. ``wrong_sound`` deals the clips' sound to other people: a control.
    """
    return _run(dict(locals()))


def _run(told: dict[str, Any]) -> Run:
    """The run of the recipe's arguments."""
    terms = LossWeights(**{term.name: told[term.name] for term in fields(LossWeights)})
    sizes = Sizes(**{name: told[name] for name in ("size", "width", "identity_width", "judge_width")})
    names = ("clips", "moments", "forcing", "wrong_sound", "seed")
    dealing = ClipSampling(consecutive=terms.expert > 0, **{name: told[name] for name in names})
    around, judge = told["around"], told["sync_weights"] if terms.expert else ""
    shares = {name: told[name] for name in ("seed", "validation", "test", "leave_out")}
    return Run(
        recipe="si_speech2video",
        arguments=told,
        split=lambda corpus: split_clips(corpus, **shares),
        facts=lambda selection: _facts(selection, told["hearing"], told["fps"], judge),
        build=lambda facts: _build(facts, terms, sizes, around),
        data=lambda selection, facts: TalkingClips(
            selection, _open_listener(facts, told["hearing"]), size=sizes.size, around=around, dealing=dealing
        ),
        optimisers=_optimisers(terms, told),
        steps=told["steps"],
        seed=told["seed"],
        validate=lambda model, selection, facts: _validate(model, selection, facts, around),
        every=told["every"],
        select="ssim",
        start=lambda model, selection, facts: _start(model, selection, facts, told["hearing"], judge),
        talk=lambda model, who, facts: _talk(model, who, facts, around),
        ema=told["ema"] or None,
        contract=_CONTRACT | {"size": sizes.size, "fps": told["fps"]},
        licence="Apache-2.0",
        half=True,
    )


def _optimisers(terms: LossWeights, told: dict[str, Any]) -> dict[str, Optimiser]:
    """RMSProp for the generator and every judge that plays."""
    judges = {name: told[f"lr_{name}"] for name in ("identity", "frames", "sync") if getattr(terms, name)}
    rates = judges | {"generator": told["lr"]}
    return {name: Optimiser(name="rmsprop", lr=rate, betas=(0.9, 0.99)) for name, rate in rates.items()}


def smoke() -> Run:
    """The same in seconds."""
    small = {"width": 4, "identity_width": 4, "judge_width": 2, "around": 1, "clips": 3, "moments": 2}
    return recipe(size=32, steps=4, every=2, validation=0.34, test=0.3, **small)  # type: ignore[arg-type]


def _facts(selection: Selection, hearing: str, fps: float, expert: str) -> Facts:
    """The clips' rate, what the hearing is built from, and the expert's own facts."""
    corpus = selection.corpus
    facts: Facts = {"fps": clip_rate(selection)}
    if abs(facts["fps"] - fps) > 1e-3:
        fault = f"keeps clips at {facts['fps']:g} frames a second"
        raise InputError(corpus.path, fault, f"give --fps {facts['fps']:g}")
    if hearing == _MELS:
        rows = selection.clips[:: max(1, len(selection.clips) // 200)].tolist()
        waves = [as_wave(corpus.clip_wave(row)) for row in rows]
        facts["hearing"] = mel_statistics([wave for wave in waves if wave.any()])
    else:
        _, card = open_weights(hearing, recipe="si_distill")
        facts["distilled"] = {name: card[name] for name in ("arguments", "facts")}
    if expert:
        _, card = open_weights(expert, recipe="sync_expert")
        told = {name: card["arguments"][name] for name in ("width", "dim")}
        facts["expert"] = told | {name: card["facts"][name] for name in ("mean", "deviation")}
        if facts["fps"] != 25.0:
            raise InputError(
                corpus.path, f"keeps clips at {facts['fps']:g} frames a second", "leave out --expert"
            )
    return facts


def _listener(facts: Facts) -> MelSpeechEncoder | Disentangling:
    """What hears; a `Disentangling` is still to be filled."""
    if "distilled" in facts:
        return si_distill.built(facts["distilled"]["arguments"], facts["distilled"]["facts"])
    return MelSpeechEncoder(facts["hearing"])


def _open_listener(facts: Facts, hearing: str) -> MelSpeechEncoder | Disentangling:
    """The same, filled."""
    return si_distill.load(hearing) if "distilled" in facts else _listener(facts)


def _build(facts: Facts, terms: LossWeights, sizes: Sizes, around: int) -> Speech2Video:
    listener = _listener(facts)
    heard = Heard(
        context=(2 * around + 1) * listener.context,
        identity=listener.identity,
        emotion=listener.emotion,
        maps=listener.map_channels,
    )
    expert = SyncModel(**facts["expert"]) if "expert" in facts else None
    return Speech2Video(heard=heard, sizes=sizes, terms=terms, hearing=listener, expert=expert)


def _start(model: Model, selection: Selection, facts: Facts, hearing: str, expert: str) -> None:
    """The weights of what is frozen, and the scale of the recogniser's maps over some training pictures."""
    learning = cast(Speech2Video, model)
    size = learning.size
    learning.hearing.load_state_dict(_open_listener(facts, hearing).state_dict())
    if learning.expert is not None:
        tensors, _ = open_weights(expert, recipe="sync_expert")
        learning.expert.load_weights(tensors, source=expert)
    rows = selection.clips[:: max(1, len(selection.clips) // 32)].tolist()
    pictures = [clip_frames(selection.corpus, row, size=size, template=TEMPLATE)[0] for row in rows]
    faces = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        learning.standardise(pooled_maps(cast(_SpeechEncoder, learning.hearing).maps(faces), size))


def _validate(model: Model, selection: Selection, facts: Facts, around: int) -> dict[str, float]:
    """SSIM and PSNR of what is drawn for validation clips, by their sound alone."""
    learning = cast(Speech2Video, model)
    rows = selection.clips[:: max(1, len(selection.clips) // _SHOWN)].tolist()
    found = []
    for row in rows:
        real = clip_frames(selection.corpus, row, size=learning.size, template=TEMPLATE)
        wave = as_wave(selection.corpus.clip_wave(row))
        if not wave.any():
            continue
        heard = listen(
            cast(_SpeechEncoder, learning.hearing), wave, fps=facts["fps"], frames=len(real), around=around
        )
        maps = learning.inflation(heard.identity[None])
        drawn = learning.draw(heard.context[::_EVERY], heard.emotion, maps).cpu().numpy()
        some = np.ascontiguousarray(real[::_EVERY])
        found.append((ssim(drawn, some, scale=255).mean(), psnr(drawn, some, scale=255).mean()))
    if not found:
        raise InputError("validation", "holds no clip with sound", "give it a larger share")
    told = np.mean(found, axis=0)
    return {"ssim": float(told[0]), "psnr": float(told[1])}


def _talk(model: Model, who: Who, facts: Facts, around: int) -> Speech2VideoTalkingFace:
    """Frames for whoever speaks; the face is always the one heard.

    Raises:
        InputError: a face is given, or the recording is silent.
    """
    learning = cast(Speech2Video, model)
    if who.face is not None:
        raise InputError("face", "cannot be animated by si_speech2video", "give no face: it hears its own")
    wave = as_wave(who.wave)
    if not wave.any():
        raise InputError("the recording", "is silent: nobody is heard in it", "give a recording of speech")
    listener = cast(_SpeechEncoder, learning.hearing)
    with torch.no_grad():
        identity, emotion = listener.speaker(wave)
        maps: Sequence[torch.Tensor] = learning.inflation(identity[None])
    return Speech2VideoTalkingFace(
        listener.stream(wave),
        lambda context: learning.draw(context, emotion, maps),
        size=learning.size,
        fps=facts["fps"],
        around=around,
    )

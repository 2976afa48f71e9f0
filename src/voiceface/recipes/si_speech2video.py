"""A talking face from speech alone: frames from contexts of speech, emotion and an inflated identity.

Paper     Si et al. 2021, Speech2Video, section 2.2 (the second stage: the adversarial composer)
Data      talking clips with sound: prepare videos, cremad, synthetic
Command   voiceface train si_speech2video --corpus CORPUS
Cost      see docs/papers/si.md
Reported  CREMA-D SSIM 0.541, PSNR 20.540, confidence 5.1 (from the true still face 0.705, 23.568, 5.4)
Differs   speech features are by default log-mels (c_t), our voice encoder (ν) and plain statistics (μ);
          --speech-encoder with weights of si_distill is the paper's predictive coding and students; dlib's
          maps for VGGFace's; equations 4 to 6 as least squares with real at 1 and generated at 0 for the
          discriminators, generated at 1 for the generator; 6 has real pairs at 1, another moment's sound and
          generated frames at 0; 8 is the half above the nose; sums over pixels and moments are means with
          weights of 100; a frame's c_t is the mean of the 10 ms contexts of its duration, joined with its
          neighbours' (--around); "naturalness" (rate 1e-5) is D_sync; widths, norms (batch in the generator,
          spectral in the discriminators of frames and sync) and RMSProp's smoothing (0.99) are not stated;
          RMSProp at the printed 3e-4, 3e-4, 1e-4 and 1e-5 for 20,000 steps, the paper's 100 epochs
"""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import torch

from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.metrics.image import psnr, ssim
from voiceface.models.mel_speech_encoder import MelSpeechEncoder, mel_statistics
from voiceface.models.speech2video import TEMPLATE, LossWeights, NetworkSizes, Speech2Video, pooled_maps
from voiceface.models.speech_encoder import SpeechEncoder, extract_speech_features
from voiceface.models.sync_expert import SyncModel
from voiceface.models.talking_clips import ClipSampling, TalkingClips, clip_rate
from voiceface.models.voice_encoder import as_wave
from voiceface.recipes import si_distill
from voiceface.recipes._weights import open_weights
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import CLIP_OPTIONS, option_help
from voiceface.training.run import Facts, Optimiser, Run

RENAMED = {"hearing": "speech_encoder", "judge_width": "discriminator_width"}
"""Options of weights trained by older versions, and their names now."""
_MELS = "mels"
_CONTRACT = {"rate": SAMPLE_RATE, "template": TEMPLATE, "clips": True, "cue": "voice"}
_MAX_VALIDATED = 24
"""The largest number of clips that a validation generates."""
_EVERY = 5
"""One of so many of their frames is compared."""


@option_help(CLIP_OPTIONS)
def recipe(
    *,
    speech_encoder: str = "mels",
    size: int = 64,
    fps: float = 25.0,
    width: int = 32,
    identity_width: int = 32,
    discriminator_width: int = 32,
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
) -> Run[Speech2Video]:
    """Train a generator of talking faces from speech; a weight of 0 leaves its loss out.

    Args:
        speech_encoder: `mels` (log-mels, a speaker embedding and statistics), or weights of si_distill
        fps: frames a second, the corpus' own
        width: channels of the frame decoder at full resolution
        identity_width: channels of the identity inflation
        discriminator_width: channels of the discriminators' first layers
        around: neighbouring frames on either side whose speech contexts are joined to a frame's
        identity: weight of the identity discriminator, equation 4
        frames: weight of the frame discriminator, equation 5
        sync: weight of the sync discriminator, equation 6
        similarity: weight of the pixel loss on the upper half, equation 8
        gradient: weight of the gradient loss, equation 9
        lower: weight of the pixel loss on the lower half, not in the paper
        expert: weight of a frozen sync expert's loss, not in the paper; moments are then consecutive
        sync_weights: weights of that sync expert
        forcing: share of the clips whose identity is the teacher's rather than the student's
        lr: learning rate of the generator (RMSProp)
        lr_identity: learning rate of the identity discriminator
        lr_frames: learning rate of the frame discriminator
        lr_sync: learning rate of the sync discriminator
        clips: clips a step
        moments: frames of each clip a step
    """
    return _Speech2VideoTraining(dict(locals())).run()


def smoke() -> Run[Speech2Video]:
    """The same in seconds."""
    small: dict[str, Any] = {"width": 4, "identity_width": 4, "discriminator_width": 2}
    small |= {"around": 1, "clips": 3, "moments": 2}
    return recipe(size=32, steps=4, every=2, validation=0.34, test=0.3, **small)


class _Speech2VideoTraining:
    """The recipe's arguments with what a training computes from them."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        self.weights = LossWeights(**{one.name: arguments[one.name] for one in fields(LossWeights)})
        self.sizes = NetworkSizes(**{one.name: arguments[one.name] for one in fields(NetworkSizes)})

    def run(self) -> Run[Speech2Video]:
        """The run of these arguments.

        Raises:
            InputError: one moment a clip, which leaves the sync discriminator no sound of another moment.
        """
        given = self.arguments
        if given["moments"] < 2 and self.weights.sync:
            fault = f"is {given['moments']}, so that D_sync's shifted sound would be the real one"
            raise InputError("--moments", fault, "give 2 or more, or --sync 0")
        shares = {name: given[name] for name in ("validation", "test", "leave_out", "seed")}
        return Run(
            recipe="si_speech2video",
            arguments=given,
            people="clips",
            split=partial(split_clips, **shares),
            facts=self.facts,
            build=self.build,
            data=self.data,
            optimisers=self.optimisers(),
            steps=given["steps"],
            seed=given["seed"],
            validate=_validate,
            every=given["every"],
            select="ssim",
            start=self.start,
            ema=given["ema"] or None,
            contract=_CONTRACT | {"size": given["size"], "fps": given["fps"]},
            licence="Apache-2.0",
            half=True,
        )

    def optimisers(self) -> dict[str, Optimiser]:
        """RMSProp for the generator and every discriminator with a weight."""
        names = [name for name in ("identity", "frames", "sync") if getattr(self.weights, name)]
        rates = {name: self.arguments[f"lr_{name}"] for name in names} | {"generator": self.arguments["lr"]}
        return {name: Optimiser(name="rmsprop", lr=rate, betas=(0.9, 0.99)) for name, rate in rates.items()}

    def facts(self, selection: Selection) -> Facts:
        """The clips' frame rate, and what the speech encoder and the sync expert are built from."""
        corpus, arguments = selection.corpus, self.arguments
        facts: Facts = {"fps": clip_rate(selection)}
        fault = f"holds clips of {facts['fps']:g} frames a second"
        if abs(facts["fps"] - arguments["fps"]) > 1e-3:
            raise InputError(corpus.path, fault, f"give --fps {facts['fps']:g}")
        if arguments["speech_encoder"] == _MELS:
            rows = selection.clips[:: max(1, len(selection.clips) // 200)].tolist()
            waves = [as_wave(corpus.clip_wave(row)) for row in rows]
            facts["hearing"] = mel_statistics([wave for wave in waves if wave.any()])
        else:
            _, card = open_weights(arguments["speech_encoder"], recipe="si_distill")
            facts["distilled"] = {name: card[name] for name in ("arguments", "facts")}
        if self.weights.expert:
            _, card = open_weights(arguments["sync_weights"], recipe="sync_expert")
            sizes = {name: card["arguments"][name] for name in ("width", "dim")}
            facts["expert"] = sizes | {name: card["facts"][name] for name in ("mean", "deviation")}
            if facts["fps"] != 25.0:
                raise InputError(corpus.path, fault, "leave out --expert")
        return facts

    def build(self, facts: Facts) -> Speech2Video:
        """The model, without the weights of its frozen networks."""
        return Speech2Video(
            speech=_build_speech_encoder(facts),
            expert=SyncModel(**facts["expert"]) if "expert" in facts else None,
            sizes=self.sizes,
            weights=self.weights,
            fps=facts["fps"],
            around=self.arguments["around"],
        )

    def data(self, selection: Selection, facts: Facts) -> TalkingClips:
        """The training batches."""
        names = ("clips", "moments", "forcing", "wrong_sound", "seed")
        sampling = ClipSampling(
            consecutive=self.weights.expert > 0, **{name: self.arguments[name] for name in names}
        )
        encoder, around = self._load_speech_encoder(facts), self.arguments["around"]
        return TalkingClips(selection, encoder, size=self.sizes.size, around=around, sampling=sampling)

    def start(self, model: Speech2Video, selection: Selection, facts: Facts) -> None:
        """Set the frozen networks' weights, and the scale of the recogniser's maps on training pictures."""
        model.hearing.load_state_dict(self._load_speech_encoder(facts).state_dict())
        if model.expert is not None:
            weights = self.arguments["sync_weights"]
            tensors, _ = open_weights(weights, recipe="sync_expert")
            model.expert.load_weights(tensors, source=weights)
        rows = selection.clips[:: max(1, len(selection.clips) // 32)].tolist()
        size = model.face_size
        pictures = [clip_frames(selection.corpus, row, size=size, template=TEMPLATE)[0] for row in rows]
        faces = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            model.standardise(pooled_maps(model.hearing.maps(faces), size))

    def _load_speech_encoder(self, facts: Facts) -> SpeechEncoder:
        if "distilled" in facts:
            return si_distill.load(self.arguments["speech_encoder"])
        return _build_speech_encoder(facts)


def _build_speech_encoder(facts: Facts) -> SpeechEncoder:
    """The speech encoder; one of si_distill has no weights yet."""
    if "distilled" in facts:
        return si_distill.build_from_facts(facts["distilled"]["arguments"], facts["distilled"]["facts"])
    return MelSpeechEncoder(facts["hearing"])


def _validate(model: Speech2Video, selection: Selection, facts: Facts) -> dict[str, float]:
    """SSIM and PSNR of validation clips generated from their sound alone."""
    rows = selection.clips[:: max(1, len(selection.clips) // _MAX_VALIDATED)].tolist()
    found = []
    for row in rows:
        real = clip_frames(selection.corpus, row, size=model.face_size, template=TEMPLATE)
        wave = as_wave(selection.corpus.clip_wave(row))
        if not wave.any():
            continue
        features = extract_speech_features(
            model.hearing, wave, fps=model.fps, frames=len(real), around=model.around
        )
        maps = model.inflation(features.identity[None])
        generated = model.generate_frames(features.context[::_EVERY], features.emotion, maps).cpu().numpy()
        some = np.ascontiguousarray(real[::_EVERY])
        found.append((ssim(generated, some, scale=255).mean(), psnr(generated, some, scale=255).mean()))
    if not found:
        raise InputError("validation", "holds no clip with sound", "give it a larger share")
    means = np.mean(found, axis=0)
    return {"ssim": float(means[0]), "psnr": float(means[1])}

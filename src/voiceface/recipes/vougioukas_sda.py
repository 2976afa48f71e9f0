"""Animates a still face by speech: the mouth follows what is said, whoever is shown.

Paper     Vougioukas, Petridis, Pantic 2018, End-to-End Speech-Driven Facial Animation with Temporal GANs;
          2020, Realistic Speech-Driven Facial Animation with GANs. The baseline SDFA of Si et al. 2021
Data      talking clips of 25 frames a second with sound, heads nearly still: prepare videos, cremad,
          synthetic
Command   voiceface train vougioukas_sda --corpus CORPUS
Cost      see docs/talk.md
Reported  GRID, unseen speakers: SSIM 0.818, PSNR 27.1 (2020, from memory); as SDFA on CREMA-D: SSIM 0.705,
          PSNR 23.57, confidence 5.4 (Si et al. 2021, table 1)
Differs   the still is warped and only what the lips hid is generated, where the paper generates the whole
          frame; speech features of a frozen sync expert, where the paper learns from raw sound; no
          recurrence: a frame depends on 0.16 s of sound on either side, so that any length can be streamed
          and nothing drifts; blinks and head motion follow the seed and are not learnt; one patch
          discriminator and the sync expert for the paper's three discriminators
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch

from voiceface.components import SHIPPED
from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.models.still_face import LossWeights, StillFaceModel, signed
from voiceface.models.still_face_clips import LowerFaceClips, animation_clips
from voiceface.recipes import sync_expert
from voiceface.recipes._weights import current_arguments
from voiceface.records import SAMPLE_RATE
from voiceface.training.option_help import CLIP_OPTIONS, option_help
from voiceface.training.run import Facts, Optimiser, Run
from voiceface.training.weights import read_weights

RENAMED = {"altered": "augment"}
"""Options of weights trained by older versions, and their names now."""
EXPERT = SHIPPED / "sync-expert"
_CONTRACT = {
    "rate": SAMPLE_RATE,
    "fps": StillFaceModel.fps,
    "template": StillFaceModel.face_template,
    "face": "still",
    "clips": True,
}
_MAX_VALIDATED, _FRAMES = 16, 40
"""The largest number of clips in a validation, and of frames of each."""


@option_help(CLIP_OPTIONS)
def recipe(
    *,
    size: Literal[128, 64, 32] = 128,
    width: int = 16,
    motion: int = 32,
    pixels: float = 10.0,
    gradient: float = 10.0,
    lips: float = 1.0,
    adversarial: float = 0.1,
    idle: float = 1.0,
    augment: float = 1.0,
    clips: int = 3,
    moments: int = 8,
    lr: float = 1e-3,
    steps: int = 1000,
    every: int = 200,
    validation: float = 0.1,
    test: float = 0.15,
    leave_out: str = "",
    wrong_sound: bool = False,
    seed: int = 0,
) -> Run[StillFaceModel]:
    """Train the animation of still faces by speech.

    Args:
        width: channels of the generator at full resolution
        motion: size of the motion that speech features are reduced to
        pixels: weight of the pixel loss
        gradient: weight of the loss on image gradients
        lips: weight of the sync expert's losses on the mouth
        adversarial: weight of the discriminator; 0 for none
        idle: scale of blinks and head motion when it talks; 0 for none
        augment: strength of the pictures' augmentation; 0 for none
        clips: segments of clips a step
        moments: consecutive frames of each segment
        lr: learning rate of Adam; the discriminator's is half of it
    """
    arguments: dict[str, Any] = dict(locals())
    weights = LossWeights(pixels=pixels, gradient=gradient, lips=lips, judge=adversarial)
    sampling = {name: arguments[name] for name in ("clips", "moments", "augment", "wrong_sound", "seed")}
    return Run(
        recipe="vougioukas_sda",
        arguments=arguments,
        people="clips",
        split=partial(split_clips, seed=seed, validation=validation, test=test, leave_out=leave_out),
        facts=_facts,
        build=partial(_build, size=size, width=width, motion=motion, weights=weights, idle=idle),
        start=_start,
        data=lambda selection, facts: LowerFaceClips(selection, _feature_model(facts, size), **sampling),
        optimisers=_optimisers(lr, adversarial),
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="score",
        ema=0.99,
        half=True,
        contract=_CONTRACT | {"size": size},
        licence="Apache-2.0",
    )


def smoke() -> Run[StillFaceModel]:
    """The same in seconds."""
    return recipe(size=32, width=4, motion=4, clips=2, moments=6, steps=4, every=2, validation=0.3)


def _facts(selection: Selection | None = None) -> Facts:
    """How to build the sync expert; its weights are saved with the trained ones."""
    _, card = read_weights(EXPERT)
    return {"expert": {"arguments": card["arguments"], "facts": card["facts"]}}


def _build(facts: Facts, **options: Any) -> StillFaceModel:  # noqa: ANN401  options of StillFaceModel
    arguments = current_arguments(facts["expert"]["arguments"], sync_expert.RENAMED)
    expert = sync_expert.recipe(**arguments).build(facts["expert"]["facts"])
    return StillFaceModel(expert=expert, **options)


def _start(model: StillFaceModel, selection: Selection | None, facts: Facts) -> None:
    """Set the sync expert's weights."""
    tensors, _ = read_weights(EXPERT)
    model.expert.load_weights(tensors, source=EXPERT)


def _feature_model(facts: Facts, size: int) -> StillFaceModel:
    """A model with the expert's own weights, which computes the clips' speech features once."""
    model = _build(facts, size=size, width=4, motion=4)
    _start(model, None, facts)
    return model.eval()


def _optimisers(lr: float, adversarial: float) -> dict[str, Optimiser]:
    animate = Optimiser(
        name="adam", lr=lr, betas=(0.5, 0.99), schedule="cosine", final=0.05, warmup=20, clip=5.0
    )
    judge = Optimiser(name="adam", lr=lr / 2, betas=(0.5, 0.99), schedule="cosine", final=0.1)
    return {"discriminator": judge, "generator": animate} if adversarial else {"generator": animate}


def _validate(model: StillFaceModel, selection: Selection, facts: Facts) -> dict[str, float]:
    """Errors of the generated frames and of the still, and the lips' similarity to mouths and sound."""
    clips = animation_clips(selection, model, least=6, limit=_MAX_VALIDATED)
    if not clips:
        raise InputError("validation", "holds no clip with sound", "give it a larger share")
    device = next(model.parameters()).device
    found = []
    for clip in clips:
        frames = signed(clip.frames[:_FRAMES].to(device))
        count = len(frames)
        still_maps = [maps.expand(count, -1, -1, -1) for maps in model.painter.encode(frames[:1])]
        speech, loudness = (one[:count].to(device) for one in (clip.speech, clip.loudness))
        generated, _ = model.generate_mouths(still_maps, speech, loudness)
        own, real = (model.lip_embeddings(some, 1)[0] for some in (generated, frames))
        sounds = clip.sounds[: len(own)].to(device)
        errors = [(some - frames).abs().mean() for some in (generated, frames[:1].expand_as(frames))]
        found.append([*errors, (own * real).sum(-1).mean(), (own * sounds).sum(-1).mean()])
    error, still, lips, sound = torch.tensor(found).mean(0).tolist()
    gain = 1 - error / max(still, 1e-9)
    return {"error": error, "still": still, "lips": lips, "sync": sound, "score": gain + lips + sound}

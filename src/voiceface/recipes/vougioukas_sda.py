"""Animates a still face by speech: who is shown does not matter, what is said moves the mouth.

Paper     Vougioukas, Petridis, Pantic 2018, End-to-End Speech-Driven Facial Animation with Temporal GANs;
          2020, Realistic Speech-Driven Facial Animation with GANs. The baseline SDFA of Si et al. 2021
Data      talking clips of 25 frames a second with sound, heads nearly still: prepare videos, cremad,
          synthetic
Command   voiceface train vougioukas_sda --corpus CORPUS
Cost      see docs/talk.md
Reported  GRID, unseen speakers: SSIM 0.818, PSNR 27.1 (2020, from memory); as SDFA on CREMA-D: SSIM 0.705,
          PSNR 23.57, confidence 5.4 (Si et al. 2021, table 1)
Differs   the still is bent and only what the lips hid is painted, where the paper draws the whole frame; a
          frozen sync expert hears, where the paper learns from raw sound; no recurrence: a frame hears 0.16 s
          on either side, so that any length can be streamed and nothing drifts; blinks and sway are drawn by
          seed, not learnt; one judge of patches and the sync expert for the paper's three judges
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from voiceface.corpus.clip_splits import split_clips
from voiceface.errors import InputError
from voiceface.models.model import Model
from voiceface.models.still_face import TEMPLATE, StillFaceModel, Weights, signed
from voiceface.models.still_face_clips import LowerFaceClips, animation_clips
from voiceface.models.still_face_talking import StillTalkingFace
from voiceface.models.sync_expert import SyncModel
from voiceface.recipes import sync_expert
from voiceface.records import SAMPLE_RATE
from voiceface.training.run import Facts, Optimiser, Run
from voiceface.training.weights import read_weights

if TYPE_CHECKING:
    from voiceface.corpus.splits import Selection

__all__ = ["recipe", "smoke"]

EXPERT = Path(__file__).parents[1] / "shipped" / "sync-expert"
_FPS = 25.0
_CONTRACT = {"rate": SAMPLE_RATE, "fps": _FPS, "template": TEMPLATE, "face": "still", "clips": True}
_MAX_VALIDATED, _STRETCH = 16, 40


def recipe(
    *,
    size: int = 128,
    width: int = 16,
    motion: int = 32,
    pixels: float = 10.0,
    gradient: float = 10.0,
    lips: float = 1.0,
    adversarial: float = 0.1,
    idle: float = 1.0,
    altered: float = 1.0,
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
) -> Run:
    """The run; ``leave_out`` names people, separated by commas, who are in no part.

    ``wrong_sound`` gives every clip another clip's sound: a control. ``idle`` scales blinks and sway.
    """
    arguments: dict[str, Any] = dict(locals())
    if size not in (32, 64, 128):
        raise InputError("size", f"is {size}", "give 128, 64 or 32")
    terms = Weights(pixels=pixels, gradient=gradient, lips=lips, judge=adversarial)
    drawn = {name: arguments[name] for name in ("clips", "moments", "altered", "wrong_sound")}
    return Run(
        recipe="vougioukas_sda",
        arguments=arguments,
        split=lambda corpus: split_clips(
            corpus, seed=seed, validation=validation, test=test, leave_out=leave_out
        ),
        facts=lambda selection: _facts(),
        build=lambda facts: _build(facts, size=size, width=width, motion=motion, terms=terms),
        start=lambda model, selection, facts: _start(model),
        data=lambda selection, facts: LowerFaceClips(selection, _listening(facts, size), seed=seed, **drawn),
        optimisers=_optimisers(lr, adversarial),
        steps=steps,
        seed=seed,
        validate=_validate,
        every=every,
        select="score",
        talk=lambda model, who, facts: StillTalkingFace(cast(StillFaceModel, model), who, idle=idle),
        ema=0.99,
        half=True,
        contract={"size": size} | _CONTRACT,
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(size=32, width=4, motion=4, clips=2, moments=6, steps=4, every=2, validation=0.3)


def _facts() -> Facts:
    """How to build the expert whose ear listens; its weights come along with those that are trained."""
    _, card = read_weights(EXPERT)
    return {"expert": {"arguments": card["arguments"], "facts": card["facts"]}}


def _build(facts: Facts, *, size: int, width: int, motion: int, terms: Weights) -> StillFaceModel:
    made = sync_expert.recipe(**facts["expert"]["arguments"]).build(facts["expert"]["facts"])
    return StillFaceModel(
        expert=cast(SyncModel, made), size=size, width=width, motion=motion, judge=width, weights=terms
    )


def _start(model: Model) -> None:
    tensors, _ = read_weights(EXPERT)
    cast(StillFaceModel, model).expert.load_weights(tensors, source=EXPERT)


def _listening(facts: Facts, size: int) -> StillFaceModel:
    """A model with the expert's own weights, to hear the clips with once."""
    model = _build(facts, size=size, width=4, motion=4, terms=Weights())
    _start(model)
    return model.eval()


def _optimisers(lr: float, adversarial: float) -> dict[str, Optimiser]:
    animate = Optimiser(
        name="adam", lr=lr, betas=(0.5, 0.99), schedule="cosine", final=0.05, warmup=20, clip=5.0
    )
    judge = Optimiser(name="adam", lr=lr / 2, betas=(0.5, 0.99), schedule="cosine", final=0.1)
    return {"judge": judge, "animate": animate} if adversarial else {"animate": animate}


def _validate(model: Model, selection: Selection, facts: Facts) -> dict[str, float]:
    """How near drawn frames come, beside the still itself, and how like the real mouths' rows theirs are."""
    animation = cast(StillFaceModel, model)
    clips = animation_clips(selection, animation, least=6, limit=_MAX_VALIDATED)
    if not clips:
        raise InputError("validation", "holds no clip with sound", "give it a larger share")
    device = next(animation.parameters()).device
    found = []
    for clip in clips:
        frames = signed(clip.frames[:_STRETCH].to(device))
        count = len(frames)
        seen = [maps.expand(count, -1, -1, -1) for maps in animation.painter.look(frames[:1])]
        drawn, _ = animation.draw(seen, clip.heard[:count].to(device), clip.loud[:count].to(device))
        own, real = (animation.lip_embeddings(p, 1)[0] for p in (drawn, frames))
        sounds = clip.sounds[: len(own)].to(device)
        still = frames[:1].expand_as(frames)
        found.append(
            [
                float((drawn - frames).abs().mean()),
                float((still - frames).abs().mean()),
                float((own * real).sum(-1).mean()),
                float((own * sounds).sum(-1).mean()),
            ]
        )
    error, unmoved, lips, heard = torch.tensor(found).mean(0).tolist()
    gain = 1 - error / max(unmoved, 1e-9)
    return {"error": error, "still": unmoved, "lips": lips, "heard": heard, "score": gain + lips + heard}

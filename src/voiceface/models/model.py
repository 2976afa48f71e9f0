"""A model: networks and losses of one learning problem, and the turns in which it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from voiceface.errors import InputError
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.talking_face import Speaker, TalkingFace
from voiceface.models.weights_fingerprint import weights_fingerprint

Batch = Any
"""A tensor, or dicts, lists and tuples of tensors, whose first dimension is the item."""
Shared = Any
"""Whatever `Model.shared` returned for the batch."""

Wave = npt.NDArray[Any]
"""``(samples,)`` at 16 kHz, mono: float in [-1, 1] or int16."""
Embeddings = npt.NDArray[np.float32]
"""``(items, dim)``, rows of length 1: a dot product compares two of them."""
Scores = npt.NDArray[np.float32]
"""``(voices, faces)``, higher for a better match."""
Pictures = npt.NDArray[np.uint8]
"""``(n, size, size, 3)`` RGB."""

Ability = Literal["embed", "score", "generate", "talk"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One optimiser's move in a step: the parameters it may change, and the loss it minimises.

    During a turn no other parameter requires a gradient and none is accumulated elsewhere, even if
    the loss reaches further back: a discriminator's turn cannot change the generator.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    """The parameters this turn's optimiser updates; two turns may share parameters."""
    loss: Callable[[Batch, Shared], Mapping[str, Tensor | float]]
    """``(batch, shared) -> {"loss": scalar, ...}``; the other entries are figures for the log."""
    every: int = 1
    """Taken once in this many steps, at the last of them (a critic's five updates to the generator's one)."""
    retain: bool = False
    """True where a later turn goes backward through the same part of the shared graph."""


_METHODS = {
    "embed": ("embed_voices", "embed_faces"),
    "score": ("score",),
    "generate": ("generate",),
    "talk": ("talk",),
}


class Model(nn.Module):
    """Networks and losses of one learning problem, and the inference methods that it can offer.

    The training loop uses `turns`, `shared`, `after_step`, `weights` and `load_weights`. Of the inference
    methods a model overrides those it can answer; `can` tells which. They run in eval mode without
    gradients, on the device of the model, and need nothing but their arguments: a model is built with all it
    has to know, and holds its pretrained encoders itself (`voiceface.models.pretrained`).

    >>> class Line(Model):
    ...     def __init__(self) -> None:
    ...         super().__init__()
    ...         self.layer = nn.Linear(2, 1)
    ...     def turns(self) -> list[Turn]:
    ...         return [Turn("fit", list(self.layer.parameters()), self.error)]
    ...     def error(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
    ...         return {"loss": (self.layer(batch["x"]) - batch["y"]).square().mean()}
    >>> [turn.name for turn in Line().turns()]
    ['fit']
    """

    class_heads: tuple[str, ...] = ()
    """Names of the submodules or tensors whose shape depends on the number of classes: fine-tuning
    on other people reinitialises them."""

    face_size: int
    """Pixels a side of the aligned faces that it takes, or of those it generates."""
    face_template: str
    """How these faces are aligned: a name of `voiceface.face.align.TEMPLATES`."""
    fps: float
    """Frames a second of a model that talks."""
    animates: bool = False
    """Whether `talk` animates a given face; False: it generates the face from the voice."""
    whole_pictures: bool = False
    """Whether `talk` animates a face within a whole picture of any size, not only an aligned face."""
    face_embedding_mean: Sequence[float] | None = None
    """Of a model that generates faces: the training faces' mean dlib embedding (128 numbers), which
    `voiceface.models.selection_embeddings` subtracts to compare generated faces with real ones."""
    adds_glasses: bool = False
    """Whether a generated face wears glasses where its input asks for them."""
    detail_in_bf16: bool = False
    """Whether the network that adds detail to generated faces computes in bf16 on the CPU: a pipeline sets it
    where the processor is faster in it."""
    takes_voices: bool = True
    """Whether it generates faces from recordings."""
    uses_names: bool = False
    """Whether it generates faces from people's ids (too, where it takes voices)."""

    # Inference

    def can(self, ability: Ability) -> bool:
        """Whether the model has the methods of an ability; ``embed`` needs `embed_voices` and `embed_faces`.

        >>> Model().can("talk")
        False
        """
        return all(getattr(type(self), name) is not getattr(Model, name) for name in _METHODS[ability])

    def embed_voices(self, waves: Sequence[Wave]) -> Embeddings:
        """Embed recordings in the space that voices and faces share: ``(waves, dim)``."""
        raise NotImplementedError

    def embed_faces(self, faces: Pictures) -> Embeddings:
        """Embed aligned faces ``(n, face_size, face_size, 3)`` in the same space: ``(n, dim)``."""
        raise NotImplementedError

    def score(self, waves: Sequence[Wave], faces: Pictures) -> Scores:
        """Score every pair ``(waves, faces)``, of a model that judges pairs and has no common space."""
        raise NotImplementedError

    def generate(self, inputs: Sequence[GeneratorInput], *, seed: int = 0, typical: bool = False) -> Pictures:
        """Generate one face an input, ``(inputs, face_size, face_size, 3)``.

        An input's random numbers depend on ``seed`` and on its ``sample``, or else on its index in the call.

        Args:
            inputs: what to generate from.
            seed: random seed.
            typical: the most likely face of each input, without random variation, where the model knows it.

        Raises:
            InputError: an input lacks what this model generates from.
        """
        raise NotImplementedError

    def enlarge(self, pictures: Pictures, samples: Sequence[int], *, seed: int = 0) -> Pictures | None:
        """Generated faces at twice the size, with detail that resampling lacks; None: the model knows none.

        Args:
            pictures: (n, side, side, 3) as `generate` gave them.
            samples: which of the seed's samples each is.
            seed: random seed.
        """
        return None

    def talk(self, speaker: Speaker) -> TalkingFace:
        """A talking face of this speaker: sound goes in piece by piece, frames come out.

        Raises:
            InputError: the speaker lacks what this model needs.
        """
        raise NotImplementedError

    # Training

    def turns(self) -> Sequence[Turn]:
        """The turns of a step, in order."""
        raise NotImplementedError

    def shared(self, batch: Batch) -> Shared:
        """What several turns need of a batch (the generated faces, say), computed once a step.

        Every turn's parameters require gradients here. A turn that should not go backward through it need
        not detach it; that only holds the graph in memory a little longer.
        """
        return None

    def after_step(self) -> None:
        """Called after the last turn of each step, without gradients (weight clipping)."""

    def weights(self) -> dict[str, Tensor]:
        """The tensors themselves (no copies) that are saved; a part that may not be shipped is left out."""
        return dict(self.state_dict())

    def fingerprint(self) -> str:
        """Identifies the weights (`weights_fingerprint`)."""
        return weights_fingerprint(self.weights())

    def load_weights(self, tensors: Mapping[str, Tensor], *, source: object = "weights") -> None:
        """Load what `weights` of an equal model gave.

        Raises:
            InputError: a tensor is missing, is too many or has another shape or type; ``source`` is named.
        """
        own = self.weights()
        missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
        if missing or extra:
            which = f"lacks {_few(missing)}" if missing else f"holds {_few(extra)}, unknown to this model"
            raise InputError(source, which, "give the weights of the same recipe and arguments")
        for name, tensor in tensors.items():
            # fp16 is read as float32.
            if tensor.dtype not in (
                own[name].dtype,
                torch.float32 if own[name].dtype == torch.float16 else None,
            ):
                kinds = f"{str(tensor.dtype).removeprefix('torch.')}, the model needs {own[name].dtype}"
                raise InputError(
                    source, f"{name} is {kinds}", "give the weights of the same recipe and arguments"
                )
            if tensor.shape != own[name].shape:
                fault = f"{name} is {tuple(tensor.shape)}, the model needs {tuple(own[name].shape)}"
                raise InputError(source, fault, "give the weights of the same recipe and arguments")
        with torch.no_grad():
            for name, tensor in tensors.items():
                own[name].copy_(tensor)

    def is_class_head(self, name: str) -> bool:
        """Whether the tensor ``name`` belongs to one of `class_heads`."""
        return any(name == head or name.startswith(f"{head}.") for head in self.class_heads)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

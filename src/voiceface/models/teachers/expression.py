"""Our own expression network as a teacher of emotion; its weights are trained by the recipe ``expression``.

Paper: Si et al. 2021 take a SENet of FER+; ours is small and learns from a corpus' own labelled clips.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from voiceface.errors import InputError
from voiceface.media.open_file import check_regular
from voiceface.nn.face.expression_net import ExpressionNet


class ExpressionTeacher:
    """The network's scores of the emotions, less their mean.

    The features before them also identify the person, and a speech network learns that part first
    (docs/papers/si.md has both).

    Args:
        network: in eval mode.
    """

    name = "expression"

    def __init__(self, network: ExpressionNet) -> None:
        self.network = network.eval().requires_grad_(False)
        self.dim = network.classes.out_features

    @torch.no_grad()
    def embed(self, pictures: Tensor, /) -> Tensor:
        """Scores ``(n, emotions)`` whose softmax are the probabilities."""
        scores: Tensor = self.network.logits(self.network(pictures))
        return scores - scores.mean(1, keepdim=True)


def load(weights: str | Path | None = None, *, device: str = "cpu") -> ExpressionTeacher:
    """Load a weights folder of ``expression``; the sizes of the network are read from its tensors.

    ``untrained`` gives a network with random weights: a control.

    Raises:
        InputError: no folder is given, or it holds no such weights, or damaged ones.
    """
    remedy = "give a weights folder that `voiceface train expression` wrote"
    if not weights:
        raise InputError("expression", "names no weights", "give expression=WEIGHTS")
    if str(weights) == "untrained":
        return untrained()
    folder = Path(weights)
    folder = next((p for p in (folder, folder / "weights") if (p / "run.json").is_file()), folder)
    path = folder / "model.safetensors"
    check_regular(path)
    try:
        tensors = {
            n.removeprefix("net."): t.float() for n, t in load_file(path).items() if n.startswith("net.")
        }
        features, flat = tensors["features.weight"].shape
        width = len(tensors["convs.0.weight"])
        side = 16 * round(float(flat / (4 * width)) ** 0.5)
        with torch.random.fork_rng(devices=()):
            network = ExpressionNet(
                emotions=len(tensors["classes.weight"]), width=width, features=features, size=side
            )
        network.load_state_dict(tensors)
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", remedy) from error
    except (KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(path, "does not hold a complete expression network", remedy) from error
    return ExpressionTeacher(network.to(device))


def untrained() -> ExpressionTeacher:
    """A small network with random weights, always the same."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return ExpressionTeacher(ExpressionNet(emotions=6, width=4, features=16))

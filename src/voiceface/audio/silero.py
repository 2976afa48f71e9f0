"""Voice activity by Silero's detector, which noise does not pass; weights from the wheel ``silero-vad``.

The network is written here from the shapes of its tensors: magnitudes of a learnt Fourier transform, four
convolutions, one LSTM cell over frames of 32 ms. The package is never imported; its safetensors file is
located and read (``pip install "voiceface[silero]"``, MIT). It is no part of voiceface.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from voiceface.audio.silero_weights import silero_path
from voiceface.audio.vad import Wave, require_mono
from voiceface.audio.wave_checks import require_rate
from voiceface.errors import InputError
from voiceface.records import SAMPLE_RATE

FRAME = 512
"""Samples of a frame: 32 ms at 16 kHz."""
_CONTEXT = 64
"""Samples of the frame before that each frame begins with."""
_PAD = 64
_HOP = 128
_BLOCK = 4_096
"""Frames whose convolutions are computed at once: 131 s."""
_STRIDES = (1, 2, 2, 1)
_SHAPES = {
    "stft_conv.weight": (258, 1, 256),
    "conv1.weight": (128, 129, 3),
    "conv2.weight": (64, 128, 3),
    "conv3.weight": (64, 64, 3),
    "conv4.weight": (128, 64, 3),
    "lstm_cell.weight_ih": (512, 128),
    "lstm_cell.weight_hh": (512, 128),
    "lstm_cell.bias_ih": (512,),
    "lstm_cell.bias_hh": (512,),
    "final_conv.weight": (1, 128, 1),
    "final_conv.bias": (1,),
    **{f"conv{n}.bias": (size,) for n, size in enumerate((128, 64, 64, 128), start=1)},
}


def speech_probabilities(
    wave: Wave, *, rate: int = SAMPLE_RATE, weights: Path | None = None
) -> NDArray[np.float32]:
    """How probably each frame of 32 ms is speech; the last one is filled up with silence.

    Args:
        wave: float ``(samples,)`` in [-1, 1] at 16 kHz.
        rate: sample rate in Hz.
        weights: ``silero_vad_16k.safetensors``; by default the installed wheel's.

    Returns:
        float32 ``(frames,)`` in [0, 1].

    Raises:
        MissingPartError: no weights are given and the wheel is not installed.
        InputError: another rate, NaN, wrong shape or type, or weights of another network.
    """
    require_rate(rate, needed=SAMPLE_RATE, feature="Silero's voice activity")
    tensors = _load(weights or silero_path())
    samples = torch.from_numpy(np.array(require_mono(wave), dtype=np.float32))
    if not len(samples):
        return np.zeros(0, np.float32)
    frames = F.pad(samples, (_CONTEXT, -len(samples) % FRAME)).unfold(0, _CONTEXT + FRAME, FRAME)
    with torch.inference_mode():
        features = torch.cat([_features(block, tensors) for block in torch.split(frames, _BLOCK)])
        states, _ = torch.func.functional_call(_cells(), _cell_weights(tensors), features[:, None])
        logits = F.linear(
            states[:, 0].relu(), tensors["final_conv.weight"][..., 0], tensors["final_conv.bias"]
        )
        found: NDArray[np.float32] = logits.sigmoid()[:, 0].numpy()
    return found


def _features(frames: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """Features (frames, 128) of frames (frames, 64 + 512)."""
    waves = F.pad(frames[:, None], (0, _PAD), mode="reflect")
    real, imaginary = F.conv1d(waves, tensors["stft_conv.weight"], stride=_HOP).chunk(2, dim=1)
    values = torch.hypot(real, imaginary)
    for layer, stride in enumerate(_STRIDES, start=1):
        weight, bias = (tensors[f"conv{layer}.{part}"] for part in ("weight", "bias"))
        values = F.conv1d(values, weight, bias, stride=stride, padding=1).relu()
    return values[..., 0]


@cache
def _cells() -> torch.nn.LSTM:
    """One LSTM layer without weights of its own: making it takes no random numbers."""
    return torch.nn.LSTM(128, 128, device="meta")


def _cell_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {f"{name}_l0": tensors[f"lstm_cell.{name}"] for name in names}


@cache
def _load(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, checked to be this network's.

    Raises:
        InputError: the file is damaged or of another network; the tensor is named.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"cannot be read ({error})", "install silero-vad again") from None
    for name, shape in _SHAPES.items():
        if name not in tensors or tuple(tensors[name].shape) != shape:
            found = tuple(tensors[name].shape) if name in tensors else "missing"
            fault = f"the tensor {name} is {found}, not {shape}"
            raise InputError(path, fault, "give silero_vad_16k.safetensors of silero-vad 6")
    return {name: tensors[name].float() for name in _SHAPES}

"""A package ``silero_vad`` with made weights in the layout of the published wheel."""

import sys

import numpy as np
from safetensors.numpy import save_file

SHAPES = {
    "stft_conv.weight": (258, 1, 256), "conv1.weight": (128, 129, 3), "conv1.bias": (128,),
    "conv2.weight": (64, 128, 3), "conv2.bias": (64,), "conv3.weight": (64, 64, 3), "conv3.bias": (64,),
    "conv4.weight": (128, 64, 3), "conv4.bias": (128,), "lstm_cell.weight_ih": (512, 128),
    "lstm_cell.weight_hh": (512, 128), "lstm_cell.bias_ih": (512,), "lstm_cell.bias_hh": (512,),
    "final_conv.weight": (1, 128, 1), "final_conv.bias": (1,),
}  # fmt: skip
"""As in ``silero_vad_16k.safetensors`` of silero-vad 6.2.3."""


def made_tensors(seed=0, **changed):
    """Random tensors by name; ``changed`` replaces or (None) leaves out some, dots written as ``__``."""
    random = np.random.default_rng(seed)
    tensors = {
        name: (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32)
        for name, shape in SHAPES.items()
    }
    for name, value in changed.items():
        tensors[name.replace("__", ".")] = value
    return {name: value for name, value in tensors.items() if value is not None}


def install(folder, monkeypatch, tensors):
    """Put the package first on Python's path; importing it fails, for its code must never run."""
    data = folder / "silero_vad" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise RuntimeError('the package was imported')\n")
    save_file(tensors, data / "silero_vad_16k.safetensors")
    monkeypatch.delitem(sys.modules, "silero_vad", raising=False)  # conftest hides an installed one
    monkeypatch.syspath_prepend(str(folder))
    return data / "silero_vad_16k.safetensors"

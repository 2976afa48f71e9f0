"""Our own voice encoder, trained by the recipe ``voice_student``; its weights come with the package."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as read

from voiceface.components import SHIPPED
from voiceface.errors import InputError
from voiceface.media.open_file import check_regular
from voiceface.models.voice_encoder import WindowEncoder
from voiceface.nn.voice.recurrent_voice import RecurrentVoice

WEIGHTS = SHIPPED / "voice-student"


def load(weights: str | Path = WEIGHTS, *, device: str = "cpu") -> WindowEncoder:
    """Load the encoder from a weights folder of ``voice_student``: 256 numbers a voice.

    The sizes of the network are read off its tensors.

    Raises:
        InputError: the folder holds no such weights, or damaged ones.
    """
    path = Path(weights) / "model.safetensors"
    remedy = "give a weights folder that `voiceface train voice_student` wrote"
    check_regular(path)
    try:
        data = path.read_bytes()
        tensors = {n.removeprefix("student."): t.float() for n, t in read(data).items() if "student." in n}
        dim, hidden = tensors["linear.weight"].shape
        layers = len({name.split(".")[1] for name in tensors if name.startswith("layers.")})
        network = RecurrentVoice(bands=len(tensors["scale"]), hidden=hidden, layers=layers, dim=dim)
        network.load_state_dict(tensors)
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", remedy) from error
    except (KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(path, "does not hold a complete voice encoder", remedy) from error
    return WindowEncoder("student", network, fingerprint=hashlib.sha256(data).hexdigest(), device=device)

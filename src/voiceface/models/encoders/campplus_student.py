"""A smaller CAM++ of our own, trained by the recipe ``campplus_student``; no weights of it ship."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read

from voiceface.errors import InputError, MissingPartError
from voiceface.media.open_file import check_regular
from voiceface.media.read_json import read_json
from voiceface.models.encoders.campplus import CampplusVoice
from voiceface.nn.voice.campplus import Campplus, campplus_sizes

_REMEDY = "give a weights folder that `voiceface train campplus_student` wrote"


def recognises_weights(path: Path) -> bool:
    """Whether a weights folder (or its file) is one of the recipe ``campplus_student``."""
    facts = (path if path.is_dir() else path.parent) / "run.json"
    try:
        return bool(read_json(facts, dict, remedy=_REMEDY).get("recipe") == "campplus_student")
    except InputError:
        return False


def load(weights: str | Path | None = None, *, device: str = "cpu") -> CampplusVoice:
    """Load the encoder from a weights folder of ``campplus_student``: 192 numbers a voice.

    The sizes of the network are read from its tensors.

    Raises:
        MissingPartError: no folder is given.
        InputError: the folder holds no such weights, or damaged ones.
    """
    if weights is None:
        raise MissingPartError("campplus_student", "no weights of it come with voiceface", _REMEDY)
    path = Path(weights)
    path = path / "model.safetensors" if path.is_dir() else path
    check_regular(path)
    try:
        data = path.read_bytes()
        tensors = {n.removeprefix("student."): t for n, t in read(data).items() if n.startswith("student.")}
        tensors = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
        with torch.random.fork_rng(devices=()):  # as in `campplus.load`
            network = Campplus(**campplus_sizes(tensors))
        network.load_state_dict(tensors)
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", _REMEDY) from error
    except (KeyError, IndexError, ValueError, RuntimeError, ZeroDivisionError, SafetensorError) as error:
        raise InputError(path, "does not hold a complete voice encoder", _REMEDY) from error
    fingerprint = hashlib.sha256(data).hexdigest()
    return CampplusVoice(network, name="campplus_student", fingerprint=fingerprint, device=device)

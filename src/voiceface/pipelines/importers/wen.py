"""The published weights of Wen, Singh, Raj 2019: faces from voices as their authors generate them.

Source    https://github.com/cmu-mlsp/reconstructing_faces_from_voices (voice_embedding.pth, generator.pth,
          face_embedding.pth; a training also writes discriminator.pth and classifier.pth)
Licence   the authors' own
Command   voiceface import-weights wen --voice V.pth --generator G.pth -o FOLDER
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceface.errors import InputError
from voiceface.models.published_weights import read_tensors
from voiceface.models.voice_features import LogmelFeatures
from voiceface.recipes import wen_voice2face
from voiceface.training.run import Facts, Run
from voiceface.training.weights import write_weights

Tensors = Mapping[str, Tensor]


def import_weights(
    out: Path,
    *,
    voice: Path | None = None,
    generator: Path | None = None,
    trunk: Path | None = None,
    judge: Path | None = None,
    classifier: Path | None = None,
) -> Path:
    """Write a weights folder of ``wen_voice2face`` from the authors' files; returns it.

    Args:
        out: the folder to write.
        voice: voice_embedding.pth, the voice network
        generator: generator.pth
        trunk: face_embedding.pth, which discriminator and classifier share; not needed to generate faces
        judge: discriminator.pth; needs --trunk
        classifier: classifier.pth; needs --trunk

    Raises:
        InputError: a file is missing, no safe state dict, or not of this network.
    """
    if voice is None or generator is None:
        remedy = "give --voice voice_embedding.pth and --generator generator.pth"
        raise InputError("import-weights wen", "needs the voice network and the generator", remedy)
    if (judge is not None or classifier is not None) and trunk is None:
        raise InputError(
            judge or classifier, "is of no use without its trunk", "give --trunk face_embedding.pth"
        )
    files = {"voice": voice, "generator": generator, "trunk": trunk, "judge": judge, "classifier": classifier}
    read = {name: (path, _read(path)) for name, path in files.items() if path is not None}
    arguments, facts = _sizes(read)
    run = wen_voice2face.recipe(**arguments)
    model = run.build(facts)
    assert isinstance(model.voice, LogmelFeatures)
    networks = {"voice": model.voice.network, "generator": model.generator, "trunk": model.trunk}
    networks |= {"judge": model.judge, "classifier": model.classifier}
    for name, (path, tensors) in read.items():
        _fill(networks[name], tensors, path)
    return write_weights(out, model.weights(), _card(run, facts))


def _read(path: Path) -> dict[str, Tensor]:
    """A state dict, without running any code that may be in the file."""
    remedy = "download it again from the authors, whole"
    if not path.is_file():
        raise InputError(path, "there is no such file", "give the .pth file that the authors published")
    found = read_tensors(path)
    if not all(bool(t.isfinite().all()) for t in found.values()):
        raise InputError(path, "holds NaN or infinite weights", remedy)
    return found


def _sizes(read: Mapping[str, tuple[Path, Tensors]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe's arguments and facts, from the tensors' shapes."""

    def shape(name: str, tensor: str, dims: int) -> list[int]:
        path, tensors = read[name]
        if tensor not in tensors or tensors[tensor].dim() != dims:
            fault = f"holds no {tensor} of {dims} dimensions, so it is not the {name}"
            raise InputError(path, fault, "check which file is which")
        return list(tensors[tensor].shape)

    first, last = shape("voice", "model.0.weight", 3), shape("voice", "model.12.weight", 3)
    width, side = shape("generator", "model.0.weight", 4)[1], shape("generator", "model.2.weight", 4)[2]
    people = shape("classifier", "model.weight", 2)[0] if "classifier" in read else 1
    facts = {
        "people": [f"person {number}" for number in range(people)],
        # Theirs is not published; zeros compare embeddings by their plain cosine.
        "descriptor_mean": [0.0] * 128,
        "voice": {"kind": "logmel", "width": first[0], "dim": last[0]},
        "absent": [part for part in ("trunk", "judge", "classifier") if part not in read],
    }
    arguments = {"voice_network": "imported", "kernel": "code" if side == 4 else "paper", "width": width}
    return arguments | {"template": "wen"}, facts


def _fill(network: torch.nn.Module, tensors: Tensors, path: Path) -> None:
    own = network.state_dict()
    # Written before torch counted batches: the count has no part in the answer.
    given = {n: t for n, t in own.items() if n.endswith("num_batches_tracked")} | dict(tensors)
    odd = sorted(own.keys() ^ given.keys())
    if odd:
        which = f"lacks {odd[0]}" if odd[0] in own else f"holds {odd[0]}, unknown to this network"
        raise InputError(path, which, "check which file is which")
    for name, tensor in given.items():
        if tensor.shape != own[name].shape:
            fault = f"{name} is {tuple(tensor.shape)}, this network needs {tuple(own[name].shape)}"
            raise InputError(path, fault, "check which file is which")
    network.load_state_dict(given)


def _card(run: Run, facts: Facts) -> dict[str, Any]:
    return {
        "recipe": "wen_voice2face",
        "arguments": dict(run.arguments),
        "facts": facts,
        "contract": dict(run.contract),
        "people": {
            "count": len(facts["people"]) if "classifier" not in facts["absent"] else 0,
            "fingerprint": "",
        },
        "corpus": "VoxCeleb and VGGFace, people whose names begin with F to Z",
        "licence": "the authors' (https://github.com/cmu-mlsp/reconstructing_faces_from_voices)",
        "steps": 0,
        "best_step": 0,
        "started_afresh": [],
        "results": {"validation": {}},
    }

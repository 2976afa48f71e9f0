"""Saved weights: a folder of ``model.safetensors`` (20 MB a file at most) and ``run.json``, no pickle."""

from __future__ import annotations

import glob
import importlib.metadata
import secrets
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from voiceface.errors import InputError
from voiceface.media.files import atomic_path, temporary_name, write_json
from voiceface.media.read_json import read_json

FORMAT = 1
LARGEST = 20_000_000
"""Bytes a file, so that any code host takes it."""
_KIND = "voiceface-weights"
_CUT = "@"  # name@0, name@1, ...: the rows of a tensor that is larger than a file may be


class _Calibration(TypedDict):
    slope: Annotated[float, msgspec.Meta(gt=0)]  # zero or less would turn every ranking round
    offset: float


class _Facts(TypedDict):
    calibration: NotRequired[_Calibration]


class _RunJson(TypedDict):
    """What is read of a ``run.json``; what else it says is kept."""

    files: list[str]
    recipe: NotRequired[str]
    arguments: NotRequired[dict[str, Any]]
    facts: NotRequired[_Facts]
    contract: NotRequired[dict[str, Any]]
    people: NotRequired[dict[str, Any]]
    ancestors: NotRequired[list[dict[str, Any]]]
    results: NotRequired[dict[str, Any]]


def write_weights(
    folder: str | Path, tensors: Mapping[str, Tensor], run_json: Mapping[str, Any], *, half: bool = False
) -> Path:
    """Write a weights folder that appears whole or not at all; returns it.

    A float32 tensor is stored as fp16 where every value survives that exactly. ``half`` also rounds
    the matrices and kernels (two dimensions or more, no value over fp16's range); vectors such as
    biases and running variances stay as they are. What is over 20 MB is cut into several files. An
    older weights folder at the same place is replaced by two renames.

    Raises:
        InputError: the place cannot be written to, or holds something that is no weights folder.
    """
    folder = Path(folder)
    if folder.exists() and not (
        folder.is_dir() and ((folder / "run.json").is_file() or not any(folder.iterdir()))
    ):
        raise InputError(folder, "exists and is no weights folder", "give a new folder")
    fresh = temporary_name(folder)
    old = folder.with_name(f".{folder.name}.replaced-{secrets.token_hex(4)}")
    try:
        fresh.mkdir(parents=True)
    except OSError as error:
        raise InputError(folder, f"cannot be written ({error.strerror})", "choose another folder") from error
    try:
        names = _write_tensors(fresh, {name: _stored(tensor, half=half) for name, tensor in tensors.items()})
        head = {"kind": _KIND, "format": FORMAT, "voiceface": package_version(), "files": names}
        write_json(fresh / "run.json", head | dict(run_json) | head)
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    for one in folder.parent.glob(f".{glob.escape(folder.name)}.replaced-*"):  # also what a kill left
        shutil.rmtree(one, ignore_errors=True)
    return folder


def read_weights(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (fp16 ones as float32) and the ``run.json`` of a weights folder.

    Raises:
        InputError: the folder or a file of it is missing, truncated, of a newer voiceface or not ours, or a
            tensor holds NaN or infinite numbers, or floats of 8 bits or fewer.
    """
    folder = Path(folder)
    run_json = read_run(folder)
    stored: dict[str, Tensor] = {}
    for name in run_json["files"]:
        path = folder / name
        if not path.is_file():
            raise InputError(path, "is missing", "copy the weights folder again, whole")
        try:
            stored |= safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            fault = f"is truncated or damaged ({error})"
            raise InputError(path, fault, "copy the weights folder again, whole") from error
    tensors: dict[str, Tensor] = {}
    cut: dict[str, list[tuple[int, Tensor]]] = {}
    for name, tensor in stored.items():
        tensor = tensor.float() if tensor.dtype == torch.float16 else tensor
        if tensor.is_floating_point() and tensor.dtype.itemsize < 2:  # PyTorch cannot look for NaN in all
            fault = f"{name[:80]} is {str(tensor.dtype).removeprefix('torch.')}, which no model has"
            raise InputError(folder, fault, "copy the weights folder again, whole")
        if not bool(tensor.isfinite().all()):
            raise InputError(
                folder, f"{name[:80]} holds NaN or infinite numbers", "train again, or copy it again"
            )
        base, mark, number = name.rpartition(_CUT)
        if mark and number.isdecimal():
            cut.setdefault(base, []).append((int(number), tensor))
        else:
            tensors[name] = tensor
    for base, pieces in cut.items():
        rows = [piece for _, piece in sorted(pieces, key=lambda pair: pair[0])]
        if len({(piece.shape[1:], piece.dtype) for piece in rows}) > 1 or not all(p.dim() for p in rows):
            raise InputError(
                folder, f"{base[:80]} is in parts that do not fit", "copy the weights folder again"
            )
        tensors[base] = torch.cat(rows)
    return tensors, run_json


def read_run(folder: str | Path) -> dict[str, Any]:
    """The checked ``run.json`` of a weights folder, without its tensors.

    Raises:
        InputError: it is missing, damaged, of a newer voiceface or not ours.
    """
    path = Path(folder) / "run.json"
    if not path.is_file():
        where = "is no weights folder (no run.json)" if Path(folder).exists() else "there is no such folder"
        remedy = "give the folder that `voiceface train` wrote"
        if Path(folder).suffix in (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".onnx"):
            where = "is no weights folder but a file" if Path(folder).is_file() else "there is no such file"
            remedy += ", or convert published weights with `voiceface import-weights`"
        raise InputError(folder, where, remedy)
    again = "copy the weights folder again, whole"
    head = read_json(path, Any, remedy=again)
    if not isinstance(head, dict) or head.get("kind") != _KIND:
        raise InputError(path, "was not written by voiceface", "give the folder that `voiceface train` wrote")
    if not isinstance(head.get("format"), int) or head["format"] > FORMAT:
        made = f"was written by a newer voiceface ({str(head.get('voiceface'))[:20]})"
        raise InputError(path, made, "pip install --upgrade voiceface")
    run_json: dict[str, Any] = read_json(path, _RunJson, remedy=again)
    # A name with a folder in it would read outside the weights folder.
    if not all(name == Path(name).name for name in run_json["files"]):
        raise InputError(path, "names no files", again)
    return run_json


def resolve_weights_folder(folder: str | Path) -> Path:
    """The weights folder itself: what ``train -o`` names holds it one folder down."""
    path = Path(folder)
    inner = path / "weights"
    return inner if not (path / "run.json").is_file() and (inner / "run.json").is_file() else path


def package_version() -> str:
    """The installed voiceface's version, or ``0`` when it runs uninstalled."""
    try:
        return importlib.metadata.version("voiceface")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _stored(tensor: Tensor, *, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype != torch.float32:
        return tensor
    small = tensor.half()
    rounded = half and tensor.dim() >= 2 and bool(small.isfinite().all() == tensor.isfinite().all())
    return small if rounded or torch.equal(small.float(), tensor) else tensor


def _write_tensors(folder: Path, tensors: Mapping[str, Tensor]) -> list[str]:
    files: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, tensor in _pieces(tensors):
        size = _size(name, tensor)
        if used + size > LARGEST and files[-1]:
            files.append({})
            used = 0
        # A clone, since safetensors refuses two names for one memory.
        files[-1][name] = tensor.clone()
        used += size
    several = len(files) > 1
    names = [
        f"model-{k + 1:05}-of-{len(files):05}.safetensors" if several else "model.safetensors"
        for k in range(len(files))
    ]
    for name, part in zip(names, files, strict=True):
        with atomic_path(folder / name) as temporary:
            mode = stat.S_IMODE(temporary.stat().st_mode)  # the umask's
            safetensors.torch.save_file(part, temporary)
            temporary.chmod(mode)  # it makes files that only their owner may read
    return names


def _pieces(tensors: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """The tensors, those too large for a file cut by rows."""
    pieces: list[tuple[str, Tensor]] = []
    for name, tensor in sorted(tensors.items()):
        if _CUT in name:
            raise ValueError(f"a tensor's name may not hold {_CUT!r}: {name}")
        if _size(name, tensor) <= LARGEST:
            pieces.append((name, tensor))
            continue
        row = tensor[0].numel() * tensor.element_size()
        if row > LARGEST // 2:
            raise InputError(name, f"has rows over {LARGEST // 2} bytes", "transpose it in the network")
        rows = (LARGEST - 1024) // row - 1
        pieces += [(f"{name}{_CUT}{k}", part) for k, part in enumerate(torch.split(tensor, max(1, rows)))]
    return pieces


def _size(name: str, tensor: Tensor) -> int:
    """Bytes in the file, its entry in the header (name, type, shape, offsets) included, rounded up."""
    return tensor.numel() * tensor.element_size() + len(name.encode()) + 256

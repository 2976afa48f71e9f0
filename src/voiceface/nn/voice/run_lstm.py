"""LSTM layers that also run where a processor's oneDNN has no bf16 LSTM."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def run_lstm(layer: nn.LSTM, rows: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run ``layer`` over ``rows (windows, frames, bands)``: states, and the last state and cell.

    Under bf16 autocast oneDNN raises on processors without AVX-512 (torch 2.13), where every other layer
    is computed somehow: there the LSTM alone stays in float32.
    """
    if rows.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not _has_bf16():
        with torch.autocast("cpu", enabled=False):
            return cast(tuple[Tensor, tuple[Tensor, Tensor]], layer(rows.float()))
    return cast(tuple[Tensor, tuple[Tensor, Tensor]], layer(rows))


def _has_bf16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

"""WavLM in a Hugging Face folder, x-vectors or mean of the last layer; needs weights (docs/encoders.md).

The network is that of the library ``transformers`` (extra ``wavlm``): it is large, well kept, and a copy of
it here would only rot. A folder whose ``config.json`` names ``WavLMForXVector`` gives x-vectors
(microsoft/wavlm-base-plus-sv: trained to tell speakers apart, 512 numbers); any other WavLM gives the mean
over time of its last layer (768 or 1,024 numbers).
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from voiceface.audio.wave_checks import as_batch
from voiceface.errors import InputError, MissingPartError
from voiceface.models.published_weights import digest, fill, find_weights, read_tensors
from voiceface.models.voice_encoder import VoiceEncoder, Waves, as_wave

__all__ = ["FILES", "VARIABLE", "WavlmVoice", "fits", "load"]

FILES = ("model.safetensors", "pytorch_model.bin")
VARIABLE = "VOICEFACE_WAVLM"
_REPOSITORIES = ("microsoft/wavlm-base-plus-sv", "microsoft/wavlm-base-sv", "microsoft/wavlm-base-plus")
_LEAST = 8_000
"""Samples: a shorter recording is repeated, for the x-vector's layers need some frames."""
_MOST = 30 * 16_000
"""Samples at once: attention costs the square of the length. Longer ones are the mean of equal parts."""
_UNNEEDED = ("classifier.", "objective.", "masked_spec_embed", "wavlm.masked_spec_embed")
"""Beginnings of tensors that only training needs."""
_REMEDY = "give a WavLM's folder as the Hugging Face hub has it, see docs/encoders.md"


class WavlmVoice(VoiceEncoder):
    """Recordings one by one, so that a row depends on no other recording."""

    name = "wavlm"

    def __init__(
        self,
        network: Any,  # noqa: ANN401  transformers is imported late
        *,
        xvector: bool,
        scaled: bool,
        fingerprint: str,
        device: str = "cpu",
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.fingerprint, self.device = fingerprint, device
        self._xvector, self._scaled = xvector, scaled
        self.dim = int(network.config.xvector_output_dim if xvector else network.config.hidden_size)

    def embed(self, waves: Waves) -> npt.NDArray[np.float32]:
        """As `VoiceEncoder.embed`."""
        rows = [torch.zeros(0, self.dim)]
        with torch.inference_mode():
            for wave in waves:
                samples = as_batch(as_wave(wave).to(self.device))[0]
                if len(samples) < _LEAST:
                    samples = samples.repeat(-(-_LEAST // len(samples)))
                parts = samples.tensor_split(-(-len(samples) // _MOST))
                found = torch.stack([self._placed(part) for part in parts]).mean(0, keepdim=True)
                rows.append(torch.nn.functional.normalize(found, dim=1).cpu())
        return torch.cat(rows).numpy()

    def _placed(self, samples: torch.Tensor) -> torch.Tensor:
        if self._scaled:
            samples = (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()
        found = self.network(samples[None])
        row: torch.Tensor = found.embeddings[0] if self._xvector else found.last_hidden_state[0].mean(0)
        return row.float()


def fits(place: Path) -> bool:
    """Whether a folder (or a weights file's) is that of a network of the Hugging Face hub."""
    folder = place if place.is_dir() else place.parent
    return (place.is_dir() or place.name in FILES) and (folder / "config.json").is_file()


def load(weights: str | Path | None = None, *, device: str = "cpu") -> WavlmVoice:
    """Load the encoder from a folder (or its weights file), ``VOICEFACE_WAVLM``, or the hub's cache here.

    Raises:
        MissingPartError: no weights are found, or ``transformers`` is not installed.
        InputError: the folder is no WavLM's, or its weights are damaged, hold code or do not fit.
    """
    path = find_weights("wavlm", weights, variable=VARIABLE, repositories=_REPOSITORIES, files=FILES)
    told = _told(path.with_name("config.json"))
    try:
        library = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingPartError(
            "wavlm", "the library transformers is not installed", 'pip install "voiceface[wavlm]"'
        ) from error
    xvector = "WavLMForXVector" in (told.get("architectures") or [])
    tensors = read_tensors(path)
    try:
        with torch.random.fork_rng(devices=()):
            config = library.WavLMConfig(**told)
            network = (library.WavLMForXVector if xvector else library.WavLMModel)(config)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise InputError(path.with_name("config.json"), "describes no WavLM network", _REMEDY) from error
    if not xvector and any(name.startswith("wavlm.") for name in tensors):
        # A head was trained on it; the body alone is wanted.
        tensors = {n.removeprefix("wavlm."): t for n, t in tensors.items() if n.startswith("wavlm.")}
    tensors = {_newer(name): tensor for name, tensor in tensors.items()}
    fill(network, tensors, path, unneeded=_UNNEEDED)
    scaled = _scaled(path.with_name("preprocessor_config.json"), told)
    return WavlmVoice(network, xvector=xvector, scaled=scaled, fingerprint=digest(path), device=device)


def _told(path: Path) -> dict[str, Any]:
    """What ``config.json`` says of the network."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", _REMEDY) from error
    except ValueError as error:
        raise InputError(path, "is no JSON", _REMEDY) from error
    if not isinstance(told, dict) or told.get("model_type") != "wavlm":
        kind = told.get("model_type") if isinstance(told, dict) else None
        raise InputError(path, f"describes a {kind or 'nameless network'}, no wavlm", _REMEDY)
    return told


def _scaled(path: Path, told: dict[str, Any]) -> bool:
    """Whether recordings are brought to mean 0 and deviation 1, as its training did."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["do_normalize"])
    except (OSError, ValueError, KeyError, TypeError):
        return told.get("feat_extract_norm") == "layer"  # the large ones


def _newer(name: str) -> str:
    """The name that today's library gives to the two tensors of a weight norm."""
    for older, newer in (("weight_g", "original0"), ("weight_v", "original1")):
        if name.endswith(f"pos_conv_embed.conv.{older}"):
            return f"{name.removesuffix(older)}parametrizations.weight.{newer}"
    return name

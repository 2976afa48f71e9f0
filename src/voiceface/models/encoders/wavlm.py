"""WavLM in a Hugging Face folder, x-vectors or mean of the last layer; needs weights (docs/encoders.md).

The network is that of the library ``transformers`` (extra ``wavlm``): it is large and well maintained, so
it is not copied here. A folder whose ``config.json`` names ``WavLMForXVector`` gives x-vectors
(microsoft/wavlm-base-plus-sv: trained to tell speakers apart, 512 numbers); any other WavLM gives the mean
over time of its last layer (768 or 1,024 numbers).
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceface.errors import InputError, MissingPartError
from voiceface.media.open_file import check_regular
from voiceface.models.published_weights import digest, find_weights, load_tensors, read_tensors
from voiceface.models.voice_encoder import RecordingEncoder
from voiceface.records import SAMPLE_RATE

FILES = ("model.safetensors", "pytorch_model.bin")
VARIABLE = "VOICEFACE_WAVLM"
_REPOSITORIES = ("microsoft/wavlm-base-plus-sv", "microsoft/wavlm-base-sv", "microsoft/wavlm-base-plus")
_MIN_SAMPLES = 8_000
"""Samples: a shorter recording is repeated, for the x-vector's layers need some frames."""
_MAX_SAMPLES = 30 * SAMPLE_RATE
"""Samples at once: attention costs the square of the length. Longer ones are averaged over equal parts."""
_IGNORED = ("classifier.", "objective.", "masked_spec_embed", "wavlm.masked_spec_embed")
"""Prefixes of tensors that only training needs."""
_REMEDY = "give a WavLM's folder as the Hugging Face hub has it, see docs/encoders.md"


class WavlmVoice(RecordingEncoder):
    """Recordings one by one, so that an embedding depends on no other recording."""

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
        super().__init__(network, fingerprint=fingerprint, least=_MIN_SAMPLES, device=device)
        self._xvector, self._scaled = xvector, scaled
        self.dim = int(network.config.xvector_output_dim if xvector else network.config.hidden_size)

    def embed_recording(self, samples: Tensor) -> Tensor:
        """As `RecordingEncoder.embed_recording`."""
        parts = samples.tensor_split(-(-len(samples) // _MAX_SAMPLES))
        return torch.stack([self._embed_part(part) for part in parts]).mean(0)

    def _embed_part(self, samples: torch.Tensor) -> torch.Tensor:
        if self._scaled:
            samples = (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()
        found = self.network(samples[None])
        row: torch.Tensor = found.embeddings[0] if self._xvector else found.last_hidden_state[0].mean(0)
        return row.float()


def recognises_weights(path: Path) -> bool:
    """Whether a folder (or a weights file's) is that of a network of the Hugging Face hub."""
    folder = path if path.is_dir() else path.parent
    return (path.is_dir() or path.name in FILES) and (folder / "config.json").is_file()


def load(weights: str | Path | None = None, *, device: str = "cpu") -> WavlmVoice:
    """Load the encoder from a folder (or its weights file), ``VOICEFACE_WAVLM``, or the hub's cache here.

    Raises:
        MissingPartError: no weights are found, or ``transformers`` is not installed.
        InputError: the folder is no WavLM's, or its weights are damaged, hold code or do not fit.
    """
    path = find_weights("wavlm", weights, variable=VARIABLE, repositories=_REPOSITORIES, files=FILES)
    config_json = _read_config(path.with_name("config.json"))
    try:
        library = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingPartError(
            "wavlm", "the library transformers is not installed", 'pip install "voiceface[wavlm]"'
        ) from error
    xvector = "WavLMForXVector" in (config_json.get("architectures") or [])
    tensors = read_tensors(path)
    try:
        with torch.random.fork_rng(devices=()):
            config = library.WavLMConfig(**config_json)
            network = (library.WavLMForXVector if xvector else library.WavLMModel)(config)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise InputError(path.with_name("config.json"), "describes no WavLM network", _REMEDY) from error
    if not xvector and any(name.startswith("wavlm.") for name in tensors):
        # Saved with a head on top; only the body is needed.
        tensors = {n.removeprefix("wavlm."): t for n, t in tensors.items() if n.startswith("wavlm.")}
    tensors = {_newer(name): tensor for name, tensor in tensors.items()}
    load_tensors(network, tensors, path, ignored=_IGNORED)
    scaled = _scaled(path.with_name("preprocessor_config.json"), config_json)
    return WavlmVoice(network, xvector=xvector, scaled=scaled, fingerprint=digest(path), device=device)


def _read_config(path: Path) -> dict[str, Any]:
    """The network's configuration, ``config.json``."""
    check_regular(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", _REMEDY) from error
    except ValueError as error:
        raise InputError(path, "is no JSON", _REMEDY) from error
    if not isinstance(config, dict) or config.get("model_type") != "wavlm":
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise InputError(path, f"describes a {kind or 'nameless network'}, not a wavlm", _REMEDY)
    return config


def _scaled(path: Path, config: dict[str, Any]) -> bool:
    """Whether recordings are standardised to mean 0 and deviation 1, as in its training."""
    check_regular(path)
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["do_normalize"])
    except (OSError, ValueError, KeyError, TypeError):
        return config.get("feat_extract_norm") == "layer"  # the large ones


def _newer(name: str) -> str:
    """The library's current name of the two tensors of a weight norm."""
    for older, newer in (("weight_g", "original0"), ("weight_v", "original1")):
        if name.endswith(f"pos_conv_embed.conv.{older}"):
            return f"{name.removesuffix(older)}parametrizations.weight.{newer}"
    return name

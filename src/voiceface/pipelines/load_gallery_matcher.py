"""The matcher that a gallery's embeddings are of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voiceface.errors import InputError
from voiceface.pipelines.download_weights import download_weights
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.weights import on_hub


def load_gallery_matcher(path: Path, card: Mapping[str, Any], *, device: str) -> Matcher:
    """Load the matcher that the gallery's card names.

    Args:
        path: the gallery's folder, for errors.
        card: its ``gallery.json``.
        device: where the matcher is to lie.

    Raises:
        InputError: it is neither shipped nor where it was, or has been replaced since.
    """
    source = str(card["source"])
    repository = on_hub(source)
    # A gallery may be a stranger's, who does not decide what is fetched.
    loaded = Matcher.load(download_weights(repository, ask=False) if repository else source, device=device)
    loaded.name = str(repository or loaded.name)
    if loaded.fingerprint != card["weights"]:
        fault = f"holds embeddings of another version of the matcher {loaded.name}"
        raise InputError(path, fault, "add the files to a new gallery")
    return loaded

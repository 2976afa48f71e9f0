"""voiceface learns the link between people's voices and faces, uses it and measures it.

>>> import voiceface as vf
>>> sorted(vf.__all__)
['Corpus', 'Imaginer', 'Matcher', 'Talker', 'protocols', 'train', 'trusting']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voiceface import protocols
    from voiceface.corpus.corpus import Corpus
    from voiceface.pipelines.imaginer import Imaginer
    from voiceface.pipelines.matcher import Matcher
    from voiceface.pipelines.talker import Talker
    from voiceface.pipelines.train import train
    from voiceface.pipelines.weights import trusting

__all__ = ["Corpus", "Imaginer", "Matcher", "Talker", "protocols", "train", "trusting"]

# Loaded when first asked for: `import voiceface` costs nothing, no torch, no codec.
_MODULES = {
    "Corpus": "voiceface.corpus.corpus",
    "Imaginer": "voiceface.pipelines.imaginer",
    "Matcher": "voiceface.pipelines.matcher",
    "Talker": "voiceface.pipelines.talker",
    "train": "voiceface.pipelines.train",
    "trusting": "voiceface.pipelines.weights",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name == "__version__":
        from importlib.metadata import version  # takes four times as long to import as this module

        return version("voiceface")
    if name == "protocols":
        return importlib.import_module("voiceface.protocols")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'voiceface' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

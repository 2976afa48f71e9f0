"""What a worker process loads; the server itself imports no torch."""

from __future__ import annotations

from voiceface.app.engine_options import EngineOptions
from voiceface.app.worker import TaskRunner


def load_engine(options: EngineOptions) -> TaskRunner:
    """Load the models, in the process that uses them.

    Raises:
        InputError: some weights, the gallery, the corpus or the device cannot be used.
    """
    from voiceface.app.engine import Engine

    return Engine(options)

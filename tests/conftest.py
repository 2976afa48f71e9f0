"""What several tests share: a small corpus of synthetic people, made once and kept."""

import gc
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from kept_workers import KeptWorkers

os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the hub for a folder that is not there
# Processes that compile librosa at once leave a cache that mixes them, and crashes whoever reads it.
os.environ["NUMBA_CACHE_DIR"] = str(
    Path(__file__).parents[1] / ".pytest_cache" / f"numba-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Importing everything makes hardly any garbage, and looking for it takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # what was imported stays, and is never searched again
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def kept_workers():
    """Corpora are prepared by processes that are kept until the end of the tests."""
    workers = KeptWorkers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voiceface.corpus.prepare.local_worker_pool", workers.local_worker_pool)
        yield workers
    workers.close()


@pytest.fixture(scope="session")
def tiny_corpus():
    """A maker of small synthetic corpora by their arguments; each is made once and cached.

    ``tiny_corpus()`` has 12 people with 3 voices and 3 faces each; ``tiny_corpus(people=3, voices=1,
    faces=1, clips=2)`` has clips too. Use one that others use: each is made in ten seconds or more.
    """
    if importlib.util.find_spec("espeakng_loader") is None:
        pytest.skip("espeakng-loader is not installed")
    from voiceface.synthetic import tiny_corpus

    return tiny_corpus.tiny_corpus


@pytest.fixture(autouse=True)
def _webrtc_detects_speech(monkeypatch):
    """Made sounds pass for speech with WebRTC's detector, not with Silero's, where somebody installed it."""
    monkeypatch.setitem(sys.modules, "silero_vad", None)

"""Weights from the Hugging Face hub, through its cache."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from voiceface.errors import InputError
from voiceface.pipelines.hub import Repository, hub_error, load_hub
from voiceface.training.weights import LARGEST, read_run

_MARGIN = 1_000_000
"""Bytes of a file beside its tensors."""


def download_weights(repository: Repository, *, ask: bool = True) -> Path:
    """The weights folder of a repository's revision in the hub's cache, downloaded where it is not there.

    Nothing is fetched but ``run.json`` and the files that it names. The settings of huggingface_hub hold:
    ``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_TOKEN``, ``HF_ENDPOINT``. Without a network what the cache holds
    of the revision is taken.

    Args:
        repository: what is wanted.
        ask: ask the hub; False takes only what is in the cache, for a name that stands in a stranger's file.

    Raises:
        InputError: there is no such repository or revision, it may not be read, holds no voiceface weights,
            or is not in the cache while the hub cannot be reached.
        MissingPartError: huggingface_hub is not installed.
    """
    card = _fetch(repository, "run.json", repository.revision, ask=ask)
    try:
        files = read_run(card.parent)["files"]
    except InputError as error:
        newer = error.remedy if error.remedy.startswith("pip") else "tell its owner"
        raise InputError(repository, f"its run.json {error.fault}", newer) from error
    for name in files:
        _fetch(
            repository, name, card.parent.name, ask=ask
        )  # of the same commit, whatever the branch holds by now
    return card.parent


def _fetch(repository: Repository, file: str, revision: str | None, *, ask: bool) -> Path:
    """One file of a revision, in the cache."""
    hub = load_hub(repository)
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RevisionNotFoundError

    place = {"repo_id": repository.name, "filename": file, "revision": revision}
    if not ask:
        with contextlib.suppress(LocalEntryNotFoundError):
            return Path(hub.hf_hub_download(**place, local_files_only=True))
        remedy = f"fetch it once by its name, as in `voiceface match --weights {repository}`"
        raise InputError(repository, "is not in the hub's cache", remedy)
    try:
        if revision is not None and re.fullmatch("[0-9a-f]{40}", revision):  # a commit never changes
            with contextlib.suppress(LocalEntryNotFoundError):
                return Path(hub.hf_hub_download(**place, local_files_only=True))
        size = hub.get_hf_file_metadata(hub.hf_hub_url(**place)).size
        if size is not None and size > LARGEST + _MARGIN:
            fault = f"{file[:80]} has {size:,} bytes, and voiceface writes {LARGEST:,} at most"
            raise InputError(repository, fault, "tell its owner to use `voiceface push`")
        return Path(hub.hf_hub_download(**place))
    except InputError:
        raise
    except (EntryNotFoundError, RevisionNotFoundError) as error:
        raise hub_error(repository, error) from error
    except Exception as error:  # the library's own, its HTTP client's and the disk's
        with contextlib.suppress(LocalEntryNotFoundError):
            return Path(hub.hf_hub_download(**place, local_files_only=True))
        raise hub_error(repository, error) from error

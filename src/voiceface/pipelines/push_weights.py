"""Weights to the Hugging Face hub: what is published is known before, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NotRequired, TypedDict

from voiceface.components import SHIPPED
from voiceface.errors import InputError
from voiceface.media.read_json import read_json
from voiceface.pipelines.hub import Repository, as_repository, hub_error, load_hub
from voiceface.pipelines.model_card import model_card
from voiceface.pipelines.weights import load_model, weights_folder


class _Split(TypedDict):
    people: NotRequired[dict[str, int]]


class _Told(TypedDict):
    """What a model card says of a ``run.json``, beside what loading it has checked."""

    corpus: NotRequired[str]
    licence: NotRequired[str]
    split: NotRequired[_Split]


@dataclass(frozen=True, slots=True)
class Publication:
    """What a push publishes."""

    repository: Repository
    folder: Path
    files: dict[str, Path | bytes]
    """Each file's name in the repository, with the file or its content."""
    card: dict[str, Any]
    """The weights' ``run.json``."""

    @property
    def names(self) -> list[str]:
        """Names in lists of the facts: a model of known people lists these people there."""
        lists = (value for value in self.card.get("facts", {}).values() if isinstance(value, list))
        return sorted({text for value in lists for text in _texts(value) if text})

    @property
    def places(self) -> list[str]:
        """Paths of this machine in ``run.json``."""
        return sorted({text for text in _texts(self.card) if _is_absolute(text)})


def prepare_publication(weights: str | Path, repository: str) -> Publication:
    """Load weights as anybody will who takes them from the hub, and write their model card.

    Nothing but ``run.json``, the tensors that it names and ``README.md`` is published. A ``README.md`` of the
    user's own in the weights folder is taken as it is. The model is built first: tensors that no model of
    the recipe has, such as an optimiser's, are refused.

    Args:
        weights: a weights folder, the folder of a training, or the name of shipped weights.
        repository: ``owner/name`` or ``owner/name@BRANCH``.

    Raises:
        InputError: the weights cannot be loaded, or the repository's name is none.
        MissingPartError: huggingface_hub, or a part that the weights need, is not installed.
    """
    where = as_repository(repository)
    if where is None:
        raise InputError(repository, "is no name of a repository", "give owner/name, in plain letters")
    load_hub(where)
    folder = weights_folder(weights)
    checkpoints = (one for pattern in ("step-*.pt", "*/step-*.pt") for one in folder.glob(pattern))
    if not (folder / "run.json").is_file() and any(checkpoints):
        fault = "holds no weights but checkpoints, with the states of optimisers"
        raise InputError(folder, fault, "give the weights folder that the finished training wrote")
    loaded = load_model(weights)
    read_json(folder / "run.json", _Told, remedy="correct it, or train again")
    own = folder / "README.md"
    shipped = folder.name if folder.parent == SHIPPED else None
    written = own if own.is_file() else model_card(loaded, where, shipped=shipped).encode()
    files: dict[str, Path | bytes] = {name: folder / name for name in ("run.json", *loaded.card["files"])}
    return Publication(where, folder, {**files, "README.md": written}, loaded.card)


def push_weights(publication: Publication, *, private: bool = False) -> str:
    """Publish, in one commit; returns its hash.

    A repository that does not exist is made, and so is a branch.

    Args:
        publication: what, and where.
        private: make the repository private. One that exists and is public is refused then.

    Raises:
        InputError: the hub cannot be reached or refuses.
    """
    where = publication.repository
    hub = load_hub(where)
    api = hub.HfApi()
    try:
        api.create_repo(where.name, private=private or None, exist_ok=True)
        if private and not api.model_info(where.name).private:
            remedy = "make it private on its page, or push without --private"
            raise InputError(where, "exists and is public", remedy)
        if where.revision is not None:
            api.create_branch(where.name, branch=where.revision, exist_ok=True)
        operations = [
            hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in publication.files.items()
        ]
        done = api.create_commit(
            where.name, operations, commit_message="Upload weights with voiceface", revision=where.revision
        )
    except InputError:
        raise
    except Exception as error:  # its own errors, its HTTP client's and the disk's
        raise hub_error(where, error, pushing=True) from error
    return str(done.oid)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  any JSON
    """All strings in a JSON value, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _is_absolute(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute() or text.startswith("~")

"""Repositories of the Hugging Face hub: their names, the library that talks to it, its errors in one line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from voiceface.errors import InputError, MissingPartError

_FORM = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>\w[\w./-]*))?", re.ASCII)
_NOT_WEIGHTS = re.compile(r"\.(pth?|ckpt|bin|safetensors|onnx|json)", re.IGNORECASE)
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of the hub and a revision of it: a commit, tag or branch; None is its main branch."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        """As it is typed."""
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


def as_repository(text: str | Path) -> Repository | None:
    """The repository that ``owner/name`` or ``owner/name@REVISION`` names; None for any other form.

    >>> as_repository("anna/matcher@v1")
    Repository(name='anna/matcher', revision='v1')
    >>> as_repository("runs/mine/weights") or as_repository("../mine") or as_repository("runs/old.pth")
    """
    found = _FORM.fullmatch(text.as_posix() if isinstance(text, Path) else text)
    if found is None or _NOT_WEIGHTS.fullmatch(Path(found["name"]).suffix):
        return None
    return Repository(found["name"], found["revision"])


def load_hub(repository: Repository) -> ModuleType:
    """The package huggingface_hub.

    Raises:
        MissingPartError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        fault = "is no folder here but a name on the hub, for which huggingface_hub must be installed"
        raise MissingPartError(
            repository, fault, "check the path, or pip install 'voiceface[hub]'"
        ) from error
    return huggingface_hub


def hub_error(repository: Repository, error: Exception, *, pushing: bool = False) -> InputError:
    """What an error of huggingface_hub means, with a remedy; before loading, a folder was looked for too."""
    from huggingface_hub import constants, errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        fault = "is open to those whom its owner lets in"
        remedy = f"ask on its page on the hub, then {_LOG_IN}"
    elif isinstance(error, errors.RepositoryNotFoundError):
        fault = "is neither a folder here nor a repository of the hub that you may read"
        fault = "is no repository of the hub that you may write to" if pushing else fault
        remedy = f"check the name; if it is private, {_LOG_IN}"
    elif isinstance(error, errors.RevisionNotFoundError):
        fault, remedy = f"has no revision {repository.revision}", "take one from its history on the hub"
    elif isinstance(error, errors.EntryNotFoundError):
        fault = "holds no voiceface weights, or not all of their files"
        remedy = "give a repository that `voiceface push` made"
    elif constants.HF_HUB_OFFLINE:
        fault = f"is neither a folder here nor in the hub's cache ({constants.HF_HUB_CACHE}), and "
        fault = f"{'' if pushing else fault}HF_HUB_OFFLINE is set"
        remedy = "unset it" if pushing else "check the path, or load it once while online"
    elif status in (401, 403):
        fault, remedy = f"the hub refuses ({status})", f"{_LOG_IN}: a token that may do this"
    elif status is not None:
        fault, remedy = f"the hub could not serve it ({status})", "try again later"
    else:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        here = "" if pushing else "is no folder here, and "
        fault = f"{here}{constants.ENDPOINT} could not be used ({reason})"
        remedy = f"check the {'name' if pushing else 'path'}, or the network"
    return InputError(repository, fault, remedy)

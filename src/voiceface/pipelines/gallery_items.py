"""The items of a gallery: what is added, what is found, and how names and values are spelt."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.unicode_names import in_one_form
from voiceface.pipelines.gallery_folder import RESERVED_COLUMNS

KINDS = ("voice", "face")
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,40}")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One file to add."""

    path: Path
    kind: str
    """``voice`` or ``face``."""
    person: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One item that was found."""

    person: str
    kind: str
    path: str
    similarity: float
    """Dot product of the two embeddings, -1 to 1."""
    probability: float | None
    """That both are one person's, at even odds; None between two voices or two faces, for which no
    calibration was learnt."""
    attributes: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class AddResult:
    """What was added."""

    added: int
    already_present: int
    """Items that the gallery had before."""
    failed: list[InputError]


def checked_item(item: Item) -> Item:
    """The item with its person and values in one Unicode form, however a folder or keyboard spells them.

    Raises:
        InputError: no person, no known kind, or an attribute that cannot be a name.
    """
    if not item.person:
        raise InputError(item.path, "has no person", "say whose it is")
    if item.kind not in KINDS:
        raise InputError(item.path, f"is of the kind {item.kind!r}", "give voice or face")
    for name in item.attributes:
        if name in RESERVED_COLUMNS or not _ATTRIBUTE.fullmatch(name):
            raise InputError(f"attribute {name!r}", "cannot be a name", "use small letters, digits and _")
    attributes = {name: in_one_form(value) for name, value in item.attributes.items()}
    return replace(item, person=in_one_form(item.person), attributes=attributes)


def item_ids(item: Item, contents: bytes) -> tuple[str, ...]:
    """The id of a checked item, and those it may have got where names were kept as spelt (NFD)."""
    found = []
    for person in _spellings(item.person):
        head = f"{item.kind}\n{person}\n".encode("utf-8", "surrogateescape")
        found.append(hashlib.blake2b(head + contents, digest_size=16).hexdigest())
    return tuple(found)


def equals(column: str, value: str) -> str:
    """The SQL condition that a column holds a value, in whichever Unicode form."""
    return f"`{column}` IN ({', '.join(quoted(one) for one in _spellings(value))})"


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _spellings(text: str) -> list[str]:
    return list(dict.fromkeys([in_one_form(text), unicodedata.normalize("NFD", text), text]))

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

KINDS = ("voice", "face")
RESERVED_COLUMNS = ("id", "person", "kind", "path", "vector")
"""Columns of every gallery; the others are attributes."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python puts for bytes of a file's name that are no text."""
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

    def __add__(self, other: AddResult) -> AddResult:
        """Of both together."""
        return AddResult(
            added=self.added + other.added,
            already_present=self.already_present + other.already_present,
            failed=[*self.failed, *other.failed],
        )


def checked_item(item: Item) -> Item:
    """The item with its person and values in one Unicode form, however a folder or keyboard spells them.

    Raises:
        InputError: no person, no known kind, an attribute that cannot be a name,
            or a person or value that is no text.
    """
    if not item.person:
        raise InputError(item.path, "has no person", "say whose it is")
    if item.kind not in KINDS:
        raise InputError(item.path, f"is of the kind {item.kind!r}", "give voice or face")
    for name in item.attributes:
        if name in RESERVED_COLUMNS or not _ATTRIBUTE.fullmatch(name):
            raise InputError(f"attribute {name!r}", "cannot be a name", "use small letters, digits and _")
    if any(_SURROGATE.search(text) for text in (item.person, *item.attributes.values())):
        raise InputError(item.path, "has a person or value that is no Unicode text", "spell it anew")
    attributes = {name: in_one_form(value) for name, value in item.attributes.items()}
    return replace(item, person=in_one_form(item.person), attributes=attributes)


def check_path(path: Path) -> None:
    """Refuse a path that is no text, as no gallery can hold it.

    Raises:
        InputError: it holds bytes that are no UTF-8.
    """
    if _SURROGATE.search(str(path)):
        raise InputError(path, "has a name that is no Unicode text", "rename it")


def item_ids(item: Item, contents: bytes) -> tuple[bytes, ...]:
    """The id of a checked item, and those it may have got where names were kept as spelt (NFD)."""
    found = []
    for person in spellings(item.person):
        head = f"{item.kind}\n{person}\n".encode("utf-8", "surrogateescape")
        found.append(hashlib.blake2b(head + contents, digest_size=16).digest())
    return tuple(found)


def spellings(text: str) -> list[str]:
    """A text in the Unicode forms in which it may have been stored; none if it is no text."""
    if _SURROGATE.search(text):
        return []
    return list(dict.fromkeys([in_one_form(text), unicodedata.normalize("NFD", text), text]))

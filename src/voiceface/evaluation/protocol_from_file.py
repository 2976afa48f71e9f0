"""Any protocol run on a file: the columns of a CSV, or the arrays of an .npz, are its arguments by name."""

from __future__ import annotations

import csv
import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voiceface.components import nearest
from voiceface.errors import InputError
from voiceface.media.read_npz import read_npz
from voiceface.media.unicode_names import array_in_one_form
from voiceface.protocols.calibration import Calibration
from voiceface.protocols.estimate import Estimate
from voiceface.protocols.read_lines import read_lines
from voiceface.protocols.report import Report

Columns = Mapping[str, NDArray[Any]]

_PAIR = tuple[ArrayLike, ArrayLike]
_SIDES = (("voice", "face"), ("first", "second"))
"""What the two columns of a pair of arrays begin with."""


def file_protocols() -> list[str]:
    """Names of the protocols that can be run on a file."""
    from voiceface.protocols import protocol_modules

    return [name for name in protocol_modules() if not _missing_kinds(_protocol(name))]


def protocol_from_file(name: str) -> Callable[..., Any]:
    """A protocol as a function of one file, ``(data, *, options)``.

    Its options are the protocol's keyword arguments with a plain default. Every array comes from the file:
    of an argument ``scores`` the column ``scores`` or ``score``; of a pair of arrays ``people`` the columns
    ``voice_person`` and ``face_person``, or ``first_person`` and ``second_person``. Arrays that may be left
    out are taken where the file has them. What it returns has ``to_dict()`` and reads well as text.

    Raises:
        InputError: there is no such protocol, or it takes something that no file holds.
    """
    function = _protocol(name)
    missing = _missing_kinds(function)
    if missing:
        fault = f"takes {', '.join(missing)}, which no file holds"
        raise InputError(f"protocol {name}", fault, "call it in Python")
    hints, signature = get_type_hints(function), inspect.signature(function)
    options = [
        p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and _is_option(hints[p.name], p)
    ]

    spellings = {
        part
        for parameter in signature.parameters.values()
        for spelling in _spellings(parameter.name, _array_kind(hints[parameter.name]))
        for part in spelling.split(" and ")
    }

    @functools.wraps(function)
    def run(data: Path, **given: Any) -> Any:  # noqa: ANN401  the protocol's report
        columns, arrays = _read(Path(data), spellings), {}
        for parameter in signature.parameters.values():
            kind = _array_kind(hints[parameter.name])
            found = _take(columns, parameter.name, kind) if kind else None
            if found is not None:
                arrays[parameter.name] = found
            elif parameter.default is parameter.empty:
                wanted = " or ".join(_spellings(parameter.name, kind))
                fault = f"has the columns {', '.join(columns)[:80] or 'of something else'}"
                raise InputError(data, fault, f"{name} needs {wanted}")
        return function(**arrays, **given)

    first = inspect.Parameter("data", inspect.Parameter.POSITIONAL_ONLY, annotation=Path)
    run.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]
    return run


def figures_of(found: Any) -> dict[str, list[Estimate]]:  # noqa: ANN401  any protocol's answer
    """The figures of what a protocol returns: rows of a `Report`, or its single row or figure."""
    if isinstance(found, Report):
        return found.rows
    if isinstance(found, Calibration):
        return {"all": list(found.row)}
    return {"all": [found if isinstance(found, Estimate) else found.difference]}


def _protocol(name: str) -> Callable[..., Any]:
    from voiceface import protocols

    known = protocols.protocol_modules()
    wanted = name.replace("-", "_")
    if wanted not in known:
        raise InputError(name, "is no protocol", nearest(wanted, list(known)))
    found: Callable[..., Any] = getattr(protocols, wanted)
    return found


def _alternatives(hint: Any) -> set[Any]:  # noqa: ANN401  any annotation
    return set(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else {hint}


def _array_kind(hint: Any) -> str:  # noqa: ANN401  any annotation
    """``array``, ``pair``, or nothing where no file can hold it."""
    kinds = _alternatives(hint) - {type(None)}
    if kinds == {_PAIR}:
        return "pair"
    return "array" if kinds >= _alternatives(ArrayLike) or get_origin(hint) is np.ndarray else ""


def _is_option(hint: Any, parameter: inspect.Parameter) -> bool:  # noqa: ANN401  any annotation
    plain = {int, float, str, bool, type(None), Sequence[int], Sequence[float], Sequence[str]}
    return parameter.default is not parameter.empty and _alternatives(hint) <= plain


def _missing_kinds(function: Callable[..., Any]) -> list[str]:
    hints = get_type_hints(function)
    return [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and not _array_kind(hints[p.name])
    ]


def _read(path: Path, names: set[str]) -> dict[str, NDArray[Any]]:
    if path.suffix == ".npz":
        arrays = read_npz(
            path, lambda headers: sorted(names & headers.keys()), remedy="give an .npz of named arrays"
        )
        return {
            name: array_in_one_form(array) if array.dtype.kind == "U" else array
            for name, array in arrays.items()
        }
    rows = list(csv.reader(read_lines(path)))
    heads = [head.strip().lower().lstrip("\ufeff") for head in rows[0]]
    bad = [line for line, row in enumerate(rows[1:], start=2) if len(row) != len(heads)]
    if bad or len(rows) < 2 or len(set(heads)) < len(heads):
        fault = f"line {bad[0]} does not have {len(heads)} columns" if bad else "is no table with a header"
        raise InputError(path, fault, "write a header of different names and one row an item")
    return {head: np.array([row[k].strip() for row in rows[1:]]) for k, head in enumerate(heads)}


def _spellings(name: str, kind: str) -> list[str]:
    one = "person" if name == "people" else name.removesuffix("s")
    names = list(dict.fromkeys((one, name)))
    if kind == "pair":
        return [f"{a}_{n} and {b}_{n}" for a, b in _SIDES for n in names]
    return names


def _take(columns: Columns, name: str, kind: str) -> Any:  # noqa: ANN401  an array or two
    for spelling in _spellings(name, kind):
        parts = spelling.split(" and ")
        if all(part in columns for part in parts):
            found = tuple(columns[part] for part in parts)
            return found if kind == "pair" else found[0]
    return None

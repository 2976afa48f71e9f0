"""Command-line options made from a function's signature: the one place where defaults stand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import FunctionType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter

from voiceface.cli.docstrings import docstring_arguments
from voiceface.errors import InputError

__all__ = [
    "HEADINGS",
    "Flag",
    "Given",
    "changed",
    "field_options",
    "heading",
    "keyword_options",
    "with_options",
]

HEADINGS = ("Use", "Learn", "Measure", "Look around")
"""Headings of the help of all commands, in this order."""

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""A switch of the command's own: off unless given."""

Given = dict[str, Any]
"""What the user gave for generated options, by name; only those that differ from the default."""


@cache
def heading(name: str) -> Group:
    """The heading of the help that a command stands under."""
    return Group(name, sort_key=HEADINGS.index(name))


def keyword_options(function: Callable[..., Any], *, title: str) -> list[inspect.Parameter]:
    """The keyword-only arguments of a function as options, helped by its docstring.

    Raises:
        InputError: an argument has no default or no type, so that no option can be made of it.
    """
    told = docstring_arguments(inspect.getdoc(function))
    hints = _hints(_options_alone(function))
    options = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if name not in hints or parameter.default is parameter.empty:
            fault = f"its argument {name} has no type or no default"
            raise InputError(title, fault, "write `name: type = default` in its signature")
        options.append(_option(name, hints[name], parameter.default, told.get(name, ""), title))
    return options


def field_options(kind: type, *, title: str, told: Mapping[str, str]) -> list[inspect.Parameter]:
    """The fields of a dataclass as options; ``told`` says what each is for."""
    assert is_dataclass(kind)
    hints = _hints(kind)
    plain = [field for field in fields(kind) if field.default is not MISSING]
    return [_option(f.name, hints[f.name], f.default, told.get(f.name, ""), title) for f in plain]


def with_options(
    command: Callable[..., int], options: Mapping[str, list[inspect.Parameter]], *, owner: str
) -> Callable[..., int]:
    """``command`` with further options: it is handed each list's values as a dict under the list's name.

    Raises:
        InputError: two options have one name.
    """
    own = inspect.signature(command, eval_str=True)
    parameters = [p for p in own.parameters.values() if p.name not in options]
    for group in options.values():
        for parameter in group:
            if parameter.name in {p.name for p in parameters}:
                fault = f"its option --{parameter.name.replace('_', '-')} is the command's own"
                raise InputError(owner, fault, "rename the argument")
            parameters.append(parameter)

    def generated(*positional: Any, **given: Any) -> int:  # noqa: ANN401
        sorted_out: Given = {
            name: {p.name: given.pop(p.name) for p in group if p.name in given}
            for name, group in options.items()
        }
        return command(*positional, **given, **sorted_out)

    generated.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    generated.__doc__ = command.__doc__
    return generated


def changed(given: Mapping[str, Any], options: list[inspect.Parameter]) -> Given:
    """The given values that are not the default, as JSON holds them."""
    defaults = {option.name: option.default for option in options}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if value != defaults[name]
    }


def _option(name: str, kind: Any, default: Any, told: str, title: str) -> inspect.Parameter:  # noqa: ANN401
    whole = {"converter": _whole} if _is_whole(kind) else {}
    annotation = Annotated[kind, Parameter(help=told, group=Group(title, sort_key=50), **whole)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _is_whole(kind: Any) -> bool:  # noqa: ANN401
    if get_origin(kind) in (Union, UnionType):
        return set(get_args(kind)) == {int, type(None)}
    return kind is int


def _whole(kind: Any, tokens: Any) -> int:  # noqa: ANN401  cyclopts' protocol
    """A whole number; cyclopts would round 1.5 to 2 and train with it."""
    return int(tokens[0].value)


def _options_alone(function: Callable[..., Any]) -> FunctionType:
    """A stand-in with the annotations of the options alone: other types may be imported for checkers only."""
    wanted = {
        n
        for n, p in inspect.signature(function).parameters.items()
        if p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD)
    }
    plain = inspect.unwrap(function)
    alone = FunctionType((lambda: None).__code__, plain.__globals__, plain.__name__)
    alone.__annotations__ = {n: kind for n, kind in plain.__annotations__.items() if n in wanted}
    alone.__module__ = plain.__module__
    return alone


def _hints(thing: Any) -> dict[str, Any]:  # noqa: ANN401
    try:
        return get_type_hints(thing, include_extras=True)
    except NameError as error:
        raise InputError(
            thing.__module__, f"has a type that cannot be found ({error})", "import it"
        ) from None

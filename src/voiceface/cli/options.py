"""Command-line options generated from a function's signature, the one place of their defaults."""

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

HEADINGS = ("Inference", "Training", "Evaluation", "Inspect")
"""Headings of the commands in the help, in this order."""

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""A switch of a command: off unless given."""

OptionValues = dict[str, Any]
"""Values of the generated options that the user gave, by name."""


@cache
def help_group(name: str) -> Group:
    """The heading of a command in the help."""
    return Group(name, sort_key=HEADINGS.index(name))


def keyword_options(function: Callable[..., Any], *, title: str) -> list[inspect.Parameter]:
    """The keyword-only arguments of a function as options, with the help of its docstring.

    Raises:
        InputError: an argument has no default or no type.
    """
    help_texts = docstring_arguments(inspect.getdoc(function))
    hints = _hints(_keyword_annotations(function))
    options = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if name not in hints or parameter.default is parameter.empty:
            fault = f"its argument {name} has no type or no default"
            raise InputError(title, fault, "write `name: type = default` in its signature")
        options.append(_option(name, hints[name], parameter.default, help_texts.get(name, ""), title))
    return options


def field_options(kind: type, *, title: str, help_texts: Mapping[str, str]) -> list[inspect.Parameter]:
    """The fields of a dataclass as options, with the help of ``help_texts``."""
    assert is_dataclass(kind)
    hints = _hints(kind)
    plain = [field for field in fields(kind) if field.default is not MISSING]
    return [_option(f.name, hints[f.name], f.default, help_texts.get(f.name, ""), title) for f in plain]


def with_options(
    command: Callable[..., int], options: Mapping[str, list[inspect.Parameter]], *, owner: str
) -> Callable[..., int]:
    """``command`` with further options: it gets each list's values as a dict under the list's name.

    Raises:
        InputError: two options have one name.
    """
    own = inspect.signature(command, eval_str=True)
    parameters = [p for p in own.parameters.values() if p.name not in options]
    for group in options.values():
        for parameter in group:
            if parameter.name in {p.name for p in parameters}:
                fault = f"its option --{parameter.name.replace('_', '-')} belongs to the command itself"
                raise InputError(owner, fault, "rename the argument")
            parameters.append(parameter)

    def generated(*positional: Any, **given: Any) -> int:  # noqa: ANN401
        grouped: OptionValues = {
            name: {p.name: given.pop(p.name) for p in group if p.name in given}
            for name, group in options.items()
        }
        return command(*positional, **given, **grouped)

    generated.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    generated.__doc__ = command.__doc__
    return generated


def non_default_values(given: Mapping[str, Any], options: list[inspect.Parameter]) -> OptionValues:
    """The given values that differ from the default, as plain JSON values."""
    defaults = {option.name: option.default for option in options}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if value != defaults[name]
    }


def with_whole_numbers(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter of a command; an integer takes whole numbers alone."""
    if not _is_int(parameter.annotation):
        return parameter
    return parameter.replace(annotation=Annotated[parameter.annotation, _WHOLE])


def _option(name: str, kind: Any, default: Any, help_text: str, title: str) -> inspect.Parameter:  # noqa: ANN401
    annotation = Annotated[kind, Parameter(help=help_text, group=Group(title, sort_key=50))]
    option = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    return with_whole_numbers(option)


def _is_int(kind: Any) -> bool:  # noqa: ANN401
    if get_origin(kind) is Annotated:
        return _is_int(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return set(get_args(kind)) == {int, type(None)}
    return kind is int


def _parse_int(kind: Any, tokens: Any) -> int:  # noqa: ANN401  cyclopts' protocol
    """An integer; cyclopts would round 1.5 to 2 and train with it."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is no whole number") from None


_WHOLE = Parameter(converter=_parse_int)
WholeNumber = Annotated[int, _WHOLE]
"""An integer among the options of a dataclass; those of functions are so without it."""


def _keyword_annotations(function: Callable[..., Any]) -> FunctionType:
    """A stand-in with the annotations of the options only: other types may exist for type checkers alone."""
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

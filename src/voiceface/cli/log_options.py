"""The options of every command that say how much it tells beside its result."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from voiceface.cli.options import with_whole_numbers
from voiceface.cli.terminal import show_log
from voiceface.errors import InputError

_LOG = logging.getLogger(__name__)
_GROUP = Group("Messages", sort_key=90)


def _flag(name: str, short: str, text: str) -> inspect.Parameter:
    told = Parameter(name=[f"--{name}", short], negative="", show_default=False, help=text, group=_GROUP)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, told]
    )


_OPTIONS = [
    _flag("verbose", "-v", "also print what is loaded, on which device, and how long it takes"),
    _flag("quiet", "-q", "print only results and errors"),
]


def add_log_options(app: App) -> None:
    """Add the options to every command of the app, and to those below them."""
    for name in app:
        if name.startswith("-"):
            continue
        command = app[name]
        if command.default_command is not None:
            command.default_command = _with_log_options(command.default_command)
        add_log_options(command)


def _with_log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    own = inspect.signature(command, eval_str=True)

    def run(*files: Any, **given: Any) -> Any:  # noqa: ANN401  what the command takes and gives
        verbose, quiet = given.pop("verbose", False), given.pop("quiet", False)
        if verbose and quiet:
            raise InputError("--quiet", "is given together with --verbose", "give one of them")
        show_log(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)
        begun = time.monotonic()
        result = command(*files, **given)
        _LOG.info("done in %.1f s", time.monotonic() - begun)
        return result

    parameters = [*map(with_whole_numbers, own.parameters.values()), *_OPTIONS]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__doc__ = command.__doc__
    return run

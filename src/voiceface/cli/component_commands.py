"""Commands whose subcommands are the components of a folder: recipes, sources, papers, importers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import ModuleType

from cyclopts import App

from voiceface.cli.docstrings import component_summaries
from voiceface.cli.text_wrapping import wrap_columns
from voiceface.components import Packages


def add_components(
    app: App,
    tokens: Sequence[str] | None,
    packages: Packages,
    make: Callable[[str], Callable[..., int]],
    *,
    group: str | None = None,
) -> None:
    """Add the component that the first token names, made by ``make``; without one list all, none imported."""
    if tokens is None:
        return
    if tokens and not tokens[0].startswith("-"):
        app.command(make(tokens[0]), name=tokens[0])
        return
    for name, line in component_summaries(packages).items():
        app.command(_listed_only, name=name, help=line, **({"group": group} if group else {}))


def _listed_only() -> None:
    """Stand in the list of components; never run, because a component that is named is loaded."""


def component_help(module: ModuleType, options: str) -> str:
    """Help of a component's command: its module's docstring, wrapped, and the command's own options."""
    name = module.__name__.rpartition(".")[2]
    return f"{wrap_columns(inspect.getdoc(module) or name)}\n\n{options}"

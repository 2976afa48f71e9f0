"""Docstrings and constants of components, read without importing them: torch takes a second."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from voiceface.components import Packages, component_modules


def component_summaries(packages: Packages) -> dict[str, str]:
    """Every component of a package or of several with its docstring's first line; none is imported.

    A module's constant ``NAME`` overrides the file name, which cannot hold a ``+``.

    >>> component_summaries("voiceface.corpus.sources")["videos"]
    "Videos of people talking, each showing one person: your own, or Roldán's."
    """
    found = {}
    for name, module in sorted(component_modules(packages).items()):
        found[str(module_constant(module, "NAME", name))] = summary_line(module)
    return found


def summary_line(module: str, function: str = "") -> str:
    """The first line of a module's docstring, or of a function's in it; empty where there is none."""
    tree = _parsed(module)
    if tree is None:
        return ""
    node: ast.Module | ast.FunctionDef = tree
    if function:
        named = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
        if not named:
            return ""
        node = named[0]
    return (ast.get_docstring(node) or "").partition("\n")[0].replace("``", "")


def module_constant(module: str, name: str, default: object) -> Any:  # noqa: ANN401  any literal
    """The value of a module's literal constant; ``default`` where it has none."""
    tree = _parsed(module)
    for node in tree.body if tree is not None else ():
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return default
    return default


@cache
def _parsed(module: str) -> ast.Module | None:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None  # a broken component raises when it is loaded, not when all are listed


def docstring_arguments(docstring: str | None) -> dict[str, str]:
    r"""What a Google docstring says of each argument, as one line of plain text each.

    >>> docstring_arguments("Do it.\n\nArgs:\n    lr: the ``step`` of\n        learning\n    seed: of it")
    {'lr': 'the step of learning', 'seed': 'of it'}
    """
    from docstring_parser.google import parse

    parameters = parse(docstring or "").params
    return {one.arg_name: " ".join((one.description or "").replace("`", "").split()) for one in parameters}

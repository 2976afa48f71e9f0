"""What a component's file says about itself, read without importing it (torch would take a second)."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voiceface.components import Packages, component_modules

__all__ = ["docstring_arguments", "constant", "first_line", "component_summaries"]


def component_summaries(packages: Packages) -> dict[str, str]:
    """Every component of a package, or of several, with the first line of its docstring; none is imported.

    A component that calls itself otherwise (``NAME``, for what a file's name cannot hold) is listed so.

    >>> component_summaries("voiceface.corpus.sources")["videos"]
    "Videos of people talking, each showing one person: your own, or Roldán's."
    """
    found = {}
    for name, module in sorted(component_modules(packages).items()):
        found[str(constant(module, "NAME", name))] = first_line(module)
    return found


def first_line(module: str, function: str = "") -> str:
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


def constant(module: str, name: str, default: object) -> Any:  # noqa: ANN401  whatever stands there
    """The value of a module's plain constant; ``default`` where it has none."""
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
        return None  # a broken component is told when it is asked for, not when all are listed


def docstring_arguments(docstring: str | None) -> MappingProxyType[str, str]:
    r"""What a Google docstring says of each argument, as one line of plain text each.

    >>> text = "Do it.\n\nArgs:\n    lr: the ``step`` of\n        learning\n    seed: of it"
    >>> dict(docstring_arguments(text))
    {'lr': 'the step of learning', 'seed': 'of it'}
    """
    found: dict[str, str] = {}
    name, depth, first, inside = "", 0, 0, False
    for line in (docstring or "").expandtabs(4).splitlines():
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if re.fullmatch(r"(Args|Arguments|Keyword Args):", text):
            inside, depth, name = True, indent, ""
        elif inside and text and indent <= depth:
            inside = False
        elif inside and text:
            begins = re.match(r"(\w+)(?: \([^)]*\))?:\s+(.*)", text)
            if begins and (not name or indent <= first):
                name, first = begins[1], indent
                found[name] = begins[2]
            elif name:
                found[name] += " " + text
    return MappingProxyType({name: re.sub(r"`+", "", text) for name, text in found.items()})

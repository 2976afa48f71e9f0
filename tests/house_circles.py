"""Circles of imports between the modules of a package, wherever in a file an import stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from house import modules


def circles(package: Path) -> list[str]:
    """Circles of imports, ``a -> b -> a``, one a group of modules that reach each other.

    Imports inside functions and under TYPE_CHECKING count: a circle that Python never meets is still one
    for a reader.
    """
    files = list(modules(package))
    trees = {_dotted(package.name, relative): tree for relative, tree in files}
    packages = {_dotted(package.name, path) for path, _ in files if path.endswith("__init__.py")}
    graph = {
        name: {target for target in _imported(name, name in packages, tree, trees) if target != name}
        for name, tree in trees.items()
    }
    found, seen = [], set[str]()
    for name in sorted(graph):
        circle = [] if name in seen else _shortest_circle(graph, name)
        if circle:
            seen.update(circle)
            found.append(" -> ".join(circle))
    return found


def _dotted(root: str, relative: str) -> str:
    inside = relative.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")
    return f"{root}.{inside}" if inside else root


def _imported(name: str, is_package: bool, tree: ast.Module, known: dict[str, ast.Module]) -> Iterator[str]:
    """The modules of the package that a module imports: ``from a import b`` is ``a.b`` where that is one."""
    parent = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = parent[: len(parent) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                if f"{base}.{alias.name}" in known:
                    yield f"{base}.{alias.name}"
                elif base in known:
                    yield base


def _shortest_circle(graph: dict[str, set[str]], start: str) -> list[str]:
    """The shortest way from a module back to itself; empty if there is none."""
    before: dict[str, str] = {}
    waiting = [start]
    for name in waiting:
        for target in sorted(graph[name]):
            if target == start:
                way = [start, name]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return way[::-1]
            if target not in before:
                before[target] = name
                waiting.append(target)
    return []

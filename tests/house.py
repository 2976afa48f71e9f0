"""The rules of the house as functions over a folder: each returns its violations, one line each.

``test_house.py`` runs them over this repository, and over small made trees that break them.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

FLOORS = {
    **dict.fromkeys(("errors", "records", "components"), 0),
    "media": 1,
    **dict.fromkeys(("audio", "face", "video", "nn", "metrics"), 2),
    **dict.fromkeys(("corpus", "protocols"), 3),
    "synthetic": 4,
    "models": 5,
    "training": 6,
    "recipes": 7,
    "pipelines": 8,
    "evaluation": 9,
    **dict.fromkeys(("papers", "app"), 10),
    **dict.fromkeys(("cli", "demo"), 11),
    "__main__": 12,
}
PACKAGE_FACE = 8.5
"""``voiceface/__init__.py`` shows the pipelines to the world; only the doors above may look at it."""
SPOKEN_TO_BY_ALL = ("errors",)
"""The one room that its neighbours on the same floor may import."""
UNSEEN = {("protocols", "nn"): "protocols know no network"}
FORBIDDEN_WORDS = {"utils", "util", "common", "misc", "helpers", "helper"}
MAX_LINES, MAX_FUNCTION, MAX_ARGUMENTS = 400, 60, 8
CARD = ("Paper", "Data", "Command", "Cost", "Reported", "Differs")
NEVER_AT_TOP = {
    "transformers",
    "huggingface_hub",
    "lancedb",
    "lightning_fabric",
    "matplotlib",
    "umap",
    "pandas",
    "lightning",
    "tensorboard",
    "torchmetrics",
    "scipy",
    "sklearn",
    "distributed",
}
SPEAKING_INITS = {"__init__.py", "protocols/__init__.py", "cli/__init__.py"}
"""The package shows its Matcher, protocols their three functions, the door its main."""
LOADERS = {"import_module", "load_component", "component_names", "find_spec", "__import__"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(package: Path) -> Iterator[tuple[str, ast.Module]]:
    """Every module below a package folder: its path relative to it, and its tree."""
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package).as_posix(), parsed(path.read_text(encoding="utf-8"))


parsed = functools.cache(ast.parse)
"""Seconds for all files, and each rule walks them; equal texts share a tree."""


def room_of(relative: str) -> str:
    """The room of a file: its first folder, or its own name at the package's top."""
    first = relative.split("/")[0]
    return first.removesuffix(".py")


def floor_violations(package: Path) -> list[str]:
    """Imports that do not point down, wherever in the file they stand."""
    found = []
    for relative, tree in modules(package):
        room = room_of(relative)
        if room != "__init__" and room not in FLOORS:
            found.append(f"{relative}: the room {room!r} has no floor")
            continue
        for line, target in _targets(package, relative, tree):
            fault = _fault(room, target)
            if fault:
                found.append(f"{relative}:{line}: {fault}")
    return found


def _fault(room: str, target: str) -> str:
    if room == target:
        return ""
    if target not in FLOORS and target != "__init__":
        return f"imports {target!r}, which has no floor"
    here, there = (PACKAGE_FACE if name == "__init__" else FLOORS[name] for name in (room, target))
    if there > here:
        return f"{room} (floor {here}) imports {target} above it (floor {there})"
    if there == here and target not in SPOKEN_TO_BY_ALL:
        return f"{room} imports its neighbour {target} on floor {here}"
    return f"{room} imports {target}: {UNSEEN[room, target]}" if (room, target) in UNSEEN else ""


def _targets(package: Path, relative: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Rooms of the package that a module imports, by statement or by a name handed to a loader."""
    name, here = package.name, (package.name, *relative.split("/")[:-1])
    for node in ast.walk(tree):
        dotted: list[str] = []
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            whole = ".".join(filter(None, (base, node.module)))
            dotted = [f"{name}.{alias.name}" for alias in node.names] if whole == name else [whole]
        elif isinstance(node, ast.Call) and node.args and _called(node) in LOADERS:
            dotted = [_leading_text(node.args[0])]
        for target in dotted:
            root, _, rest = target.partition(".")
            if root == name:
                room = rest.split(".")[0]
                known = (package / room).is_dir() or (package / f"{room}.py").is_file()
                yield node.lineno, room if room and (known or room in FLOORS) else "__init__"


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _leading_text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def name_violations(root: Path, files: list[Path]) -> list[str]:
    """Files and folders called after nothing: a helper lives in the room of its noun."""
    found = []
    for path in files:
        words = set(re.split(r"[/_.\-]", path.relative_to(root).as_posix().lower()))
        if words & FORBIDDEN_WORDS:
            found.append(f"{path.relative_to(root).as_posix()}: {', '.join(words & FORBIDDEN_WORDS)}")
    return found


def size_violations(root: Path, files: list[Path]) -> list[str]:
    """Python files, functions and signatures too long to read in one sitting."""
    found = []
    for path in files:
        relative = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > MAX_LINES:
            found.append(f"{relative}: {lines} lines")
        for node in ast.walk(parsed(text)):
            if not isinstance(node, Function):
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                found.append(f"{relative}:{node.lineno}: {node.name} has {length} lines")
            count = len(arguments(node))
            if count > MAX_ARGUMENTS and not _is_configuration(relative, node.name):
                found.append(f"{relative}:{node.lineno}: {node.name} takes {count} arguments")
    return found


def _is_configuration(relative: str, name: str) -> bool:
    """Whether a signature is what the user sets: options of a recipe, corpus source, paper or command."""
    return (
        (name == "recipe" and "/recipes/" in relative)
        or (name == "listing" and "/sources/" in relative)
        or (name == "tables" and "/papers/" in relative)
        or "/cli/" in relative
    )


def arguments(function: Function) -> list[ast.arg]:
    """What a caller hands over."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    stars = [star for star in (given.vararg, given.kwarg) if star]
    return [arg for arg in named if arg.arg not in ("self", "cls")] + stars


def init_violations(package: Path) -> list[str]:
    """``__init__.py`` files that say something, and folders of modules that have none."""
    found = []
    for folder in sorted({path.parent for path in package.rglob("*.py")}):
        init = folder / "__init__.py"
        relative = init.relative_to(package).as_posix()
        if not init.is_file():
            found.append(f"{relative}: missing")
        elif relative not in SPEAKING_INITS and init.read_text(encoding="utf-8").strip():
            found.append(f"{relative}: not empty")
    return found


def export_lists(package: Path) -> list[str]:
    """Modules with an ``__all__``: a leading underscore says what is private."""
    return [
        f"{relative}: has an __all__"
        for relative, tree in modules(package)
        if relative not in SPEAKING_INITS
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]


def recipe_violations(recipes: Path) -> list[str]:
    """Recipes without a whole card, ``recipe()`` of typed keyword options with defaults, or ``smoke()``.

    A file whose name begins with an underscore is no recipe but the frame of several.
    """
    found = []
    for relative, tree in modules(recipes):
        if relative.startswith("_"):
            continue
        card = ast.get_docstring(tree) or ""
        found += [f"{relative}: no line {word!r} in its card" for word in CARD if not _says(card, word)]
        functions = {node.name: node for node in tree.body if isinstance(node, Function)}
        found += [f"{relative}: no {name}()" for name in ("recipe", "smoke") if name not in functions]
        if "smoke" in functions and arguments(functions["smoke"]):
            found.append(f"{relative}: smoke() takes arguments")
        if "recipe" in functions:
            found += [f"{relative}: {fault}" for fault in _signature_faults(functions["recipe"])]
    return found


def _says(card: str, word: str) -> bool:
    return re.search(rf"^{word}\s{{2,}}\S", card, re.MULTILINE) is not None


def _signature_faults(recipe: Function) -> Iterator[str]:
    given = recipe.args
    if given.posonlyargs or given.args or given.vararg or given.kwarg:
        yield "recipe() takes more than keyword options"
    for option, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if option.annotation is None or default is None:
            yield f"recipe()'s {option.arg} has no type or no default"


def unsmoked(recipes: Path, tests: Path) -> list[str]:
    """Recipes whose ``smoke()`` no test calls: by import, by name, or by walking the folder."""
    run: set[str] = set()
    names = {path.stem for path in recipes.glob("*.py")} - {"__init__"}
    for _, tree in modules(tests):
        calls = {_called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        if not calls & {"smoke"} or not calls & {"train"}:
            continue
        plain = [node for node in tree.body if isinstance(node, ast.Assign)]
        constants = {getattr(node.targets[0], "id", ""): _leading_text(node.value) for node in plain}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("voiceface.recipes"):
                run |= {(node.module or "").split(".")[-1], *(alias.name for alias in node.names)}
            elif isinstance(node, ast.Call) and node.args and _called(node) in LOADERS:
                target = constants.get(getattr(node.args[0], "id", ""), _leading_text(node.args[0]))
                walks = target == "voiceface.recipes" and _called(node) == "component_names"
                run |= names if walks else {target.rpartition(".")[2]}
    return [f"{name}: no test trains its smoke()" for name in sorted(names - run)]


def source_violations(sources: Path) -> list[str]:
    """Corpus sources without ``listing(root, *, ...)`` or a module docstring.

    One that reads no folder says ``ROOTLESS = True`` and takes options alone.
    """
    found = []
    for relative, tree in modules(sources):
        if relative == "__init__.py":
            continue
        functions = {node.name: node for node in tree.body if isinstance(node, Function)}
        rootless = any(ast.unparse(node) == "ROOTLESS = True" for node in tree.body)
        if "listing" not in functions:
            found.append(f"{relative}: no listing()")
        elif [arg.arg for arg in functions["listing"].args.args] != ([] if rootless else ["root"]):
            found.append(f"{relative}: listing() takes not the root and keyword options")
        if not ast.get_docstring(tree):
            found.append(f"{relative}: no card")
    return found


def heavy_at_top(package: Path) -> list[str]:
    """Imports outside functions of what takes seconds to import or is no dependency."""
    found = []
    for relative, tree in modules(package):
        for node in _outside_functions(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            heavy = {name.split(".")[0] for name in names} & NEVER_AT_TOP
            heavy |= (
                {"tensorboard"}
                if any(name.startswith("torch.utils.tensorboard") for name in names)
                else set()
            )
            found += [f"{relative}:{node.lineno}: imports {name} at the top" for name in sorted(heavy)]
    return found


def _outside_functions(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (Function, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from _outside_functions(child)


def undocumented(package: Path) -> list[str]:
    """Public functions and classes of a module that say nothing of themselves."""
    return [
        f"{relative}:{node.lineno}: {node.name} has no docstring"
        for relative, tree in modules(package)
        for node in tree.body
        if isinstance(node, (Function, ast.ClassDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]


def machine_paths(root: Path, files: list[Path], own: tuple[str, ...] = ()) -> list[str]:
    """Absolute paths of one machine in text files: homes, temporary folders, and the places in ``own``."""
    homes = (
        r"/(?:home|Users)/[a-z][\w.-]*/|/root/|/tmp/|/mnt/\w|[A-Z]:\\\\?Users\\"  # house: these are patterns
    )
    pattern = re.compile("(?<![\\w.~])(?:" + "|".join([homes, *map(re.escape, own)]) + ")")
    found = []
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(root).as_posix()}:{number}: {match.group()}"
            for number, line in enumerate(lines, 1)
            if (match := pattern.search(line)) and "# house: " not in line
        ]
    return found


def copies(files: list[Path], private: Path) -> list[str]:
    """Files whose bytes also lie in a folder that may not be passed on."""
    sizes: dict[int, list[Path]] = {}
    for path in files:
        if path.is_file() and path.stat().st_size:
            sizes.setdefault(path.stat().st_size, []).append(path)
    found = []
    for theirs in sorted(path for path in private.rglob("*") if path.is_file()):
        ours = sizes.get(theirs.stat().st_size, [])
        digest = _digest(theirs) if ours else ""
        found += [f"{path}: is {theirs.relative_to(private)}" for path in ours if _digest(path) == digest]
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

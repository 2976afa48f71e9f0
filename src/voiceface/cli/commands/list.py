"""What there is: recipes, corpus sources, encoders, teachers, protocols and shipped weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from cyclopts import App

from voiceface.cli.docstrings import component_summaries, first_line
from voiceface.cli.options import Flag, heading
from voiceface.cli.terminal import answer, say
from voiceface.cli.text_wrapping import wrap_columns
from voiceface.components import SOURCES, component_names

__all__ = ["add_to"]

Kind = Literal["recipes", "sources", "encoders", "face-encoders", "teachers", "protocols", "weights"]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_list, name="list", group=heading("Look around"))


def _list(
    what: Kind | None = None,
    /,
    *,
    json: Flag = False,
) -> int:
    """List recipes, corpus sources, encoders, teachers, protocols and shipped weights.

    Args:
        what: one kind; all of them otherwise
        json: print JSON
    """
    kinds: dict[str, Callable[[], dict[str, str]]] = {
        "recipes": lambda: component_summaries("voiceface.recipes"),
        "sources": lambda: component_summaries(SOURCES),
        "encoders": lambda: component_summaries("voiceface.models.encoders"),
        "face-encoders": lambda: component_summaries("voiceface.models.face_encoders"),
        "teachers": lambda: component_summaries("voiceface.models.teachers"),
        "protocols": _protocols,
        "weights": _weights,
    }
    found = {name: look() for name, look in kinds.items() if what in (None, name)}
    if json:
        answer(found)
        return 0
    use = {
        "recipes": "voiceface train RECIPE --corpus CORPUS",
        "sources": "voiceface prepare SOURCE ROOT -o CORPUS",
        "encoders": "of voices: parts of recipes (--voice-encoder NAME or NAME=FOLDER)",
        "face-encoders": "of faces: parts of recipes (--face-encoder NAME or NAME=FOLDER)",
        "teachers": "of faces: parts of si_distill (--identity and --emotion)",
        "protocols": "voiceface evaluate PROTOCOL",
        "weights": "voiceface match --weights NAME",
    }
    width = max((len(name) for group in found.values() for name in group), default=0)
    for number, (kind, group) in enumerate(found.items()):
        say(("\n" if number else "") + f"{kind}: {use[kind]}")
        for name, line in group.items() or [("(none)", "")]:
            say(wrap_columns(f"  {name:<{width}}  {line}".rstrip()))
    return 0


def _protocols() -> dict[str, str]:
    """The protocols' functions with the first line of what they say of themselves."""
    from voiceface import protocols

    found = {}
    for name in protocols.__all__:
        lines = [first_line(f"{protocols.__name__}.{m}", name) for m in component_names(protocols.__name__)]
        found[name] = next(filter(None, lines), "")
    return found


def _weights() -> dict[str, str]:
    """The weights inside the package, with the recipe that made them."""
    import json

    from voiceface.pipelines.weights import shipped

    found = {}
    for name, folder in shipped().items():
        card = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        found[name] = f"made by the recipe {card['recipe']} from {card['people']['count']:,} people"
    return found

"""List components and shipped weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cyclopts import App

from voiceface.cli.docstrings import component_summaries, summary_line
from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line
from voiceface.cli.text_wrapping import wrap_columns
from voiceface.components import SOURCES, Packages

COMPONENTS: dict[str, tuple[Packages, str]] = {
    "recipes": ("voiceface.recipes", "voiceface train RECIPE --corpus CORPUS"),
    "sources": (SOURCES, "voiceface prepare SOURCE ROOT -o CORPUS"),
    "voice-encoders": ("voiceface.models.encoders", "--voice-encoder NAME or NAME=FOLDER of recipes"),
    "face-encoders": ("voiceface.models.face_encoders", "--face-encoder NAME or NAME=FOLDER of recipes"),
    "teachers": ("voiceface.models.teachers", "--identity NAME and --emotion NAME of si_distill"),
    "metrics": ("voiceface.metrics", "from voiceface.metrics import METRIC"),
    "papers": ("voiceface.papers", "voiceface tables PAPER --corpus CORPUS"),
    "importers": ("voiceface.pipelines.importers", "voiceface import-weights IMPORTER"),
}
"""Each kind of component with its folder and how it is used."""

Kind = Literal[
    "recipes", "sources", "voice-encoders", "face-encoders", "teachers", "protocols", "metrics", "papers",
    "importers", "weights",
]  # fmt: skip


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_list, name="list", group=help_group("Inspect"))


def _list(what: Kind | None = None, /, *, json: Flag = False) -> int:
    """List recipes, sources, encoders, protocols, metrics and shipped weights.

    Args:
        what: one kind; by default all of them
        json: print JSON
    """
    found = {name: component_summaries(folder) for name, (folder, _) in COMPONENTS.items()}
    found |= {"protocols": _protocols(), "weights": _weights()}
    usage = {name: use for name, (_, use) in COMPONENTS.items()}
    usage |= {
        "protocols": "voiceface.protocols.PROTOCOL(...) or voiceface evaluate PROTOCOL",
        "weights": "voiceface match --weights NAME",
    }
    chosen = {name: found[name] for name in Kind.__args__ if what in (None, name)}  # type: ignore[attr-defined]
    if json:
        print_json(chosen)
        return 0
    width = max((len(name) for group in chosen.values() for name in group), default=0)
    for number, (kind, group) in enumerate(chosen.items()):
        print_line(("\n" if number else "") + f"{kind}: {usage[kind]}")
        for name, line in group.items() or [("(none)", "")]:
            print_line(wrap_columns(f"  {name:<{width}}  {line}".rstrip()))
    return 0


def _protocols() -> dict[str, str]:
    """The protocols' functions with the first line of their docstrings."""
    from voiceface.protocols import protocol_modules

    return {name: summary_line(module, name) for name, module in protocol_modules().items()}


def _weights() -> dict[str, str]:
    """The shipped weights with the recipe that trained them."""
    import json

    from voiceface.pipelines.weights import shipped_weights

    found = {}
    for name, folder in shipped_weights().items():
        card = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        found[name] = f"trained with the recipe {card['recipe']} on {card['people']['count']:,} people"
    return found

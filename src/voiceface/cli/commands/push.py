"""Publish weights on the Hugging Face hub."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import log_line, print_json, print_line, printable
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.pipelines.push_weights import Publication


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_push, name="push", group=help_group("Training"))


def _push(
    weights: Annotated[str, Parameter(name="WEIGHTS")],
    repository: Annotated[str, Parameter(name="OWNER/NAME")],
    /,
    *,
    private: Flag = False,
    revision: str | None = None,
    yes: Flag = False,
    json: Flag = False,
) -> int:
    """Publish weights on the Hugging Face hub.

    What would be published is printed first: run.json, its tensors and a model
    card, and nothing else. Log in with `hf auth login`, or set HF_TOKEN.

    Args:
        weights: a weights folder, or the folder of a training, whose weights are taken
        repository: where to; it is made if it does not exist
        private: for yourself and whom you let in
        revision: a branch, made if it does not exist; by default main
        yes: do not ask
        json: print JSON
    """
    from voiceface.pipelines.push_weights import prepare_publication, push_weights

    place = repository if revision is None else f"{repository}@{revision}"
    publication = prepare_publication(weights, place)
    for line in _description(publication, private=private):
        log_line(line) if json else print_line(line)
    if not yes and not _agreed():
        print_line("Nothing was published.")
        return 1
    commit = push_weights(publication, private=private)
    name = publication.repository.name
    if json:
        print_json({"repository": name, "commit": commit, "files": sorted(publication.files)})
    else:
        print_line(f'Published. To load exactly this: load("{name}@{commit}")')
    return 0


def _description(publication: Publication, *, private: bool) -> list[str]:
    """What is published, a line each."""
    card = publication.card
    people = card.get("people", {}).get("count", "an unknown number of")
    lines = [
        f"To {publication.repository} ({'private' if private else 'public, if it is not private already'}):",
        *(f"  {name}  {_size(content):,} bytes" for name, content in publication.files.items()),
        f"Recipe {printable(str(card['recipe']))}, trained on {people} people, "
        f"licence {printable(str(card.get('licence') or 'not said'))}.",
    ]
    if publication.names:
        lines.append(
            f"run.json holds {len(publication.names)} names in its facts: {_some(publication.names)}."
        )
    if publication.places:
        lines.append(f"run.json holds paths of this machine: {_some(publication.places)}.")
    return lines


def _some(texts: list[str]) -> str:
    shown = ", ".join(printable(text[:80]) for text in texts[:3])
    return shown + (", ..." if len(texts) > 3 else "")


def _size(content: Path | bytes) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def _agreed() -> bool:
    """Whether the user agrees, who must be there to be asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError("push", "nobody is there to agree to this", "add --yes to publish it")
    return input("Publish? [y/N] ").strip().lower() in ("y", "yes")

"""Look a list of verification trials over before anybody is judged by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, heading
from voiceface.cli.terminal import answer, say, shown
from voiceface.cli.text_wrapping import wrap_hanging

if TYPE_CHECKING:
    from voiceface.protocols.list_audit import ListAudit

__all__ = ["add_to"]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_audit, name="audit", group=heading("Measure"))


def _audit(
    trial_list: Annotated[Path, Parameter(name="LIST")],
    /,
    *,
    format: Literal["auto", "pins", "voxceleb", "shape-of-sound"] = "auto",
    people: Path | None = None,
    share: Annotated[list[Literal["gender", "nationality"]] | None, Parameter(negative="")] = None,
    media: Path | None = None,
    training: Path | None = None,
    json: Flag = False,
) -> int:
    """Find what is wrong with a list of verification trials.

    Labels that follow the rows, shortcuts by video, repeated and contradicting
    trials, people on one side only, negatives that do not share what they should,
    missing media, people who were trained on.

    Args:
        trial_list: the list, plain or gzip
        format: whose format it has; auto reads it off the first line
        people: vox1_meta.csv, to know people by id and name, their gender and nationality
        share: what both people of a negative should share; needs --people; may be given twice
        media: a file with the names of all media there are, one a line
        training: a file with the people trained on, one a line, or a prepared corpus
        json: print JSON
    """
    from voiceface.evaluation.trial_lists import (
        person_attributes,
        read_metadata,
        read_names,
        read_person_ids,
        read_trials,
    )
    from voiceface.protocols.list_audit import audit_list

    known = read_metadata(people)
    trials = read_trials(trial_list, format, known)
    found = audit_list(
        trials,
        share=person_attributes(share or [], known),
        media=read_names(media) if media is not None else None,
        training=read_person_ids(training) if training is not None else None,
    )
    if json:
        answer(found.to_dict())
    else:
        _print(found)
    return 0


def _print(found: ListAudit) -> None:
    say(
        f"{shown(found.name)}: {found.trials:,} trials, {found.positives / found.trials:.1%} positive, "
        f"{found.people:,} people"
    )
    lines = found.findings()
    for line in lines:
        say(wrap_hanging("  - ", shown(line)))
    say(f"{len(lines)} finding{'s' if len(lines) != 1 else ''}" if lines else "  nothing found")

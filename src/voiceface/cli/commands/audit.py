"""Check a list of verification trials before evaluating with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable
from voiceface.cli.text_wrapping import wrap_hanging

if TYPE_CHECKING:
    from voiceface.protocols.list_audit import ListAudit


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_audit, name="audit", group=help_group("Evaluation"))


def _audit(
    trial_list: Annotated[Path, Parameter(name="LIST")],
    /,
    *,
    format: Literal["auto", "pins", "voxceleb", "shape-of-sound"] = "auto",
    people: Path | None = None,
    matched: Annotated[list[Literal["gender", "nationality"]] | None, Parameter(negative="")] = None,
    media: Path | None = None,
    training: Path | None = None,
    json: Flag = False,
) -> int:
    """Check a list of verification trials before evaluating with it.

    Finds labels that follow the row order, shortcuts by video, repeated and
    contradicting trials, people on one side only, negatives that are not matched
    in an attribute, missing media, and people in the training set.

    Args:
        trial_list: the list, plain text or gzip
        format: format of the list; auto detects it from the first line
        people: vox1_meta.csv, which gives people's ids, names, gender and nationality
        matched: attribute in which negatives must match; requires --people; may be given twice
        media: file with the names of all existing media, one per line
        training: file with the people in the training set, one per line, or a prepared corpus
        json: print JSON
    """
    from voiceface.evaluation.trial_lists import (
        person_attributes,
        read_metadata,
        read_name_list,
        read_trials,
        training_people,
    )
    from voiceface.protocols.list_audit import audit_list

    known = read_metadata(people)
    trials = read_trials(trial_list, format, known)
    found = audit_list(
        trials,
        share=person_attributes(matched or [], known),
        media=read_name_list(media) if media is not None else None,
        training=training_people(training, trials, known) if training is not None else None,
    )
    if json:
        print_json(found.to_dict())
    else:
        _print(found)
    return 0


def _print(found: ListAudit) -> None:
    print_line(
        f"{printable(found.name)}: {found.trials:,} trials, {found.positives / found.trials:.1%} positive, "
        f"{found.people:,} people"
    )
    lines = found.findings()
    for line in lines:
        print_line(wrap_hanging("  - ", printable(line)))
    print_line(f"{len(lines)} finding{'s' if len(lines) != 1 else ''}" if lines else "  no findings")

"""What is installed, what is missing, what that costs and the command that mends it."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App

from voiceface.cli.options import Flag, heading
from voiceface.cli.terminal import answer, say, shown
from voiceface.cli.text_wrapping import wrap_hanging

__all__ = ["add_to"]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_doctor, name="doctor", group=heading("Look around"))


def _doctor(*, json: Flag = False) -> int:
    """Say what is installed, what is missing, and how to mend it.

    Exit code 1 if a part that everything needs is missing or broken.

    Args:
        json: print JSON
    """
    from dataclasses import asdict

    from voiceface.pipelines.installation import check_installation

    parts = check_installation()
    bad = [part for part in parts if part.state != "ok"]
    broken = any(part.needed and part.state in ("missing", "broken") for part in parts)
    if json:
        answer({"well": not broken, "parts": [asdict(part) for part in parts]})
        return int(broken)
    name_width = max(len(part.name) for part in parts)
    for part in parts:
        head = f"{part.state:<8} {part.name:<{name_width}}  "
        say(wrap_hanging(head, shown(part.told)))
    if bad:
        say("\nTo mend:")
        for part in bad:
            say(wrap_hanging(f"  {part.name:<{name_width}}  ", part.costs))
            if part.remedy:
                say(f"  {'':<{name_width}}  $ {part.remedy}")
    else:
        say("\nNothing is missing.")
    return int(broken)

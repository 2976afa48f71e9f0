"""Check the installation: what is missing, its effect and the command that fixes it."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable
from voiceface.cli.text_wrapping import wrap_hanging


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_doctor, name="doctor", group=help_group("Inspect"))


def _doctor(*, json: Flag = False) -> int:
    """Check the installation: what is missing, and how to fix it.

    The exit code is 1 if a required part is missing or broken.

    Args:
        json: print JSON
    """
    from dataclasses import asdict

    from voiceface.pipelines.installation import check_installation

    parts = check_installation()
    bad = [part for part in parts if part.state != "ok"]
    broken = any(part.needed and part.state in ("missing", "broken") for part in parts)
    if json:
        print_json({"well": not broken, "parts": [asdict(part) for part in parts]})
        return int(broken)
    name_width = max(len(part.name) for part in parts)
    for part in parts:
        head = f"{part.state:<8} {part.name:<{name_width}}  "
        print_line(wrap_hanging(head, printable(part.detail)))
    if bad:
        print_line("\nTo fix:")
        for part in bad:
            print_line(wrap_hanging(f"  {part.name:<{name_width}}  ", part.impact))
            if part.remedy:
                print_line(f"  {'':<{name_width}}  $ {part.remedy}")
    else:
        print_line("\nNothing is missing.")
    return int(broken)

"""Export weights to ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable, progress_bar


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_export, name="export", group=help_group("Inference"))


def _export(
    weights: Annotated[str, Parameter(name="WEIGHTS")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    json: Flag = False,
) -> int:
    """Export weights to ONNX, which runs without PyTorch.

    voiceface export matcher -o FOLDER

    Writes the networks of a matcher, an imaginer, a talker or the face mesh, sound
    in and embeddings, faces or motion out, and a README.md with an example.
    Every network is compared with PyTorch before the folder appears.

    Args:
        weights: shipped weights' name or a weights folder
        out: the folder to make; it must not exist
        json: print JSON
    """
    from voiceface.pipelines.export_weights import export_weights

    with progress_bar("networks") as progress:
        exported = export_weights(weights, out, progress=progress)
    if json:
        print_json({"folder": str(out), "files": [asdict(one) for one in exported]})
        return 0
    for one in exported:
        size = f"{one.size / 1e6:.1f} MB"
        print_line(f"{printable(one.path)}: {size}, {one.difference}")
    print_line(f"{printable(out / 'README.md')}: what goes in and out, and an example")
    return 0

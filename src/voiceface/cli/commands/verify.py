"""Estimate whether a voice and a face belong to one person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable, warn_first
from voiceface.errors import InputError
from voiceface.media.files import check_readable


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_verify, name="verify", group=help_group("Inference"))


def _verify(
    voice: Path,
    face: Path,
    /,
    *,
    threshold: float = 0.5,
    weights: str | None = None,
    device: str = "auto",
    json: Flag = False,
) -> int:
    """Estimate whether a voice and a face belong to one person.

    The probability assumes equal prior odds. It is a guess from sex, age and
    build, as a stranger's would be: it does not prove anybody's identity. The
    exit code is 0 for either answer.

    Args:
        voice: an audio or video file (or the picture, if the other is the voice)
        face: a picture
        threshold: probability at or above which the pair counts as one person
        weights: a shipped matcher's name, a weights folder or owner/name on the hub; by default the best
        device: auto, cpu, cuda, cuda:N or mps
        json: print JSON
    """
    from voiceface.pipelines.input_files import query_side
    from voiceface.pipelines.rank_files import display_name, load_matcher
    from voiceface.pipelines.voice_facts import voice_facts

    if not 0.0 <= threshold <= 1.0:
        raise InputError("--threshold", f"{threshold:g} is not a probability", "give 0 to 1")
    check_readable(voice)  # before the matcher is loaded
    check_readable(face)
    if query_side(voice, [face], "auto") == "face":
        voice, face = face, voice
    matcher = load_matcher(weights, device)
    name = display_name(matcher, weights)
    probability = float(matcher.score(voice, face))
    same = probability >= threshold
    recordings = voice_facts([voice])
    warnings = [one.warning for one in recordings if one.warning] + list(matcher.notes)
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        print_json(
            {
                "matcher": name,
                "voice": str(voice),
                "face": str(face),
                "probability": probability,
                "threshold": threshold,
                "same": same,
                "recordings": [one.to_dict() for one in recordings],
                "warnings": warnings,
            }
        )
        return 0
    print_line(f"{printable(voice)} and {printable(face)}, by {name}:")
    verdict = "probably the same person" if same else "probably different people"
    sign = ">=" if same else "<"
    print_line(f"probability {probability:.3f} {sign} threshold {threshold:g}: {verdict}")
    return 0

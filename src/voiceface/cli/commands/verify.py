"""Say how likely a voice and a face are one person's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from voiceface.cli.options import Flag, heading
from voiceface.cli.terminal import answer, say, shown, tell
from voiceface.errors import InputError
from voiceface.media.files import readable

__all__ = ["add_to"]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_verify, name="verify", group=heading("Use"))


def _verify(
    voice: Path,
    face: Path,
    /,
    *,
    threshold: float = 0.5,
    weights: str | None = None,
    device: str = "cpu",
    json: Flag = False,
) -> int:
    """Say how likely a voice and a face are one person's.

    The probability holds where half of all pairs are one person's. It is a guess
    from sex, age and build, as a stranger's would be: it proves nobody's identity.
    The exit code is 0 whatever the answer.

    Args:
        voice: a sound or video file (or the picture; then the other is the voice)
        face: a picture
        threshold: from this probability on the answer is yes
        weights: a shipped matcher's name or a weights folder; by default the best there is
        device: auto, cpu, cuda, cuda:N or mps
        json: print JSON
    """
    from voiceface.pipelines.input_files import query_side
    from voiceface.pipelines.rank_files import called, load_matcher
    from voiceface.pipelines.speech_warnings import speech_warnings

    if not 0.0 <= threshold <= 1.0:
        raise InputError("--threshold", f"{threshold:g} is no probability", "give 0 to 1")
    for path in (voice, face):
        readable(path)  # before a second is spent on loading the matcher
    if query_side(voice, [face], "auto") == "face":
        voice, face = face, voice
    matcher = load_matcher(weights, device)
    name = called(matcher, weights)
    probability = float(matcher.score(voice, face))
    same = probability >= threshold
    warnings = speech_warnings([voice])
    for warning in warnings:
        tell(f"warning: {warning}")
    if json:
        answer(
            {
                "matcher": name,
                "voice": str(voice),
                "face": str(face),
                "probability": probability,
                "threshold": threshold,
                "same": same,
                "warnings": warnings,
            }
        )
        return 0
    say(f"{shown(voice)} and {shown(face)}, by {name}:")
    verdict = "rather one person's" if same else "rather two people's"
    sign = ">=" if same else "<"
    say(f"probability {probability:.3f} {sign} threshold {threshold:g}: {verdict}")
    return 0

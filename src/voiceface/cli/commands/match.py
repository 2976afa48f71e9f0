"""Rank faces for a voice, or voices for a face."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable, progress_bar, warn_first
from voiceface.cli.warn_left_out import warn_left_out
from voiceface.errors import InputError
from voiceface.media.files import check_readable


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_match, name="match", group=help_group("Inference"))


def _match(
    query: Annotated[Path, Parameter(name="QUERY")],
    candidates: Annotated[tuple[Path, ...], Parameter(name="CANDIDATES", negative="")],
    /,
    *,
    direction: Literal["auto", "voice-to-face", "face-to-voice"] = "auto",
    weights: str | None = None,
    device: str = "auto",
    top: int | None = None,
    json: Flag = False,
) -> int:
    """Rank faces for a voice, or voices for a face.

    voiceface match VOICE FACE... or voiceface match FACE VOICE...

    Voices are audio or video files in any format, faces are pictures that show
    one face. A folder stands for the files in it. Probabilities that voice and
    face belong to one person assume equal prior odds; they identify nobody.

    Args:
        query: a voice or a face
        candidates: faces for a voice, voices for a face; files or folders
        direction: what is ranked for what; auto infers it from the file types
        weights: a shipped matcher's name, a weights folder or owner/name on the hub; by default the best
        device: auto, cpu, cuda, cuda:N or mps
        top: number of results to print; by default all
        json: print JSON
    """
    from voiceface.pipelines.input_files import expand_folders, query_side
    from voiceface.pipelines.no_usable_file import no_usable_file
    from voiceface.pipelines.rank_files import display_name, load_matcher, rank
    from voiceface.pipelines.voice_facts import voice_facts

    if top is not None and top < 1:
        raise InputError("--top", f"is {top}", "give 1 or more")
    check_readable(query)
    side = query_side(query, candidates, direction)
    other = "face" if side == "voice" else "voice"
    files = expand_folders(candidates, other)
    left_out = warn_left_out(candidates, [f"{other}s"], besides=[query])
    name = display_name(matcher := load_matcher(weights, device), weights)
    with progress_bar(f"{other}s", enabled=len(files) > 20) as progress:
        ranking, unusable = rank(matcher, query, files, side=side, progress=progress)
    if not ranking:
        raise no_usable_file([error for _, error in unusable], other)
    recordings = voice_facts([query] if side == "voice" else [path for path, _ in ranking])
    warnings = [one.warning for one in recordings if one.warning] + list(matcher.notes)
    warn_first([f"skipped: {error}" for _, error in unusable])
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        facts: dict[str, Any] = {"matcher": name, "query": str(query), "direction": f"{side}-to-{other}"}
        facts |= {"recordings": [one.to_dict() for one in recordings], **_to_dict(ranking[:top], unusable)}
        print_json({**facts, "left_out": left_out, "warnings": warnings})
        return 0
    title = printable(query) + (f" ({recordings[0]})" if side == "voice" and recordings else "")
    silent = {one.path for one in recordings if one.missing}
    _print_ranking(title, other, name, ranking[:top], silent=silent, count=len(ranking))
    if unusable:
        print_line(f"\n{len(unusable)} of {len(files)} candidates could not be used")
    return 0


def _to_dict(ranking: list[tuple[Path, float]], unusable: list[tuple[Path, InputError]]) -> dict[str, Any]:
    return {
        "ranking": [
            {"rank": rank, "path": str(path), "probability": probability}
            for rank, (path, probability) in enumerate(ranking, start=1)
        ],
        "unusable": [{"path": str(path), "reason": str(error)} for path, error in unusable],
    }


def _print_ranking(
    query: str,
    other: str,
    matcher: str,
    ranking: list[tuple[Path, float]],
    *,
    silent: Collection[Path],
    count: int,
) -> None:
    print_line(f"{query}: {count} {other}{'s' if count > 1 else ''} ranked by {matcher}")
    print_line(f"\n rank  probability  {other}")
    for rank, (path, probability) in enumerate(ranking, start=1):
        mark = "  (no speech detected: unreliable)" if path in silent else ""
        print_line(f"{rank:>5}  {probability:>11.3f}  {printable(path)}{mark}")

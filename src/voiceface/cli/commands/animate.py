"""Make talking faces say what is heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, heading
from voiceface.cli.terminal import answer, progress_bar, say, shown, warn_first
from voiceface.errors import InputError
from voiceface.media.files import readable

if TYPE_CHECKING:
    from voiceface.pipelines.animate_files import AnimationResults
    from voiceface.pipelines.talker import Talker

__all__ = ["add_to"]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_animate, name="animate", group=heading("Use"))


def _animate(
    voices: Annotated[tuple[Path, ...], Parameter(name="VOICES", negative="")] = (),
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    face: Path | None = None,
    seed: int = 0,
    size: int | None = None,
    weights: str | None = None,
    device: str = "cpu",
    force: Flag = False,
    json: Flag = False,
) -> int:
    """Make talking faces say what is heard.

    voiceface animate VOICE -o clip.mp4 or voiceface animate FOLDER -o CLIPS

    Voices are sound or video files in any format and of any length; a folder stands
    for those in it, and its clips lie in the folder -o as the recordings lie in
    theirs. The face is imagined from the voice, or that of a picture. Nobody was
    filmed, and the file says so. The same seed writes the same frames. Silence
    gives a face at rest.

    Args:
        voices: recordings of one person each; files or folders
        out: the .mp4 file for one recording, else a folder, made if need be
        face: a picture whose face is animated; ask who is shown before you do
        seed: of the face that is imagined, its blinks and its sway
        size: pixels a side of the video, 16 to 1024; by default the weights' own
        weights: shipped weights' name or a weights folder; by default the best there is
        device: auto, cpu, cuda, cuda:N or mps
        force: draw even where no speech is heard
        json: print JSON
    """
    from voiceface.pipelines.animate_files import AnimationOptions, animate_files
    from voiceface.pipelines.imagine_files import plan_jobs

    if not voices:
        raise InputError("animate", "was given no recording", "name files or folders of them")
    _check(voices, out, face=face, size=size)
    jobs = plan_jobs(voices, out, suffix=".mp4")
    talker = _load(weights, device)
    with progress_bar("frames" if len(jobs) == 1 else "voices") as progress:
        wanted = AnimationOptions(face=face, seed=seed, size=size, force=force)
        done = animate_files(talker, jobs, wanted, progress=progress)
    if not done.clips:
        raise _no_usable_recording(done.failed)
    _tell(talker, done, seed, json=json)
    return 0


def _check(voices: Sequence[Path], out: Path, *, face: Path | None, size: int | None) -> None:
    """Refuse what cannot be done before a second is spent on loading the weights."""
    from voiceface.media.check_writable import check_writable

    if size is not None and not 16 <= size <= 1024:
        raise InputError("--size", f"is {size}", "give 16 to 1024")
    if len(voices) == 1 and not voices[0].is_dir():
        readable(voices[0])
    if face is not None:
        readable(face)
    if out.suffix.lower() == ".mp4":
        check_writable(out)
    elif out.exists() and not out.is_dir():
        raise InputError(out, "is a file that does not end in .mp4", "name a .mp4 file or a folder")


def _load(weights: str | None, device: str) -> Talker:
    from voiceface.pipelines.talker import Talker
    from voiceface.training.devices import pick_device

    kind, index = pick_device(device)
    return Talker.load(weights, device=f"{kind}:{index}" if kind == "cuda" else kind)


def _no_usable_recording(failed: Sequence[InputError]) -> InputError:
    error, more = failed[0], len(failed) - 1
    if not more or all(str(one) == str(error) for one in failed):
        return error
    fault = f"{error.fault}, and the other {more} recording{'s' * (more > 1)} cannot be used either"
    return InputError(error.what, fault, error.remedy)


def _tell(talker: Talker, done: AnimationResults, seed: int, *, json: bool) -> None:
    warnings = [f"{job.voice}: {clip.note}" for job, clip in done.clips if clip.note]
    warn_first([f"left out: {error}" for error in done.failed])
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        told: dict[str, Any] = {"model": talker.name, "fingerprint": talker.fingerprint, "seed": seed}
        told["clips"] = [
            {
                "voice": str(job.voice),
                "clip": str(clip.path),
                "seconds": round(clip.seconds, 3),
                "frames": clip.frames,
                "fps": clip.fps,
                "size": clip.size,
                "plausibility": clip.plausibility,
                "note": clip.note,
            }
            for job, clip in done.clips
        ]
        told["failed"] = [{"path": error.what, "reason": str(error)} for error in done.failed]
        answer({**told, "warnings": warnings})
        return
    for job, clip in done.clips:
        say(f"{shown(job.voice)}: {shown(clip.path)} ({clip.seconds:.1f} s)")
    if done.failed:
        say(f"\n{len(done.failed)} of {len(done.clips) + len(done.failed)} could not be used")

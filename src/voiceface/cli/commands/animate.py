"""Generate talking-face videos from speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable, progress_bar, warn_first
from voiceface.cli.warn_left_out import warn_left_out
from voiceface.errors import InputError
from voiceface.media.files import check_readable

if TYPE_CHECKING:
    from voiceface.pipelines.animate_files import AnimationResults
    from voiceface.pipelines.talker import Talker


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_animate, name="animate", group=help_group("Inference"))


def _animate(
    voices: Annotated[tuple[Path, ...], Parameter(name="VOICES", negative="")] = (),
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    face: Path | None = None,
    seed: int = 0,
    size: int | None = None,
    weights: str | None = None,
    device: str = "auto",
    force: Flag = False,
    json: Flag = False,
) -> int:
    """Generate talking-face videos from speech.

    voiceface animate VOICE -o clip.mp4 or voiceface animate FOLDER -o CLIPS

    Voices are audio or video files in any format and of any length. A folder
    stands for the files in it; its clips are written to -o with the same folder
    structure. The face is generated from the voice, or taken from --face. The
    file says that nobody was filmed. The same seed generates the same frames.
    Silent input gives a resting face.

    Args:
        voices: recordings of one person each; files or folders
        out: .mp4, .mov, .mkv or .webm file for one recording, otherwise a folder, created if needed
        face: picture of the face to animate; get the consent of the person shown
        seed: random seed of the generated face, blinks and head motion
        size: long side of the video in pixels, 16 to 1024; by default the model's own or what --face needs
        weights: shipped weights' name, a weights folder or owner/name on the hub; by default the best
        device: auto, cpu, cuda, cuda:N or mps
        force: generate even if no speech is detected
        json: print JSON
    """
    from voiceface.media.write_movie import MOVIE_ENDINGS
    from voiceface.pipelines.animate_files import AnimationOptions, animate_files
    from voiceface.pipelines.imagine_files import plan_jobs
    from voiceface.pipelines.no_usable_file import no_usable_file
    from voiceface.pipelines.talker import Talker

    if not voices:
        raise InputError("animate", "has no recordings", "name files or folders of recordings")
    _check(voices, out, face=face, size=size)
    ending = out.suffix.lower()
    jobs = plan_jobs(voices, out, suffix=ending if ending in MOVIE_ENDINGS else ".mp4")
    left_out = warn_left_out(voices, ["voices"], besides=[out])
    talker = Talker.load(weights, device=device)
    with progress_bar("frames" if len(jobs) == 1 else "voices") as progress:
        options = AnimationOptions(face=face, seed=seed, size=size, force=force)
        done = animate_files(talker, jobs, options, progress=progress)
    if not done.clips:
        raise no_usable_file(done.failed, "recording")
    _print_result(talker, done, seed, left_out, json=json)
    return 0


def _check(voices: Sequence[Path], out: Path, *, face: Path | None, size: int | None) -> None:
    """Refuse wrong options before the weights are loaded."""
    from voiceface.media.check_writable import check_writable
    from voiceface.media.media_kind import ends_as_file, media_kind
    from voiceface.media.write_movie import MOVIE_ENDINGS

    if size is not None and not 16 <= size <= 1024:
        raise InputError("--size", f"is {size}", "give 16 to 1024")
    one_file = len(voices) == 1 and not voices[0].is_dir()
    if one_file:
        check_readable(voices[0])
    if face is not None:
        check_readable(face)
    if out.is_dir():
        return
    if out.suffix.lower() in MOVIE_ENDINGS:
        check_writable(out)
    elif media_kind(out.name) or out.exists() or (one_file and ends_as_file(out.name)):
        better = out.with_suffix(".mp4").name
        raise InputError(out, f"is no movie: these end in {', '.join(MOVIE_ENDINGS)}", f"name it {better}")


def _print_result(
    talker: Talker, done: AnimationResults, seed: int, left_out: list[str], *, json: bool
) -> None:
    warnings = [f"{job.voice}: {clip.note}" for job, clip in done.clips if clip.note]
    warn_first([f"skipped: {error}" for error in done.failed])
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        facts: dict[str, Any] = {"model": talker.name, "fingerprint": talker.fingerprint, "seed": seed}
        facts["clips"] = [
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
        facts["failed"] = [{"path": error.what, "reason": str(error)} for error in done.failed]
        print_json({**facts, "left_out": left_out, "warnings": warnings})
        return
    for job, clip in done.clips:
        print_line(f"{printable(job.voice)}: {printable(clip.path)} ({clip.seconds:.1f} s)")
    if done.failed:
        print_line(
            f"\n{len(done.failed)} of {len(done.clips) + len(done.failed)} recordings could not be used"
        )

"""Draw faces that go with voices."""

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
    from voiceface.pipelines.imagine_files import GenerationResult
    from voiceface.pipelines.imaginer import Imaginer

__all__ = ["add_to"]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_imagine, name="imagine", group=heading("Use"))


def _imagine(
    voices: Annotated[tuple[Path, ...], Parameter(name="VOICES", negative="")] = (),
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    n: Annotated[int, Parameter(name=["--n", "-n"])] = 1,
    seed: int = 0,
    typical: Flag = False,
    person: str = "",
    weights: str | None = None,
    device: str = "cpu",
    force: Flag = False,
    json: Flag = False,
) -> int:
    """Draw faces that go with voices.

    voiceface imagine VOICE -o face.png or voiceface imagine FOLDER -o FACES

    Voices are sound or video files in any format; a folder stands for those in it,
    and its faces lie in the folder -o as the recordings lie in theirs. A face is
    one of many that go with the voice. It is nobody's portrait, and the file says
    so. The same seed draws the same face.

    Args:
        voices: recordings of one person each; files or folders
        out: the .png file for one recording, else a folder, made if need be
        n: different faces for each recording
        seed: of everything that the voice does not tell
        typical: draw the one face that is typical of such voices
        person: somebody the weights know by name, for weights that draw from names
        weights: shipped weights' name or a weights folder; by default the best there is
        device: auto, cpu, cuda, cuda:N or mps
        force: draw even where no speech is heard
        json: print JSON
    """
    from voiceface.pipelines.imagine_files import (
        GenerationOptions,
        imagine_files,
        imagine_known_person,
        plan_jobs,
    )

    if not voices and not person:
        raise InputError("imagine", "was given no recording", "name files or folders of them")
    _check(voices, out, n=n, typical=typical)
    jobs = plan_jobs(voices, out, n=n) if voices else []
    wishes = GenerationOptions(n=n, seed=seed, person=person, typical=typical, force=force)
    imaginer = _load(weights, device)
    if voices:
        with progress_bar("voices", shown=len(jobs) > 3) as progress:
            done = imagine_files(imaginer, jobs, wishes, progress=progress)
    else:
        done = imagine_known_person(imaginer, out, wishes)
    if not done.faces:
        raise _no_usable_recording(done.failed)
    _tell(imaginer, done, seed, json=json)
    return 0


def _check(voices: Sequence[Path], out: Path, *, n: int, typical: bool) -> None:
    """Refuse what cannot be done before a second is spent on loading the weights."""
    from voiceface.media.check_writable import check_writable

    if n < 1 or (typical and n > 1):
        remedy = "give 1 or more" if n < 1 else "there is one typical face: leave -n out"
        raise InputError("--n", f"is {n}", remedy)
    if len(voices) == 1 and not voices[0].is_dir():
        readable(voices[0])
    if out.suffix.lower() == ".png":
        check_writable(out)
    elif out.exists() and not out.is_dir():
        raise InputError(out, "is a file that does not end in .png", "name a .png file or a folder")


def _load(weights: str | None, device: str) -> Imaginer:
    from voiceface.pipelines.imaginer import Imaginer
    from voiceface.training.devices import pick_device

    kind, index = pick_device(device)
    return Imaginer.load(weights, device=f"{kind}:{index}" if kind == "cuda" else kind)


def _no_usable_recording(failed: Sequence[InputError]) -> InputError:
    error, more = failed[0], len(failed) - 1
    if not more:
        return error
    fault = f"{error.fault}, and the other {more} recording{'s' * (more > 1)} cannot be used either"
    return InputError(error.what, fault, error.remedy)


def _tell(imaginer: Imaginer, done: GenerationResult, seed: int, *, json: bool) -> None:
    from voiceface.pipelines.voice_recording import LOW_PLAUSIBILITY

    warnings = [
        f"{job.voice}: hardly a voice (plausibility {plausibility:.2f}); do not trust its face"
        for job, plausibility in done.faces
        if plausibility is not None and plausibility < LOW_PLAUSIBILITY
    ]
    warn_first([f"left out: {error}" for error in done.failed])
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        told: dict[str, Any] = {"model": imaginer.name, "fingerprint": imaginer.fingerprint, "seed": seed}
        told["faces"] = [
            {"voice": str(job.voice), "pictures": list(map(str, job.pictures)), "plausibility": plausibility}
            for job, plausibility in done.faces
        ]
        told["failed"] = [{"path": error.what, "reason": str(error)} for error in done.failed]
        answer({**told, "warnings": warnings})
        return
    for job, _ in done.faces:
        pictures = shown(job.pictures[0])
        if len(job.pictures) > 1:
            pictures += f" to {shown(job.pictures[-1].name)}"
        say(f"{shown(job.voice)}: {pictures}")
    total = len(done.faces) + len(done.failed)
    if done.failed:
        say(f"\n{len(done.failed)} of {total} could not be used")

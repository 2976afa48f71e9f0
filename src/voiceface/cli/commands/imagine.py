"""Generate faces for voices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable, progress_bar, warn_first
from voiceface.cli.warn_left_out import warn_left_out
from voiceface.errors import InputError
from voiceface.media.files import check_readable
from voiceface.media.media_kind import ends_as_file, media_kind

if TYPE_CHECKING:
    from voiceface.pipelines.imagine_files import GenerationResult
    from voiceface.pipelines.imaginer import Imaginer

_FILES = ".png, .jpg and .webp"


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_imagine, name="imagine", group=help_group("Inference"))


def _imagine(
    voices: Annotated[tuple[Path, ...], Parameter(name="VOICES", negative="")] = (),
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    n: Annotated[int, Parameter(name=["--n", "-n"])] = 1,
    seed: int = 0,
    size: int | None = None,
    typical: Flag = False,
    glasses: Flag = False,
    person: str = "",
    weights: str | None = None,
    device: str = "auto",
    force: Flag = False,
    speech_detector: Literal["auto", "webrtc", "silero"] = "auto",
    json: Flag = False,
) -> int:
    """Generate faces for voices.

    voiceface imagine VOICE -o face.png or voiceface imagine FOLDER -o FACES

    Voices are audio or video files in any format, or folders of them. A face is one
    of many that fit, not a portrait of the speaker; a seed gives the same again.

    Args:
        voices: recordings of one person each; files or folders
        out: .png, .jpg or .webp file for one recording; else a folder, which gets the recordings' folders
        n: number of faces per recording
        seed: random seed
        size: pixels a side, 16 to 1024; by default the weights' own; larger faces get more detail
        typical: generate the most typical face instead of a random one
        glasses: add glasses to the faces; a voice says nothing about them
        person: name of a person, for models conditioned on names
        weights: shipped weights' name, a weights folder or owner/name on the hub; by default the best
        device: auto, cpu, cuda, cuda:N or mps
        force: generate even if no speech is detected
        speech_detector: auto: silero where its wheel is installed, which noise does not pass
        json: print JSON
    """
    from voiceface.media.picture import PICTURE_FORMATS
    from voiceface.pipelines import imagine_files as work
    from voiceface.pipelines.imaginer import Imaginer
    from voiceface.pipelines.no_usable_file import no_usable_file

    if not voices and not person:
        raise InputError("imagine", "has no recordings", "name files or folders of recordings")
    _check(voices, out, n=n, typical=typical, size=size)
    jobs = work.plan_jobs(voices, out, n=n, others=PICTURE_FORMATS) if voices else []
    left_out = warn_left_out(voices, ["voices"], besides=[out])
    options = work.GenerationOptions(n, seed, size, person, typical, glasses, force, speech_detector)
    imaginer = Imaginer.load(weights, device=device)
    if voices:
        with progress_bar("voices", enabled=len(jobs) > 3) as progress:
            done = work.imagine_files(imaginer, jobs, options, progress=progress)
    else:
        done = work.imagine_known_person(imaginer, out, options)
    if not done.faces:
        raise no_usable_file(done.failed, "recording")
    _print_result(imaginer, done, seed, left_out, json=json)
    return 0


def _check(voices: Sequence[Path], out: Path, *, n: int, typical: bool, size: int | None) -> None:
    """Refuse wrong options before the weights are loaded."""
    from voiceface.media.check_writable import check_writable
    from voiceface.media.picture import PICTURE_FORMATS

    if n < 1 or (typical and n > 1):
        remedy = "give 1 or more" if n < 1 else "there is one typical face: remove -n"
        raise InputError("--n", f"is {n}", remedy)
    if size is not None and not 16 <= size <= 1024:
        raise InputError("--size", f"is {size} pixels", "give 16 to 1024")
    if _is_one_file(voices):
        check_readable(voices[0])
    if out.suffix.lower() in PICTURE_FORMATS:
        check_writable(out)
    elif out.is_dir():
        return
    elif out.exists():
        raise InputError(out, "is a file that ends in no format of pictures", f"name {_FILES} or a folder")
    elif media_kind(out.name) or (_is_one_file(voices) and ends_as_file(out.name)):
        near = ".jpg" if "j" in out.suffix.lower() else ".png"
        fault = f"ends in {out.suffix}, in which no pictures are written"
        raise InputError(out, fault, f"did you mean {out.with_suffix(near).name}? There are {_FILES}")


def _is_one_file(voices: Sequence[Path]) -> bool:
    return len(voices) == 1 and not voices[0].is_dir()


def _print_result(
    imaginer: Imaginer, done: GenerationResult, seed: int, left_out: list[str], *, json: bool
) -> None:
    from voiceface.pipelines.voice_recording import plausibility_warnings

    warnings = plausibility_warnings((job.voice, plausibility) for job, plausibility in done.faces)
    warn_first([f"skipped: {error}" for error in done.failed])
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        facts: dict[str, Any] = {"model": imaginer.name, "fingerprint": imaginer.fingerprint, "seed": seed}
        facts["faces"] = [
            {"voice": str(job.voice), "pictures": list(map(str, job.pictures)), "plausibility": plausibility}
            for job, plausibility in done.faces
        ]
        facts["failed"] = [{"path": error.what, "reason": str(error)} for error in done.failed]
        print_json({**facts, "left_out": left_out, "warnings": warnings})
        return
    for job, _ in done.faces:
        pictures = printable(job.pictures[0])
        if len(job.pictures) > 1:
            pictures += f" to {printable(job.pictures[-1].name)}"
        print_line(f"{printable(job.voice)}: {pictures}")
    total = len(done.faces) + len(done.failed)
    if done.failed:
        print_line(f"\n{len(done.failed)} of {total} recordings could not be used")

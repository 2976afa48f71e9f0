"""``make demo``: rank faces for a voice, generate faces for it, and make one of them talk.

It uses the user's own voice and faces, or those of four synthetic people.
"""

from __future__ import annotations

import argparse
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from voiceface.errors import InputError, MissingPartError
from voiceface.media.make_folder import make_folder

if TYPE_CHECKING:
    from PIL.Image import Image

    from voiceface.media.origin import GeneratedImage
    from voiceface.synthetic.people import SyntheticPerson

__all__ = ["main"]

PERSON_SEEDS = (8, 16, 6, 7)
"""Two women and two men of different ages and accents, not chosen by their results."""
SECONDS = 6.0
IMAGE_SIZE = 320
MAX_DRAW_ATTEMPTS = 8
"""How often a person is drawn again until the detector finds the face (nearly always at once)."""
FACES_PER_VOICE = 4
FACES_NOTICE = """These faces are nobody's: each is one of many that could go with the voice, which says
little about a face beyond gender and age. The files say so too (text entries and XMP)."""
SYNTHETIC_NOTICE = """These are not people: the voices come from a speech synthesiser, the faces are drawings.
The matcher was trained on people, so this ranking shows that everything runs, not how well it works.
RESULTS.md says how well it works on people, with intervals."""


class FaceRanker(Protocol):
    """The part of a Matcher that the demo uses."""

    @property
    def name(self) -> str:
        """What the matcher is called."""
        ...

    def rank(
        self,
        query: str,
        candidates: Sequence[str],
        *,
        on_error: Callable[[int, InputError], None] | None = None,
    ) -> Sequence[tuple[object, float]]:
        """Candidates and their probabilities, best first; without those reported to ``on_error``."""
        ...


class FaceGenerator(Protocol):
    """The part of an Imaginer that the demo uses."""

    @property
    def name(self) -> str:
        """What the Imaginer is called."""
        ...

    def __call__(self, voice: str, *, n: int) -> Sequence[GeneratedImage]:
        """``n`` faces for a voice."""
        ...


class TalkingFaceMaker(Protocol):
    """The part of a Talker that the demo uses."""

    @property
    def name(self) -> str:
        """What the Talker is called."""
        ...

    def __call__(self, voice: str, out: Path, /) -> object:
        """Write a talking-face clip for a voice."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code (1 after a one-line error)."""
    parser = argparse.ArgumentParser(prog="python -m voiceface.demo", description=__doc__)
    parser.add_argument("--voice", metavar="FILE", help="recording of one person: any audio or video file")
    parser.add_argument("--faces", metavar="FILE", nargs="+", help="pictures to rank for the voice")
    parser.add_argument("--out", metavar="FOLDER", default="demo-out", help="folder for the results")
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console may lack characters of a file's name
            stream.reconfigure(errors="backslashreplace")
    try:
        if given.voice or given.faces:
            rank_user_files(given.voice, given.faces)
            voices = [given.voice]
        else:
            rank_synthetic_people(Path(given.out))
            voices = sorted(map(str, Path(given.out).glob("voice-*.wav")))
        imagine(voices, Path(given.out))
        talk(voices, Path(given.out))
    except InputError as error:
        print(f"voiceface: {error}", file=sys.stderr)
        return 1
    return 0


def rank_user_files(
    voice: str | None, faces: Sequence[str] | None, *, matcher: FaceRanker | None = None
) -> None:
    """Rank the user's pictures for the user's recording and print the table.

    Raises:
        InputError: only one of the two is given, or the voice or none of the pictures can be used.
    """
    if not (voice and faces):
        example = 'make demo VOICE=voice.wav FACES="a.jpg b.jpg"'
        raise InputError("demo", "needs both a voice and faces", f"{example}; or give neither")
    matcher = matcher or _load()
    print(f"Matcher: {matcher.name}\nVoice:   {voice}\n")
    faults: list[InputError] = []
    ranking = matcher.rank(voice, list(faces), on_error=lambda _, fault: faults.append(fault))
    if not ranking:
        raise faults[0]
    width = max(len(str(face)) for face, _ in ranking)
    for rank, (face, probability) in enumerate(ranking, 1):
        print(f"{rank:3d}. {face!s:<{width}}  {probability:6.1%}")
    for fault in faults:
        print(f"skipped: {fault}")
    print(
        "\nThe percentage is the calibrated probability that voice and face belong to one person, assuming\n"
        "equal prior odds. It is a statistical hint, never proof of identity."
    )


def rank_synthetic_people(out: Path, *, matcher: FaceRanker | None = None) -> list[tuple[int, int]]:
    """Make four synthetic people, rank all faces for each voice, print and keep everything.

    Returns for each query the rank of its own person's face and the number of faces. Without a speech
    synthesiser, second drawings of the people replace their voices.

    Raises:
        InputError: the folder cannot be written.
    """
    from voiceface.synthetic.people import synthetic_person

    begun = time.perf_counter()
    make_folder(out)
    people = [synthetic_person(seed) for seed in PERSON_SEEDS]
    print(f"Making {len(people)} synthetic people ...", flush=True)
    drawn = [_draw(person, out / f"face-{i}.png") for i, person in enumerate(people, 1)]
    faces = [str(path) for path, _ in drawn]
    try:
        queries, kind = [_speak(p, out / f"voice-{i}.wav") for i, p in enumerate(people, 1)], "voice"
    except MissingPartError as missing:
        print(f"\nNo voices: {missing}.\nA second drawing of each person replaces the voice.", flush=True)
        queries, kind = [], "drawing"
        for i, person in enumerate(people, 1):
            queries.append(str(_draw(person, out / f"again-{i}.png", first=MAX_DRAW_ATTEMPTS)[0]))
    matcher = matcher or _load()
    print(f"Ranking with {matcher.name} ...\n", flush=True)
    probabilities = [{str(face): p for face, p in matcher.rank(query, faces)} for query in queries]
    ranks = [
        1 + sum(p > row[own] for p in row.values()) for row, own in zip(probabilities, faces, strict=True)
    ]
    _print_table(people, probabilities, faces, kind=kind)
    first, expected = ranks.count(1), len(ranks) / len(faces)
    print(f"\nOwn face ranked first: {first} of {len(ranks)} (by chance: {expected:.0f} of {len(ranks)}).\n")
    print(SYNTHETIC_NOTICE)
    sheet = _save_sheet(people, [image for _, image in drawn], probabilities, faces, out)
    print(f"\nWritten to {out}{_slash()}: the faces, the {kind}s and {sheet.name} (an overview).")
    print(f'{time.perf_counter() - begun:.1f} s.  Your files:  make demo VOICE=voice.wav FACES="a.jpg b.jpg"')
    return [(rank, len(faces)) for rank in ranks]


def imagine(voices: Sequence[str], out: Path, *, imaginer: FaceGenerator | None = None) -> Path | None:
    """Generate some faces for each voice, one file each and all on one page, whose path is returned.

    Without weights that generate faces, or without voices, a line says so.

    Raises:
        InputError: the folder cannot be written.
    """
    from voiceface.media.origin import read_origin
    from voiceface.media.picture import save_png
    from voiceface.synthetic.captioned_grid import captioned_grid

    begun = time.perf_counter()
    try:
        imaginer = imaginer or _load_imaginer()
        if not voices:
            raise MissingPartError("voices", "there are none")
    except MissingPartError as missing:
        print(f"\nNo faces generated: {missing}")
        return None
    print(f"\nGenerating faces with {imaginer.name} ...", flush=True)
    faces: list[GeneratedImage] = []
    captions: list[str] = []
    out.mkdir(parents=True, exist_ok=True)
    for number, voice in enumerate(voices, 1):
        try:
            generated = imaginer(voice, n=FACES_PER_VOICE)
        except InputError as fault:
            print(f"skipped: {fault}")
            continue
        for index, face in enumerate(generated, 1):
            save_png(out / f"imagined-{number}-{index}.png", face)
            captions.append(f"{Path(voice).stem[:16]}, no. {index}")
        faces += generated
    if not faces:
        return None
    page = out / "imagined.png"
    origin = read_origin(faces[0])
    origin = origin and replace(origin, note=f"a page of {len(faces)} faces")
    save_png(page, captioned_grid(faces, captions, columns=FACES_PER_VOICE), origin=origin)
    print(f"Written to {out}{_slash()}: {page.name} and its faces. {time.perf_counter() - begun:.1f} s.")
    print(FACES_NOTICE)
    return page


def talk(voices: Sequence[str], out: Path, *, talker: TalkingFaceMaker | None = None) -> Path | None:
    """Write a clip of a generated face that says what the first recording says; its path is returned.

    Without weights that talk, or without a voice that can be used, a line says so.
    """
    begun = time.perf_counter()
    try:
        talker = talker or _load_talker()
        if not voices:
            raise MissingPartError("voices", "there are none")
        print(f"\nGenerating a talking face with {talker.name} ...", flush=True)
        clip = out / "talking.mp4"
        out.mkdir(parents=True, exist_ok=True)
        talker(voices[0], clip)
    except InputError as fault:
        print(f"\nNo talking face: {fault}")
        return None
    print(f"Written to {out}{_slash()}: {clip.name}. {time.perf_counter() - begun:.1f} s.")
    print("Nobody was filmed: a model generated it, and the file says so.")
    return clip


def _load_talker() -> TalkingFaceMaker:
    from voiceface.pipelines.talker import Talker

    return Talker.load()


def _load_imaginer() -> FaceGenerator:
    from voiceface.pipelines.imaginer import Imaginer

    return Imaginer.load()


def _load() -> FaceRanker:
    from voiceface.pipelines.matcher import Matcher

    return Matcher.load()


def _draw(person: SyntheticPerson, path: Path, *, first: int = 0) -> tuple[Path, Image]:
    """A drawing of the person in which the detector finds a face."""
    import numpy as np

    from voiceface.face.detect import detect
    from voiceface.media.picture import save_png
    from voiceface.synthetic.drawing import draw

    for seed in range(first, first + MAX_DRAW_ATTEMPTS):
        image = draw(person, seed=seed, size=IMAGE_SIZE)
        if detect(np.asarray(image)):
            break
    save_png(path, image, metadata=_origin(person, f"generated, seed {seed}"))
    return path, image


def _speak(person: SyntheticPerson, path: Path) -> str:
    from voiceface.media.files import write_bytes
    from voiceface.media.sound import save_sound
    from voiceface.synthetic.speech import speak

    wave, _ = speak(person, seconds=SECONDS)
    save_sound(path, wave)
    origin = _origin(person, "synthesised by eSpeak NG, seed 0")
    write_bytes(
        path, add_riff_info(path.read_bytes(), {"ISFT": origin["Software"], "ICMT": origin["Comment"]})
    )
    return str(path)


def _origin(person: SyntheticPerson, how: str) -> dict[str, str]:
    try:
        number = version("voiceface")
    except PackageNotFoundError:
        number = "uninstalled"
    comment = f"Not a person: {person.id}, {how}, by voiceface's demo."
    return {"Software": f"voiceface {number}", "Source": "synthetic", "Comment": comment}


def add_riff_info(wav: bytes, entries: Mapping[str, str]) -> bytes:
    r"""A WAV file's bytes with RIFF INFO entries, by four-letter names, appended to the audio.

    >>> wav = b"RIFF" + struct.pack("<I", 12) + b"WAVE" + b"data" + struct.pack("<I", 0)
    >>> add_riff_info(wav, {"ICMT": "made"})[20:]
    b'LIST\x12\x00\x00\x00INFOICMT\x05\x00\x00\x00made\x00\x00'
    """
    body = b"INFO"
    for name, text in entries.items():
        data = text.encode("utf-8") + b"\0"
        body += name.encode("ascii") + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    whole = wav[8:] + b"LIST" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _print_table(
    people: Sequence[SyntheticPerson],
    probabilities: Sequence[Mapping[str, float]],
    faces: Sequence[str],
    *,
    kind: str,
) -> None:
    from rich.console import Console
    from rich.table import Table

    print(f"Probability that {kind} and face belong to one person (bold: the best; *: own face)")
    table = Table()
    table.add_column(kind)
    for number, person in enumerate(people, 1):
        table.add_column(f"face {number}\n{_label(person)}", justify="right")
    for number, (person, row) in enumerate(zip(people, probabilities, strict=True), 1):
        best = max(row.values())
        cells = []
        for column, face in enumerate(faces, 1):
            text = f"{row[face]:.1%}" + ("*" if column == number else " ")
            cells.append(f"[bold]{text}[/bold]" if row[face] == best else text)
        table.add_row(f"{number}  {_label(person)}", *cells)
    Console(width=max(100, Console().width), safe_box=True).print(table)


def _label(person: SyntheticPerson) -> str:
    return f"{'woman' if person.sex == 'f' else 'man'}, {person.age:.0f}"


def _save_sheet(
    people: Sequence[SyntheticPerson],
    pictures: Sequence[Image],
    probabilities: Sequence[Mapping[str, float]],
    faces: Sequence[str],
    out: Path,
) -> Path:
    from voiceface.media.picture import save_png
    from voiceface.synthetic.captioned_grid import captioned_grid

    captions = []
    for number, (person, row, own) in enumerate(zip(people, probabilities, faces, strict=True), 1):
        order = sorted(faces, key=lambda face: -row[face])
        ranked = ", ".join(f"{faces.index(face) + 1} ({row[face]:.0%})" for face in order)
        captions.append(
            f"face {number}: synthetic, not a person ({_label(person)})\n"
            f"query {number} ranks the faces {ranked}\n"
            f"the person's own face has rank {order.index(own) + 1}"
        )
    path = out / "sheet.png"
    page = captioned_grid(pictures, captions, columns=2)
    save_png(
        path,
        page,
        metadata={"Source": "synthetic", "Comment": "Not people: drawings by voiceface's demo."},
    )
    return path


def _slash() -> str:
    return "\\" if sys.platform == "win32" else "/"


if __name__ == "__main__":
    sys.exit(main())

"""``make demo``: rank faces for a voice, generate some that could go with it, and make one of them talk.

The user's own voice and faces, or, without any, those of four made people.
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

if TYPE_CHECKING:
    from PIL.Image import Image

    from voiceface.media.origin import GeneratedImage
    from voiceface.synthetic.people import SyntheticPerson

__all__ = ["main"]

PEOPLE = (8, 16, 6, 7)
"""Seeds of the four: two women and two men of different ages and accents, not chosen by their results."""
SECONDS = 6.0
PIXELS = 320
MAX_DRAW_ATTEMPTS = 8
"""How often a person is drawn again until the detector finds the face (nearly always at once)."""
IMAGINED = 4
"""Faces generated for each voice."""
FACES_NOTICE = """These faces are nobody's: each is one of many that could go with the voice, which says
little about a face beyond gender and age. The files say so too (text entries and XMP)."""
SYNTHETIC_NOTICE = """These are not people: the voices come from a speech synthesiser, the faces are drawings.
The matcher was trained on people, so this ranking shows that everything runs, not how well it works.
RESULTS.md says how well it works on people, with intervals."""


class Ranks(Protocol):
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


class Draws(Protocol):
    """The part of an Imaginer that the demo uses."""

    @property
    def name(self) -> str:
        """What the Imaginer is called."""
        ...

    def __call__(self, voice: str, *, n: int) -> Sequence[GeneratedImage]:
        """So many faces for a voice."""
        ...


class TalkingFaceMaker(Protocol):
    """The part of a Talker that the demo uses."""

    @property
    def name(self) -> str:
        """What the Talker is called."""
        ...

    def __call__(self, voice: str, out: Path, /) -> object:
        """Write a talking clip for a voice."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code (1 after a one-line error)."""
    parser = argparse.ArgumentParser(prog="python -m voiceface.demo", description=__doc__)
    parser.add_argument("--voice", metavar="FILE", help="a recording of one person; any audio or video file")
    parser.add_argument("--faces", metavar="FILE", nargs="+", help="pictures to rank for it")
    parser.add_argument("--out", metavar="FOLDER", default="demo-out", help="for what the demo makes")
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console may not know every sign of a file's name
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


def rank_user_files(voice: str | None, faces: Sequence[str] | None, *, matcher: Ranks | None = None) -> None:
    """Rank the user's pictures for the user's recording and print the table.

    Raises:
        InputError: only one of the two is given, or the voice or none of the pictures can be used.
    """
    if not (voice and faces):
        wanted = 'make demo VOICE=voice.wav FACES="a.jpg b.jpg"'
        raise InputError("demo", "a voice and faces go together", f"{wanted}; or give neither")
    matcher = matcher or _load()
    print(f"Matcher: {matcher.name}\nVoice:   {voice}\n")
    faults: list[InputError] = []
    ranking = matcher.rank(voice, list(faces), on_error=lambda _, fault: faults.append(fault))
    if not ranking:
        raise faults[0]
    width = max(len(str(face)) for face, _ in ranking)
    for place, (face, probability) in enumerate(ranking, 1):
        print(f"{place:3d}. {face!s:<{width}}  {probability:6.1%}")
    for fault in faults:
        print(f"left out: {fault}")
    print(
        "\nThe percentage is the calibrated probability that voice and face are one person's, at even odds.\n"
        "It is a statistical hint, never proof of who somebody is."
    )


def rank_synthetic_people(out: Path, *, matcher: Ranks | None = None) -> list[tuple[int, int]]:
    """Make four synthetic people, rank all faces for each voice, print and keep everything.

    Returns for each query the place of its own person's face and the number of faces. Without a speech
    synthesiser the queries are second drawings of the people in place of their voices.

    Raises:
        InputError: the folder cannot be written.
    """
    from voiceface.synthetic.people import synthetic_person

    begun = time.perf_counter()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            out, error.strerror or "cannot be made", "choose another folder with --out"
        ) from error
    people = [synthetic_person(seed) for seed in PEOPLE]
    print(f"Making {len(people)} synthetic people ...", flush=True)
    drawn = [_draw(person, out / f"face-{i}.png") for i, person in enumerate(people, 1)]
    faces = [str(path) for path, _ in drawn]
    try:
        queries, kind = [_speak(p, out / f"voice-{i}.wav") for i, p in enumerate(people, 1)], "voice"
    except MissingPartError as missing:
        print(
            f"\nNo voices: {missing}.\nA second drawing of each person stands in for the voice.", flush=True
        )
        queries, kind = [], "drawing"
        for i, person in enumerate(people, 1):
            queries.append(str(_draw(person, out / f"again-{i}.png", first=MAX_DRAW_ATTEMPTS)[0]))
    matcher = matcher or _load()
    print(f"Ranking with {matcher.name} ...\n", flush=True)
    found = [{str(face): p for face, p in matcher.rank(query, faces)} for query in queries]
    places = [1 + sum(p > row[own] for p in row.values()) for row, own in zip(found, faces, strict=True)]
    _print_table(people, found, faces, kind=kind)
    first, expected = places.count(1), len(places) / len(faces)
    print(f"\nOwn face first: {first} of {len(places)} (guessing: {expected:.0f} of {len(places)}).\n")
    print(SYNTHETIC_NOTICE)
    sheet = _save_sheet(people, [image for _, image in drawn], found, faces, out)
    print(f"\nWritten to {out}{_slash()}: the faces, the {kind}s and {sheet.name} (all on one page).")
    print(f'{time.perf_counter() - begun:.1f} s.  Yours:  make demo VOICE=voice.wav FACES="a.jpg b.jpg"')
    return [(place, len(faces)) for place in places]


def imagine(voices: Sequence[str], out: Path, *, imaginer: Draws | None = None) -> Path | None:
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
        print(f"\nNo faces imagined: {missing}")
        return None
    print(f"\nImagining faces with {imaginer.name} ...", flush=True)
    faces: list[GeneratedImage] = []
    captions: list[str] = []
    out.mkdir(parents=True, exist_ok=True)
    for number, voice in enumerate(voices, 1):
        try:
            drawn = imaginer(voice, n=IMAGINED)
        except InputError as fault:
            print(f"left out: {fault}")
            continue
        for place, face in enumerate(drawn, 1):
            save_png(out / f"imagined-{number}-{place}.png", face)
            captions.append(f"{Path(voice).stem[:16]}, no. {place}")
        faces += drawn
    if not faces:
        return None
    page = out / "imagined.png"
    origin = read_origin(faces[0])
    origin = origin and replace(origin, note=f"a page of {len(faces)} faces")
    save_png(page, captioned_grid(faces, captions, columns=IMAGINED), origin=origin)
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
        print(f"\nA talking face with {talker.name} ...", flush=True)
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


def _load_imaginer() -> Draws:
    from voiceface.pipelines.imaginer import Imaginer

    return Imaginer.load()


def _load() -> Ranks:
    from voiceface.pipelines.matcher import Matcher

    return Matcher.load()


def _draw(person: SyntheticPerson, path: Path, *, first: int = 0) -> tuple[Path, Image]:
    """A picture of the person in which the detector finds a face."""
    import numpy as np

    from voiceface.face.detect import detect
    from voiceface.media.picture import save_png
    from voiceface.synthetic.drawing import draw

    for seed in range(first, first + MAX_DRAW_ATTEMPTS):
        image = draw(person, seed=seed, size=PIXELS)
        if detect(np.asarray(image)):
            break
    save_png(path, image, metadata=_origin(person, f"drawn, seed {seed}"))
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
    r"""A WAV file's bytes with RIFF INFO entries, by their names of four letters, behind the sound.

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
    found: Sequence[Mapping[str, float]],
    faces: Sequence[str],
    *,
    kind: str,
) -> None:
    from rich.console import Console
    from rich.table import Table

    print(f"Probability that {kind} and face are one person's (bold: the best; *: the person's own face)")
    table = Table()
    table.add_column(kind)
    for number, person in enumerate(people, 1):
        table.add_column(f"face {number}\n{_label(person)}", justify="right")
    for number, (person, row) in enumerate(zip(people, found, strict=True), 1):
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
    found: Sequence[Mapping[str, float]],
    faces: Sequence[str],
    out: Path,
) -> Path:
    from voiceface.media.picture import save_png
    from voiceface.synthetic.captioned_grid import captioned_grid

    captions = []
    for number, (person, row, own) in enumerate(zip(people, found, faces, strict=True), 1):
        order = sorted(faces, key=lambda face: -row[face])
        ranked = ", ".join(f"{faces.index(face) + 1} ({row[face]:.0%})" for face in order)
        captions.append(
            f"face {number}: drawn, not a person ({_label(person)})\n"
            f"query {number} ranks the faces {ranked}\n"
            f"the person's own face has rank {order.index(own) + 1}"
        )
    path = out / "sheet.png"
    page = captioned_grid(pictures, captions, columns=2)
    save_png(
        path, page, metadata={"Source": "synthetic", "Comment": "Not people: drawings by voiceface's demo."}
    )
    return path


def _slash() -> str:
    return "\\" if sys.platform == "win32" else "/"


if __name__ == "__main__":
    sys.exit(main())

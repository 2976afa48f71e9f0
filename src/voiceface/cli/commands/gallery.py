"""Keep a gallery of known people, and search it by a voice or a face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, heading
from voiceface.cli.terminal import answer, progress_bar, say, shown, tell, warn_first
from voiceface.errors import InputError
from voiceface.media.files import readable

if TYPE_CHECKING:
    from voiceface.pipelines.gallery import Hit, Item

__all__ = ["add_to"]

_ABOUT = """Keep a gallery of known people, and search it by a voice or a face.

voiceface gallery add GALLERY FOLDER      files in a folder for each person
voiceface gallery search GALLERY VOICE
voiceface gallery remove GALLERY PERSON"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    gallery = App(name="gallery", help=_ABOUT, group=heading("Use"), version_flags=[])
    app.command(gallery)
    gallery.command(_add, name="add")
    gallery.command(_remove, name="remove")
    gallery.command(_search, name="search")


def _add(
    gallery: Path,
    sources: Annotated[tuple[Path, ...], Parameter(name="SOURCES", negative="")],
    /,
    *,
    person: str | None = None,
    attribute: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    weights: str | None = None,
    device: str = "cpu",
    json: Flag = False,
) -> int:
    """Add voices and faces of known people.

    A file in a folder is of the person that the innermost folder is named after; with
    --person all are of that one. What is there already is not added twice, and a run
    that was stopped goes on when called again.

    Args:
        gallery: the gallery's folder; made if it is not there
        sources: files, or folders of files in a folder for each person
        person: whose the files are
        attribute: NAME=VALUE, known of all these files; may be given several times
        weights: a shipped matcher's name or a weights folder; by default the gallery's, or the best there is
        device: auto, cpu, cuda, cuda:N or mps
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery
    from voiceface.pipelines.gallery_folder import CARD
    from voiceface.pipelines.rank_files import load_matcher

    items = _items(sources, person, _pairs("--attribute", attribute))
    if weights is None and (gallery / CARD).is_file():
        opened = Gallery.open(gallery)
    else:
        opened = Gallery.open(gallery, matcher=load_matcher(weights, device), create=True, source=weights)
    with progress_bar("adding", shown=len(items) > 20) as progress:
        done = opened.add(items, progress=progress)
    if json:
        failed = [{"path": error.what, "reason": str(error)} for error in done.failed]
        answer({"added": done.added, "there": done.already_present, "items": len(opened), "failed": failed})
    else:
        warn_first([f"left out: {error}" for error in done.failed])
        people = len(opened.people())
        there = f"{done.already_present:,} were there"
        say(f"{done.added:,} added, {there}; {len(opened):,} items of {people:,} people")
    if done.failed and not done.added + done.already_present:
        raise done.failed[0]
    return 0


def _remove(gallery: Path, person: str, /, *, json: Flag = False) -> int:
    """Remove everything of a person, from the disk too.

    Args:
        gallery: the gallery's folder
        person: who is to go
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery

    opened = Gallery.open(gallery)
    count = opened.remove(person)
    if json:
        answer({"removed": count, "items": len(opened)})
    else:
        say(f"{count:,} items of {shown(person)} removed; {len(opened):,} left")
    return 0


def _search(
    gallery: Path,
    query: Path,
    /,
    *,
    top: Annotated[int, Parameter(name=["--top", "-k"])] = 10,
    kind: Literal["auto", "voice", "face"] = "auto",
    where: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    exact: Flag = False,
    json: Flag = False,
) -> int:
    """Search a gallery by a voice or a face.

    A voice finds faces and a face finds voices, unless --kind says what to look for.
    A probability says how likely both are one person's if half of all pairs were; it
    identifies nobody.

    Args:
        gallery: the gallery's folder
        query: a voice or a face
        top: so many are printed
        kind: what to look for; auto: the other side
        where: NAME=VALUE: only items with this value; may be given several times
        exact: compare with every item, also in a large gallery
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery
    from voiceface.pipelines.input_files import side_of
    from voiceface.pipelines.speech_warnings import speech_warnings

    readable(query)
    side = side_of(query)
    wanted = _pairs("--where", where)
    opened = Gallery.open(gallery)
    if not len(opened):
        raise InputError(gallery, "is empty", "add somebody with `voiceface gallery add`")
    embed: Any = opened.matcher.embed_voices if side == "voice" else opened.matcher.embed_faces
    row = embed([query])[0]
    looked_for = None if kind == "auto" else kind
    hits = opened.search(row, side=side, k=top, kind=looked_for, where=wanted, exact=exact)
    warnings = speech_warnings([query]) if side == "voice" else []
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        answer({"query": str(query), "side": side, "hits": [_plain(h) for h in hits], "warnings": warnings})
        return 0
    if not hits:
        tell("nothing in the gallery is of that kind and has those values")
    _print(shown(query), hits)
    return 0


def _items(sources: Sequence[Path], person: str | None, told: dict[str, str]) -> list[Item]:
    from voiceface.corpus.file_tree import walk_media
    from voiceface.pipelines.gallery import Item
    from voiceface.pipelines.input_files import SIDES, side_of

    found = []
    for source in sources:
        if not source.is_dir():
            if person is None:
                raise InputError(source, "does not say whose it is", "give --person NAME")
            readable(source)
            found.append(Item(path=source, kind=side_of(source), person=person, attributes=told))
            continue
        before = len(found)
        for one in walk_media(source):
            if one.kind not in SIDES:
                continue
            owner = person or (one.parts[-2] if len(one.parts) > 1 else source.resolve().name)
            item = Item(path=source / one.path, kind=SIDES[one.kind], person=owner, attributes=told)
            found.append(item)
        if len(found) == before:
            raise InputError(source, "holds no sounds and no pictures", "name another folder")
    if not found:
        raise InputError("SOURCES", "there are none", "name files or folders to add")
    return found


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {one}", "is no NAME=VALUE", f"write {option} gender=f")
        pairs[name] = value
    return pairs


def _plain(hit: Hit) -> dict[str, Any]:
    return {name: getattr(hit, name) for name in hit.__dataclass_fields__}


def _print(query: str, hits: Sequence[Hit]) -> None:
    say(f"{query}: the {len(hits)} nearest")
    say("\n rank  probability  similarity  person            file")
    for rank, hit in enumerate(hits, start=1):
        chance = f"{hit.probability:.3f}" if hit.probability is not None else "-"
        told = "".join(f"  {name}={shown(value)}" for name, value in hit.attributes.items())
        start = f"{rank:>5}  {chance:>11}  {hit.similarity:>10.3f}"
        say(f"{start}  {shown(hit.person):<16}  {shown(hit.path)}{told}")

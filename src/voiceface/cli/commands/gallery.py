"""Keep a gallery of known people, and search it by a voice or a face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import log_line, print_json, print_line, printable, progress_bar, warn_first
from voiceface.cli.warn_left_out import warn_left_out
from voiceface.errors import InputError
from voiceface.media.files import check_readable

if TYPE_CHECKING:
    from voiceface.pipelines.gallery_items import Hit

_ABOUT = """Keep a gallery of known people, and search it by a voice or a face.

voiceface gallery add GALLERY FOLDER      one folder of files per person
voiceface gallery search GALLERY VOICE
voiceface gallery remove GALLERY PERSON"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    gallery = App(name="gallery", help=_ABOUT, group=help_group("Inference"), version_flags=[])
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

    The innermost folder of a file names its person, unless --person names one for
    all files. Items already in the gallery are skipped, so that an interrupted
    run resumes when it is started again.

    Args:
        gallery: the gallery's folder; created if it does not exist
        sources: files, or folders that contain one folder of files per person
        person: person shown or speaking in all of the files
        attribute: NAME=VALUE, an attribute of all files; may be given several times
        weights: a shipped matcher's name or a weights folder; by default the gallery's own
        device: auto, cpu, cuda, cuda:N or mps
        json: print JSON
    """
    from voiceface.pipelines.find_gallery_items import find_gallery_items
    from voiceface.pipelines.gallery import Gallery
    from voiceface.pipelines.gallery_folder import CARD
    from voiceface.pipelines.rank_files import load_matcher

    items = find_gallery_items(sources, person, _pairs("--attribute", attribute))
    left_out = warn_left_out(sources, ["voices", "faces"], besides=[gallery])
    if weights is None and (gallery / CARD).is_file():
        opened = Gallery.open(gallery)
    else:
        opened = Gallery.open(gallery, matcher=load_matcher(weights, device), create=True, source=weights)
    with progress_bar("adding", enabled=len(items) > 20) as progress:
        done = opened.add(items, progress=progress)
    if json:
        failed = [{"path": error.what, "reason": str(error)} for error in done.failed]
        counts = {"added": done.added, "there": done.already_present, "items": len(opened)}
        print_json({**counts, "failed": failed, "left_out": left_out})
    else:
        warn_first([f"skipped: {error}" for error in done.failed])
        people = len(opened.people())
        there = f"{done.already_present:,} already present"
        print_line(f"{done.added:,} added, {there}; {len(opened):,} items of {people:,} people")
    if done.failed and not done.added + done.already_present:
        raise done.failed[0]
    return 0


def _remove(gallery: Path, person: str, /, *, json: Flag = False) -> int:
    """Remove all items of a person, from the disk too.

    Args:
        gallery: the gallery's folder
        person: person to remove
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery

    opened = Gallery.open(gallery)
    count = opened.remove(person)
    if json:
        print_json({"removed": count, "items": len(opened)})
    else:
        print_line(f"{count:,} items of {printable(person)} removed; {len(opened):,} left")
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

    A voice finds faces and a face finds voices, unless --kind is given.
    Probabilities that both belong to one person assume equal prior odds; they
    identify nobody.

    Args:
        gallery: the gallery's folder
        query: a voice or a face
        top: number of results to print
        kind: what to search for; auto: the other kind
        where: NAME=VALUE, search only items with this value; may be given several times
        exact: compare with every item, without the index of a large gallery
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery
    from voiceface.pipelines.input_files import side_of
    from voiceface.pipelines.voice_facts import voice_facts

    check_readable(query)
    side = side_of(query)
    wanted = _pairs("--where", where)
    opened = Gallery.open(gallery)
    if not len(opened):
        raise InputError(gallery, "is empty", "add people with `voiceface gallery add`")
    embed: Any = opened.matcher.embed_voices if side == "voice" else opened.matcher.embed_faces
    row = embed([query])[0]
    looked_for = None if kind == "auto" else kind
    hits = opened.search(row, side=side, k=top, kind=looked_for, where=wanted, exact=exact)
    recordings = voice_facts([query]) if side == "voice" else []
    warnings = [one.warning for one in recordings if one.warning]
    warn_first([f"warning: {warning}" for warning in warnings])
    if json:
        print_json(
            {"query": str(query), "side": side, "hits": [_to_dict(h) for h in hits], "warnings": warnings}
        )
        return 0
    if not hits:
        log_line("no item in the gallery matches the kind and the values")
    _print(printable(query), hits)
    return 0


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {one}", "is not NAME=VALUE", f"write {option} gender=f")
        pairs[name] = value
    return pairs


def _to_dict(hit: Hit) -> dict[str, Any]:
    return {name: getattr(hit, name) for name in hit.__dataclass_fields__}


def _print(query: str, hits: Sequence[Hit]) -> None:
    print_line(f"{query}: the {len(hits)} nearest items")
    print_line("\n rank  probability  similarity  person            file")
    for rank, hit in enumerate(hits, start=1):
        chance = f"{hit.probability:.3f}" if hit.probability is not None else "-"
        attributes = "".join(f"  {name}={printable(value)}" for name, value in hit.attributes.items())
        start = f"{rank:>5}  {chance:>11}  {hit.similarity:>10.3f}"
        print_line(f"{start}  {printable(hit.person):<16}  {printable(hit.path)}{attributes}")

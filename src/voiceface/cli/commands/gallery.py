"""Keep a gallery of known people, and search it by a voice or a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import log_line, print_json, print_line, printable, progress_bar, warn_first
from voiceface.cli.warn_left_out import warn_left_out
from voiceface.errors import InputError
from voiceface.media.files import check_readable

if TYPE_CHECKING:
    from voiceface.pipelines.gallery import Gallery
    from voiceface.pipelines.gallery_items import AddResult, Hit

_VALUES = 10
"""Values of an attribute that `info` prints, the most frequent."""
_ABOUT = """Keep a gallery of known people, and search it by a voice or a face.

voiceface gallery add GALLERY FOLDER      one folder of files per person
voiceface gallery search GALLERY VOICE
voiceface gallery list GALLERY            people; of a person: their items
voiceface gallery info GALLERY
voiceface gallery remove GALLERY PERSON"""


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    gallery = App(name="gallery", help=_ABOUT, group=help_group("Inference"), version_flags=[])
    app.command(gallery)
    gallery.command(_add, name="add")
    gallery.command(_info, name="info")
    gallery.command(_list, name="list")
    gallery.command(_remove, name="remove")
    gallery.command(_search, name="search")


def _add(
    gallery: Path,
    sources: Annotated[tuple[Path, ...], Parameter(name="SOURCES", negative="")],
    /,
    *,
    person: str | None = None,
    attribute: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    database: str = "",
    weights: str | None = None,
    device: str = "auto",
    json: Flag = False,
) -> int:
    """Add voices and faces of known people.

    The innermost folder of a file names its person, unless --person names one for
    all files. A video is added by its sound and by the person whom most of eight
    of its frames show. A prepared corpus is added with what it knows of its people.
    Items already in the gallery are skipped, so that an interrupted run resumes
    when it is started again.

    Args:
        gallery: the gallery's folder; created if it does not exist
        sources: files, folders that contain one folder of files per person, or prepared corpora
        person: person shown or speaking in all of the files
        attribute: NAME=VALUE, an attribute of all files; may be given several times
        database: http://HOST:PORT/COLLECTION, a Qdrant server that is to hold a new gallery's items
        weights: a matcher's name, a weights folder or owner/name on the hub; by default the gallery's own
        device: auto, cpu, cuda, cuda:N or mps
        json: print JSON
    """
    from voiceface.corpus.corpus import Corpus
    from voiceface.pipelines.add_corpus import add_corpus
    from voiceface.pipelines.find_gallery_items import find_gallery_items
    from voiceface.pipelines.gallery import Gallery
    from voiceface.pipelines.gallery_folder import CARD
    from voiceface.pipelines.input_files import is_corpus
    from voiceface.pipelines.rank_files import load_matcher

    values = _pairs("--attribute", attribute)
    corpora = [path for path in sources if is_corpus(path)]
    if corpora and person is not None:
        raise InputError(corpora[0], "is a corpus, which knows its people", "leave --person out")
    files = [path for path in sources if path not in corpora]
    items = find_gallery_items(files, person, values) if files or not corpora else []
    left_out = warn_left_out(files, ["voices", "faces"], besides=[gallery])
    read = [Corpus.open(path) for path in corpora]
    if weights is None and (gallery / CARD).is_file():
        opened = Gallery.open(gallery, database=database, device=device)
    else:
        matcher = load_matcher(weights, device, warns=True)  # nothing else looks for speech in what is added
        opened = Gallery.open(gallery, matcher=matcher, create=True, source=weights, database=database)
    with progress_bar("adding", enabled=len(items) > 20) as progress:
        done = opened.add(items, progress=progress)
    for corpus in read:
        with progress_bar(printable(corpus.path)) as progress:
            done += add_corpus(opened, corpus, attributes=values, progress=progress)
    _print_added(opened, done, left_out, attributes=bool(values), json=json)
    if done.failed and not done.added + done.already_present:
        raise done.failed[0]
    return 0


def _print_added(
    opened: Gallery, done: AddResult, left_out: list[str], *, attributes: bool, json: bool
) -> None:
    if attributes and done.already_present:
        remedy = "to change them, remove the person and add the files again"
        log_line(f"items already present keep the attributes that they have; {remedy}")
    if json:
        failed = [{"path": error.what, "reason": str(error)} for error in done.failed]
        counts = {"added": done.added, "there": done.already_present, "items": len(opened)}
        print_json({**counts, "failed": failed, "left_out": left_out})
        return
    warn_first([f"skipped: {error}" for error in done.failed])
    people = len(opened.people())
    there = f"{done.already_present:,} already present"
    print_line(f"{done.added:,} added, {there}; {len(opened):,} items of {people:,} people")


def _info(gallery: Path, /, *, json: Flag = False) -> int:
    """Show a gallery's matcher, numbers of items and people, and what is known of them.

    Args:
        gallery: the gallery's folder
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery

    opened = Gallery.open(gallery)
    size = sum(file.stat().st_size for file in gallery.rglob("*") if file.is_file())
    attributes = {name: opened.counts(name) for name in opened.attributes}
    kinds, people = opened.counts("kind"), len(opened.people())
    if json:
        facts = {"matcher": opened.card["matcher"], "numbers": opened.card["dim"], "items": len(opened)}
        print_json({**facts, "kinds": kinds, "people": people, "attributes": attributes, "bytes": size})
        return 0
    told = ", ".join(f"{kind}s {count:,}" for kind, count in kinds.items())
    print_line(f"{len(opened):,} items of {people:,} people" + (f": {told}" if told else ""))
    print_line(
        f"matcher {opened.card['matcher']}, {opened.card['dim']} numbers an item, {size / 1e6:,.1f} MB"
        + (f" here, items in {printable(place)}" if (place := opened.card.get("database")) else "")
    )
    for name, counts in attributes.items():
        most = sorted(counts.items(), key=lambda one: -one[1])
        values = ", ".join(f"{printable(value)} ({count:,})" for value, count in most[:_VALUES])
        print_line(
            f"{name}: {values}" + (f" and {len(most) - _VALUES:,} more" if len(most) > _VALUES else "")
        )
    return 0


def _list(gallery: Path, person: str | None = None, /, *, json: Flag = False) -> int:
    """List the people of a gallery with their numbers of items, or the items of one person.

    Args:
        gallery: the gallery's folder
        person: person whose items to list
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery

    opened = Gallery.open(gallery)
    if person is None:
        people = opened.people()
        if json:
            print_json({"people": people})
        else:
            for name, count in people.items():
                print_line(f"{count:>7,}  {printable(name)}")
        return 0
    items = opened.items(person)
    if json:
        told = [
            {"kind": one.kind, "path": str(one.path), "attributes": dict(one.attributes)} for one in items
        ]
        print_json({"person": items[0].person, "items": told})
    else:
        for one in items:
            print_line(f"{one.kind}  {printable(str(one.path))}{_told(one.attributes)}")
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
    device: str = "auto",
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
        device: auto, cpu, cuda, cuda:N or mps
        json: print JSON
    """
    from voiceface.pipelines.gallery import Gallery
    from voiceface.pipelines.input_files import side_of
    from voiceface.pipelines.voice_facts import voice_facts

    check_readable(query)
    side = side_of(query)
    wanted = _pairs("--where", where)
    opened = Gallery.open(gallery, device=device)
    if not len(opened):
        raise InputError(gallery, "is empty", "add people with `voiceface gallery add`")
    opened.matcher.warns = side == "face"  # `voice_facts` looks for speech with a better detector
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
        start = f"{rank:>5}  {chance:>11}  {hit.similarity:>10.3f}"
        print_line(f"{start}  {printable(hit.person):<16}  {printable(hit.path)}{_told(hit.attributes)}")


def _told(attributes: Mapping[str, str]) -> str:
    return "".join(f"  {name}={printable(value)}" for name, value in attributes.items())

"""The items of a gallery in the files and folders that a user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from voiceface.corpus.file_tree import walk_media
from voiceface.errors import InputError
from voiceface.media.files import check_readable
from voiceface.media.media_kind import media_kind
from voiceface.pipelines.gallery_items import KINDS, Item
from voiceface.pipelines.input_files import SIDE_OF_KIND, side_of


def find_gallery_items(
    sources: Sequence[Path], person: str | None = None, attributes: Mapping[str, str] | None = None
) -> list[Item]:
    """Voices and faces in files and folders; the innermost folder of a file names its person.

    A video is both: a voice by its sound, a face by its picture.

    Args:
        sources: files, which need ``person``, or folders with one folder of files per person.
        person: who is shown or speaks in all of them.
        attributes: name to value, of every item.

    Raises:
        InputError: no source at all, one without sound and pictures, or a file without a person.
    """
    common = dict(attributes or {})
    found: list[Item] = []
    for source in sources:
        if not source.is_dir():
            if person is None:
                raise InputError(source, "has no person", "give --person NAME")
            check_readable(source)
            kinds = KINDS if media_kind(source.name) == "video" else (side_of(source),)
            found += [Item(path=source, kind=kind, person=person, attributes=common) for kind in kinds]
            continue
        inside = [one for one in walk_media(source) if one.kind in SIDE_OF_KIND]
        if not inside:
            raise InputError(source, "contains no audio and no images", "name another folder")
        for one in inside:
            owner = person or (one.parts[-2] if len(one.parts) > 1 else source.resolve().name)
            kinds = KINDS if one.kind == "video" else (SIDE_OF_KIND[one.kind],)
            path = source / one.path
            found += [Item(path=path, kind=kind, person=owner, attributes=common) for kind in kinds]
    if not found:
        raise InputError("SOURCES", "there are none", "name files or folders to add")
    return found

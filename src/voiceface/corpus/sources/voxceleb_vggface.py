"""VoxCeleb1's voices and VGGFace's faces of the same people, joined by name as Wen et al. did.

Paper     Wen, Singh, Raj 2019, Face Reconstruction from Voice using GANs, section 4.1 and Table 1
Layout    ROOT/voxceleb/...     VoxCeleb1 as the source `voxceleb` reads it, with vox1_meta.csv
          ROOT/vggface/...      VGGFace or VGGFace2 as the source `vggface` reads it
          Any folders of ROOT whose names hold `vox` and `vgg` will do, or name them.
Licence   those of the two
Splits    by the first letter of the name: F–Z train, A–B validate, C–E test. The letters of A–E are ours:
          they give the people's numbers of Table 1, 924/112/189
Command   voiceface prepare voxceleb+vggface ROOT -o CORPUS
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

from voiceface.corpus.file_tree import checked_root, find_file
from voiceface.corpus.item import Item, Listing, relative
from voiceface.corpus.listing_builder import ListingBuilder
from voiceface.corpus.sources import vggface as vggface_source
from voiceface.corpus.sources import voxceleb as voxceleb_source
from voiceface.corpus.wen_split import wen_split
from voiceface.errors import InputError
from voiceface.media.voxceleb_names import VoxCelebNames, fold_name, read_names

NAME = "voxceleb+vggface"
"""What the command line calls this source; a file's name cannot hold a ``+``."""


def listing(
    root: Path,
    *,
    voxceleb: Path | None = None,
    vggface: Path | None = None,
    meta: Path | None = None,
    faces_per_person: int = 0,
    letters: bool = True,
) -> Listing:
    """List the voices of VoxCeleb and the faces of VGGFace that belong to people of one name.

    Args:
        root: the folder that holds both
        voxceleb: VoxCeleb's folder, if it is not in the root under its name
        vggface: VGGFace's folder, if it is not in the root under its name
        meta: ``vox1_meta.csv``, if it is not in VoxCeleb's folder or the root
        faces_per_person: at most so many pictures a person, evenly spaced; 0 takes all
        letters: split people by Wen et al.'s letters; else by the authors' dev and test people

    Raises:
        InputError: one of the two is missing or empty, or no name is in both.
    """
    root = checked_root(root)
    voice_root = checked_root(voxceleb or _inside(root, "vox"))
    face_root = checked_root(vggface or _inside(root, "vgg"))
    meta = meta or _meta(voice_root, root)
    voice_listing = voxceleb_source.listing(voice_root, meta=meta, faces=False, clips=False)
    face_listing = vggface_source.listing(face_root, faces_per_person=faces_per_person)
    builder = ListingBuilder(root, NAME)
    for part, found in ((voice_root, voice_listing), (face_root, face_listing)):
        for rejection in found.rejected:
            builder.reject(relative(part / rejection.path, root), rejection.reason, rejection.person)
    faces_of = _matches(voice_listing, face_listing, read_names(meta))
    photographed = {person.id: person for person in face_listing.people}
    for person in voice_listing.people:
        if person.id in faces_of:
            name = person.name or photographed[faces_of[person.id]].name
            split = wen_split(name) if letters else person.split
            facts = {"name": name, "gender": person.gender, "nationality": person.nationality}
            builder.add_person(person.id, split=split, **facts)
    _take(builder, voice_listing, faces_of.keys(), relative(voice_root, root), "VGGFace")
    owners = {face: voice for voice, face in faces_of.items()}
    _take(
        builder,
        _with_voxceleb_ids(face_listing, owners),
        owners.values(),
        relative(face_root, root),
        "VoxCeleb",
    )
    voices, faces = len(voice_listing.people), len(face_listing.people)
    counts = f"{voices} people with voices, {faces} with faces, {len(faces_of)} of one name joined"
    builder.reject(".", counts)
    return builder.build("people of one name in VoxCeleb (vox1_meta.csv) and VGGFace")


def _matches(voice_listing: Listing, face_listing: Listing, names: VoxCelebNames) -> dict[str, str]:
    """VGGFace's person for VoxCeleb's, where the name (or VGGFace2's class) fits exactly one."""
    by_name: dict[str, list[str]] = {}
    for person in face_listing.people:
        for name in {person.id, fold_name(person.id), fold_name(person.name)} - {""}:
            by_name.setdefault(name, []).append(person.id)
    matches: dict[str, list[str]] = {}
    for person in voice_listing.people:
        known = names.identity(person.id)
        name = known.name if known else person.id
        faces = by_name.get(name) or by_name.get(fold_name(name), [])
        if len(faces) == 1:
            matches.setdefault(faces[0], []).append(person.id)
    return {voices[0]: face for face, voices in matches.items() if len(voices) == 1}


def _with_voxceleb_ids(face_listing: Listing, owners: Mapping[str, str]) -> Listing:
    """The faces with VoxCeleb's person in place of VGGFace's."""
    items: list[Item] = []
    for item in face_listing.items:
        owner = owners.get(item.person)
        if owner is not None:
            key = f"{owner}/{item.key.rpartition('/')[2]}"
            item = dataclasses.replace(item, person=owner, key=key)
        items.append(item)
    return dataclasses.replace(face_listing, items=items)


def _take(
    builder: ListingBuilder, listing: Listing, joined: Collection[str], prefix: str, other: str
) -> None:
    """The items of the people joined; one rejection for each of the others."""
    joined = set(joined)
    left: dict[str, list[str]] = {}
    for item in listing.items:
        path = item.path if prefix == "." or Path(item.path).is_absolute() else f"{prefix}/{item.path}"
        if item.person in joined:
            builder.add(dataclasses.replace(item, path=path))
        else:
            left.setdefault(item.person, []).append(path)
    for person, paths in left.items():
        folder = paths[0].rpartition("/")[0]
        fault = f"the name is not just one person's in {other}, {len(paths)} files left out"
        builder.reject(folder, f"{person}: {fault}", person=person)


def _meta(*folders: Path) -> Path:
    """The table with the names of VoxCeleb's ids, in the first folder that has one."""
    for folder in folders:
        for name in ("vox1_meta.csv", "vox2_meta.csv"):
            table = find_file(folder, name)
            if table is not None:
                return table
    fault = "has no vox1_meta.csv with the names of VoxCeleb's ids"
    raise InputError(folders[0], fault, "put it there, or name it with --meta")


def _inside(root: Path, name: str) -> Path:
    """The root's one folder whose name holds this."""
    folders = sorted(path for path in root.iterdir() if name in path.name.lower() and path.is_dir())
    if len(folders) != 1:
        option = "--voxceleb" if name == "vox" else "--vggface"
        fault = f"has {len(folders) or 'no'} folder{'s' if len(folders) > 1 else ''} named *{name}*"
        raise InputError(root, fault, f"name the folder with {option}")
    return folders[0]

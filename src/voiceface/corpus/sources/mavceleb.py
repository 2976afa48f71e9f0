"""MAV-Celeb: celebrities speaking two languages (the FAME challenge's data).

Layout    ROOT/voices/id0001/English/VIDEO/00000.wav       one version (v1: Urdu, v2: Hindi, v3: German beside
          ROOT/faces/id0001/English/VIDEO/0010125.jpg      English), or ROOT/v1/voices/... for several
          ROOT/*/English_train.txt, Urdu_test.txt ...      lists of pairs; they give training and test people
          ROOT/v1_meta.csv                                 ids, name, gender
          ROOT/voices/English/00000.wav                    the challenge's trials: whose they are is kept
                                                           anonymous_trials, so they stand in no corpus
          An id means another person in every version.
Paper     Saeed et al. 2024, Face-voice Association in Multilingual Environments (FAME) Challenge
Licence   for research; the videos belong to their owners
Splits    the people of the *_train.txt lists train, of *_val.txt validate, of *_test.txt test
Command   voiceface prepare mavceleb ROOT -o CORPUS
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from voiceface.corpus.file_tree import FoundFile, checked_root, find_tables, walk_media
from voiceface.corpus.item import FaceItem, Listing, VoiceItem
from voiceface.corpus.listing_builder import ListingBuilder, evenly_spaced, gender_of, split_of
from voiceface.errors import InputError
from voiceface.media.text_tables import open_text_table, read_words

_ID = re.compile(r"id\d{4}")
_VERSION = re.compile(r"(?:.*[_-])?(v[1-9])(?:[_-].*)?", re.IGNORECASE)
_LIST = re.compile(r".*_(train|val|valid|dev|test)\.(?:txt|csv)", re.IGNORECASE)
_MEDIA = frozenset({"voices", "faces", "voice", "face"})
_EXPECTED_LAYOUT = "voices/id0001/English/VIDEO/00000.wav and faces/id0001/English/VIDEO/0010125.jpg"


def listing(root: Path, *, version: str = "", languages: str = "", faces_per_video: int = 0) -> Listing:
    """List MAV-Celeb's recordings and faces by person, language and video.

    Args:
        root: the folder of one version, or of several in folders named v1, v2, v3
        version: the version, where no folder's name has it; people's ids begin with it
        languages: take only these, parted by commas (``English,Urdu``)
        faces_per_video: at most so many faces a video, evenly spaced; 0 takes all

    Raises:
        InputError: root is missing, a list or table is none, or no file lies as MAV-Celeb's do.
    """
    root = checked_root(root)
    builder = ListingBuilder(root, "MAV-Celeb")
    spoken = {language.strip().casefold() for language in languages.split(",")} - {""}
    default = version or _version(root.name)
    _metadata(builder, root, default)
    anonymous_trials: Counter[str] = Counter()
    frames: dict[str, list[FaceItem]] = {}
    for found in walk_media(root):
        if builder.reject_if_fault(found):
            continue
        at = next((at for at, folder in enumerate(found.parts[:-1]) if _ID.fullmatch(folder)), -1)
        inside = found.parts[at + 1 : -1]
        if at < 0 and any(part.lower() in _MEDIA for part in found.parts[:-1]):
            anonymous_trials[found.path.rpartition("/")[0]] += 1
        elif at < 0 or len(inside) != 2 or found.kind == "video":
            builder.reject(found.path, "does not lie in PERSON/LANGUAGE/VIDEO")
        elif not spoken or inside[0].casefold() in spoken:
            _take(builder, found, at, default, frames)
    for items in frames.values():
        for item in evenly_spaced(items, faces_per_video):
            builder.add(item)
    for folder, number in anonymous_trials.items():
        builder.reject(folder, f"{number} trial files of the challenge, whose people are not published")
    return builder.build(_EXPECTED_LAYOUT)


def _take(
    builder: ListingBuilder, found: FoundFile, at: int, default: str, frames: dict[str, list[FaceItem]]
) -> None:
    id, language, video = found.parts[at : at + 3]
    person = builder.add_person(_person(id, found.parts[:at], default))
    session = f"{person}/{language}/{video}"
    key = f"{session}/{found.stem}"
    if found.kind == "sound":
        builder.add(VoiceItem(key=key, person=person, path=found.path, session=session, language=language))
    else:
        frames.setdefault(session, []).append(
            FaceItem(key=key, person=person, path=found.path, session=session)
        )


def _version(text: str) -> str:
    """``v1`` from ``v1``, ``mavceleb_v1_train``, ``v1_lists``; else ``""``."""
    named = _VERSION.fullmatch(text)
    return named[1].lower() if named else ""


def _person(id: str, above: list[str], default: str) -> str:
    version = next((version for folder in reversed(above) if (version := _version(folder))), default)
    return f"{version}-{id}" if version else id


def _metadata(builder: ListingBuilder, root: Path, default: str) -> None:
    """Gender and name from the tables of people, the split from the lists, wherever they lie."""
    for path in find_tables(root, skip=_MEDIA):
        above = [*path.relative_to(root).parts[:-1], path.stem]
        named = _LIST.fullmatch(path.name)
        if named:
            _split_list(builder, path, above, default, split_of(named[1]))
        elif path.stem.lower().endswith("meta"):
            for row in open_text_table(path, {"ids": ("id", "person")}, ("name", "gender")).rows():
                builder.add_person(
                    _person(row.values["ids"], above, default),
                    where=f"{path.name}, line {row.line}",
                    name=row.values.get("name", ""),
                    gender=gender_of(row.values.get("gender", "")),
                )


def _split_list(builder: ListingBuilder, path: Path, above: list[str], default: str, split: str) -> None:
    """Put the people a list names into its split; the challenge's anonymous trials name none."""
    people: dict[str, int] = {}
    for number, words in read_words(path):
        if len(words) < 2:
            raise InputError(
                f"{path}, line {number}", "is no pair of a voice and a face", "give the challenge's lists"
            )
        for id in _ID.findall(" ".join(words)):
            people.setdefault(id, number)
    for id, number in people.items():
        builder.add_person(_person(id, above, default), where=f"{path.name}, line {number}", split=split)

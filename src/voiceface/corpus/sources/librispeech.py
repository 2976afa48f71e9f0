"""LibriSpeech and sets laid out like it: read speech, no faces.

Layout    ROOT/[LibriSpeech/]train-clean-100/103/1240/103-1240-0000.flac    subset, speaker, chapter
          ROOT/[LibriSpeech/]SPEAKERS.TXT                                   speaker | sex | ... | name
          ROOT/CLIP.ogg with a table clip, speaker (further columns: gender, name, split, language, session),
          or without one if the names are SPEAKER-CHAPTER-UTTERANCE
          LibriTTS (train-clean-100/103/1240/103_1240_000000_000001.wav) is read too.
Licence   CC BY 4.0
Splits    the subsets: train-* trains, dev-* validates, test-* tests
Command   voiceface prepare librispeech ROOT -o CORPUS
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from voiceface.corpus.file_tree import FoundFile, checked_root, find_file, stem_of, walk_media
from voiceface.corpus.item import Listing, VoiceItem
from voiceface.corpus.listing_builder import ListingBuilder, gender_of, split_of
from voiceface.errors import InputError
from voiceface.media.text_tables import open_text_table, read_words

_NAME = re.compile(r"(\d+)[-_](\d+)[-_]([\d_-]+)")
_SUBSET = re.compile(r"(train|dev|test)-[\w-]+")
_EXPECTED_LAYOUT = (
    "SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER-UTTERANCE.flac, or sounds with a table clip, speaker"
)


def listing(root: Path, *, subset: str = "*", table: str = "", language: str = "English") -> Listing:
    """List recordings of read speech by speaker.

    Args:
        root: the folder that holds the subsets, or flat recordings
        subset: take only the subsets of this pattern (``train-clean-*``)
        table: the table of a flat folder, from the root; else its one .csv or .tsv, if there is one
        language: what is spoken, where the table does not say

    Raises:
        InputError: root or table is missing, or no recording can be given to a speaker.
    """
    root = checked_root(root)
    builder = ListingBuilder(root, "LibriSpeech-like")
    sheet_path = _table(root, table)
    if sheet_path is not None:
        _from_table(builder, sheet_path, language)
        return builder.build(_EXPECTED_LAYOUT)
    named = _speakers(builder, root)
    for found in walk_media(root):
        if builder.reject_if_fault(found):
            continue
        name = _NAME.fullmatch(found.stem)
        if found.kind != "sound" or name is None:
            builder.reject(found.path, "is no sound named SPEAKER-CHAPTER-UTTERANCE")
            continue
        part = next((folder for folder in found.parts[:-1] if _SUBSET.fullmatch(folder)), "")
        if not fnmatch.fnmatch(part, subset):
            continue
        if named and name[1] not in named:
            builder.reject(found.path, f"speaker {name[1]} is not in SPEAKERS.TXT; kept, sex unknown")
            named.add(name[1])
        person = builder.add_person(name[1], where=found.path, split=split_of(part.partition("-")[0]))
        session = f"{name[1]}-{name[2]}"
        builder.add(
            VoiceItem(key=found.stem, person=person, path=found.path, session=session, language=language)
        )
    return builder.build(_EXPECTED_LAYOUT)


def _table(root: Path, table: str) -> Path | None:
    if table:
        return root / table
    tables = sorted(path for pattern in ("*.csv", "*.tsv") for path in root.glob(pattern))
    if len(tables) > 1:
        raise InputError(root, f"holds {len(tables)} tables", "name the one of the speakers with --table")
    return tables[0] if tables else None


def _from_table(builder: ListingBuilder, table: Path, language: str) -> None:
    optional = {
        "gender": ("sex",),
        "name": (),
        "split": ("subset", "set"),
        "language": (),
        "session": ("chapter", "book"),
    }
    text_table = open_text_table(
        table, {"clip": ("id", "file", "key"), "speaker": ("person", "speaker_id", "reader")}, optional
    )
    files: dict[str, FoundFile] = {}
    for found in walk_media(builder.root):
        if builder.reject_if_fault(found):
            continue
        if found.kind != "sound":
            builder.reject(found.path, "is no sound")
        elif found.stem in files:
            builder.reject(found.path, f"clip '{found.stem}' is already {files[found.stem].path}")
        else:
            files[found.stem] = found
    lines: dict[str, int] = {}
    for row in text_table.rows():
        values, where = row.values, f"{table.name}, line {row.line}"
        clip = values["clip"] if values["clip"] in files else stem_of(values["clip"].replace("\\", "/"))
        if not clip or not values["speaker"]:
            builder.reject(where, "names no clip" if not clip else f"names no speaker of clip '{clip}'")
        elif clip in lines:
            builder.reject(
                where, f"clip '{clip}' stands in line {lines[clip]} already; the first one is used"
            )
        elif clip not in files:
            builder.reject(
                where, f"no sound {values['clip']}.*: the file is not there", person=values["speaker"]
            )
        else:
            lines[clip] = row.line
            split = values.get("split", "")
            person = builder.add_person(
                values["speaker"],
                where=where,
                name=values.get("name", ""),
                gender=gender_of(values.get("gender", "")),
                split=split_of(split) or split_of(split.partition("-")[0]),
            )
            numbered = _NAME.fullmatch(clip)
            session = values.get("session") or (f"{numbered[1]}-{numbered[2]}" if numbered else "")
            spoken = values.get("language") or language
            builder.add(
                VoiceItem(key=clip, person=person, path=files[clip].path, session=session, language=spoken)
            )
    for stem in sorted(files.keys() - lines.keys()):
        builder.reject(files[stem].path, f"not named in {table.name}")


def _speakers(builder: ListingBuilder, root: Path) -> set[str]:
    """Note sex and name of the speakers of SPEAKERS.TXT; returns their numbers."""
    path = find_file(root, "SPEAKERS.TXT")
    if path is None:
        builder.reject("SPEAKERS.TXT", "is not there: the speakers' sex stays unknown")
        return set()
    numbers: set[str] = set()
    for number, words in read_words(path, separator="|", comment=";"):
        if len(words) < 2 or not words[0].isdecimal():
            raise InputError(
                f"{path}, line {number}", "is no 'ID | SEX | ...' line", "give LibriSpeech's SPEAKERS.TXT"
            )
        numbers.add(words[0])
        name = words[4] if len(words) > 4 else ""
        builder.add_person(
            words[0], where=f"{path.name}, line {number}", gender=gender_of(words[1]), name=name
        )
    return numbers

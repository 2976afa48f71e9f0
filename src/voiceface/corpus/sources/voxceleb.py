"""VoxCeleb1 and VoxCeleb2: speech of celebrities from YouTube, with frames (1) or talking clips (2).

Layout    any nesting of these, in one ROOT or several prepared apart; dev/ and test/ may stand above:
          wav/id10001/VIDEO/00001.wav           VoxCeleb1          (also NAME/VIDEO_0000001.wav)
          unzippedFaces/NAME/1.6/VIDEO/0000025.jpg   its frames    (also .../VIDEO/1/0000025.jpg)
          aac/id00012/VIDEO/00001.m4a           VoxCeleb2
          mp4/id00012/VIDEO/00001.mp4           its clips
          vox1_meta.csv, vox2_meta.csv          names, gender, nationality, dev or test
          Without vox1_meta.csv the frames' names cannot be joined to the ids of the voices.
Licence   metadata CC BY 4.0; the videos belong to their owners
Splits    the authors' dev (train) and test people; --split-list iden_split.txt: their split of the
          recordings of known people; --split-list identity_splits.txt: Learnable PINs' people
Command   voiceface prepare voxceleb ROOT -o CORPUS
"""

from __future__ import annotations

from pathlib import Path

from voiceface.corpus.file_tree import FoundFile, checked_root, find_file, walk_media
from voiceface.corpus.item import FaceItem, Listing, VideoItem, VoiceItem
from voiceface.corpus.listing_builder import ListingBuilder, evenly_spaced, gender_of
from voiceface.corpus.split_names import PART_CODES
from voiceface.errors import InputError
from voiceface.media.text_tables import read_words
from voiceface.media.voxceleb_names import (
    VoxCelebFile,
    VoxCelebNames,
    is_vggface2_class,
    is_voxceleb_id,
    parse_voxceleb_path,
    read_names,
)

_EXPECTED_LAYOUT = (
    "id10001/VIDEO/00001.wav (.m4a, .mp4), NAME/VIDEO_0000001.wav and NAME/1.6/VIDEO/FRAME.jpg, at any depth"
)
_SETS = {"dev": "train", "train": "train", "test": "test"}


def listing(
    root: Path,
    *,
    meta: Path | None = None,
    split_list: Path | None = None,
    voices: bool = True,
    faces: bool = True,
    clips: bool = True,
    faces_per_video: int = 0,
) -> Listing:
    """List VoxCeleb's recordings, frames and clips, whatever their naming scheme, by one key.

    Args:
        root: the folder it was unpacked into
        meta: ``vox1_meta.csv`` or ``vox2_meta.csv``; else they are looked for in the root
        split_list: recordings or people by split, instead of the authors' dev and test people
        voices: take the recordings
        faces: take the frames, and faces from VoxCeleb2's clips
        clips: take VoxCeleb2's clips
        faces_per_video: maximum number of VoxCeleb1's frames per video, evenly spaced; 0 takes all

    Raises:
        InputError: root or a list is missing, or no file fits a naming scheme.
    """
    root = checked_root(root)
    tables = [meta] if meta else [
        table for name in ("vox1_meta.csv", "vox2_meta.csv") if (table := find_file(root, name)) is not None
    ]  # fmt: skip
    names = read_names(*tables)
    reader = _Reader(ListingBuilder(root, "VoxCeleb"), names, _Splits(split_list, names))
    files: dict[str, list[tuple[FoundFile, VoxCelebFile]]] = {"sound": [], "video": []}
    for found in walk_media(root, skip=("txt",)):
        if reader.builder.reject_if_fault(found):
            continue
        file = parse_voxceleb_path(found.path)
        if file is None or not file.video:
            reader.builder.reject(found.path, "its name fits none of VoxCeleb's three schemes")
        elif found.kind != "image":
            files[found.kind].append((found, file))
        elif faces:
            reader.frame(found, file)
    if voices:
        # An utterance may lie there as .m4a and, converted, as .wav: the conversion decodes faster.
        files["sound"].sort(key=lambda pair: (not pair[0].path.lower().endswith(".wav"), pair[0].path))
        for found, file in files["sound"]:
            reader.voice(found, file)
    for found, file in files["video"]:
        reader.video(found, file, {"voices": voices, "faces": faces, "clips": clips})
    reader.take_frames(faces_per_video)
    return reader.builder.build(_EXPECTED_LAYOUT)


class _Splits:
    """Who or what is in which split by a list, where one is given."""

    def __init__(self, path: Path | None, names: VoxCelebNames) -> None:
        self.given = path is not None
        self.people: dict[str, str] = {}
        self.recordings: dict[str, str] = {}
        self.videos: dict[str, str] = {}
        for number, words in read_words(path) if path else ():
            code, what = (words[0], words[-1]) if "/" in words[-1] else (words[-1], words[0])
            key = names.key(what) if "/" in what else names.person(what)
            if len(words) != 2 or code not in PART_CODES or key is None:
                fault = (
                    f"is neither 'CODE RECORDING' nor 'PERSON CODE' with a code of {', '.join(PART_CODES)}"
                )
                raise InputError(
                    f"{path}, line {number}", fault, "give iden_split.txt or identity_splits.txt"
                )
            split = PART_CODES[code]
            if "/" not in what:
                self.people[key] = split
                continue
            self.recordings[key] = split
            video = key.rpartition("/")[0]
            # Frames go with their video; one whose utterances are in two splits is in none.
            self.videos[video] = split if self.videos.get(video, split) == split else ""


class _Reader:
    """Turns parsed names into items of one builder."""

    def __init__(self, builder: ListingBuilder, names: VoxCelebNames, splits: _Splits) -> None:
        self.builder, self.names, self.splits = builder, names, splits
        self._ids: dict[tuple[str, str], str] = {}
        self._frames: dict[str, list[FaceItem]] = {}

    def voice(self, found: FoundFile, file: VoxCelebFile) -> None:
        person, session = self._place(found, file)
        key = f"{session}/{file.item}"
        split = self.splits.recordings.get(key, "")
        self.builder.add(VoiceItem(key=key, person=person, path=found.path, session=session, split=split))

    def video(self, found: FoundFile, file: VoxCelebFile, wanted: dict[str, bool]) -> None:
        """A clip; its sound is a voice only where the utterance is not listed as a sound file."""
        person, session = self._place(found, file)
        key = f"{session}/{file.item}"
        has_voice = self.builder.has(VoiceItem, key)
        want = tuple(name for name, yes in wanted.items() if yes and not (name == "voices" and has_voice))
        split = self.splits.recordings.get(key, "")
        if want:
            item = VideoItem(key=key, person=person, path=found.path, session=session, split=split, want=want)
            self.builder.add(item)

    def frame(self, found: FoundFile, file: VoxCelebFile) -> None:
        """A frame, held until all of its video are known."""
        person, session = self._place(found, file)
        key, split = f"{session}/{file.item}", self.splits.videos.get(session, "")
        item = FaceItem(key=key, person=person, path=found.path, session=session, split=split)
        self._frames.setdefault(session, []).append(item)

    def take_frames(self, most: int) -> None:
        """Take at most so many frames a video (0: all), evenly spaced in their order."""
        for items in self._frames.values():
            for item in evenly_spaced(items, most):
                self.builder.add(item)

    def _place(self, found: FoundFile, file: VoxCelebFile) -> tuple[str, str]:
        """The person's id and the session, ``ID/VIDEO``."""
        above = found.path[: f"/{found.path}".rindex(f"/{file.person}/")]
        id = self._ids.get((file.person, above))
        if id is None:
            id = self._ids[file.person, above] = self._person(found, file, _folder_split(above))
        return id, f"{id}/{file.video}"

    def _person(self, found: FoundFile, file: VoxCelebFile, folder: str) -> str:
        known = self.names.identity(file.person)
        if known is None:
            if len(self.names) and not is_voxceleb_id(file.person):
                where = found.path[: f"/{found.path}".rindex(f"/{file.person}/") + len(file.person)]
                self.builder.reject(
                    where, "no person of this name in the metadata: kept under it, joined to no id"
                )
            split = self.splits.people.get(file.person, "") if self.splits.given else folder
            return self.builder.add_person(file.person, where=found.path, split=split)
        split = self.splits.people.get(known.id, "") if self.splits.given else _SETS.get(known.set, folder)
        return self.builder.add_person(
            known.id,
            where=found.path,
            name="" if is_vggface2_class(known.name) else known.name.replace("_", " "),
            gender=gender_of(known.gender),
            nationality=known.nationality,
            split=split,
        )


def _folder_split(above: str) -> str:
    """``train`` or ``test`` where a folder above the person's says so (``dev/wav``, ``vox1_test_wav``)."""
    for folder in above.split("/"):
        for word in folder.lower().replace("-", "_").split("_"):
            if word in _SETS:
                return _SETS[word]
    return ""

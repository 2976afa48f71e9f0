"""CREMA-D: 91 actors, 12 sentences, six emotions, each clip as sound and as video.

Layout    ROOT/AudioWAV/1001_DFA_ANG_XX.wav      actor, sentence, emotion, level (LO, MD, HI, XX)
          ROOT/AudioMP3/1001_DFA_ANG_XX.mp3      the same sound, used where the WAV is missing
          ROOT/VideoFlash/1001_DFA_ANG_XX.flv    the video as distributed
          ROOT/VideoMP4/1001_DFA_ANG_XX.mp4      or converted; used before the FLV
          ROOT/VideoDemographics.csv             actor, age, sex, race, ethnicity
Paper     Cao et al. 2014, CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset
Licence   Open Database License (ODbL) 1.0
Splits    none by the authors; Si et al. split every known actor's clips 70/15/15 (a split of clips)
Command   voiceface prepare cremad ROOT -o CORPUS
"""

from __future__ import annotations

import re
from pathlib import Path

from voiceface.corpus.file_tree import FoundFile, checked_root, find_file, walk_media
from voiceface.corpus.item import Listing, VideoItem, VoiceItem
from voiceface.corpus.listing_builder import ListingBuilder, age_of, gender_of
from voiceface.media.text_tables import open_text_table

EMOTION_CODES = {
    "ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness",
}  # fmt: skip
SENTENCES = frozenset({"IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI"})
# A file or two of the distribution have their level cut to one letter.
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)")
# The same clip comes in several containers: the first of these that is there is used.
_ORDER = (".wav", ".flac", ".mp3", ".mp4", ".mkv", ".mov", ".avi", ".flv")
_EXPECTED_LAYOUT = (
    "AudioWAV/1001_DFA_ANG_XX.wav and VideoMP4/1001_DFA_ANG_XX.mp4 or VideoFlash/1001_DFA_ANG_XX.flv"
)


def listing(root: Path, *, voices: bool = True, faces: bool = True, clips: bool = True) -> Listing:
    """List CREMA-D's clips with what their names say.

    A clip's voice is taken from its sound file where there is one, else from its video.

    Args:
        root: the folder that holds AudioWAV and VideoMP4 or VideoFlash
        voices: take the voices
        faces: take faces from the videos
        clips: take talking clips from the videos

    Raises:
        InputError: root is missing, or no file is named as CREMA-D names its clips.
    """
    root = checked_root(root)
    builder = ListingBuilder(root, "CREMA-D")
    files: dict[str, list[tuple[int, FoundFile, re.Match[str]]]] = {"sound": [], "video": []}
    for found in walk_media(root):
        if builder.reject_if_fault(found):
            continue
        named = _NAME.fullmatch(found.stem.upper())
        if found.kind == "image" or not named or named[2] not in SENTENCES or named[3] not in EMOTION_CODES:
            builder.reject(found.path, "is not named ACTOR_SENTENCE_EMOTION_LEVEL as CREMA-D's clips are")
            continue
        suffix = "." + found.path.rpartition(".")[2].lower()
        order = _ORDER.index(suffix) if suffix in _ORDER else len(_ORDER)
        files[found.kind].append((order, found, named))
    _demographics(builder, root)
    for kind in ("sound", "video"):
        for _, found, named in sorted(files[kind], key=lambda file: (file[0], file[1].path)):
            person, emotion, key = builder.add_person(named[1]), EMOTION_CODES[named[3]], named[0]
            if kind == "sound":
                if voices:
                    builder.add(
                        VoiceItem(
                            key=key,
                            person=person,
                            path=found.path,
                            session=key,
                            language="English",
                            emotion=emotion,
                        )
                    )
                continue
            wanted = {"voices": voices and not builder.has(VoiceItem, key), "faces": faces, "clips": clips}
            want = tuple(name for name, yes in wanted.items() if yes)
            if want:
                builder.add(
                    VideoItem(
                        key=key, person=person, path=found.path, session=key, language="English",
                        emotion=emotion, want=want,
                    )
                )  # fmt: skip
    return builder.build(_EXPECTED_LAYOUT)


def _demographics(builder: ListingBuilder, root: Path) -> None:
    table = find_file(root, "VideoDemographics.csv", "cremad_demographics.csv")
    if table is None:
        builder.reject("VideoDemographics.csv", "is not there: age, sex and race of the actors stay unknown")
        return
    for row in open_text_table(table, {"ActorID": ("actor",)}, ("Age", "Sex", "Race", "Ethnicity")).rows():
        race, ethnicity = row.values["Race"], row.values["Ethnicity"]
        builder.add_person(
            row.values["ActorID"],
            where=f"{table.name}, line {row.line}",
            age=age_of(row.values["Age"]),
            gender=gender_of(row.values["Sex"]),
            ethnicity=f"{race}, Hispanic" if ethnicity.casefold() == "hispanic" else race,
        )

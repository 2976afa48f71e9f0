"""Tiny data sets of made media in the exact layout of every corpus source, one function a source.

``TREES[source](folder)`` builds one and tells what a listing must find. Files are empty unless a maker
of real media is given (`real`): voices are bursts of noise at a syllable's pace, faces are drawings,
videos show a drawing with such a voice.
"""

from __future__ import annotations

import functools
import io
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from draw_face import draw_face

RATE = 16000
Maker = Callable[[Path, int], None]
"""Writes one media file, whose suffix says which kind, for the person of this number."""


@dataclass(frozen=True)
class Tree:
    """What was built, and what a listing of it must hold."""

    root: Path
    people: set[str]
    voices: int
    faces: int
    videos: int
    rejected: int = 0
    options: dict[str, object] = field(default_factory=dict)


def empty(path: Path, person: int) -> None:
    """An empty file: a listing decodes nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def real(path: Path, person: int) -> None:
    """A file that decodes: a voice, a drawn face or a video of both, by its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    if suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(burst(person, len(path.name)).tobytes())
    elif suffix in (".jpg", ".png"):
        path.write_bytes(_drawing(person, suffix))
    else:
        path.write_bytes(_encoded(person, suffix))


def burst(person: int, take: int = 0, seconds: float = 1.2) -> np.ndarray:
    """Noise in a person's own band of frequencies, swelling four times a second: int16 (samples,)."""
    random = np.random.default_rng([7, person, take])
    time = np.arange(int(seconds * RATE)) / RATE
    noise = np.fft.rfft(random.standard_normal(len(time)))
    hertz = np.fft.rfftfreq(len(time), 1 / RATE)
    noise *= np.exp(-(((hertz - 500 - 70 * (person % 12)) / 400) ** 2))
    wave_ = np.fft.irfft(noise, len(time)) * (0.15 + np.sin(np.pi * 4 * time) ** 2)
    return (wave_ / np.abs(wave_).max() * 12000).astype("<i2")


# Drawings of these seeds are found by the detector.
_SEEDS = (1, 2, 3, 4, 6, 7, 8, 9)


@functools.cache
def _drawing(person: int, suffix: str) -> bytes:
    file = io.BytesIO()
    draw_face(_SEEDS[person % len(_SEEDS)], 160).save(file, "JPEG" if suffix == ".jpg" else "PNG", quality=92)
    return file.getvalue()


@functools.cache
def _encoded(person: int, suffix: str) -> bytes:
    """A sound in any container, or 1.2 seconds of video at 25 frames a second."""
    video, sound = {
        ".mp4": ("libx264", "aac"), ".mov": ("libx264", "aac"), ".flv": ("flv1", "aac"),
        ".mpg": ("mpeg1video", "mp2"), ".m4a": ("", "aac"), ".mp3": ("", "mp3"), ".flac": ("", "flac"),
        ".ogg": ("", "libopus"),
    }[suffix]  # fmt: skip
    file = io.BytesIO()
    form = {".m4a": "ipod", ".mpg": "mpeg"}.get(suffix, suffix[1:])
    with av.open(file, "w", format=form) as container:
        pictures = container.add_stream(video, rate=25) if video else None
        voice = container.add_stream(sound, rate=44100 if sound in ("mp2",) else RATE)
        voice.layout = "mono"
        if pictures is not None:
            pictures.width = pictures.height = 160
            pictures.pix_fmt = "yuv420p"
            image = draw_face(_SEEDS[person % len(_SEEDS)], 160)
            for at in range(30):
                frame = av.VideoFrame.from_image(image)
                frame.pts, frame.time_base = at, Fraction(1, 25)
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
        samples = av.AudioFrame.from_ndarray(burst(person)[None, :], format="s16", layout="mono")
        samples.sample_rate, samples.pts = RATE, 0
        resampler = av.AudioResampler(
            format=voice.format, layout="mono", rate=voice.rate, frame_size=voice.frame_size
        )
        for frame in [*resampler.resample(samples), *resampler.resample(None)]:
            container.mux(voice.encode(frame))
        container.mux(voice.encode(None))
    return file.getvalue()


def text(path: Path, *lines: str, newline: str = "\n", mark: str = "") -> Path:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((mark + newline.join([*lines, ""])).encode())
    return path


def pairs(root: Path, make: Maker = empty) -> Tree:
    """Three people, four clips; a face without a voice; every extension another."""
    text(
        root / "pairs.csv",
        "clip,person,source,video,seconds,gender,nationality",
        "ann_00,Ann Lee,vox,vid1,1.2,f,Ireland",
        "ann_01,Ann Lee,vox,vid2,1.2,f,Ireland",
        "bo_00,Bo,av,vid3,1.2,m,",
        "cy_00,Cy,av,vid4,1.2,,",
    )
    for number, (clip, sound, image) in enumerate(
        [
            ("ann_00", ".wav", ".jpg"),
            ("ann_01", ".ogg", ".JPG"),
            ("bo_00", ".WAV", ".png"),
            ("cy_00", ".flac", ".jpg"),
        ]
    ):
        make(root / "voices" / (clip + sound), number)
        make(root / "faces" / (clip + image), number)
    make(root / "faces_only" / "f0000.jpg", 5)
    return Tree(root, {"Ann Lee", "Bo", "Cy"}, 4, 4, 0)


def videos(root: Path, make: Maker = empty) -> Tree:
    """A person in a folder, with a session in a folder of its own, and one in a file."""
    make(root / "Ann Lee" / "one.mp4", 0)
    make(root / "Ann Lee" / "monday" / "two.MPG", 0)
    make(root / "Bo.mov", 1)
    text(root / "people.csv", "person,gender", "Ann Lee,female", "Bo,m")
    return Tree(root, {"Ann Lee", "Bo"}, 0, 0, 3)


VOX1 = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet",
    "id10001\tA.J._Buckley\tm\tIreland\tdev",
    "id10270\tEartha_Kitt\tf\tUSA\ttest",
    "id10362\tHarry_Connick_Jr.\tm\tUSA\tdev",
)
VOX2 = ("VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set ", "id00012 ,n000012 ,m ,dev ", "id00017 ,n000017 ,m ,test ")


def voxceleb(root: Path, make: Maker = empty) -> Tree:
    """VoxCeleb1 in its three schemes and VoxCeleb2 with sound and clips, under one root."""
    text(root / "vox1_meta.csv", *VOX1)
    text(root / "vox2_meta.csv", *VOX2, newline="\r\n", mark="\ufeff")
    make(root / "vox1_dev_wav" / "wav" / "id10001" / "1zcIwhmdeo4" / "00001.wav", 0)
    make(root / "vox1_dev_wav" / "wav" / "id10001" / "7gWzIy6yIIk" / "00002.wav", 0)
    make(root / "voxceleb1_wav" / "Harry_Connick_Jr." / "a_b-C_d1E_f_0000003.wav", 2)
    make(root / "test" / "wav" / "id10270" / "5r0dWxy17C8" / "00004.wav", 1)
    make(root / "unzippedFaces" / "A.J._Buckley" / "1.6" / "1zcIwhmdeo4" / "0000375.jpg", 0)
    make(
        root / "unzippedIntervalFaces" / "data" / "Eartha_Kitt" / "1.6" / "5r0dWxy17C8" / "4" / "0000025.jpg",
        1,
    )
    make(root / "unzippedFaces" / "Harry_Connick_Jr" / "1.6" / "a_b-C_d1E_f" / "0000150.jpg", 2)
    make(root / "dev" / "aac" / "id00012" / "21Uxsk56VDQ" / "00001.m4a", 3)
    make(root / "dev" / "mp4" / "id00012" / "21Uxsk56VDQ" / "00001.mp4", 3)
    make(root / "test" / "mp4" / "id00017" / "01dfn2spqyE" / "00001.mp4", 4)
    text(root / "dev" / "txt" / "id00012" / "21Uxsk56VDQ" / "00001.txt", "Identity :\tid00012")
    return Tree(root, {"id10001", "id10270", "id10362", "id00012", "id00017"}, 5, 3, 2)


def vggface(root: Path, make: Maker = empty) -> Tree:
    """VGGFace2 with its metadata: quoted names, one of them with a comma."""
    text(
        root / "identity_meta.csv",
        "Class_ID, Name, Sample_Num, Flag, Gender",
        'n000001, "14th_Dalai_Lama",424,0, m,',
        'n000002, "A_Fine_Frenzy",315,1, f,',
        'n000009, "Robert_Downey,_Jr.",205,1, m,',
    )
    make(root / "test" / "n000001" / "0001_01.jpg", 0)
    make(root / "train" / "n000002" / "0001_01.jpg", 1)
    make(root / "train" / "n000002" / "0002_02.jpg", 1)
    make(root / "train" / "n000009" / "0017_01.JPG", 2)
    return Tree(root, {"n000001", "n000002", "n000009"}, 0, 4, 0)


def vggface1(root: Path, make: Maker = empty) -> Tree:
    """VGGFace: pictures by name, and its lists."""
    line = "%08d http://example.org/%d.jpg 22.0 33.0 122.0 133.0 3.00 4.34 %d"
    for number, name in enumerate(("A.J._Buckley", "Harry_Connick_Jr.", "Zoë_Saldana")):
        text(root / "files" / f"{name}.txt", line % (1, 1, 1), line % (2, 2, 0), newline="\r\n")
        make(root / "images" / name / "00000001.jpg", number)
        make(root / "images" / name / "00000002.jpg", number)
    return Tree(root, {"A.J._Buckley", "Harry_Connick_Jr.", "Zoë_Saldana"}, 0, 6, 0)


def voxceleb_vggface(root: Path, make: Maker = empty) -> Tree:
    """Two people in both sets, one heard alone, one seen alone."""
    text(root / "voxceleb1" / "vox1_meta.csv", *VOX1, "id10943\tZoe_Saldana\tf\tUSA\tdev")
    make(root / "voxceleb1" / "wav" / "id10001" / "1zcIwhmdeo4" / "00001.wav", 0)
    make(root / "voxceleb1" / "wav" / "id10362" / "7gWzIy6yIIk" / "00001.wav", 1)
    make(root / "voxceleb1" / "wav" / "id10362" / "7gWzIy6yIIk" / "00002.wav", 1)
    make(root / "voxceleb1" / "wav" / "id10270" / "5r0dWxy17C8" / "00001.wav", 2)
    make(root / "vggface" / "A.J._Buckley" / "00000012.jpg", 0)
    make(root / "vggface" / "Harry Connick Jr" / "00000001.jpg", 1)
    make(root / "vggface" / "Unheard_Person" / "00000001.jpg", 2)
    return Tree(root, {"id10001", "id10362"}, 3, 2, 0, rejected=3)


def cremad(root: Path, make: Maker = empty) -> Tree:
    """Two actors; a clip in every container, one with video alone, one with sound alone."""
    text(
        root / "VideoDemographics.csv",
        '"ActorID","Age","Sex","Race","Ethnicity"',
        '1001,51,"Male","Caucasian","Not Hispanic"',
        '1002,21,"Female","Caucasian","Hispanic"',
        '1003,33,"Female","Asian","Not Hispanic"',
        newline="\r\n",
    )
    make(root / "AudioWAV" / "1001_DFA_ANG_XX.wav", 0)
    make(root / "AudioMP3" / "1001_DFA_ANG_XX.mp3", 0)
    make(root / "VideoFlash" / "1001_DFA_ANG_XX.flv", 0)
    make(root / "VideoMP4" / "1001_DFA_ANG_XX.mp4", 0)
    make(root / "AudioMP3" / "1001_IEO_HAP_LO.mp3", 0)
    make(root / "VideoFlash" / "1002_IEO_SAD_HI.flv", 1)
    return Tree(root, {"1001", "1002"}, 2, 0, 2, rejected=2)


def mavceleb(root: Path, make: Maker = empty) -> Tree:
    """Version 1: two training people in two languages, the challenge's trials, lists and metadata."""
    base = root / "v1"
    text(base / "v1_meta.csv", "ids,name,gender", "id0001,Abida Parveen,Female", "id0002,Atif Aslam,Male")
    for number, (id, video) in enumerate((("id0001", "U3rWfLEkFvg"), ("id0002", "h_vamljclHE"))):
        for language, frame in (("English", "0010125"), ("Urdu", "0000025")):
            make(base / "voices" / id / language / video / "00000.wav", number)
            make(base / "faces" / id / language / video / f"{frame}.jpg", number)
    make(base / "voices" / "English" / "00000.wav", 3)
    make(base / "faces" / "English" / "00000.jpg", 3)
    pair = "{0}/{1}/{2}/00000.wav {0}/{1}/{2}/0010125.jpg"
    text(root / "v1_lists" / "English_train.txt", pair.format("id0001", "English", "U3rWfLEkFvg"))
    text(root / "v1_lists" / "Urdu_train.txt", pair.format("id0001", "Urdu", "U3rWfLEkFvg"))
    text(root / "v1_lists" / "English_val.txt", pair.format("id0002", "English", "h_vamljclHE"))
    text(root / "v1_lists" / "English_test.txt", "ysuvkz41 voices/English/00000.wav faces/English/00000.jpg")
    return Tree(root, {"v1-id0001", "v1-id0002"}, 4, 4, 0, rejected=2)


def librispeech(root: Path, make: Maker = empty) -> Tree:
    """Two subsets and their speakers."""
    base = root / "LibriSpeech"
    text(
        base / "SPEAKERS.TXT",
        ";ID  |SEX| SUBSET           |MINUTES| NAME",
        "103  | F | train-clean-100  | 25.03 | Karen Savage",
        "84   | M | dev-clean        |  8.02 | Christie Nowak",
        "999  | M | train-other-500  | 25.01 | Not Here",
    )
    make(base / "train-clean-100" / "103" / "1240" / "103-1240-0000.flac", 0)
    make(base / "train-clean-100" / "103" / "1240" / "103-1240-0001.flac", 0)
    make(base / "dev-clean" / "84" / "121123" / "84-121123-0000.flac", 1)
    text(base / "dev-clean" / "84" / "121123" / "84-121123.trans.txt", "84-121123-0000 GO DO YOU HEAR")
    return Tree(root, {"103", "84"}, 3, 0, 0)


TREES: dict[str, Callable[..., Tree]] = {
    "pairs": pairs,
    "videos": videos,
    "voxceleb": voxceleb,
    "vggface": vggface,
    "voxceleb_vggface": voxceleb_vggface,
    "cremad": cremad,
    "mavceleb": mavceleb,
    "librispeech": librispeech,
}

"""Test clips talked again by several ways, kept on the disk so that a killed run goes on where it was."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voiceface.corpus.splits import Split
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.face.align import change_template, template_points
from voiceface.media.files import atomic_path
from voiceface.models.talking_face import Who
from voiceface.models.voice_encoder import as_wave
from voiceface.pipelines.weights import Loaded
from voiceface.protocols.clip_measurement import VideoClip

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = [
    "KNOWN",
    "UNKNOWN",
    "Told",
    "animated",
    "kept",
    "talk_from_speech",
    "select_test_clips",
    "as_video_clips",
]

Frames = npt.NDArray[np.uint8]
Wave = npt.NDArray[np.float32]

KNOWN, UNKNOWN = "known voices", "unknown voices"


StillSource = Callable[[int, str], Frames]
"""Size and template to a picture so cut, (size, size, 3)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Told:
    """One test clip: the frames there should be, and the sound that is to be talked."""

    name: str
    person: str
    group: str
    emotion: str
    real: Frames
    """(frames, side, side, 3)."""
    wave: Wave
    """Its own sound."""
    heard: Wave
    """What the talking faces hear: its own sound, or in the control another person's."""
    still: StillSource
    """Its own first frame."""
    stranger: StillSource
    """The first frame of another person's test clip, for the mismatched still."""


Talk = Callable[[Told], Frames]


def select_test_clips(
    corpus: Corpus, split: Split, *, size: int, template: str, most: int, wrong_sound: bool
) -> list[Told]:
    """The clips to test on: of people trained on their test clips, of all others that were never seen any.

    Args:
        corpus: holds the clips.
        split: of the training.
        size: side of the frames.
        template: how they are cut.
        most: clips a group, spread over its people.
        wrong_sound: every clip is heard with the sound of another person's, a control.

    Raises:
        InputError: no clip to test on.
    """
    owners = corpus.column("clips", "person").astype(str)
    trained = set(owners[split.train.clips].tolist())
    seen = trained | set(owners[split.validation.clips].tolist())
    rows: list[tuple[int, str]] = []
    known = [row for row in split.test.clips.tolist() if owners[row] in trained]
    strange = [row for row in range(len(owners)) if owners[row] not in seen]
    for group, some in ((KNOWN, known), (UNKNOWN, strange)):
        voiced = [row for row in some if corpus.clip_wave(row).any()]
        rows += [(row, group) for row in _spread(voiced, owners, most)]
    if not rows:
        raise InputError(
            corpus.path, "leaves no clip with sound to test on", "raise --test, or --leave-out some"
        )
    made = []
    for place, (row, group) in enumerate(rows):
        others = [*rows[place + 1 :], *rows[:place]]
        # Of the same group where it has another person: strangers are mistaken for strangers.
        mates = [r for r, g in others if g == group] + [r for r, _ in others]
        other = next((r for r in mates if owners[r] != owners[row]), None)
        if other is None:
            other = mates[0] if mates else row
        wave = as_wave(corpus.clip_wave(row)).numpy()
        frames = clip_frames(corpus, row, size=size, template=template)
        told = corpus.clips[row]
        heard = _fit_length(as_wave(corpus.clip_wave(other)).numpy(), len(wave)) if wrong_sound else wave
        made.append(
            Told(
                name=told.id,
                person=told.person,
                group=group,
                emotion=told.emotion,
                real=frames,
                wave=wave,
                heard=heard,
                still=_first(corpus, row),
                stranger=_first(corpus, other),
            )
        )
    return made


def _first(corpus: Corpus, row: int) -> StillSource:
    return lambda size, template: clip_frames(corpus, row, size=size, template=template)[0]


def _spread(rows: Sequence[int], owners: npt.NDArray[np.str_], most: int) -> list[int]:
    """Up to ``most`` rows, one of every person in turn."""
    left = {
        person: [row for row in rows if owners[row] == person] for person in sorted({owners[r] for r in rows})
    }
    found: list[int] = []
    while len(found) < most and any(left.values()):
        found += [mine.pop(0) for mine in left.values() if mine]
    return sorted(found[:most])


def _fit_length(wave: Wave, samples: int) -> Wave:
    """The wave repeated or cut to so many samples."""
    return np.resize(wave, samples)


def talk_from_speech(loaded: Loaded, *, seed: int) -> Talk:
    """Talk from the sound and nothing else."""

    def talk(clip: Told) -> Frames:
        return _talk(loaded, Who(wave=clip.heard, seed=seed), clip)

    return talk


def animated(loaded: Loaded, still: Callable[[Told], StillSource], *, template: str, seed: int) -> Talk:
    """Animate the still face that ``still`` gives in the animator's own size and template.

    The frames are cut to the clips' ``template`` and size.
    """

    def talk(clip: Told) -> Frames:
        size, own = (loaded.run.contract[name] for name in ("size", "template"))
        drawn = _talk(loaded, Who(wave=clip.heard, face=still(clip)(int(size), str(own)), seed=seed), clip)
        side = clip.real.shape[1]
        if own == template:
            return _sized(drawn, side)
        return change_template(drawn, source=str(own), target=template, size=side)

    return talk


def _talk(loaded: Loaded, who: Who, clip: Told) -> Frames:
    if loaded.run.talk is None:
        fault = f"holds {loaded.card['recipe']}, which does not talk"
        raise InputError(loaded.name, fault, "give weights of a recipe that talks")
    face = loaded.run.talk(loaded.model, who, loaded.facts)
    return np.concatenate([face.feed(clip.heard), face.close()])


def _sized(frames: Frames, side: int) -> Frames:
    """Frames brought to another side."""
    from PIL import Image

    if frames.shape[1] == side:
        return frames
    kernel = Image.Resampling.BOX if frames.shape[1] > side else Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(frame).resize((side, side), kernel)) for frame in frames])


def kept(talk: Talk, clips: Sequence[Told], folder: Path) -> dict[str, Frames]:
    """Clip's name to the frames that ``talk`` gives, each read from the folder where it is already there.

    Raises:
        InputError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, f"cannot be made ({error.strerror})", "write to another folder") from error
    found = {}
    for number, clip in enumerate(clips):
        path = folder / f"{number:04d}-{''.join(c if c.isalnum() else '-' for c in clip.name)}.npz"
        frames = _read(path)
        if frames is None:
            frames = talk(clip)
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, frames=frames)
        found[clip.name] = frames
    return found


def _read(path: Path) -> Frames | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["frames"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def as_video_clips(
    clips: Sequence[Told], drawn: Mapping[str, Frames] | None, *, fps: float, template: str
) -> Iterator[VideoClip]:
    """The clips as the video protocol wants them: every face stands where the template has it.

    Args:
        clips: the test clips.
        drawn: their names to what was drawn; None: the real ones stand for themselves, without themselves
            beside them.
        fps: frames a second.
        template: how they are cut.
    """
    for clip in clips:
        frames = clip.real if drawn is None else drawn[clip.name]
        points = template_points(template, frames.shape[1])
        yield VideoClip(
            name=clip.name,
            person=clip.person,
            group=clip.group,
            fps=fps,
            drawn=frames,
            real=None if drawn is None else clip.real,
            generated_wave=clip.wave,
            generated_points=np.broadcast_to(points, (len(frames), 5, 2)),
        )

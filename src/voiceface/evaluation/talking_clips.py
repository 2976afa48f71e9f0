"""Test clips generated again in several ways, cached on disk so that an interrupted evaluation continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Split
from voiceface.corpus.views import clip_frames
from voiceface.errors import InputError
from voiceface.evaluation.clip_files import Points, track_face_points
from voiceface.face.align import change_template, template_points
from voiceface.media.files import atomic_path
from voiceface.media.make_folder import make_folder
from voiceface.media.read_npz import read_npz
from voiceface.models.talking_face import Speaker
from voiceface.models.voice_encoder import as_wave
from voiceface.pipelines.talker import resize_frames
from voiceface.pipelines.weights import Loaded
from voiceface.protocols.clip_measurement import VideoClip

Frames = npt.NDArray[np.uint8]
Wave = npt.NDArray[np.float32]

KNOWN, UNKNOWN = "known voices", "unknown voices"


StillSource = Callable[[int, str], Frames]
"""From size and template to a picture aligned so, (size, size, 3)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TestClip:
    """One test clip: its real frames, and the sound to generate frames for."""

    __test__ = False

    name: str
    person: str
    group: str
    emotion: str
    real: Frames
    """(frames, side, side, 3)."""
    wave: Wave
    """Its own sound."""
    driving_sound: Wave
    """What frames are generated from: its own sound, or in the control another person's."""
    own_still: StillSource
    """Its own first frame."""
    other_still: StillSource
    """The first frame of another person's test clip, for the mismatched still."""


TalkFunction = Callable[[TestClip], Frames]


def select_test_clips(
    corpus: Corpus,
    split: Split,
    *,
    size: int,
    template: str,
    most: int,
    wrong_sound: bool,
    unknown_people: Sequence[str] = (),
) -> list[TestClip]:
    """The test clips of people in the training set, and all clips of people outside training and validation.

    Args:
        corpus: holds the clips.
        split: of the training.
        size: side of the frames in pixels.
        template: how they are aligned.
        most: maximum number of clips in each group, spread over its people.
        wrong_sound: every clip gets the sound of another person's clip: a control.
        unknown_people: of the people outside training and validation only these; by default all.

    Raises:
        InputError: no clip to test on, or one of these people has none or was in the training.
    """
    owners = corpus.person_of("clips")
    trained = set(owners[split.train.clips].tolist())
    seen = trained | set(owners[split.validation.clips].tolist())
    rows: list[tuple[int, str]] = []
    known = [row for row in split.test.clips.tolist() if owners[row] in trained]
    unknown = _unknown_rows(corpus, owners, seen, unknown_people)
    for group, some in ((KNOWN, known), (UNKNOWN, unknown)):
        voiced = [row for row in some if corpus.clip_wave(row).any()]
        rows += [(row, group) for row in _spread(voiced, owners, most)]
    if not rows:
        raise InputError(
            corpus.path, "leaves no clip with sound to test on", "raise --test, or --leave-out some"
        )
    clips = []
    for index, (row, group) in enumerate(rows):
        others = [*rows[index + 1 :], *rows[:index]]
        other = _other_row(row, group, others, owners)
        wave = as_wave(corpus.clip_wave(row)).numpy()
        clip, sound = corpus.clips[row], wave
        if wrong_sound:
            sound = np.resize(as_wave(corpus.clip_wave(other)).numpy(), len(wave))
        clips.append(
            TestClip(
                name=clip.id,
                person=clip.person,
                group=group,
                emotion=clip.emotion,
                real=clip_frames(corpus, row, size=size, template=template),
                wave=wave,
                driving_sound=sound,
                own_still=_first_frame(corpus, row),
                other_still=_first_frame(corpus, other),
            )
        )
    return clips


def _other_row(row: int, group: str, others: Sequence[tuple[int, str]], owners: npt.NDArray[np.str_]) -> int:
    """A clip of another person, of the same group where it has one: unknown ones are confused."""
    nearest = [r for r, g in others if g == group] + [r for r, _ in others]
    different = next((r for r in nearest if owners[r] != owners[row]), None)
    return different if different is not None else nearest[0] if nearest else row


def _unknown_rows(
    corpus: Corpus, owners: npt.NDArray[np.str_], seen: set[str], people: Sequence[str]
) -> list[int]:
    """The clips of people who were not seen in training; of these people only, if there are any."""
    outside = sorted(set(owners.tolist()) - seen)
    if missing := [person for person in people if person not in outside]:
        fault = f"has no clip of {missing[0]} that is in neither training nor validation"
        raise InputError(corpus.path, fault, f"name some of {', '.join(outside) or 'nobody'}")
    return np.flatnonzero(np.isin(owners, people or outside)).tolist()


def _first_frame(corpus: Corpus, row: int) -> StillSource:
    return lambda size, template: clip_frames(corpus, row, size=size, template=template)[0]


def _spread(rows: Sequence[int], owners: npt.NDArray[np.str_], most: int) -> list[int]:
    """Up to ``most`` rows, one of every person in turn."""
    left = {
        person: [row for row in rows if owners[row] == person] for person in sorted({owners[r] for r in rows})
    }
    found: list[int] = []
    while len(found) < most and any(left.values()):
        found += [own.pop(0) for own in left.values() if own]
    return sorted(found[:most])


def talk_from_speech(loaded: Loaded, *, seed: int) -> TalkFunction:
    """Generate clips from their sound alone."""
    return lambda clip: _talk(loaded, Speaker(wave=clip.driving_sound, seed=seed))


def animate_stills(
    loaded: Loaded, still_of: Callable[[TestClip], StillSource], *, template: str, seed: int
) -> TalkFunction:
    """Animate the still that ``still_of`` gives; the frames get the clips' ``template`` and size."""
    own = loaded.model.face_template

    def talk(clip: TestClip) -> Frames:
        still = still_of(clip)(loaded.model.face_size, own)
        frames = _talk(loaded, Speaker(wave=clip.driving_sound, face=still, seed=seed))
        side = clip.real.shape[1]
        if own == template:
            return resize_frames(frames, side)
        return change_template(frames, source=own, target=template, size=side)

    return talk


def _talk(loaded: Loaded, speaker: Speaker) -> Frames:
    if not loaded.model.can("talk"):
        fault = f"holds {loaded.card['recipe']}, which does not talk"
        raise InputError(loaded.name, fault, "give weights of a recipe that talks")
    face = loaded.model.talk(speaker)
    return np.concatenate([face.feed(speaker.wave), face.close()])


def cached_frames(talk: TalkFunction, clips: Sequence[TestClip], folder: Path) -> dict[str, Frames]:
    """Clip's name to the frames that ``talk`` generates, each read from the folder where it is already there.

    Raises:
        InputError: the folder cannot be written to.
    """
    make_folder(folder)
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
        frames = read_npz(path, lambda headers: ["frames"], remedy="delete it; it is made again")["frames"]
    except (InputError, KeyError):
        return None
    return frames if frames.dtype == np.uint8 and frames.ndim == 4 else None


def as_video_clips(
    clips: Sequence[TestClip],
    generated: Mapping[str, Frames] | None,
    *,
    fps: float,
    template: str,
    tracked: Mapping[str, Points] | None = None,
) -> Iterator[VideoClip]:
    """The clips as the video protocol takes them.

    Args:
        clips: the test clips.
        generated: from their names to generated frames; None: the real frames, with nothing to compare to.
        fps: frames a second.
        template: how they are aligned.
        tracked: from the clips' names to landmarks (frames, 5, 2) of the real frames (`track_face_points`);
            those of generated frames are then found too. None: all are the template's.
    """
    for clip in clips:
        frames = clip.real if generated is None else generated[clip.name]
        real = None if tracked is None else tracked[clip.name]
        if real is None:
            points = np.broadcast_to(template_points(template, frames.shape[1]), (len(frames), 5, 2))
        else:
            points = real if generated is None else track_face_points(frames)
        yield VideoClip(
            name=clip.name,
            person=clip.person,
            group=clip.group,
            fps=fps,
            generated=frames,
            real=None if generated is None else clip.real,
            generated_wave=clip.wave,
            generated_points=points,
            real_points=None if generated is None else real,
        )

"""The Talker beside other talking faces, still pictures and real clips, for known and unknown speakers.

Every animator starts from the first frame of a test clip and gets its sound; the control gets the sound of
another person's clip, and "still" is the first frame throughout. Test clips are those that the Talker's own
training left out. Weights of other animators (--beside) and of si_speech2video (--speech2video), which
generates its frames from speech alone, are rows of their own. All frames are measured alike, aligned as heads
of 128 pixels. Mouths are measured by face-mesh, whose points the Talker also moves:
tools/mouth_motion.py measures them independently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.evaluation.clip_files import FPS, track_face_points, video_judges
from voiceface.evaluation.find_sync_expert import find_sync_expert
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.talking_clips import (
    StillSource,
    TalkFunction,
    TestClip,
    animate_stills,
    as_video_clips,
    cached_frames,
    select_test_clips,
    talk_from_speech,
)
from voiceface.evaluation.training_split import training_split
from voiceface.face.align import change_template
from voiceface.pipelines.weights import Loaded, load_model
from voiceface.protocols.clip_measurement import Judges
from voiceface.protocols.video_quality import VideoReport, video

Frames = npt.NDArray[np.uint8]

REAL, STILL, WRONG = "real clips", "still", "another clip's sound"
_COLUMNS = (
    "sync confidence",
    "sync offset",
    "offset within 1 frame",
    "mouth opening",
    "closures",
    "landmark distance",
    "SSIM",
    "PSNR",
    "identity similarity",
    "flicker",
)
_TEMPLATE, _SIZE = "head", 128
_RESAMPLES, _SEED = 1000, 0


def tables(
    corpus: Corpus,
    out: Path,
    *,
    weights: str = "talker",
    beside: str = "",
    speech2video: str = "",
    sync: str = "",
    people: str = "",
    clips: int = 60,
) -> list[Table]:
    """Generate the test clips in every way, and measure all alike.

    Args:
        corpus: talking clips with sound, those that the weights were trained on.
        out: folder of the generated clips.
        weights: weights of recipe talker; by default the shipped ones
        beside: weights of other animators of a still face, separated by commas
        speech2video: weights of si_speech2video
        sync: weights of a sync expert; by default the shipped one
        people: unknown people to test, separated by commas; by default all
        clips: maximum number of clips in each group, spread over its people

    Raises:
        InputError: weights that cannot talk, or that were not trained on this corpus.
    """
    loaded = load_model(weights)
    split = training_split(weights, loaded, corpus)
    if split is None:
        raise InputError(weights, "was not trained on this corpus", "give the corpus of its training")
    own, wrong = (
        select_test_clips(
            corpus,
            split,
            size=_SIZE,
            template=_TEMPLATE,
            most=clips,
            wrong_sound=control,
            unknown_people=list(filter(None, people.split(","))),
        )
        for control in (False, True)
    )
    made: dict[str, Mapping[str, Frames] | None] = {REAL: None}
    ways = _ways(loaded, beside, speech2video)
    for name, (model, talk) in ways.items():
        made[name] = cached_frames(talk, own, out / "generated" / _key(name, model, own))
    ours = next(iter(ways))
    folder = out / "generated" / _key(WRONG, loaded, wrong)
    made[f"{ours}, {WRONG}"] = cached_frames(ways[ours][1], wrong, folder)
    made[STILL] = {clip.name: np.repeat(clip.real[:1], len(clip.real), axis=0) for clip in own}
    reports = _reports(own, made, sync)
    return [_table(group, own, reports) for group in sorted({clip.group for clip in own})]


def _reports(
    clips: Sequence[TestClip], made: Mapping[str, Mapping[str, Frames] | None], sync: str
) -> dict[str, VideoReport]:
    """What the video protocol finds, for each row."""
    judges = _remembering(video_judges(find_sync_expert(sync)), clips)
    tracked = {clip.name: track_face_points(clip.real) for clip in clips}
    return {
        name: video(
            as_video_clips(clips, some, fps=FPS, template=_TEMPLATE, tracked=tracked),
            judges=judges,
            resamples=_RESAMPLES,
            seed=_SEED,
        )
        for name, some in made.items()
    }


def _ways(loaded: Loaded, beside: str, speech2video: str) -> dict[str, tuple[Loaded, TalkFunction]]:
    """From a row's name to the weights and how they generate a clip, ours first."""
    found: dict[str, tuple[Loaded, TalkFunction]] = {}
    animators = [loaded, *(load_model(name) for name in filter(None, beside.split(",")))]
    for one in animators:
        if not one.model.animates:
            fault = f"holds {one.card['recipe']}, which animates no still face"
            raise InputError(one.name, fault, "give it as --speech2video, or leave it out")
        found[_name(one, found)] = one, animate_stills(one, _own_still, template=_TEMPLATE, seed=_SEED)
    if speech2video:
        model = load_model(speech2video)
        if model.model.animates or not model.model.can("talk"):
            fault = f"holds {model.card['recipe']}, which generates no frames from speech alone"
            raise InputError(speech2video, fault, "give weights of si_speech2video")
        found[_name(model, found)] = model, _from_speech(model)
    return found


def _own_still(clip: TestClip) -> StillSource:
    return clip.own_still


def _from_speech(model: Loaded) -> TalkFunction:
    talk, source = talk_from_speech(model, seed=_SEED), model.model.face_template
    return lambda clip: change_template(talk(clip), source=source, target=_TEMPLATE, size=_SIZE)


def _name(model: Loaded, taken: Mapping[str, object]) -> str:
    """The recipe's name, numbered where several weights are of one recipe."""
    recipe = str(model.card["recipe"])
    number = 1 + sum(name.split(" ")[0] == recipe for name in taken)
    return recipe if number == 1 else f"{recipe} {number}"


def _key(name: str, model: Loaded, clips: Sequence[TestClip]) -> str:
    """A folder's name that another model, other clips and other sound do not share."""
    digest = hashlib.blake2b(model.model.fingerprint().encode(), digest_size=6)
    digest.update(str(sorted(model.card["arguments"].items())).encode())
    for clip in clips:
        digest.update(clip.name.encode() + clip.driving_sound.tobytes())
    return "-".join(["".join(c if c.isalnum() else "-" for c in name), digest.hexdigest()])


def _remembering(judges: Judges, clips: Sequence[TestClip]) -> Judges:
    """The same, which measure the real frames of the clips once and not once a row."""
    assert judges.identity is not None and judges.lips is not None
    real = {id(clip.real) for clip in clips}

    def once(measure: Callable[[Frames, Any], Any]) -> Callable[[Frames, Any], Any]:
        known: dict[int, Any] = {}

        def remembered(frames: Frames, points: Any) -> Any:  # noqa: ANN401
            if id(frames) not in real:
                return measure(frames, points)
            if id(frames) not in known:
                known[id(frames)] = measure(frames, points)
            return known[id(frames)]

        return remembered

    return replace(judges, identity=once(judges.identity), lips=once(judges.lips))


def _table(group: str, clips: Sequence[TestClip], reports: Mapping[str, VideoReport]) -> Table:
    some = [clip for clip in clips if clip.group == group]
    people = len({clip.person for clip in some})
    over = "clips, which are all of one person" if people == 1 else "people"
    rows: dict[str, list[Cell]] = {}
    for name, report in reports.items():
        known = {one.name: one for one in report.rows.get(f"generated, {group}", [])}
        rows[name] = [known.get(column) for column in _COLUMNS]
    return Table(
        title=f"Talking faces, {group}",
        columns=_COLUMNS,
        rows=rows,
        notes=[
            f"{len(some)} clips of {people} people; intervals over {over}",
            "chance: beside a real clip or the sound of another clip, of another person where there is one",
            "aligned heads of 128 pixels; si_speech2video's pictures show less and repeat their edge",
        ],
    )

"""Si et al. 2021 (Speech2Video): Table 1, for known and unknown voices, with three baselines and real clips.

Trains si_speech2video in a small size unless weights are given. Known people are in its training set and are
tested on other clips of theirs; no clip of unknown people was in it. The baselines need an animator of still
faces (--animator, weights of a recipe that animates one): SDFA from the clip's own first frame, S2F+SDFA from
the face that an imaginer generates from the sound (--imaginer), SDFA (mismatch) from another person's frame;
without them these rows are left out. A sheet of the clips is written beside the tables: it shows real
people's faces where the corpus does.
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
from voiceface.corpus.splits import Split
from voiceface.errors import InputError
from voiceface.evaluation.clip_files import video_judges
from voiceface.evaluation.emotion_judges import EmotionJudge, ExpressionJudge, RidgeEmotionJudge
from voiceface.evaluation.find_sync_expert import find_sync_expert
from voiceface.evaluation.identity_judge import IdentityJudge
from voiceface.evaluation.image_grid import write_image_grid
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.talking_clips import (
    KNOWN,
    StillSource,
    TestClip,
    animate_stills,
    as_video_clips,
    cached_frames,
    select_test_clips,
    talk_from_speech,
)
from voiceface.evaluation.train_with_progress import Tell, train_with_progress
from voiceface.evaluation.training_split import training_split
from voiceface.face.align import change_template
from voiceface.models.generator_input import GeneratorInput
from voiceface.pipelines.weights import Loaded, load_model
from voiceface.protocols.clip_measurement import Judges
from voiceface.protocols.sync_expert_trials import sync_trials
from voiceface.protocols.video_quality import VideoReport, video
from voiceface.recipes import si_speech2video
from voiceface.training.split_choice import NO_CHOICE, SplitChoice

Frames = npt.NDArray[np.uint8]

OURS, REAL = "speech2video", "ground truth"
SDFA, IMAGINED, MISMATCH = "SDFA", "S2F+SDFA", "SDFA (mismatch)"
_MEASURED = (
    "SSIM",
    "PSNR",
    "sync confidence",
    "sync offset",
    "offset within 1 frame",
    "mouth with sound",
    "identity similarity",
)
_COLUMNS = [*_MEASURED, "identity accuracy", "emotion accuracy"]
_PAPER = {
    f"{SDFA}, CREMA-D": [0.705, 23.568, 5.4],
    f"{IMAGINED}, CREMA-D": [0.519, 20.104, 4.9],
    f"{MISMATCH}, CREMA-D": [0.521, 20.024, 5.0],
    f"{OURS}, CREMA-D": [0.541, 20.540, 5.1],
    f"{SDFA}, VoxCeleb2": [0.7342, 25.121, 5.8],
    f"{IMAGINED}, VoxCeleb2": [0.5643, 20.413, 4.9],
    f"{MISMATCH}, VoxCeleb2": [0.5612, 20.126, 5.0],
    f"{OURS}, VoxCeleb2": [0.5707, 20.891, 5.1],
}
_SHEET_CLIPS, _SHEET_FRAMES = 10, 8
_SMALL: dict[str, Any] = {
    "width": 16,
    "identity_width": 16,
    "discriminator_width": 16,
    "clips": 8,
    "ema": 0.99,
}
_FIFTH = 5
_SHIFT = 5
"""Frames that the sound is shifted by; the offset must be found."""
_RESAMPLES, _SEED = 1000, 0


def tables(
    corpus: Corpus,
    out: Path,
    choice: SplitChoice = NO_CHOICE,
    tell: Tell | None = None,
    *,
    weights: str = "",
    animator: str = "",
    imaginer: str = "",
    sync: str = "",
    expression: str = "",
    clips: int = 60,
    steps: int = 2000,
    wrong_sound: bool = False,
) -> list[Table]:
    """Generate the test clips in every way, and measure all alike.

    Args:
        corpus: talking clips with sound.
        out: folder of the training, the generated clips, and the sheet.
        choice: the split that it is trained with; weights keep their own
        tell: is told how far the training is
        weights: weights of si_speech2video of this corpus; by default trained here without every fifth person
        animator: weights that animate a still face, for the baselines
        imaginer: weights that generate a face from a voice, for S2F+SDFA
        sync: weights of a sync expert; by default the shipped one
        expression: weights of recipe expression, trained without the test's people, for the emotion accuracy;
            by default ridge regression on the training clips
        clips: maximum number of clips in each group, spread over its people
        steps: training steps where no weights are given
        wrong_sound: generate every clip from another person's sound: a control

    Raises:
        InputError: weights of another recipe, or a corpus without clips to test on.
    """
    loaded, split = _trained(corpus, out, weights, choice, steps=steps, tell=tell)
    fps, template, size = loaded.model.fps, loaded.model.face_template, loaded.model.face_size
    test_clips = select_test_clips(
        corpus, split, size=size, template=template, most=clips, wrong_sound=wrong_sound
    )
    methods, notes = _methods(loaded, animator, imaginer, template)
    key = _cache_key(loaded, test_clips, animator, imaginer)
    generated = {
        name: cached_frames(talk, test_clips, out / "generated" / f"{_slug(name)}-{key}")
        for name, talk in methods.items()
    }
    judges = video_judges(find_sync_expert(sync))
    if wrong_sound:
        notes.append(
            "control: every clip is generated from another person's sound, and compared with its own"
        )
    emotions = _emotion_judge(corpus, split, test_clips, expression, template)
    found = _group_tables(corpus, split, test_clips, generated, (judges, emotions), (template, fps), notes)
    found.append(_offset_table(test_clips, generated[OURS], judges.sync, template, fps))
    _write_sheet(out / "clips.png", test_clips, generated, loaded.name)
    return found


def _trained(
    corpus: Corpus, out: Path, weights: str, choice: SplitChoice, *, steps: int, tell: Tell | None
) -> tuple[Loaded, Split]:
    if weights and choice != NO_CHOICE:
        raise InputError("--weights", "were trained with a split of their own", "leave --split out")
    if not weights:
        people = sorted(set(corpus.person_of("clips").tolist()))
        left_out = "" if choice != NO_CHOICE else ",".join(people[_FIFTH - 1 :: _FIFTH])
        every = max(1, min(1000, steps))
        run = si_speech2video.recipe(leave_out=left_out, steps=steps, every=every, seed=_SEED, **_SMALL)
        run = replace(run, choice=choice)
        place = out / "si_speech2video"
        weights = str(train_with_progress(run, corpus, place, what="the generator", tell=tell))
    loaded = load_model(weights)
    if loaded.card["recipe"] != "si_speech2video":
        raise InputError(weights, f"holds {loaded.card['recipe']}", "give weights of si_speech2video")
    split = training_split(weights, loaded, corpus)
    if split is None:
        raise InputError(weights, "was not trained on this corpus", "give its own, or none to train some")
    return loaded, split


def _emotion_judge(
    corpus: Corpus, split: Split, test_clips: Sequence[TestClip], weights: str, template: str
) -> EmotionJudge:
    if weights:
        return ExpressionJudge(weights, load_model(weights), corpus, test_clips, template=template)
    return RidgeEmotionJudge(corpus, split, size=test_clips[0].real.shape[1], template=template)


def _group_tables(
    corpus: Corpus,
    split: Split,
    test_clips: Sequence[TestClip],
    generated: Mapping[str, Mapping[str, Frames]],
    judged_by: tuple[Judges, EmotionJudge],
    alignment: tuple[str, float],
    notes: Sequence[str],
) -> list[Table]:
    """Table 1 for known and for unknown voices, whichever there are."""
    template, fps = alignment
    judges, emotions = judged_by
    identities = IdentityJudge(corpus, split, test_clips, judges, template=template)
    frames_of: dict[str, Mapping[str, Frames] | None] = {REAL: None, **generated}
    sampling = {"resamples": _RESAMPLES, "seed": _SEED}
    reports = {
        name: video(as_video_clips(test_clips, some, fps=fps, template=template), judges=judges, **sampling)
        for name, some in frames_of.items()
    }
    notes = [*notes, emotions.note, f"identity accuracy: {identities.note}"]
    found: list[Table] = []
    for group in sorted({clip.group for clip in test_clips}):
        some = [clip for clip in test_clips if clip.group == group]
        rows = {
            name: [
                *_measured(reports[name], group),
                identities.accuracy(some, frames_of[name], **sampling),
                emotions.accuracy(some, frames_of[name], **sampling),
            ]
            for name in frames_of
        }
        found.append(_table(group, rows, some, notes, beside_paper=not found))
    return found


def _methods(
    loaded: Loaded, animator: str, imaginer: str, template: str
) -> tuple[dict[str, Callable[[TestClip], Frames]], list[str]]:
    """From a row's name to how its clips are generated, and notes on rows left out."""
    methods: dict[str, Callable[[TestClip], Frames]] = {OURS: talk_from_speech(loaded, seed=_SEED)}
    if not animator:
        return methods, [f"without --animator there is no {SDFA}, {IMAGINED} or {MISMATCH}"]
    animates = load_model(animator)
    methods[SDFA] = animate_stills(animates, lambda clip: clip.own_still, template=template, seed=_SEED)
    methods[MISMATCH] = animate_stills(animates, lambda clip: clip.other_still, template=template, seed=_SEED)
    if not imaginer:
        return methods, [f"without --imaginer there is no {IMAGINED}"]
    generator = load_model(imaginer)
    if not generator.model.can("generate"):
        fault = f"holds {generator.card['recipe']}, which generates no faces"
        raise InputError(imaginer, fault, "give another")
    source = generator.model.face_template

    def imagined(clip: TestClip) -> StillSource:
        face = generator.model.generate([GeneratorInput(wave=clip.driving_sound)], seed=_SEED)
        return lambda size, wanted: change_template(face, source=source, target=wanted, size=size)[0]

    methods[IMAGINED] = animate_stills(animates, imagined, template=template, seed=_SEED)
    return methods, [f"{IMAGINED} animates a generated picture, the paper's Speech2Face's features"]


def _measured(report: VideoReport, group: str) -> list[Cell]:
    """Cells of the video protocol's figures; empty where there is none."""
    known = {one.name: one for one in report.rows.get(f"generated, {group}", [])}
    return [known.get(name) for name in _MEASURED]


def _table(
    group: str,
    rows: Mapping[str, list[Cell]],
    clips: Sequence[TestClip],
    notes: Sequence[str],
    *,
    beside_paper: bool,
) -> Table:
    spare: list[Cell] = [None] * (len(_COLUMNS) - 3)
    printed: dict[str, list[Cell]] = {
        name: [values[0], values[1], values[2], *spare] for name, values in _PAPER.items()
    }
    owners = {clip.person for clip in clips}
    return Table(
        title=f"Table 1, {group}",
        columns=_COLUMNS,
        rows=rows,
        paper_rows=printed if beside_paper else {},
        notes=[
            f"{len(clips)} clips of {len(owners)} people; chance: compared with another person's clip, sound "
            "or face; confidences of two sync experts do not compare (the paper's is SyncNet's)",
            *(["the paper's CREMA-D rows may be of known people"] if beside_paper and group != KNOWN else []),
            *notes,
        ],
    )


def _offset_table(
    test_clips: Sequence[TestClip],
    generated: Mapping[str, Frames],
    embed: Any,  # noqa: ANN401  the judge's callable, or none
    template: str,
    fps: float,
) -> Table:
    """Confidence and offset of real and generated clips, and of both with shifted sound."""
    columns = ["confidence", "confidence at 0", "offset exact", "offset within 1"]
    if embed is None:
        return Table(title="Sync", columns=columns, rows={}, notes=["no sync expert is shipped or given"])
    sides: dict[str, list[Any]] = {"real": [], "generated": []}
    for side, frames in (("real", None), ("generated", generated)):
        for clip in as_video_clips(test_clips, frames, fps=fps, template=template):
            sides[side].append(embed(clip.generated, clip.generated_points, clip.generated_wave, fps))
    owners = [clip.person for clip in test_clips]
    rows: dict[str, list[Cell]] = {}
    for side, pairs in sides.items():
        report = sync_trials(pairs, people=owners, moved=_SHIFT, resamples=_RESAMPLES, seed=_SEED)
        for name, row in report.rows.items():
            rows[f"{side}, {name}"] = [next((e for e in row if e.name == c), None) for c in columns]
    return Table(
        title="Sync of real and generated clips, and with shifted sound",
        columns=columns,
        rows=rows,
        notes=[*report.notes, "an offset is found where it equals the shift"],
    )


def _write_sheet(
    path: Path, clips: Sequence[TestClip], generated: Mapping[str, Mapping[str, Frames]], origin: str
) -> None:
    """Ten clips, with a row of eight frames for the real clip and each method."""
    rows = []
    for k in np.unique(np.linspace(0, len(clips) - 1, _SHEET_CLIPS).round().astype(int)).tolist():
        clip = clips[k]
        for name, some in {REAL: {clip.name: clip.real}, **generated}.items():
            frames = some[clip.name]
            at = np.linspace(0, len(frames) - 1, _SHEET_FRAMES).round().astype(int).tolist()
            rows.append([(frames[t], f"{name[:12]}" if t == at[0] else f"{t}") for t in at])
    metadata = {"Source": "synthetic beside real", "Software": f"voiceface, {origin}"}
    write_image_grid(path, rows, title="known and unknown voices", side=96, metadata=metadata)


def _cache_key(loaded: Loaded, clips: Sequence[TestClip], animator: str, imaginer: str) -> str:
    """A digest of weights, clips, sound and seed, so that no other frames are read from the cache."""
    digest = hashlib.blake2b(loaded.model.fingerprint().encode(), digest_size=6)
    for clip in clips:
        digest.update(clip.name.encode() + clip.driving_sound.tobytes())
    for weights in (animator, imaginer):
        for folder in (Path(weights), Path(weights) / "weights") if weights else ():
            card = folder / "run.json"
            if card.is_file():
                digest.update(card.read_bytes())
    digest.update(f"{animator}/{imaginer}/{_SEED}".encode())
    return digest.hexdigest()


def _slug(name: str) -> str:
    return "-".join(filter(None, "".join(c if c.isalnum() else "-" for c in name.lower()).split("-")))

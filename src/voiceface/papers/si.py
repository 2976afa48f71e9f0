"""Si et al. 2021 (Speech2Video): Table 1, for known and unknown voices, beside three baselines and the truth.

What is trained: si_speech2video, in a small size, unless weights are given. Known people are those it was
trained on, by clips it was not; unknown ones those of whom it saw no clip. The baselines need an animator
of still faces (--animator, weights of a recipe that animates one): SDFA from the clip's own first frame,
S2F+SDFA from the face that an imaginer draws for the sound (--imaginer), SDFA (mismatch) from another
person's frame; without them these rows are left out. Sheets of the clips are written beside the tables:
those show real people's faces where the corpus does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.splits import Split
from voiceface.errors import InputError
from voiceface.evaluation.clip_files import video_judges
from voiceface.evaluation.find_sync_expert import find_sync_expert
from voiceface.evaluation.image_grid import write_image_grid
from voiceface.evaluation.paper_table import Cell, Table
from voiceface.evaluation.talking_clip_judges import EmotionJudge, IdentityJudge
from voiceface.evaluation.talking_clips import (
    KNOWN,
    StillSource,
    Told,
    animated,
    as_video_clips,
    kept,
    select_test_clips,
    talk_from_speech,
)
from voiceface.evaluation.training_split import training_split
from voiceface.face.align import change_template
from voiceface.models.generator_input import GeneratorInput
from voiceface.pipelines.weights import Loaded, load_model
from voiceface.protocols.clip_measurement import Judges
from voiceface.protocols.sync_expert_trials import sync_trials
from voiceface.protocols.video_quality import VideoReport, video
from voiceface.recipes import si_speech2video
from voiceface.training.loop import train

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["tables"]

Frames = npt.NDArray[np.uint8]

OURS, TRUTH = "speech2video", "ground truth"
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
_SHOWN, _MOMENTS = 10, 8
_SMALL = {"width": 16, "identity_width": 16, "judge_width": 16, "clips": 8, "ema": 0.99, "steps": 2000}
_FIFTH = 5
_MOVED = 5
"""Frames that clips are moved by, whose offset must be found."""
_RESAMPLES, _SEED = 1000, 0


def tables(
    corpus: Corpus,
    out: Path,
    *,
    weights: str = "",
    animator: str = "",
    imaginer: str = "",
    sync: str = "",
    clips: int = 60,
    wrong_sound: bool = False,
) -> list[Table]:
    """Talk the test clips again in every way, and measure them all alike.

    Args:
        corpus: talking clips with sound.
        out: folder of the training, what is drawn, and the sheets.
        weights: weights of si_speech2video of this corpus; empty: train some, every fifth person left out
        animator: weights that animate a still face, for the baselines
        imaginer: weights that draw a face from a voice, for S2F+SDFA
        sync: weights of a sync expert; by default the shipped one
        clips: clips of each group that are measured, spread over its people
        wrong_sound: talk every clip from another person's sound: a control

    Raises:
        InputError: weights of another recipe, or a corpus without clips to test on.
    """
    loaded, split = _judged(corpus, out, weights)
    contract, fps = loaded.run.contract, float(loaded.facts["fps"])
    template, size = str(contract["template"]), int(contract["size"])
    told = select_test_clips(corpus, split, size=size, template=template, most=clips, wrong_sound=wrong_sound)
    ways, words = _ways(loaded, animator, imaginer, template)
    mark = _mark(loaded, told, animator, imaginer)
    drawn = {name: kept(talk, told, out / "drawn" / f"{_slug(name)}-{mark}") for name, talk in ways.items()}
    judges = video_judges(find_sync_expert(sync))
    if wrong_sound:
        words.append("control: every clip is talked from another person's sound and measured beside its own")
    made = _groups(corpus, split, told, drawn, judges, (template, fps), words)
    made.append(_offsets(told, drawn[OURS], judges.sync, template, fps))
    _sheet(out / "clips.png", told, drawn, loaded.name)
    return made


def _judged(corpus: Corpus, out: Path, weights: str) -> tuple[Loaded, Split]:
    if not weights:
        people = sorted(set(corpus.column("clips", "person").astype(str).tolist()))
        run = si_speech2video.recipe(leave_out=",".join(people[_FIFTH - 1 :: _FIFTH]), seed=_SEED, **_SMALL)  # type: ignore[arg-type]
        weights = str(train(run, corpus, out / "si_speech2video", progress=False))
    loaded = load_model(weights)
    if loaded.card["recipe"] != "si_speech2video":
        raise InputError(weights, f"holds {loaded.card['recipe']}", "give weights of si_speech2video")
    split = training_split(weights, loaded, corpus)
    if split is None:
        raise InputError(weights, "was not trained on this corpus", "give its own, or none to train some")
    return loaded, split


def _groups(
    corpus: Corpus,
    split: Split,
    told: Sequence[Told],
    drawn: Mapping[str, Mapping[str, Frames]],
    judges: Judges,
    how: tuple[str, float],
    words: Sequence[str],
) -> list[Table]:
    """Table 1 for known and for unknown voices, whichever there are."""
    template, fps = how
    people = IdentityJudge(corpus, split, told, judges, template=template)
    feelings = EmotionJudge(corpus, split, size=told[0].real.shape[1], template=template)
    shown: dict[str, Mapping[str, Frames] | None] = {TRUTH: None, **drawn}
    given = {"resamples": _RESAMPLES, "seed": _SEED}
    reports = {
        name: video(as_video_clips(told, some, fps=fps, template=template), judges=judges, **given)
        for name, some in shown.items()
    }
    words = [*words, feelings.note, f"identity accuracy: {people.note}"]
    made = []
    for group in sorted({clip.group for clip in told}):
        some = [clip for clip in told if clip.group == group]
        rows = {
            name: [
                *_measured(reports[name], group),
                people.accuracy(some, shown[name], **given),
                feelings.accuracy(some, shown[name], **given),
            ]
            for name in shown
        }
        made.append(_table(group, rows, some, words))
    return made


def _ways(
    loaded: Loaded, animator: str, imaginer: str, template: str
) -> tuple[dict[str, Callable[[Told], Frames]], list[str]]:
    """Row's name to how its clips are talked, and what is said of rows left out."""
    ways: dict[str, Callable[[Told], Frames]] = {OURS: talk_from_speech(loaded, seed=_SEED)}
    if not animator:
        return ways, [f"without --animator there is no {SDFA}, {IMAGINED} or {MISMATCH}"]
    moving = load_model(animator)
    ways[SDFA] = animated(moving, lambda clip: clip.still, template=template, seed=_SEED)
    ways[MISMATCH] = animated(moving, lambda clip: clip.stranger, template=template, seed=_SEED)
    if not imaginer:
        return ways, [f"without --imaginer there is no {IMAGINED}"]
    drawing = load_model(imaginer)
    if drawing.run.imagine is None:
        raise InputError(imaginer, f"holds {drawing.card['recipe']}, which draws no faces", "give another")
    imagine, source = drawing.run.imagine, str(drawing.run.contract["template"])

    def imagined(clip: Told) -> StillSource:
        face = imagine(drawing.model, [GeneratorInput(wave=clip.heard)], drawing.facts, _SEED)
        return lambda size, wanted: change_template(face, source=source, target=wanted, size=size)[0]

    ways[IMAGINED] = animated(moving, imagined, template=template, seed=_SEED)
    return ways, []


def _measured(report: VideoReport, group: str) -> list[Cell]:
    """Cells of what the video protocol measured; nothing where it could not."""
    known = {one.name: one for one in report.rows.get(f"drawn, {group}", [])}
    return [known.get(name) for name in _MEASURED]


def _table(group: str, rows: Mapping[str, list[Cell]], some: Sequence[Told], words: Sequence[str]) -> Table:
    spare: list[Cell] = [None] * (len(_COLUMNS) - 3)
    printed: dict[str, list[Cell]] = {
        name: [told[0], told[1], told[2], *spare] for name, told in _PAPER.items()
    }
    owners = {clip.person for clip in some}
    return Table(
        title=f"Table 1, {group}",
        columns=_COLUMNS,
        rows=rows,
        paper_rows=printed if group == KNOWN else {},
        notes=[
            f"{len(some)} clips of {len(owners)} people; chance: beside somebody else's clip, sound or face; "
            "confidences of two sync experts do not compare (the paper's is SyncNet's)",
            *words,
        ],
    )


def _offsets(
    told: Sequence[Told],
    drawn: Mapping[str, Frames],
    embed: Any,  # noqa: ANN401  the judge's callable, or none
    template: str,
    fps: float,
) -> Table:
    """Confidence and offset of real clips, of the same moved, and of what is drawn."""
    columns = ["confidence", "confidence at 0", "offset exact", "offset within 1"]
    if embed is None:
        return Table(title="Sync", columns=columns, rows={}, notes=["no sync expert is shipped or given"])
    sides: dict[str, list[Any]] = {"real": [], "drawn": []}
    for side, frames_of in (("real", None), ("drawn", drawn)):
        for clip in as_video_clips(told, frames_of, fps=fps, template=template):
            sides[side].append(embed(clip.drawn, clip.generated_points, clip.generated_wave, fps))
    owners = [clip.person for clip in told]
    rows: dict[str, list[Cell]] = {}
    for side, pairs in sides.items():
        report = sync_trials(pairs, people=owners, moved=_MOVED, resamples=_RESAMPLES, seed=_SEED)
        for name, row in report.rows.items():
            rows[f"{side}, {name}"] = [next((e for e in row if e.name == c), None) for c in columns]
    return Table(
        title="Sync of real and drawn clips, and of the same moved",
        columns=columns,
        rows=rows,
        notes=[*report.notes, "offsets count as found where they are those the clips were moved by"],
    )


def _sheet(path: Path, told: Sequence[Told], drawn: Mapping[str, Mapping[str, Frames]], origin: str) -> None:
    """Ten clips, a row of eight moments each for the real frames and every way of talking."""
    rows = []
    for k in np.unique(np.linspace(0, len(told) - 1, _SHOWN).round().astype(int)).tolist():
        clip = told[k]
        for name, some in {TRUTH: {clip.name: clip.real}, **drawn}.items():
            frames = some[clip.name]
            at = np.linspace(0, len(frames) - 1, _MOMENTS).round().astype(int).tolist()
            rows.append([(frames[t], f"{name[:12]}" if t == at[0] else f"{t}") for t in at])
    metadata = {"Source": "synthetic beside real", "Software": f"voiceface, {origin}"}
    write_image_grid(path, rows, title="known and unknown voices", side=96, metadata=metadata)


def _mark(loaded: Loaded, told: Sequence[Told], animator: str, imaginer: str) -> str:
    """Names what is drawn: weights, clips, sound and seed, so that nothing else's frames are taken."""
    digest = hashlib.blake2b(digest_size=6)
    for name, tensor in sorted(loaded.model.weights().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    for clip in told:
        digest.update(clip.name.encode() + clip.heard.tobytes())
    for weights in (animator, imaginer):
        for folder in (Path(weights), Path(weights) / "weights") if weights else ():
            card = folder / "run.json"
            if card.is_file():
                digest.update(card.read_bytes())
    digest.update(f"{animator}/{imaginer}/{_SEED}".encode())
    return digest.hexdigest()


def _slug(name: str) -> str:
    return "-".join(filter(None, "".join(c if c.isalnum() else "-" for c in name.lower()).split("-")))

"""Evaluation of folders of generated and reference clips, and a blind study of two such folders."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from voiceface.corpus.item import VideoItem
from voiceface.corpus.sources.videos import listing
from voiceface.corpus.workers import HERE, Workers
from voiceface.errors import InputError
from voiceface.media.open_file import open_file
from voiceface.media.read_json import read_json

if TYPE_CHECKING:
    from voiceface.evaluation.measure_clips import JudgeFiles
    from voiceface.models.i3d import ClipFeatures
    from voiceface.protocols.clip_measurement import Judges
    from voiceface.protocols.report import Report
    from voiceface.protocols.video_quality import VideoReport

_PAGE_ENDINGS = (".html", ".htm")


@dataclass(frozen=True, kw_only=True)
class ClipFolders:
    """A folder of generated clips, and another of clips with the same names."""

    generated: Path
    other: Path | None
    """Reference clips, or the other clips of a study."""
    person_in: Literal["auto", "folder", "file", "number"] = "auto"
    """What gives the person of a clip, as in ``prepare videos``."""

    def clips(self) -> tuple[dict[str, Path], dict[str, Path], dict[str, str]]:
        """Generated and other clips by name, and the person of each generated one.

        Raises:
            InputError: a folder cannot be used, or the two share no clip's name.
        """
        ours, people = _clips(self.generated, self.person_in)
        theirs = _clips(self.other, self.person_in)[0] if self.other is not None else {}
        if self.other is not None and not ours.keys() & theirs.keys():
            fault = f"shares no clip's name with {self.generated}"
            raise InputError(self.other, fault, "name both alike: PERSON/CLIP.mp4")
        return ours, theirs, people


def evaluate_clip_folders(
    folders: ClipFolders,
    *,
    train_people: Path | None,
    judges: JudgeFiles,
    sampling: tuple[int, int],
    results: Path | None,
    on_skip: Callable[[str], None],
    progress: Callable[[int, int], None],
    workers: Workers = HERE,
) -> VideoReport:
    """Figures of generated clips, beside those of reference clips where there are any.

    Args:
        folders: The clips.
        train_people: Text file of the people in the training set, one per line: their clips are reported
            apart from the others.
        judges: The weights that clips are measured by; what has none is left out.
        sampling: Resamples over people for the intervals (0 for none), and their random seed.
        results: Folder of records to which the figures are appended.
        on_skip: Called with a line about every file that cannot be read, and about a missing sync expert.
        progress: Called with the number of clips done, and of all.
        workers: Who measures; a cluster's must see the clips and weights under the same paths.

    Raises:
        InputError: a folder or file cannot be used.
    """
    ours, theirs, people = folders.clips()
    groups = _groups(people, train_people)
    unreadable: list[str] = []

    def skip(line: str) -> None:
        on_skip(line)
        unreadable.append(line)

    known, loaded = (people, groups), judges.load()
    action_features = None if judges.fvd is None else _load_i3d(judges.fvd)
    if loaded.sync is None:
        on_skip("no sync expert is installed, so sync is not measured: give --sync WEIGHTS")
    if workers.here:
        report = _measured_here((ours, theirs), known, loaded, sampling, skip, progress)
    else:
        report = _measured_elsewhere((ours, theirs), known, judges, sampling, skip, progress, workers)
    if action_features is not None:
        _add_set_distance(report, (ours, theirs), people, action_features, sampling[1])
    missing = sorted(theirs.keys() - ours.keys())
    named = {"file cannot be read": unreadable, "real clips without a drawn one": missing}
    for what, names in named.items():
        if names:
            report.excluded[what] = len(names)
            report.left_out[what] = names
    if results is not None:
        _record(results, report, theirs or ours, folders)
    return report


def _load_i3d(weights: Path) -> ClipFeatures:
    from voiceface.models.i3d import load_i3d

    return load_i3d(weights)


def _add_set_distance(
    report: VideoReport, sides: _Sides, people: Mapping[str, str], features: ClipFeatures, seed: int
) -> None:
    """FVD in a row of its own: it is of all clips together, whoever they are of."""
    from voiceface.evaluation.clip_set_distance import clip_set_distance

    row, left_out = clip_set_distance(*sides, people, features, seed=seed)
    if row:
        report.rows["generated, as a set"] = row
    report.left_out.update(left_out)
    report.excluded.update({reason: len(names) for reason, names in left_out.items()})


_Sides = tuple[Mapping[str, Path], Mapping[str, Path]]
_Known = tuple[Mapping[str, str], Mapping[str, str]]
"""The person and the group of each clip."""


def _measured_here(
    sides: _Sides,
    known: _Known,
    judges: Judges,
    sampling: tuple[int, int],
    skip: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> VideoReport:
    """One clip after another: only the last real ones are kept in memory."""
    from voiceface.evaluation.clip_files import read_clip_pairs
    from voiceface.protocols.video_quality import video

    def counted() -> Iterator[Any]:
        for done, clip in enumerate(read_clip_pairs(*sides, people=known[0], groups=known[1], on_skip=skip)):
            progress(done, len(sides[0]))
            yield clip

    return video(counted(), judges=judges, resamples=sampling[0], seed=sampling[1])


def _measured_elsewhere(
    sides: _Sides,
    known: _Known,
    judges: JudgeFiles,
    sampling: tuple[int, int],
    skip: Callable[[str], None],
    progress: Callable[[int, int], None],
    workers: Workers,
) -> VideoReport:
    """Each clip by who is idle; their figures come back."""
    from voiceface.evaluation.measure_clips import clip_tasks, measure_clip_files
    from voiceface.protocols.clip_measurement import Measured
    from voiceface.protocols.video_quality import report_measured

    tasks = clip_tasks(*sides, people=known[0], groups=known[1], judges=judges, workers=workers)
    measured: dict[str, Measured] = {}
    unreadable: dict[str, str] = {}
    for done, (task, found) in enumerate(workers.run(measure_clip_files, tasks)):
        progress(done, len(sides[0]))
        if isinstance(found, str):
            unreadable[task.pair.name] = found
        else:
            measured[task.pair.name] = found
    for _, line in sorted(unreadable.items()):
        skip(line)
    in_order = [measured[name] for name in sorted(measured)]
    return report_measured(in_order, resamples=sampling[0], seed=sampling[1])


class ClipStudy(NamedTuple):
    """A page that was written."""

    pairs: int
    unlike: int
    """Pairs whose clips differ in size, by which raters can tell the sets apart."""


def write_clip_study(out: Path, folders: ClipFolders, *, question: str, pairs: int, seed: int) -> ClipStudy:
    """Write the page of a blind comparison of two folders.

    Args:
        out: The HTML page.
        folders: The two folders.
        question: What raters are asked; empty for the default question.
        pairs: Maximum number of pairs, sampled with ``seed``.
        seed: Random seed of the sample, the order and the sides.

    Raises:
        InputError: a folder cannot be used, or the page cannot be written or is named like no page.
    """
    from voiceface.evaluation.study_page import QUESTION, write_study
    from voiceface.media.check_writable import check_writable
    from voiceface.media.movie import movie_facts

    if folders.other is None:
        raise InputError("--study", "has nothing to compare with", "add --compare-with OTHER")
    if pairs < 1:
        raise InputError("--pairs", f"is {pairs}", "give 1 or more")
    if out.suffix.lower() not in _PAGE_ENDINGS:
        better = out.with_suffix(".html") if out.suffix else out.with_name(f"{out.name}.html")
        raise InputError(out, "is no page: these end in .html or .htm", f"name it {better.name}")
    check_writable(out)
    ours, theirs, people = folders.clips()
    shared = sorted(ours.keys() & theirs.keys())
    chosen = set(random.Random(seed).sample(shared, min(pairs, len(shared))))
    sets = tuple({name: path for name, path in side.items() if name in chosen} for side in (ours, theirs))
    written = write_study(out, (sets[0], sets[1]), people=people, question=question or QUESTION, seed=seed)
    sizes = [{name: movie_facts(path) for name, path in side.items()} for side in sets]
    unlike = sum(
        (sizes[0][name].width, sizes[0][name].height) != (sizes[1][name].width, sizes[1][name].height)
        for name in chosen
    )
    return ClipStudy(written, unlike)


def evaluate_answers(files: Sequence[Path], *, resamples: int, seed: int) -> Report:
    """How often raters preferred the generated clips, from the files that the page saved.

    Raises:
        InputError: a file cannot be read, or holds no answers.
    """
    from voiceface.protocols.preference_study import preference

    answers = [_read_answers(path) for path in files]
    return preference(answers, names=("generated", "beside"), resamples=resamples, seed=seed)


def _clips(root: Path, person_in: Any) -> tuple[dict[str, Path], dict[str, str]]:  # noqa: ANN401  a literal
    """Clip's name to file, and to person, as ``prepare videos`` finds them."""
    listed = listing(root, person_in=person_in)
    items = [item for item in listed.items if isinstance(item, VideoItem)]
    files = {item.key: listed.root / item.path for item in items}
    if len(files) < len(items):
        raise InputError(root, "has two files of one name that differ in their ending", "keep one of them")
    return files, {item.key: item.person for item in items}


def _groups(people: Mapping[str, str], train_people: Path | None) -> dict[str, str]:
    if train_people is None:
        return {}
    try:
        with open_file(train_people) as file:
            trained = {line.strip() for line in file.read().decode().splitlines()} - {""}
    except (OSError, UnicodeDecodeError) as error:
        remedy = "give a text file, one person per line"
        raise InputError(train_people, f"cannot be read ({error})", remedy) from error
    return {
        clip: "known voices" if person in trained else "unknown voices" for clip, person in people.items()
    }


def _record(results: Path, report: VideoReport, clips: Mapping[str, Path], folders: ClipFolders) -> None:
    """Append every figure to the records, without the paths of this machine."""
    from voiceface.evaluation.experiment_records import record_experiment

    digest = hashlib.sha256()
    for name, path in sorted(clips.items()):
        digest.update(name.encode() + b"\n" + hashlib.sha256(path.read_bytes()).digest())
    command = "voiceface evaluate video --generated GENERATED"
    record_experiment(
        results,
        recipe=folders.generated.resolve().name,
        corpus=digest.hexdigest(),
        protocol="video",
        command=command + (" --reference REFERENCE" if folders.other is not None else ""),
        figures=[(name, value) for name, row in report.rows.items() for value in row],
    )


def _read_answers(path: Path) -> Mapping[str, Any]:
    remedy = "give the JSON file that the page saved"
    read = read_json(path, Any, remedy=remedy)
    if not isinstance(read, dict):
        raise InputError(path, "contains no answers", remedy)
    return read

"""`evaluate video`: drawn clips beside real ones, a page for a blind comparison, and its answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from voiceface.cli.options import Flag
from voiceface.cli.terminal import answer, progress_bar, say, tell
from voiceface.errors import InputError

__all__ = ["video_command"]

PersonIn = Literal["auto", "folder", "file", "number"]


def video_command(
    *,
    drawn: Path | None = None,
    real: Path | None = None,
    beside: Path | None = None,
    study: Path | None = None,
    answers: Annotated[list[Path] | None, Parameter(negative="")] = None,
    question: str = "",
    pairs: int = 30,
    known: Path | None = None,
    person_in: PersonIn = "auto",
    sync: str = "",
    resamples: int = 1000,
    seed: int = 0,
    record: Flag = False,
    results: Path = Path("results"),
    json: Flag = False,
) -> int:
    """How good are drawn clips? SSIM, PSNR, sync, identity, landmarks, or a blind A/B page.

    voiceface evaluate video --drawn DIR --real DIR

    voiceface evaluate video --study OUT.html --drawn DIR --beside OTHER

    voiceface evaluate video --answers answers.json

    Clips belong together by their names: PERSON/CLIP.mp4 in both folders.

    Args:
        drawn: folder of the drawn clips (.mp4, .mov, .mkv, .webm, .avi, .mpg ...)
        real: folder of the real clips
        beside: folder of the other clips of a study
        study: write a page on which people choose between the clips of --drawn and --beside
        answers: files that such a page exported; may be given several times, one a rater
        question: what the page asks
        pairs: most pairs on the page, drawn by --seed
        known: a text file of the people trained on, one a line: known and unknown voices are told apart
        person_in: where the person's name stands: folder, file, number (as in prepare videos)
        sync: weights of a sync expert, or SyncNet's syncnet_v2.model; by default the shipped one, if any
        resamples: resamples over people for the intervals; 0 for none
        seed: of the resamples, and of the page's order and sides
        record: append the figures to the records of experiments
        results: folder of the records
        json: print JSON
    """
    if answers:
        _refuse_folders(drawn, real, beside, study)
        return _print_preference(answers, resamples=resamples, seed=seed, json=json)
    if drawn is None:
        remedy = "give --drawn DIR --real DIR, or --study OUT.html --drawn DIR --beside OTHER, or --answers"
        raise InputError("evaluate video", "is not told what to judge", remedy)
    if study is not None:
        return _write_page(study, (drawn, beside), person_in, question, (pairs, seed))
    if beside is not None:
        raise InputError("--beside", "is for a page alone", "add --study OUT.html, or give --real")
    written = results if record else None
    report = _measure((drawn, real), known, person_in, sync, drawn_by=(resamples, seed), results=written)
    _print(report, json=json)
    return 0


def _refuse_folders(*folders: Path | None) -> None:
    if any(folders):
        raise InputError("--answers", "stands alone", "leave the folders away: the answers know the clips")


def _measure(
    folders: tuple[Path, Path | None],
    known: Path | None,
    person_in: PersonIn,
    sync: str,
    *,
    drawn_by: tuple[int, int],
    results: Path | None,
) -> Any:  # noqa: ANN401  a VideoReport
    """The report of clips in folders; recorded in the folder ``results`` if one is named."""
    from voiceface.evaluation.clip_files import read_clip_pairs, video_judges
    from voiceface.evaluation.experiment_records import check_results_folder
    from voiceface.protocols.video_quality import video

    drawn, real = folders
    if results is not None:
        check_results_folder(results)
    ours, people = _clips(drawn, person_in)
    theirs = _clips(real, person_in)[0] if real is not None else {}
    if real is not None and not ours.keys() & theirs.keys():
        fault = f"shares no clip's name with {drawn}"
        raise InputError(real, fault, "name both alike: PERSON/CLIP.mp4")
    groups = _groups(people, known)
    lost: list[str] = []

    def told(line: str) -> None:
        tell(line)
        lost.append(line)

    pairs = read_clip_pairs(ours, theirs, people=people, groups=groups, on_skip=told)
    with _with_progress(pairs, len(ours)) as counted:
        report = video(counted, judges=video_judges(_expert(sync)), resamples=drawn_by[0], seed=drawn_by[1])
    if lost:
        report.excluded["file cannot be read"] = len(lost)
        report.left_out["file cannot be read"] = lost
    alone = sorted(theirs.keys() - ours.keys())
    if alone:
        report.excluded["real clips without a drawn one"] = len(alone)
        report.left_out["real clips without a drawn one"] = alone
    if results is not None:
        _record(results, report, theirs or ours, folders)
    return report


@contextmanager
def _with_progress(pairs: Iterator[Any], total: int) -> Iterator[Iterator[Any]]:
    """The same clips, moving a bar."""
    with progress_bar("clips") as bar:

        def counting() -> Iterator[Any]:
            for done, clip in enumerate(pairs):
                bar(done, total)
                yield clip

        yield counting()


def _clips(root: Path, person_in: PersonIn) -> tuple[dict[str, Path], dict[str, str]]:
    """Clip's name to file, and to person, as ``prepare videos`` finds them."""
    from voiceface.corpus.item import VideoItem
    from voiceface.corpus.sources.videos import listing

    listed = listing(root, person_in=person_in)
    items = [item for item in listed.items if isinstance(item, VideoItem)]
    files = {item.key: listed.root / item.path for item in items}
    if len(files) < len(items):
        raise InputError(root, "has two files of one name that differ in their ending", "keep one of them")
    return files, {item.key: item.person for item in items}


def _groups(people: Mapping[str, str], known: Path | None) -> dict[str, str]:
    if known is None:
        return {}
    try:
        trained = {line.strip() for line in known.read_text(encoding="utf-8").splitlines()} - {""}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(known, f"cannot be read ({error})", "give a text file, one person a line") from error
    return {
        clip: "known voices" if person in trained else "unknown voices" for clip, person in people.items()
    }


def _expert(sync: str) -> Any | None:  # noqa: ANN401
    """The sync expert asked for, the shipped one, or none."""
    from voiceface.evaluation.find_sync_expert import find_sync_expert

    found = find_sync_expert(sync)
    if found is None:
        tell("no sync expert is installed, so sync is not measured: give --sync WEIGHTS")
    return found


def _print(report: Any, *, json: bool) -> None:  # noqa: ANN401
    """As JSON, or one figure a line, as far as a terminal is wide."""
    from voiceface.protocols.estimate import number

    if json:
        answer(report.to_dict())
        return
    for name, row in report.rows.items():
        first = row[0]
        say(f"{name} ({first.n:,} clips, {first.people:,} people)")
        for one in row:
            span = "" if isnan(one.low) else f"[{number(one.low)}, {number(one.high)}]"
            clips = f" n {one.n:,}" if one.n != first.n else ""
            say(f"  {one.name:<22} {number(one.value):>7}  {span:<16} chance {number(one.chance)}{clips}")
    if any(not isnan(e.low) for row in report.rows.values() for e in row):
        say("in brackets: 95 % interval over people")
    for what, count in report.excluded.items():
        say(f"left out: {what}: {count:,}")
    for note in report.notes:
        say(note)


def _record(results: Path, report: Any, seen: Mapping[str, Path], folders: tuple[Path, Path | None]) -> None:  # noqa: ANN401
    """Append every figure to the records; where the clips lie on this machine is nobody's business."""
    from voiceface.evaluation.experiment_records import record_experiment

    digest = hashlib.sha256()
    for name, path in sorted(seen.items()):
        digest.update(name.encode() + b"\n" + hashlib.sha256(path.read_bytes()).digest())
    record_experiment(
        results,
        recipe=folders[0].resolve().name,
        corpus=digest.hexdigest(),
        protocol="video",
        command="voiceface evaluate video --drawn DRAWN" + (" --real REAL" if folders[1] is not None else ""),
        figures=[(name, value) for name, row in report.rows.items() for value in row],
    )


def _write_page(
    out: Path,
    folders: tuple[Path, Path | None],
    person_in: PersonIn,
    question: str,
    drawn_by: tuple[int, int],
) -> int:
    """The page of a blind comparison."""
    import random

    from voiceface.evaluation.study_page import QUESTION, write_study
    from voiceface.media.check_writable import check_writable

    most, seed = drawn_by
    if folders[1] is None:
        raise InputError("--study", "has nothing to compare with", "add --beside OTHER")
    if most < 1:
        raise InputError("--pairs", f"is {most}", "give 1 or more")
    check_writable(out)
    (ours, people), (theirs, _) = (_clips(folder, person_in) for folder in folders if folder is not None)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        fault = f"shares no clip's name with {folders[0]}"
        raise InputError(folders[1], fault, "name both alike: PERSON/CLIP.mp4")
    chosen = set(random.Random(seed).sample(shared, min(most, len(shared))))
    sets = tuple({name: path for name, path in side.items() if name in chosen} for side in (ours, theirs))
    count = write_study(out, (sets[0], sets[1]), people=people, question=question or QUESTION, seed=seed)
    say(f"{out}: {count} pairs, {out.stat().st_size / 1e6:.1f} MB")
    say("open it in a browser, save the answers, then read them back:")
    say("voiceface evaluate video --answers answers-NAME.json")
    return 0


def _print_preference(files: Sequence[Path], *, resamples: int, seed: int, json: bool) -> int:
    """What raters preferred, of the files they saved."""
    from voiceface.protocols.estimate import number
    from voiceface.protocols.preference_study import preference

    report = preference(
        [_sheet(path) for path in files], names=("drawn", "beside"), resamples=resamples, seed=seed
    )
    if json:
        answer(report.to_dict())
        return 0
    for one in report.rows["all"]:
        span = "" if isnan(one.low) else f"[{number(one.low)}, {number(one.high)}]"
        say(f"{one.name:<26} {number(one.value):>7}  {span:<16} chance {number(one.chance)} (n {one.n:,})")
    for what, count in report.excluded.items():
        say(f"left out: {what}: {count:,}")
    for note in report.notes:
        say(note)
    return 0


def _sheet(path: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            path, f"cannot be read ({error})", "give the JSON file that the page saved"
        ) from error
    if not isinstance(read, dict):
        raise InputError(path, "holds no answers", "give the JSON file that the page saved")
    return read

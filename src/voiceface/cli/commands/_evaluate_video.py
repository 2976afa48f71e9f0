"""The command `evaluate video`: figures of generated clips, and a blind study with its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from voiceface.cli.options import WholeNumber
from voiceface.cli.output_options import NO_RECORDS, RecordOptions
from voiceface.cli.print_estimates import print_rows
from voiceface.cli.terminal import log_line, print_json, print_line, printable, progress_bar
from voiceface.cli.worker_options import ONE_PROCESS, WorkerOptions
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.protocols.report import Report
    from voiceface.protocols.video_quality import VideoReport


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """What is evaluated, and how.

    Attributes:
        generated: folder of generated clips (.mp4, .mov, .mkv, .webm, .avi, .mpg ...)
        reference: folder of the real clips
        compare_with: folder of the other clips of a study
        study: write an HTML page on which people choose between --generated and --compare-with
        answers: file that such a page saved; may be given several times, one per rater
        question: question on the page
        pairs: maximum number of pairs on the page, sampled with --seed
        train_people: text file of the people in the training set, to report known and unknown voices apart
        person_in: where the person's name comes from: folder, file or number (as in prepare videos)
        sync: weights of a sync expert, or SyncNet's syncnet_v2.model; by default the shipped one
        csim: ArcFace weights (backbone.pth), to report CSIM
        lpips: torchvision's AlexNet weights, to report LPIPS (with the wheel lpips)
        fvd: I3D weights (rgb_imagenet.pt), to report FVD of all clips beside the reference ones
        resamples: bootstrap resamples over people; 0: no intervals
        seed: random seed of the bootstrap, and of the page's order and sides
    """

    generated: Path | None = None
    reference: Path | None = None
    compare_with: Path | None = None
    study: Path | None = None
    answers: Annotated[list[Path] | None, Parameter(negative="")] = None
    question: str = ""
    pairs: WholeNumber = 30
    train_people: Path | None = None
    person_in: Literal["auto", "folder", "file", "number"] = "auto"
    sync: str = ""
    csim: Path | None = None
    lpips: Path | None = None
    fvd: Path | None = None
    divided: Annotated[WorkerOptions, Parameter(name="*")] = ONE_PROCESS
    resamples: WholeNumber = 1000
    seed: WholeNumber = 0


_DEFAULTS = ClipOptions()


def command(*, options: ClipOptions = _DEFAULTS, outputs: RecordOptions = NO_RECORDS) -> int:
    """Evaluate generated clips: SSIM, PSNR, sync, identity, or a blind study.

    voiceface evaluate video --generated DIR --reference DIR

    voiceface evaluate video --study OUT.html --generated DIR --compare-with OTHER

    voiceface evaluate video --answers answers.json

    Clips belong together by their names: PERSON/CLIP.mp4 in both folders.
    """
    from voiceface.evaluation.report_files import write_figures

    files = outputs.files()
    if options.answers:
        report: VideoReport | Report = _answers(options.answers, options)
    elif options.generated is None:
        remedy = "give --generated and --reference, --study with --generated and --compare-with, or --answers"
        raise InputError("evaluate video", "has nothing to evaluate", remedy)
    elif options.study is not None:
        return _study(options.study, options.generated, options)
    else:
        report = _clips(options.generated, options, outputs)
    if outputs.json:
        print_json(report.to_dict())
    else:
        unit = "answers" if options.answers else "clips"
        print_rows(report.rows, excluded=report.excluded, notes=report.notes, unit=unit)
    lost = [f"left out: {what}: {count:,}" for what, count in report.excluded.items()]
    title = report.title or "Generated clips"
    outputs.print_written(write_figures(files, title, report.rows, notes=[*report.notes, *lost]))
    return 0


def _answers(files: list[Path], options: ClipOptions) -> Report:
    from voiceface.evaluation.clip_folders import evaluate_answers

    if any((options.generated, options.reference, options.compare_with, options.study)):
        raise InputError("--answers", "cannot be combined with folders", "remove them")
    return evaluate_answers(files, resamples=options.resamples, seed=options.seed)


def _study(page: Path, generated: Path, options: ClipOptions) -> int:
    from voiceface.evaluation.clip_folders import ClipFolders, write_clip_study

    folders = ClipFolders(generated=generated, other=options.compare_with, person_in=options.person_in)
    study = write_clip_study(page, folders, question=options.question, pairs=options.pairs, seed=options.seed)
    print_line(f"{printable(page)}: {study.pairs} pairs, {page.stat().st_size / 1e6:.1f} MB")
    if study.unlike:
        many = f"{study.unlike} of {study.pairs} pairs"
        log_line(f"warning: in {many} the clips differ in size, which gives the sets away: resize one set")
    print_line("open it in a browser, save the answers, then evaluate them:")
    print_line("voiceface evaluate video --answers answers-NAME.json")
    return 0


def _clips(generated: Path, options: ClipOptions, outputs: RecordOptions) -> VideoReport:
    from voiceface.evaluation.clip_folders import ClipFolders, evaluate_clip_folders
    from voiceface.evaluation.measure_clips import JudgeFiles

    if options.compare_with is not None:
        raise InputError("--compare-with", "requires --study", "add --study OUT.html, or give --reference")
    if options.fvd is not None and options.reference is None:
        raise InputError("--fvd", "has nothing to compare with", "add --reference DIR")
    workers = options.divided.who
    with progress_bar("clips") as progress:
        return evaluate_clip_folders(
            ClipFolders(generated=generated, other=options.reference, person_in=options.person_in),
            train_people=options.train_people,
            judges=JudgeFiles(sync=options.sync, csim=options.csim, lpips=options.lpips, fvd=options.fvd),
            sampling=(options.resamples, options.seed),
            results=outputs.folder,
            on_skip=log_line,
            progress=progress,
            workers=workers,
        )

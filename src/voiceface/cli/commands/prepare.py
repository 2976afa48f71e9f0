"""Prepare a data set as a corpus: decoded, cut, aligned and checked once, for every recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from voiceface.cli.component_commands import add_components, component_help
from voiceface.cli.options import (
    Flag,
    OptionValues,
    field_options,
    help_group,
    keyword_options,
    non_default_values,
    with_options,
)
from voiceface.cli.terminal import interactive, log_line, now_and_then, print_json, print_line, printable
from voiceface.cli.text_wrapping import wrap_hanging
from voiceface.components import SOURCES, load_component
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.progress import Progress
    from voiceface.pipelines.suggest_same_people import SamePeople

_ABOUT = """Prepare a data set as a corpus that every recipe reads.

voiceface prepare SOURCE ROOT -o CORPUS
voiceface prepare SOURCE --help shows a source's layout and options"""

_PREPARE_HELP = {
    "window_seconds": "length of the windows into which a video's audio is cut (Roldán: 4); 0 keeps it whole",
    "window_overlap": "overlap of neighbouring windows in seconds",
    "face_fps": "face pictures per second of video",
    "clip_fps": "frame rate of clips; 0 keeps the video's",
    "clip_seconds": "maximum length of a clip; longer ones are split",
    "frame_side": "also keep whole frames, with this long side in pixels; 0 keeps none",
    "crop_side": "long side of the crop kept around a face, in pixels",
    "detect_side": "long side at which faces are detected in video, in pixels",
    "face_detector": "what finds faces; haar: the most confident one of each picture, by OpenCV's cascade",
    "landmarks": "what places the landmarks that faces are aligned by; mesh leaves out unclear faces",
    "speech_detector": "what measures the seconds of speech; auto: silero where its wheel is installed",
}

_LIMITS_HELP = {
    "item_minutes": "time that one file may take; it is left out beyond, and the others go on",
    "item_gigabytes": "memory that a process may take for a file (on Linux)",
}

_PRINTED = 5  # rejections printed; the corpus lists them all


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command with the source that is named, or the list of all."""
    # Some sources have an option --version, so that only the app itself may have that flag.
    prepare = App(name="prepare", help=_ABOUT, group=help_group("Training"), version_flags=[])
    app.command(prepare)
    add_components(prepare, tokens, SOURCES, _command)


def _command(name: str) -> Callable[..., int]:
    module = load_component(SOURCES, name)
    module_name = module.__name__.rpartition(".")[2]
    from voiceface.corpus.item_limits import ItemLimits
    from voiceface.corpus.options import PrepareOptions

    groups = {
        "listed": keyword_options(module.listing, title=f"Options of {name}"),
        "kept": field_options(PrepareOptions, title="Corpus options", help_texts=_PREPARE_HELP),
        "bounds": field_options(ItemLimits, title="Limits of one file", help_texts=_LIMITS_HELP),
    }

    def run(
        root: Path | None,
        out: Path,
        workers: int | None,
        cluster: str | None,
        json: bool,
        listed: OptionValues,
        kept: OptionValues,
        bounds: OptionValues,
    ) -> int:
        arguments = {"source": module_name, **non_default_values(listed, groups["listed"])}
        how = (arguments, PrepareOptions(**kept), workers, cluster, ItemLimits(**bounds))
        corpus = _prepare(module.listing, root, out, listed, how)
        return _report(corpus, json=json, suggest=getattr(module, "SUGGESTS_SAME_PEOPLE", False))

    def command(
        root: Path,
        /,
        *,
        out: Annotated[Path, Parameter(name=["--out", "-o"])],
        workers: int | None = None,
        cluster: str | None = None,
        json: Flag = False,
        listed: OptionValues,
        kept: OptionValues,
        bounds: OptionValues,
    ) -> int:
        """Placeholder, replaced by the source's docstring."""
        return run(root, out, workers, cluster, json, listed, kept, bounds)

    def command_without_root(
        *,
        out: Annotated[Path, Parameter(name=["--out", "-o"])],
        workers: int | None = None,
        cluster: str | None = None,
        json: Flag = False,
        listed: OptionValues,
        kept: OptionValues,
        bounds: OptionValues,
    ) -> int:
        """Placeholder, for a source that generates its people instead of reading a folder."""
        return run(None, out, workers, cluster, json, listed, kept, bounds)

    rootless = getattr(module, "ROOTLESS", False)
    chosen: Callable[..., int] = command_without_root if rootless else command
    own = _OPTIONS_HELP.replace(_ROOT, "") if rootless else _OPTIONS_HELP
    chosen.__doc__ = component_help(module, own)
    return with_options(chosen, groups, owner=f"source {name}")


_ROOT = "    root: the data set's folder\n"
_OPTIONS_HELP = f"""Args:
{_ROOT}    out: folder of the corpus: new, or an interrupted one to resume
    workers: processes on this machine; by default one per core
    cluster: address of a Dask scheduler, or local, to use its workers instead
    json: print JSON
"""


def _prepare(
    listing: Callable[..., Any], root: Path | None, out: Path, listed: OptionValues, how: tuple[Any, ...]
) -> Corpus:
    from voiceface.corpus.prepare import prepare

    arguments, options, workers, cluster, limits = how
    if out.is_file():
        raise InputError(out, "is a file", "name a folder")
    found = listing(**listed) if root is None else listing(root, **listed)
    return prepare(
        found,
        out,
        arguments=arguments,
        options=options,
        workers=workers,
        cluster=cluster,
        limits=limits,
        progress=interactive() or _progress_lines(),
    )


def _progress_lines() -> Callable[[Progress], None]:
    """Progress in a log: a line now and then."""
    line = now_and_then()
    return lambda one: line(f"{one.done:,} of {one.total:,} items, {one.rejected:,} rejected")


def _same_people(corpus: Corpus) -> list[SamePeople]:
    from voiceface.pipelines.suggest_same_people import suggest_same_people  # PyTorch: seconds

    return suggest_same_people(corpus)


def _report(corpus: Corpus, *, json: bool, suggest: bool) -> int:
    """Print what was prepared, what was rejected, and the findings of the check."""
    from voiceface.corpus.check import check_corpus
    from voiceface.corpus.corpus_report import corpus_report
    from voiceface.corpus.statistics import corpus_statistics

    rejected = corpus.rejected
    if rejected and not any(map(len, corpus.tables.values())):
        first = f"the first ({rejected[0].path}): {rejected[0].reason}"
        remedy = "the source's --help shows what it reads"
        raise InputError(corpus.path, f"is empty: all {len(rejected):,} files were rejected, {first}", remedy)
    same = _same_people(corpus) if suggest else []
    if json:
        suggested = {"same_people": [asdict(one) for one in same]} if suggest else {}
        print_json(corpus_report(corpus) | suggested)
        return 0
    problems, table = check_corpus(corpus), corpus_statistics(corpus)
    print_line(str(table).rpartition("\n")[0])
    if rejected:
        many = (
            f"{len(rejected):,} files were rejected; the first"
            if len(rejected) > 1
            else "1 file was rejected"
        )
        print_line(f"\n{many}:")
        for one in rejected[:_PRINTED]:
            print_line(wrap_hanging("  - ", f"{printable(one.path)}: {printable(one.reason)}"))
        if len(rejected) > _PRINTED:
            print_line(f"  ... all are listed in {printable(corpus.path / 'rejected')} (Parquet)")
    found = [problem for problem in problems if problem.what != "rejected"]
    if found:
        print_line("\nCheck:")
        for problem in found:
            print_line(wrap_hanging("  - ", printable(str(problem))))
    else:
        print_line("\nCheck: no findings")
    if same:
        _print_suggested(corpus, same)
    print_line(f"\n{printable(corpus.path)} is ready; fingerprint {corpus.fingerprint[:16]}")
    if any(problem.severity == "error" for problem in problems):
        log_line("the check found errors; results on this corpus would be invalid")
    return 0


def _print_suggested(corpus: Corpus, same: Sequence[SamePeople]) -> None:
    from voiceface.pipelines.suggest_same_people import SAME_PEOPLE_FILE

    print_line("\nThese may be one person; nobody was merged (videos.csv names who is in which video):")
    for one in same[:_PRINTED]:
        print_line(wrap_hanging("  - ", printable(str(one))))
    if len(same) > _PRINTED:
        where = printable(corpus.path / SAME_PEOPLE_FILE)
        print_line(f"  ... all {len(same):,} pairs are listed in {where}")

"""Embed voices and faces in one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable, progress_bar, warn_first
from voiceface.errors import InputError
from voiceface.media.files import check_readable

if TYPE_CHECKING:
    from voiceface.pipelines.embed import Embedded
    from voiceface.pipelines.matcher import Matcher

__all__ = ["add_to"]

Kind = Literal["auto", "voices", "faces", "both"]


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_embed, name="embed", group=help_group("Inference"))


def _embed(
    sources: Annotated[tuple[Path, ...], Parameter(name="SOURCES", negative="")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    kind: Kind = "auto",
    weights: str | None = None,
    device: str = "auto",
    json: Flag = False,
) -> int:
    """Embed voices and faces in one space.

    Writes an .npz with the arrays names, people and embeddings (unit length; dot
    products compare voices with faces). An interrupted run resumes. For both
    kinds, -o v.npz becomes v-voices.npz and v-faces.npz.

    Args:
        sources: files, folders of files, or one prepared corpus
        out: the .npz file to write
        kind: what to embed; auto infers it from the files, and embeds all of a corpus
        weights: a shipped matcher's name or a weights folder; by default the best available
        device: auto, cpu, cuda, cuda:N or mps
        json: print JSON
    """
    from voiceface.media.check_writable import check_writable
    from voiceface.pipelines.input_files import is_corpus
    from voiceface.pipelines.rank_files import load_matcher

    if out.suffix != ".npz":
        raise InputError(out, "does not end in .npz", "name an .npz file")
    corpora = [path for path in sources if is_corpus(path)]
    if corpora and len(sources) > 1:
        raise InputError(corpora[0], "is a corpus among other sources", "embed it alone")
    work = _of_corpus(corpora[0], kind) if corpora else _of_files(sources, kind)
    places = {one: out if len(work) == 1 else out.with_stem(f"{out.stem}-{one}") for one in work}
    for place in places.values():
        check_writable(place)
    matcher = load_matcher(weights, device)
    done = {one: _one_kind(matcher, work[one], place, one, corpora) for one, place in places.items()}
    if json:
        print_json(
            {
                one: {
                    "path": str(found.path),
                    "count": found.count,
                    "dim": matcher.dim,
                    "matcher": matcher.name,
                    "failed": [{"path": error.what, "reason": str(error)} for error in found.failed],
                }
                for one, found in done.items()
            }
        )
        return 0
    for one, found in done.items():
        warn_first([f"skipped: {error}" for error in found.failed])
        print_line(f"{found.count:,} {one}, {matcher.dim} numbers each, in {printable(found.path)}")
    return 0


def _of_corpus(path: Path, kind: Kind) -> dict[str, list[Path]]:
    """The kinds to embed of a corpus: those asked for, or those it has."""
    from voiceface.corpus.corpus import Corpus

    corpus = Corpus.open(path)
    there = [one for one in ("voices", "faces") if len(corpus.tables[one])]
    wanted = there if kind == "auto" else ["voices", "faces"] if kind == "both" else [kind]
    lost = [one for one in wanted if one not in there]
    if lost or not wanted:
        raise InputError(
            path, f"holds no {' and no '.join(lost or ['voices', 'faces'])}", "name another corpus"
        )
    return {one: [path] for one in wanted}


def _of_files(sources: Sequence[Path], kind: Kind) -> dict[str, list[Path]]:
    """The files of each kind, folders walked.

    Raises:
        InputError: a named file is missing or empty, or there are both kinds and only one can be meant.
    """
    from voiceface.pipelines.input_files import expand_folders, side_of

    if kind in ("voices", "faces"):
        files = expand_folders(sources, kind.removesuffix("s"))
        for path in files[:1]:
            check_readable(path)
        return {kind: files}
    sides: dict[str, list[Path]] = {"voices": [], "faces": []}
    for source in sources:
        if not source.is_dir():
            sides[side_of(source) + "s"].append(source)
            continue
        before = sum(map(len, sides.values()))
        for one in sides:
            try:
                sides[one] += expand_folders([source], one.removesuffix("s"))
            except InputError:
                continue  # a folder of the other kind
        if sum(map(len, sides.values())) == before:
            raise InputError(source, "contains no audio and no images", "name another folder")
    found = {one: files for one, files in sides.items() if files}
    if len(found) > 1 and kind == "auto":
        fault = f"there are {len(sides['voices'])} voices and {len(sides['faces'])} faces"
        raise InputError("sources", fault, "say --kind voices, faces or both")
    return found


def _one_kind(matcher: Matcher, files: list[Path], out: Path, kind: str, corpora: list[Path]) -> Embedded:
    from voiceface.pipelines.embed import embed_corpus, embed_files

    with progress_bar(kind) as progress:
        if corpora:
            from voiceface.corpus.corpus import Corpus

            return embed_corpus(matcher, Corpus.open(corpora[0]), out, kind=kind, progress=progress)
        return embed_files(matcher, files, out, kind=kind, progress=progress)

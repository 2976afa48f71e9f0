"""Embed voices and faces in one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from voiceface.cli.options import Flag, help_group
from voiceface.cli.terminal import print_json, print_line, printable, progress_bar, warn_first
from voiceface.cli.warn_left_out import warn_left_out
from voiceface.cli.worker_options import ONE_PROCESS, WorkerOptions
from voiceface.errors import InputError

if TYPE_CHECKING:
    from voiceface.corpus.workers import Workers
    from voiceface.pipelines.embed import Embedded
    from voiceface.pipelines.matcher import Matcher

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
    divided: WorkerOptions = ONE_PROCESS,
    json: Flag = False,
) -> int:
    """Embed voices and faces in one space.

    Writes an .npz with the arrays names, people and embeddings (unit length; dot
    products compare voices with faces). An interrupted run resumes. Both kinds go
    to v-voices.npz and v-faces.npz. A video's face is whom eight frames show most.

    Args:
        sources: files, folders of files, or one prepared corpus
        out: the .npz file to write
        kind: what to embed; auto infers it from the files (videos: their sound), and embeds all of a corpus
        weights: a shipped matcher's name, a weights folder or owner/name on the hub; by default the best
        device: auto, cpu, cuda, cuda:N or mps
        divided: who embeds
        json: print JSON
    """
    from voiceface.media.check_writable import check_writable
    from voiceface.pipelines.embedding_sources import corpus_by_kind, files_by_kind
    from voiceface.pipelines.input_files import is_corpus
    from voiceface.pipelines.rank_files import load_matcher

    if out.suffix != ".npz":
        raise InputError(out, "does not end in .npz", "name an .npz file")
    corpora = [path for path in sources if is_corpus(path)]
    if corpora and len(sources) > 1:
        raise InputError(corpora[0], "is a corpus among other sources", "embed it alone")
    work = corpus_by_kind(corpora[0], kind) if corpora else files_by_kind(sources, kind)
    places = {one: out if len(work) == 1 else out.with_stem(f"{out.stem}-{one}") for one in work}
    who = divided.who
    for place in places.values():
        check_writable(place)
    left_out = [] if corpora else warn_left_out(sources, [*work, "videos"], besides=places.values())
    matcher = load_matcher(weights, device)
    done = {
        one: _one_kind(matcher, corpora[0] if corpora else work[one], place, one, who)
        for one, place in places.items()
    }
    if json:
        named = {"dim": matcher.dim, "matcher": matcher.name}
        spoken = {} if corpora else {one: files for one, files in work.items() if one == "voices"}
        print_json({one: _facts(found, left_out, named, spoken.get(one, [])) for one, found in done.items()})
        return 0
    for one, found in done.items():
        warn_first([f"skipped: {error}" for error in found.failed])
        print_line(f"{found.count:,} {one}, {matcher.dim} numbers each, in {printable(found.path)}")
    return 0


def _facts(found: Embedded, left_out: list[str], named: dict[str, Any], voices: list[Path]) -> dict[str, Any]:
    failed = [{"path": error.what, "reason": str(error)} for error in found.failed]
    facts = {"path": str(found.path), "count": found.count, **named, "failed": failed, "left_out": left_out}
    return facts | _recordings(found, voices)


def _recordings(found: Embedded, voices: list[Path]) -> dict[str, Any]:
    """What the recordings that were embedded are like; nothing for faces and corpora."""
    from voiceface.pipelines.voice_facts import voice_facts

    failed = {error.what for error in found.failed}
    facts = voice_facts(path for path in voices if str(path) not in failed)
    return {"recordings": [one.to_dict() for one in facts]} if voices else {}


def _one_kind(
    matcher: Matcher, source: Path | list[Path], out: Path, kind: str, workers: Workers
) -> Embedded:
    """Embed a corpus, or files."""
    from voiceface.pipelines.embed import embed_corpus, embed_files

    with progress_bar(kind) as progress:
        if isinstance(source, Path):
            from voiceface.corpus.corpus import Corpus

            corpus = Corpus.open(source)
            return embed_corpus(matcher, corpus, out, kind=kind, workers=workers, progress=progress)
        return embed_files(matcher, source, out, kind=kind, workers=workers, progress=progress)

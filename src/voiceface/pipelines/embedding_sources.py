"""What of a corpus, or of the files that a user names, is embedded as voices and what as faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.files import check_readable
from voiceface.media.media_kind import media_kind
from voiceface.pipelines.input_files import expand_folders, side_of


def corpus_by_kind(path: Path, kind: str) -> dict[str, list[Path]]:
    """The corpus' path under each kind of items to embed.

    Args:
        path: a prepared corpus.
        kind: ``"voices"``, ``"faces"``, ``"both"``, or ``"auto"`` for those it has.

    Raises:
        InputError: it holds none of the kind.
    """
    from voiceface.corpus.corpus import Corpus

    corpus = Corpus.open(path)
    there = [one for one in ("voices", "faces") if len(corpus.tables[one])]
    wanted = there if kind == "auto" else ["voices", "faces"] if kind == "both" else [kind]
    missing = [one for one in wanted if one not in there]
    if missing or not wanted:
        fault = f"holds no {' and no '.join(missing or ['voices', 'faces'])}"
        raise InputError(path, fault, "name another corpus")
    return {one: [path] for one in wanted}


def files_by_kind(sources: Sequence[Path], kind: str) -> dict[str, list[Path]]:
    """The files of each kind, folders walked.

    Args:
        sources: files and folders of files.
        kind: ``"voices"``, ``"faces"``, ``"both"``, or ``"auto"`` where the files are of one kind. A video
            is a voice; with ``"faces"`` and ``"both"`` it is a face too.

    Raises:
        InputError: a named file is missing or empty, or there are both kinds and only one can be meant.
    """
    if kind in ("voices", "faces"):
        files = expand_folders(sources, kind.removesuffix("s"), videos=True)
        for path in files[:1]:
            check_readable(path)
        return {kind: files}
    found: dict[str, list[Path]] = {"voices": [], "faces": []}
    for source in sources:
        if not source.is_dir():
            found[side_of(source) + "s"].append(source)
            if kind == "both" and media_kind(source.name) == "video":
                found["faces"].append(source)
            continue
        before = sum(map(len, found.values()))
        for one in found:
            try:
                found[one] += expand_folders([source], one.removesuffix("s"), videos=kind == "both")
            except InputError:
                continue  # a folder of the other kind
        if sum(map(len, found.values())) == before:
            raise InputError(source, "contains no audio and no images", "name another folder")
    if all(found.values()) and kind == "auto":
        counts = (f"{len(rows)} {name[: len(name) - (len(rows) == 1)]}" for name, rows in found.items())
        raise InputError("embed", f"is given {' and '.join(counts)}", "say --kind voices, faces or both")
    return {one: files for one, files in found.items() if files}

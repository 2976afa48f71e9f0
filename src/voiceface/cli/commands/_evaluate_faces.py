"""The command `evaluate faces`: drawn faces judged from files, or drawn by weights for a corpus' voices."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from voiceface.cli.terminal import answer, progress_bar, say, shown, tell
from voiceface.errors import InputError
from voiceface.evaluation.face_evaluation import Asked, Found, non_default_flags
from voiceface.evaluation.report_files import OutputOptions, ReportSubject, write_reports

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from voiceface.evaluation.generated_faces import FaceSet, Judged, Told
    from voiceface.evaluation.image_grid import Pictures
    from voiceface.protocols.estimate import Estimate

__all__ = ["command", "recorded"]

_NO_OUTPUTS = OutputOptions()
_SHEET, _GRID = "worst.png", "grid.png"
_SHOWN, _IN_A_ROW = 40, 8
_DRAWN = "drawn.npz"
_RECORDED = re.compile(
    r"1:2|agreement|balanced agreement|top-1|Fréchet .*|kernel distance .*|(spread|sharpness) ratio|"
    r"drawn accepted|below the .* quantile|found.*"
)
"""Names of the figures that stand in the table of results."""
_NOT_RECORDED = ("gender, real faces", "training faces in their place")

Split = Literal["test", "known", "all"]


def command(
    *,
    drawn: Annotated[Path | None, Parameter(name=["--drawn", "--drawn-embeddings"])] = None,
    real: Annotated[Path | None, Parameter(name=["--real", "--real-embeddings"])] = None,
    train: Annotated[Path | None, Parameter(name=["--train", "--train-embeddings"])] = None,
    people: Path | None = None,
    features: str = "",
    model: str | None = None,
    corpus: Path | None = None,
    split: Split = "test",
    beside: Annotated[list[str] | None, Parameter(negative="")] = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    n: Annotated[list[int] | None, Parameter(name="-n", negative="")] = None,
    device: str = "auto",
    resamples: int = 1000,
    seed: int = 0,
    outputs: OutputOptions = _NO_OUTPUTS,
) -> int:
    """Are drawn faces the right ones, of the right gender, sharp, varied and new?

    Give drawn and real faces (folders of pictures, or rows of any recogniser as
    voiceface embed writes them), or weights that draw faces and a corpus.

    Args:
        drawn: drawn faces: a folder of pictures, or an .npz of names, embeddings and people
        real: photographs of the same people, in the same form
        train: photographs that were trained on, for the audit of memorisation
        people: a table name,person,gender; else the folders pictures lie in name their people
        features: the name of what described the rows of an .npz
        model: weights that draw faces instead; a face is drawn for each voice of --corpus
        corpus: the prepared corpus whose voices are drawn from
        split: people the weights never met, known people's new recordings, or all of another corpus
        beside: NAME=FOLDER of other faces of the same voices, judged alike; may be given several times
        out: a folder for the faces drawn, a grid of forty, and a sheet of those nearest to a training face
        n: sizes of the gallery; may be given several times; by default 2, 5 and 10
        device: of the model: auto, cpu, cuda, cuda:N or mps
        resamples: resamples over people for the intervals; 0 for none
        seed: of all that is drawn at random
        outputs: files to write beside
    """
    outputs.check()
    asked = Asked(n=tuple(n or (2, 5, 10)), resamples=resamples, seed=seed, out=_made(out))
    files = {"--drawn": drawn, "--real": real, "--train": train, "--people": people}
    if model is None:
        if drawn is None or real is None:
            remedy = "give --drawn and --real, or --model and --corpus"
            raise InputError("evaluate faces", "is not told what to judge", remedy)
        if corpus is not None or beside:
            raise InputError("--corpus and --beside", "go with a --model", "leave them out")
        found = _of_files(drawn, real, train, people, features, asked)
    else:
        _refuse(files | {"--features": features or None})
        if corpus is None:
            raise InputError("--model", "is not told what to judge it on", "give --corpus CORPUS")
        from voiceface.evaluation.evaluate_face_generator import evaluate_face_generator

        found = evaluate_face_generator(
            model, corpus, split, _named_folders(beside or []), device=device, asked=asked, bar=progress_bar
        )
    return _told(found, asked, outputs)


def _refuse(files: Mapping[str, object]) -> None:
    given = [name for name, value in files.items() if value is not None]
    if given:
        raise InputError("--model", f"is given together with {', '.join(given)}", "give one of them")


def _of_files(
    drawn: Path, real: Path, train: Path | None, people: Path | None, features: str, asked: Asked
) -> Found:
    from voiceface.evaluation.face_files import read_face_set, read_people
    from voiceface.evaluation.generated_faces import evaluate_generated_faces

    table = read_people(people) if people is not None else None
    parts: dict[str, FaceSet] = {}
    excluded: dict[str, int] = {}
    given = {"drawn faces": drawn, "real faces": real, "training faces": train}
    for what, path in given.items():
        if path is None:
            continue
        if not path.exists():
            raise InputError(path, "does not exist", "check the path")
        with progress_bar(what) as progress:
            parts[what], lost = read_face_set(path, table, what=what, progress=progress)
        excluded |= lost
    folders = {path.is_dir() for path in given.values() if path is not None}
    if len(folders) > 1:
        raise InputError("evaluate faces", "is given folders and files of rows", "give all in one form")
    name = features or ("dlib descriptors" if drawn.is_dir() else "embeddings")
    if table is not None:
        named = {one for part in parts.values() for one in part.faces.names.tolist()}
        unused = [one for one in table.person if one not in named]
        if unused:
            excluded["named in the table, but without a face"] = len(unused)
    judged = evaluate_generated_faces(
        parts["drawn faces"],
        parts["real faces"],
        parts.get("training faces"),
        features=name,
        n=asked.n,
        resamples=asked.resamples,
        seed=asked.seed,
    )
    judged = _noted(judged, excluded)
    words = ["voiceface evaluate faces", f"--drawn DRAWN{drawn.suffix}", f"--real REAL{real.suffix}"]
    words += [f"--train TRAIN{train.suffix}"] if train is not None else []
    words += [f"--people {people.name}"] if people is not None else []
    words += [f"--features '{features}'"] if features else []
    digest = hashlib.sha256()
    for part in parts.values():
        digest.update(part.faces.rows.tobytes() + "\n".join(part.faces.people.tolist()).encode())
    subject = ReportSubject(
        title=f"Drawn faces ({name})",
        recipe=f"faces of {drawn.name}",
        corpus=digest.hexdigest(),
        command=" ".join(words) + non_default_flags(asked),
        protocol="generated faces",
    )
    return Found(judged={drawn.name: judged}, subject=subject)


def _noted(judged: Judged, excluded: dict[str, int]) -> Judged:
    lines = [f"left out: {what}: {count:,}" for what, count in excluded.items()]
    return replace(judged, notes=(*judged.notes, *lines))


def _named_folders(beside: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for one in beside:
        name, equals, path = one.partition("=")
        if not equals or not name or not Path(path).is_dir():
            raise InputError(f"--beside {one}", "is no NAME=FOLDER", "give a name and a folder of pictures")
        if name in found:
            raise InputError(f"--beside {one}", "is named twice", "name each folder once")
        found[name] = Path(path)
    return found


def _made(out: Path | None) -> Path | None:
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                out, f"cannot be made ({error.strerror or error})", "name another folder"
            ) from error
    return out


def _told(found: Found, asked: Asked, outputs: OutputOptions) -> int:
    """Print everything, and write the files asked for."""
    for words in found.subject.warnings:
        tell(words)
    if outputs.json:
        plain = {name: one.to_dict() for name, one in found.judged.items()}
        answer({"judged": plain, "warnings": list(found.subject.warnings)})
    else:
        for name, one in found.judged.items():
            if len(found.judged) > 1:
                say(f"\n===== {name} =====")
            _print(one)
    if asked.out is not None:
        _save_artifacts(found, asked.out, quiet=outputs.json)
    write_reports(outputs, found.subject, lambda drawn: _sections(found), recorded(found.judged))
    if outputs.record and not outputs.json:
        say(f"recorded in {shown(outputs.results)}")
    return 0


def _print(judged: Judged) -> None:
    from voiceface.cli.print_estimates import print_rows

    for title, report in judged.sections.items():
        say(f"\n{title}")
        print_rows(report.rows, excluded=report.excluded, notes=report.notes)
        for one in getattr(report, "worst", ()):
            say(
                f"  {shown(one.drawn)} is nearest to {shown(one.nearest)} of {shown(one.person)}: "
                f"{one.distance:.4f} ({one.rarity:.1%} of held-out real faces are nearer to theirs)"
            )
    for note in judged.notes:
        say(note)


def recorded(judged: Mapping[str, Judged]) -> list[tuple[str, Estimate]]:
    """Rows for the table of results: the figures that sum drawn faces up, where they have an interval."""
    several = len(judged) > 1
    return [
        (f"{name}, {row}" if several else row, one)
        for name, found in judged.items()
        for report in found.sections.values()
        for row, figures in report.rows.items()
        if not row.startswith(_NOT_RECORDED)
        for one in figures
        if _RECORDED.fullmatch(one.name) and one.low == one.low
    ]


def _save_artifacts(found: Found, out: Path, *, quiet: bool) -> None:
    """The sheet of the worst, a grid of what was drawn, and the drawn faces' rows, in ``out``."""
    import numpy as np

    from voiceface.evaluation.image_grid import write_image_grid
    from voiceface.media.files import atomic_path

    written = []
    worst = next(iter(found.judged.values())).worst
    if worst:
        entries = {"Software": "voiceface", "Description": "machine-drawn faces beside photographs"}
        title = "Drawn faces nearest to a training face"
        write_image_grid(out / _SHEET, worst, title=title, metadata=entries)
        written.append(_SHEET)
    if "pictures" in found.kept:
        entries = {"Software": "voiceface", "synthetic": "true", "Description": "machine-drawn faces"}
        write_image_grid(out / _GRID, _grid(found.kept["pictures"], found.kept["people"]), metadata=entries)
        written.append(_GRID)
    if found.kept:
        with atomic_path(out / _DRAWN) as temporary, temporary.open("wb") as file:
            np.savez(file, **found.kept)
        written.append(_DRAWN)
    if written and not quiet:
        say(f"written to {shown(out)}: {', '.join(written)}")


def _grid(pictures: Pictures, people: npt.NDArray[np.str_]) -> list[list[tuple[Pictures, str]]]:
    """Drawn faces alone, one a person, spread over them, eight in a row."""
    import numpy as np

    _, firsts = np.unique(people, return_index=True)
    places = np.linspace(0, len(firsts) - 1, min(_SHOWN, len(firsts))).round().astype(int)
    chosen = [(pictures[k], "") for k in firsts[places]]
    return [chosen[k : k + _IN_A_ROW] for k in range(0, len(chosen), _IN_A_ROW)]


def _sections(found: Found) -> list[Any]:
    from voiceface.evaluation.report.page import Section

    several = len(found.judged) > 1
    parts = []
    for name, one in found.judged.items():
        for title, report in one.sections.items():
            heading = f"{name}: {title}" if several else title
            parts.append(Section(title=heading, text=_words(report), rows=report.rows))
        if one.notes:
            parts[-1] = replace(parts[-1], text=[*parts[-1].text, *one.notes])
    return parts


def _words(report: Told) -> list[str]:
    return [*(f"Left out: {what}: {count:,}." for what, count in report.excluded.items()), *report.notes]

"""Evaluation of generated faces from files, and what is reported, recorded and saved of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from voiceface.corpus.workers import HERE, Workers
from voiceface.errors import InputError
from voiceface.evaluation.face_files import read_face_set, read_people_table
from voiceface.evaluation.report_files import ReportFiles, ReportSubject, write_reports

if TYPE_CHECKING:
    from voiceface.evaluation.cached_embeddings import Bar
    from voiceface.evaluation.generated_faces import FaceSet, GeneratedFacesEvaluation
    from voiceface.evaluation.image_grid import Pictures
    from voiceface.evaluation.report.page import Section
    from voiceface.protocols.estimate import Estimate

_RECORDED = re.compile(
    r"1:2|agreement|balanced agreement|top-1|Fréchet .*|kernel distance .*|(spread|sharpness) ratio|"
    r"generated accepted|below the .* quantile|found.*"
)
"""Names of the figures that are recorded."""
_NOT_RECORDED = ("gender, real faces", "training faces in their place")
_GRID_FACES, _GRID_COLUMNS = 40, 8


@dataclass(frozen=True, kw_only=True)
class FaceEvaluationOptions:
    """Settings of the protocols for generated faces."""

    n: tuple[int, ...] = (2, 5, 10)
    """Gallery sizes."""
    resamples: int = 1000
    seed: int = 0

    def flags(self) -> str:
        """Command-line options that differ from their defaults, for the reproducing command."""
        sizes = "" if self.n == (2, 5, 10) else "".join(f" -n {size}" for size in self.n)
        return sizes + (f" --seed {self.seed}" if self.seed else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceEvaluation:
    """Evaluations of sets of generated faces by name, the model's own first."""

    evaluations: dict[str, GeneratedFacesEvaluation]
    subject: ReportSubject
    arrays: Mapping[str, Any] = field(default_factory=dict)
    """Arrays of `generated.npz`."""

    def write_reports(self, files: ReportFiles) -> list[str]:
        """Write the requested files; returns a line about each."""
        rows = _results_rows(self.evaluations)
        return write_reports(files, self.subject, lambda plots: _sections(self.evaluations), rows)

    def save(self, out: Path) -> list[str]:
        """Save the generated faces, a grid of them, and those nearest to a training face.

        Returns the names of the files written to the folder ``out``.
        """
        from voiceface.evaluation.image_grid import write_image_grid
        from voiceface.media.files import atomic_path

        written = []
        entries = {"Software": "voiceface", "Description": "generated faces beside photographs"}
        nearest = next(iter(self.evaluations.values())).worst
        if nearest:
            title = "Generated faces nearest to a training face"
            write_image_grid(out / "worst.png", nearest, title=title, metadata=entries)
            written.append("worst.png")
        if "pictures" in self.arrays:
            entries |= {"synthetic": "true", "Description": "generated faces"}
            grid = _grid(self.arrays["pictures"], self.arrays["people"])
            write_image_grid(out / "grid.png", grid, metadata=entries)
            written.append("grid.png")
        if self.arrays:
            with atomic_path(out / "generated.npz") as temporary, temporary.open("wb") as file:
                np.savez(file, **self.arrays)
            written.append("generated.npz")
        return written


def evaluate_face_files(
    files: Mapping[str, Path],
    people: Path | None,
    features: str,
    *,
    options: FaceEvaluationOptions,
    bar: Bar,
    workers: Workers = HERE,
) -> FaceEvaluation:
    """Evaluate generated faces in folders of pictures or files of embeddings.

    Args:
        files: ``generated``, ``reference`` and perhaps ``train``: all folders, or all .npz files.
        people: A table name,person,gender.
        features: Name of the face encoder behind .npz embeddings.
        options: Settings of the protocols.
        bar: Shows progress.
        workers: Who looks for the faces of pictures.

    Raises:
        InputError: a file cannot be used, or folders and files are mixed.
    """
    from voiceface.evaluation.generated_faces import evaluate_generated_faces

    table = read_people_table(people) if people is not None else None
    names = {"generated": "generated faces", "reference": "real faces", "train": "training faces"}
    parts: dict[str, FaceSet] = {}
    excluded: dict[str, int] = {}
    for kind, path in files.items():
        if not path.exists():
            raise InputError(path, "does not exist", "check the path")
        with bar(names[kind]) as progress:
            parts[kind], missing = read_face_set(
                path, table, what=names[kind], workers=workers, progress=progress
            )
        excluded |= missing
    if len({path.is_dir() for path in files.values()}) > 1:
        raise InputError("evaluate faces", "is given both folders and .npz files", "give all in one form")
    generated = files["generated"]
    name = features or ("dlib embeddings" if generated.is_dir() else "embeddings")
    if table is not None:
        used = {one for part in parts.values() for one in part.faces.names.tolist()}
        unused = sum(one not in used for one in table.person)
        if unused:
            excluded["named in the table, but without a face"] = unused
    found = evaluate_generated_faces(
        parts["generated"],
        parts["reference"],
        parts.get("train"),
        features=name,
        n=options.n,
        resamples=options.resamples,
        seed=options.seed,
    )
    notes = [f"excluded: {what}: {count:,}" for what, count in excluded.items()]
    return FaceEvaluation(
        evaluations={generated.name: replace(found, notes=(*found.notes, *notes))},
        subject=_subject(parts, files, name, _flags(files, people, features) + options.flags()),
    )


def _flags(files: Mapping[str, Path], people: Path | None, features: str) -> str:
    """The options that name the files, without their folders."""
    words = [f"--{kind} {kind.upper()}{path.suffix}" for kind, path in files.items()]
    words += [f"--people {people.name}"] if people is not None else []
    return " ".join(words + ([f"--features '{features}'"] if features else []))


def _subject(
    parts: Mapping[str, FaceSet], files: Mapping[str, Path], features: str, flags: str
) -> ReportSubject:
    digest = hashlib.sha256()
    for part in parts.values():
        digest.update(part.faces.rows.tobytes() + "\n".join(part.faces.people.tolist()).encode())
    return ReportSubject(
        title=f"Generated faces ({features})",
        recipe=f"faces of {files['generated'].name}",
        corpus=digest.hexdigest(),
        command=f"voiceface evaluate faces {flags}",
        protocol="generated faces",
    )


def _results_rows(evaluations: Mapping[str, GeneratedFacesEvaluation]) -> list[tuple[str, Estimate]]:
    """Figures to record: those that sum generated faces up, where they have an interval."""
    several = len(evaluations) > 1
    return [
        (f"{name}, {row}" if several else row, one)
        for name, found in evaluations.items()
        for report in found.sections.values()
        for row, figures in report.rows.items()
        if not row.startswith(_NOT_RECORDED)
        for one in figures
        if _RECORDED.fullmatch(one.name) and one.low == one.low
    ]


def _sections(evaluations: Mapping[str, GeneratedFacesEvaluation]) -> list[Section]:
    """Sections of the report."""
    from voiceface.evaluation.report.page import Section

    parts: list[Section] = []
    for name, one in evaluations.items():
        for title, report in one.sections.items():
            text = [f"Excluded: {what}: {count:,}." for what, count in report.excluded.items()]
            heading = f"{name}: {title}" if len(evaluations) > 1 else title
            parts.append(Section(title=heading, text=[*text, *report.notes], rows=report.rows))
        parts[-1] = replace(parts[-1], text=[*parts[-1].text, *one.notes])
    return parts


def _grid(pictures: Pictures, people: npt.NDArray[np.str_]) -> list[list[tuple[Pictures, str]]]:
    """Generated faces of different people, without captions."""
    _, firsts = np.unique(people, return_index=True)
    indices = np.linspace(0, len(firsts) - 1, min(_GRID_FACES, len(firsts))).round().astype(int)
    chosen = [(pictures[k], "") for k in firsts[indices]]
    return [chosen[k : k + _GRID_COLUMNS] for k in range(0, len(chosen), _GRID_COLUMNS)]

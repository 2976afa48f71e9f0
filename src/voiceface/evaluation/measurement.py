"""What a protocol is asked about: embeddings or scores from files, or a model on a corpus."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceface.cli.terminal import answer, say, shown, tell
from voiceface.errors import InputError
from voiceface.evaluation.evaluate_files import Known
from voiceface.evaluation.report_files import OutputOptions, ReportSubject, write_reports
from voiceface.metrics.figure import figures

if TYPE_CHECKING:
    from voiceface.evaluation.cached_embeddings import CorpusEmbeddings
    from voiceface.evaluation.report.evidence import Evidence
    from voiceface.evaluation.report.page import Section
    from voiceface.protocols.estimate import Estimate
    from voiceface.protocols.report import Report

__all__ = ["Measured", "results_table_rows"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Files of one measurement, and the model that made them where there was one."""

    voices: Path | None
    faces: Path | None
    scores: Path | None
    trials: Path | None
    corpus: Path | None
    placed: CorpusEmbeddings | None = None

    @classmethod
    def of(
        cls,
        files: Mapping[str, Path | None],
        model: str | None,
        *,
        known_people: str,
        device: str,
        outputs: OutputOptions,
    ) -> Measured:
        """Check what was given, and place a corpus by the model where one is named.

        Args:
            files: ``voices``, ``faces``, ``scores``, ``trials``, ``corpus`` as they were given.
            model: Weights instead of embeddings.
            known_people: What to do with those whom they were trained on.
            device: Where the model works.
            outputs: Tried before any work is done.

        Raises:
            InputError: too much or too little was given.
        """
        outputs.check()
        given: dict[str, Any] = {
            name: files.get(name) for name in ("voices", "faces", "scores", "trials", "corpus")
        }
        beside = [f"--{name}" for name in ("voices", "faces", "scores") if given[name] is not None]
        if model is None:
            if known_people != "refuse":
                raise InputError("--known-people", "is for a --model", "name one, or leave it out")
            return cls(**given, placed=None)
        if beside:
            raise InputError("--model", f"is given together with {', '.join(beside)}", "give one of them")
        corpus = given["corpus"]
        if corpus is None:
            raise InputError("--model", "is not told what to judge it on", "give --corpus CORPUS")
        from voiceface.cli.terminal import progress_bar
        from voiceface.corpus.corpus import Corpus
        from voiceface.evaluation.cached_embeddings import cached_embeddings
        from voiceface.training.devices import pick_device

        at, index = pick_device(device)
        placed = cached_embeddings(
            model,
            Corpus.open(corpus),
            known_people=known_people,
            device=f"{at}:{index}" if at == "cuda" else at,
            bar=progress_bar,
        )
        if placed.people.known:
            tell(_warning(placed))
        return cls(**(given | {"voices": placed.voices, "faces": placed.faces}), placed=placed)

    def told(
        self,
        kind: str,
        report: Any,  # noqa: ANN401  one of the three reports
        known: Known,
        options: Mapping[str, Any],
        outputs: OutputOptions,
    ) -> int:
        """Print the report (of synthetic people with their ceiling), and write the files asked for.

        Args:
            kind: ``verification``, ``matching`` or ``retrieval``.
            report: What the protocol found.
            known: What is known of the people.
            options: Options that make the measurement another one, for the command in the report.
            outputs: The files asked for.
        """
        from voiceface.cli.print_estimates import print_row, print_rows
        from voiceface.evaluation.report.sections import evidence_section, report_sections
        from voiceface.evaluation.synthetic_ceiling import (
            ceiling_for_embedding_files,
            ceiling_to_dict,
            print_ceiling,
        )

        # A list asks its own questions, for which no ceiling is computed.
        ceiling = ceiling_for_embedding_files(None if self.trials else self.corpus, self.voices, self.faces)
        subject = self.subject(kind, options)
        noted = replace(report, notes=(*subject.warnings, *report.notes))
        if outputs.json:
            answer(noted.to_dict() | ceiling_to_dict(ceiling) | self._model())
        else:
            gallery = getattr(report, "gallery", None)
            print_rows(noted.rows, excluded=noted.excluded, notes=noted.notes, gallery=gallery)
            stated = getattr(report, "calibration", None)
            if stated is not None:
                print_row("calibration, all", stated.row)
            print_ceiling(ceiling)

        def sections(drawn: bool) -> Sequence[Section]:
            found = report_sections(report, drawn=drawn)
            evidence = self.evidence(known) if drawn else None
            return found if evidence is None else [*found, evidence_section(evidence)]

        write_reports(outputs, subject, sections, results_table_rows(kind, report))
        if outputs.record and not outputs.json:
            say(f"recorded in {shown(outputs.results)}")
        return 0

    def subject(self, kind: str, options: Mapping[str, Any]) -> ReportSubject:
        """The model and the data in words."""
        placed = self.placed
        words = ["voiceface", "evaluate", kind]
        if placed is not None:
            words += ["--model", _shipped_name(placed.model)]
        for name, value in (("voices", self.voices), ("faces", self.faces), ("scores", self.scores)):
            if value is not None and placed is None:
                words += [f"--{name}", f"{name.upper()}{value.suffix}"]
        words += ["--list", self.trials.name] if self.trials is not None else []
        words += ["--corpus", "CORPUS"] if self.corpus is not None else []
        for name, value in options.items():
            for one in value if isinstance(value, list | tuple) else [value]:
                words += [name, shlex.quote(str(one))]
        known = placed is not None and placed.people.known
        part = "known people" if known and placed is not None and not placed.dropped else ""
        listed = f"list {self.trials.name}" if self.trials else ""
        return ReportSubject(
            title=f"{kind.capitalize()} of {placed.model if placed else self._named()}",
            recipe=placed.model if placed else self._named(),
            corpus=self._fingerprint(),
            command=" ".join(words),
            protocol=", ".join(filter(None, (part, listed))) or kind,
            warnings=[_warning(placed)] if placed is not None else [],
        )

    def evidence(self, known: Known) -> Evidence | None:
        """The rows with their people, for the map and the faces; None where they cannot be told."""
        if self.voices is None or self.faces is None:
            return None
        from voiceface.evaluation.report.evidence import Evidence
        from voiceface.protocols.input_checks import unit_embeddings

        try:
            sides = [known.side(path) for path in (self.voices, self.faces)]
        except InputError:
            return None  # a list tells its people itself, and embeddings may lie under any names
        genders = []
        for side in sides:
            table = known.tables.get("gender") or {}
            people = [] if side.people is None else side.people.tolist()
            found = side.told.get("gender", np.array([table.get(person, "") for person in people]))
            genders.append(found)
        corpus = places = None
        if self.corpus is not None:
            from voiceface.corpus.corpus import Corpus

            corpus = Corpus.open(self.corpus)
            at = {name: k for k, name in enumerate(corpus.column("faces", "id").tolist())}
            places = np.array([at.get(name, -1) for name in sides[1].names.tolist()], dtype=np.int64)
            places = None if (places < 0).any() else places
        assert sides[0].people is not None and sides[1].people is not None
        return Evidence(
            voices=unit_embeddings(sides[0].rows, "voices"),
            faces=unit_embeddings(sides[1].rows, "faces"),
            voice_people=sides[0].people,
            face_people=sides[1].people,
            voice_genders=genders[0],
            face_genders=genders[1],
            corpus=corpus,
            face_places=places,
        )

    def _model(self) -> dict[str, Any]:
        placed = self.placed
        if placed is None:
            return {}
        return {
            "model": {"name": placed.model, "known_people": placed.people.known, "dropped": placed.dropped}
        }

    def _named(self) -> str:
        """Whose embeddings these are, as their file tells."""
        if self.voices is None:
            return "scores"
        from voiceface.pipelines.embed import read_embeddings

        try:
            return str(json.loads(str(read_embeddings(self.voices)["model"]))["model"])
        except (KeyError, ValueError, TypeError):
            return "embeddings"

    def _fingerprint(self) -> str:
        if self.corpus is not None:
            from voiceface.corpus.corpus import Corpus

            return Corpus.open(self.corpus).fingerprint
        digest = hashlib.sha256()
        for path in (self.voices, self.faces, self.scores, self.trials):
            if path is not None:
                digest.update(path.read_bytes())
        return digest.hexdigest()


def results_table_rows(kind: str, report: Report) -> list[tuple[str, Estimate]]:
    """The figures that sum a report up, with their protocol and row."""
    headlines = {one.headline for one in figures()}
    return [(f"{kind}, {name}", e) for name, row in report.rows.items() for e in row if e.name in headlines]


def _warning(placed: CorpusEmbeddings) -> str:
    dropped = f" The {placed.dropped:,} whom it had met are left out here." if placed.dropped else ""
    loud = "KNOWN PEOPLE: " if placed.people.known and not placed.dropped else ""
    return f"{loud}{placed.people.told}{dropped}"


def _shipped_name(model: str) -> str:
    from voiceface.pipelines.weights import shipped

    return model if model in shipped() else "WEIGHTS"

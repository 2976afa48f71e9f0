"""What a protocol measures: embeddings or scores from files, or a model on a corpus."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceface.errors import InputError
from voiceface.evaluation.evaluate_files import Known
from voiceface.evaluation.report_files import ReportFiles, ReportSubject, write_reports
from voiceface.metrics.figure import figures

if TYPE_CHECKING:
    from voiceface.corpus.workers import Workers
    from voiceface.evaluation.cached_embeddings import Bar, CorpusEmbeddings
    from voiceface.evaluation.report.evidence import Evidence
    from voiceface.evaluation.report.page import Section
    from voiceface.protocols.estimate import Estimate
    from voiceface.protocols.report import Report
    from voiceface.synthetic.ground_truth import CeilingTable


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Files of one measurement, and the model that made them where there was one."""

    voices: Path | None
    faces: Path | None
    scores: Path | None
    trials: Path | None
    corpus: Path | None
    embedded: CorpusEmbeddings | None = None

    @classmethod
    def of(
        cls,
        files: Mapping[str, Path | None],
        model: str | None,
        *,
        known_people: str,
        device: str,
        workers: Workers,
        bar: Bar,
    ) -> Measurement:
        """Check what was given, and embed the corpus with the model where one is named.

        Args:
            files: ``voices``, ``faces``, ``scores``, ``trials``, ``corpus`` as they were given.
            model: Weights instead of embeddings.
            known_people: What to do with people in the model's training set.
            device: Device of the model.
            workers: Who embeds the corpus.
            bar: Shows progress.

        Raises:
            InputError: too much or too little was given.
        """
        given: dict[str, Any] = {
            name: files.get(name) for name in ("voices", "faces", "scores", "trials", "corpus")
        }
        beside = [f"--{name}" for name in ("voices", "faces", "scores") if given[name] is not None]
        if model is None:
            if known_people != "refuse":
                raise InputError("--known-people", "requires --model", "name a model, or remove it")
            return cls(**given)
        if beside:
            raise InputError("--model", f"is given together with {', '.join(beside)}", "give one of them")
        corpus = given["corpus"]
        if corpus is None:
            raise InputError("--model", "has no corpus to evaluate it on", "give --corpus CORPUS")
        from voiceface.corpus.corpus import Corpus
        from voiceface.corpus.split_names import corpus_names
        from voiceface.evaluation.cached_embeddings import cached_embeddings
        from voiceface.protocols.list_people import listed_names, people_of_names
        from voiceface.training.devices import torch_device

        opened, among = Corpus.open(corpus), None
        if given["trials"] is not None:
            names, owners = corpus_names(opened)
            listed = listed_names(given["trials"])
            among = frozenset(people_of_names(given["trials"], listed, names, owners)[0])
        embedded = cached_embeddings(
            model,
            opened,
            known_people=known_people,
            among=among,
            device=torch_device(device),
            workers=workers,
            bar=bar,
        )
        return cls(**(given | {"voices": embedded.voices, "faces": embedded.faces}), embedded=embedded)

    @property
    def warnings(self) -> list[str]:
        """What a reader must know of the model's training people."""
        return [_warning(self.embedded)] if self.embedded is not None else []

    def ceiling(self) -> CeilingTable | None:
        """The best achievable scores on synthetic people; None of others, and for a list of trials."""
        from voiceface.evaluation.synthetic_ceiling import ceiling_for_embedding_files

        return ceiling_for_embedding_files(None if self.trials else self.corpus, self.voices, self.faces)

    def write_reports(
        self, kind: str, report: Report, known: Known, options: Mapping[str, Any], files: ReportFiles
    ) -> list[str]:
        """Write the requested files; returns a line about each.

        Args:
            kind: ``verification``, ``matching`` or ``retrieval``.
            report: What the protocol found.
            known: What is known of the people.
            options: Options that change the measurement, for the command in the report.
            files: The requested files.
        """
        from voiceface.evaluation.report.sections import evidence_section, report_sections

        def sections(plots: bool) -> Sequence[Section]:
            found = report_sections(report, plots=plots)
            evidence = self.evidence(known) if plots else None
            return found if evidence is None else [*found, evidence_section(evidence)]

        rows = results_table_rows(kind, report)
        return write_reports(files, self.subject(kind, options), sections, rows)

    def subject(self, kind: str, options: Mapping[str, Any]) -> ReportSubject:
        """The model and the data in words."""
        embedded = self.embedded
        words = ["voiceface", "evaluate", kind]
        if embedded is not None:
            words += ["--model", _shipped_name(embedded.model)]
        for name, value in (("voices", self.voices), ("faces", self.faces), ("scores", self.scores)):
            if value is not None and embedded is None:
                words += [f"--{name}", f"{name.upper()}{value.suffix}"]
        words += ["--list", self.trials.name] if self.trials is not None else []
        words += ["--corpus", "CORPUS"] if self.corpus is not None else []
        for name, value in options.items():
            for one in value if isinstance(value, list | tuple) else [value]:
                words += [name, shlex.quote(str(one))]
        known = embedded is not None and embedded.people.known and not embedded.dropped
        part = "known people" if known else ""
        listed = f"list {self.trials.name}" if self.trials else ""
        return ReportSubject(
            title=f"{kind.capitalize()} of {embedded.model if embedded else self._embeddings_model()}",
            recipe=embedded.model if embedded else self._embeddings_model(),
            corpus=self._fingerprint(),
            command=" ".join(words),
            protocol=", ".join(filter(None, (part, listed))) or kind,
            warnings=self.warnings,
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
            found = side.columns.get("gender", np.array([table.get(person, "") for person in people]))
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
            voices=unit_embeddings(sides[0].embeddings, "voices"),
            faces=unit_embeddings(sides[1].embeddings, "faces"),
            voice_people=sides[0].people,
            face_people=sides[1].people,
            voice_genders=genders[0],
            face_genders=genders[1],
            corpus=corpus,
            face_places=places,
        )

    def model_facts(self) -> dict[str, Any]:
        """``{"model": facts}`` for JSON; empty for embeddings from files."""
        one = self.embedded
        if one is None:
            return {}
        return {"model": {"name": one.model, "known_people": one.people.known, "dropped": one.dropped}}

    def _embeddings_model(self) -> str:
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


def _warning(embedded: CorpusEmbeddings) -> str:
    dropped = f" The {embedded.dropped:,} of them are excluded here." if embedded.dropped else ""
    prefix = "KNOWN PEOPLE: " if embedded.people.known and not embedded.dropped else ""
    return f"{prefix}{embedded.people.summary}{dropped}"


def _shipped_name(model: str) -> str:
    from voiceface.pipelines.weights import shipped_weights

    return model if model in shipped_weights() else "WEIGHTS"

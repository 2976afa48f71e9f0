"""The pipelines in a worker process: uploaded files in, answers out."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voiceface.app.corpus_facts import corpus_facts
from voiceface.app.engine_options import EngineOptions
from voiceface.app.gallery_tasks import GalleryTasks, RunTask
from voiceface.app.messages import Answer, Task
from voiceface.app.uploaded_file import UploadedFile, check_each, check_picture, check_sound
from voiceface.app.worker import OnProgress
from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.face.find_face import find_face
from voiceface.models.model import Embeddings
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.no_usable_file import no_usable_file
from voiceface.pipelines.pipeline import Pipeline, load_for
from voiceface.pipelines.talker import Talker
from voiceface.pipelines.voice_facts import voice_facts
from voiceface.pipelines.voice_recording import plausibility_warnings, read_voice_recording

Embed = Callable[[Sequence[UploadedFile]], Embeddings]


class Engine:
    """Matcher, Imaginer, Talker and perhaps a gallery and a corpus, loaded once.

    Args:
        options: which, and where.

    Raises:
        InputError: some weights, the gallery, the corpus or the device cannot be used.
    """

    def __init__(self, options: EngineOptions) -> None:
        torch.set_num_threads(options.threads)
        self.limits, device = options.limits, options.device
        self.matcher = Matcher.load(options.matcher, device=device)
        self.matcher.warns = False  # `voice_facts` looks for speech with a better detector
        self.imaginer = Imaginer.load(options.imaginer, device=device)
        loaded, device = load_for("talker", options.talker, device=device)
        self.talker = Talker(loaded, imaginer=self.imaginer, device=device)
        self.gallery = GalleryTasks(options.gallery, self.matcher, self.limits) if options.gallery else None
        with contextlib.suppress(InputError):  # its models are loaded here, not within the first request
            find_face(np.zeros((80, 80, 3), np.uint8))
        self.tasks: dict[str, RunTask] = {
            "match": self.match,
            "verify": self.verify,
            "embed": self.embed,
            "imagine": self.imagine,
            "animate": self.animate,
        }
        if self.gallery is not None:
            self.tasks |= self.gallery.tasks
        if options.corpus is not None:
            Corpus.open(options.corpus)
            self.tasks["corpus"] = functools.partial(_report_corpus, options.corpus)

    @property
    def about(self) -> dict[str, Any]:
        """The models' names and fingerprints."""
        pipelines: dict[str, Pipeline] = {
            "matcher": self.matcher,
            "imaginer": self.imaginer,
            "talker": self.talker,
        }
        return {
            kind: {"name": pipeline.name, "fingerprint": pipeline.fingerprint}
            for kind, pipeline in pipelines.items()
        }

    def run(self, task: Task, progress: OnProgress) -> Answer:
        """As `voiceface.app.worker.TaskRunner`."""
        return self.tasks[task.name](task, progress)

    def match(self, task: Task, progress: OnProgress) -> Answer:
        """Rank ``faces`` for the ``voice``, or ``voices`` for the ``face``."""
        side = "voice" if "voice" in task.files else "face"
        other = "face" if side == "voice" else "voice"
        checked = check_each(task.files[f"{other}s"], other, self.limits)
        unusable = {index: one for index, one in enumerate(checked) if isinstance(one, InputError)}
        usable = [index for index in range(len(checked)) if index not in unusable]
        query = self._sound(task) if side == "voice" else self._picture(task)
        names = [upload.name for upload in task.files[f"{other}s"]]

        def leave_out(index: int, error: InputError) -> None:
            unusable[usable[index]] = error

        ranked = self.matcher.rank(
            query,
            [checked[index] for index in usable],
            direction=f"{side}->{other}",
            on_error=leave_out,
            progress=progress,
        )
        if not ranked:
            raise no_usable_file([unusable[index] for index in sorted(unusable)], other)
        places = {id(one): index for index, one in enumerate(checked)}
        ranking = [
            {"rank": rank, "index": places[id(one)], "name": one.name, "probability": probability}
            for rank, (one, probability) in enumerate(ranked, start=1)
        ]
        left_out = [
            {"index": index, "name": names[index], "reason": str(unusable[index])}
            for index in sorted(unusable)
        ]
        facts = {"matcher": self.matcher.name, "query": query.name, "direction": f"{side}-to-{other}"}
        voices = [query] if side == "voice" else [one for one, _ in ranked]
        return Answer(facts={**facts, "ranking": ranking, "unusable": left_out, **_told(voices)})

    def verify(self, task: Task, progress: OnProgress) -> Answer:
        """The probability that ``voice`` and ``face`` are one person's."""
        voice, face = self._sound(task), self._picture(task)
        facts = {"matcher": self.matcher.name, "voice": voice.name, "face": face.name}
        return Answer(facts={**facts, "probability": self.matcher.score(voice, face), **_told([voice])})

    def embed(self, task: Task, progress: OnProgress) -> Answer:
        """Embeddings of ``voices`` and ``faces``."""
        facts: dict[str, Any] = {"matcher": self.matcher.name, "fingerprint": self.matcher.fingerprint}
        facts["dim"] = self.matcher.dim
        for kind, embed in (("voice", self.matcher.embed_voices), ("face", self.matcher.embed_faces)):
            checked = check_each(task.files.get(f"{kind}s", []), kind, self.limits)
            facts[f"{kind}s"] = [_embedded(embed, one) for one in checked]
        return Answer(facts=facts)

    def imagine(self, task: Task, progress: OnProgress) -> Answer:
        """``n`` faces for the ``voice``, as PNG files."""
        voice, given = self._sound(task), task.arguments
        recording = read_voice_recording(voice)
        with _options_as_fields():
            faces = self.imaginer(
                recording, n=given["n"], seed=given["seed"], size=given["size"], force=given["force"]
            )
        pictures = []
        for face in faces:
            buffer = io.BytesIO()
            face.save(buffer, format="PNG")
            pictures.append(buffer.getvalue())
        facts = {
            "model": self.imaginer.name,
            "fingerprint": self.imaginer.fingerprint,
            "seed": given["seed"],
            "size": faces[0].width,
            "plausibility": recording.plausibility,
            "warnings": plausibility_warnings([(voice.name, recording.plausibility)]),
        }
        return Answer(facts=facts, files=pictures)

    def animate(self, task: Task, progress: OnProgress) -> Answer:
        """A clip in which a ``face``, or one generated from the voice, says the ``voice``, at ``out``."""
        voice, given = self._sound(task), task.arguments
        face = self._picture(task) if task.files.get("face") else None
        with _options_as_fields():
            clip = self.talker(
                voice,
                given["out"],
                seed=given["seed"],
                face=face,
                size=given["size"],
                force=given["force"],
                progress=progress,
            )
        facts = {
            "model": self.talker.name,
            "fingerprint": self.talker.fingerprint,
            "seed": given["seed"],
            "seconds": round(clip.seconds, 3),
            "frames": clip.frames,
            "fps": clip.fps,
            "size": clip.size,
            "plausibility": clip.plausibility,
            "warnings": [f"{voice.name}: {clip.note}"] if clip.note else [],
        }
        return Answer(facts=facts)

    def _sound(self, task: Task) -> UploadedFile:
        return check_sound(task.files["voice"][0], self.limits)

    def _picture(self, task: Task) -> UploadedFile:
        return check_picture(task.files["face"][0], self.limits)


def _report_corpus(path: Path, task: Task, progress: OnProgress) -> Answer:
    return Answer(facts=corpus_facts(path))


def _told(voices: Sequence[UploadedFile]) -> dict[str, Any]:
    """What the recordings are like, and warnings where their scores are to be trusted less."""
    recordings = voice_facts(voices)
    found = [one.to_dict() for one in recordings]
    return {
        "recordings": [{"name": one.pop("path"), **one} for one in found],
        "warnings": [one.warning for one in recordings if one.warning],
    }


def _embedded(embed: Embed, file: UploadedFile | InputError) -> dict[str, Any]:
    """The embedding of a file, or the reason why there is none."""
    if isinstance(file, InputError):
        return {"name": file.what, "reason": str(file)}
    try:
        return {"name": file.name, "embedding": embed([file])[0].tolist()}
    except InputError as error:
        return {"name": file.name, "reason": str(error)}


@contextlib.contextmanager
def _options_as_fields() -> Iterator[None]:
    """Names fields of a request where a remedy names options of a command."""
    try:
        yield
    except InputError as error:
        remedy = error.remedy.replace("use --force", "send force=true").replace("--size", "size")
        raise InputError(error.what, error.fault, remedy) from error

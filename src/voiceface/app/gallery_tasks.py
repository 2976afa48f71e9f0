"""A gallery in a worker process: searched by an uploaded voice or face, added to, removed from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from voiceface.app.limits import Limits
from voiceface.app.messages import Answer, Task, Upload
from voiceface.app.uploaded_file import check_each
from voiceface.app.worker import OnProgress
from voiceface.errors import InputError
from voiceface.media.unicode_names import in_one_form
from voiceface.models.model import Embeddings
from voiceface.pipelines.gallery import Gallery
from voiceface.pipelines.gallery_folder import CARD, read_card
from voiceface.pipelines.gallery_items import Item
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.no_usable_file import no_usable_file

RunTask = Callable[[Task, OnProgress], Answer]


class GalleryTasks:
    """Tasks on one gallery, opened once and made if it is not there.

    Args:
        path: its folder.
        matcher: the server's; a gallery of another matcher loads its own.
        limits: of one file.

    Raises:
        InputError: it cannot be opened or made.
    """

    def __init__(self, path: Path, matcher: Matcher, limits: Limits) -> None:
        self.limits = limits
        theirs = (path / CARD).is_file() and read_card(path)["weights"] != matcher.fingerprint
        self.gallery = Gallery.open(path) if theirs else Gallery.open(path, matcher=matcher, create=True)
        self.matcher = self.gallery.matcher
        self.matcher.warns = False

    @property
    def tasks(self) -> dict[str, RunTask]:
        """By name."""
        tasks = (self.search, self.add, self.remove, self.count, self.people, self.items)
        return {f"gallery-{task.__name__}": self._without_path(task) for task in tasks}

    def count(self, task: Task, progress: OnProgress) -> Answer:
        """How many items of how many people."""
        people = self.gallery.people()
        facts = {"matcher": self.matcher.name, "items": sum(people.values()), "people": len(people)}
        return Answer(facts=facts)

    def people(self, task: Task, progress: OnProgress) -> Answer:
        """The first ``limit`` people whose names contain ``contains``, whatever the case."""
        looked_for = in_one_form(task.arguments["contains"]).casefold()
        found = [
            {"person": person, "items": count}
            for person, count in self.gallery.people().items()
            if looked_for in person.casefold()
        ]
        return Answer(facts={"total": len(found), "people": found[: task.arguments["limit"]]})

    def items(self, task: Task, progress: OnProgress) -> Answer:
        """What is kept of a person."""
        found = [
            {"kind": item.kind, "file": item.path.name, "attributes": dict(item.attributes)}
            for item in self.gallery.items(task.arguments["person"])
        ]
        return Answer(facts={"person": task.arguments["person"], "items": found})

    def search(self, task: Task, progress: OnProgress) -> Answer:
        """The ``k`` items that go best with the ``voice`` or ``face``."""
        if not len(self.gallery):
            raise InputError("the gallery", "is empty", "add somebody first")
        side = "voice" if task.files.get("voice") else "face"
        row = self._embed(task.files[side][0], side)
        hits = self.gallery.search(row, side=side, k=task.arguments["k"], kind=task.arguments["kind"] or None)
        found = [
            {
                "rank": rank,
                "person": hit.person,
                "kind": hit.kind,
                "file": Path(hit.path).name,  # where it lies on the server is nobody's business
                "similarity": hit.similarity,
                "probability": hit.probability,
                "attributes": hit.attributes,
            }
            for rank, hit in enumerate(hits, start=1)
        ]
        return Answer(facts={"matcher": self.matcher.name, "query": side, "hits": found})

    def add(self, task: Task, progress: OnProgress) -> Answer:
        """Add the ``voices`` and ``faces`` of a person."""
        rows: list[Embeddings] = []
        items: list[Item] = []
        failed: list[InputError] = []
        total = sum(map(len, task.files.values()))
        for kind in ("voice", "face"):
            for upload in task.files.get(f"{kind}s", []):
                try:
                    rows.append(self._embed(upload, kind))
                except InputError as error:
                    failed.append(error)
                else:
                    items.append(Item(path=_place(upload), kind=kind, person=task.arguments["person"]))
                progress(len(items) + len(failed), total)
        if not items:
            raise no_usable_file(failed, "file")
        added = self.gallery.add_rows(np.stack(rows), items)
        reasons = [{"name": error.what, "reason": str(error)} for error in failed]
        return Answer(facts={"added": added, "already_present": len(items) - added, "unusable": reasons})

    def remove(self, task: Task, progress: OnProgress) -> Answer:
        """Remove everything of a person."""
        return Answer(facts={"removed": self.gallery.remove(task.arguments["person"])})

    def _without_path(self, run: RunTask) -> RunTask:
        """The task; its errors do not say where the gallery lies."""

        def run_without_path(task: Task, progress: OnProgress) -> Answer:
            try:
                return run(task, progress)
            except InputError as error:
                if not Path(error.what).is_relative_to(self.gallery.path):
                    raise
                raise InputError("the gallery", error.fault, error.remedy) from error

        return run_without_path

    def _embed(self, upload: Upload, kind: str) -> Embeddings:
        file = check_each([upload], kind, self.limits)[0]
        if isinstance(file, InputError):
            raise file
        embed = self.matcher.embed_voices if kind == "voice" else self.matcher.embed_faces
        row: Embeddings = embed([file])[0]
        return row


def _place(upload: Upload) -> Path:
    """What stands for an upload's path in the gallery: the same file of a person is added once."""
    return Path("uploaded") / hashlib.blake2b(upload.data, digest_size=8).hexdigest() / upload.name

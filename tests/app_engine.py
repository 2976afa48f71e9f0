"""A worker of the server that has no models: it answers with what it was sent, or fails as a file says."""

import io
import os
import time
from pathlib import Path

from voiceface.app.limits import Limits
from voiceface.app.messages import Answer
from voiceface.app.workers import Workers
from voiceface.errors import InputError

CORPUS = {
    "corpus": "people <i>",
    "fingerprint": "ab" * 32,
    "complete": False,
    "people": 2,
    "voices": 3,
    "faces": 1234,
    "clips": 0,
    "statistics": [
        {
            "sex": sex,
            "people": 2,
            "voices": 3,
            "faces": 1234,
            "clips": 0,
            "seconds": 90.0,
            "unique_seconds": 60.0,
        }
        for sex in ("female", "all")
    ],
    "problems": [{"severity": "error", "what": "person b", "fault": "is in two splits", "remedy": "mend it"}],
    "rejected_files": 3,
    "rejected": [{"path": "a<b>.wav", "person": "a", "reason": "is empty"}],
}


class FakeEngine:
    """A first file that begins with ``crash``, ``hang``, ``wait``, ``memory``, ``bug``, ``bad`` does so."""

    about = {
        kind: {"name": f"fake-{kind}", "fingerprint": "ab"} for kind in ("matcher", "imaginer", "talker")
    }

    def __init__(self):
        self.known = {"Ann<i>": 2, "Bob / 1": 1}

    def run(self, task, progress):
        uploads = [upload for files in task.files.values() for upload in files]
        if uploads:
            self.fail(uploads[0])
        tasks = {
            "imagine": self.imagine,
            "animate": self.animate,
            "match": self.match,
            "gallery-search": self.search,
            "verify": self.verify,
            "gallery-add": self.add,
            "gallery-count": self.count,
            "gallery-people": self.people,
            "gallery-remove": self.remove,
            "corpus": lambda task, progress: Answer(facts=CORPUS),
        }
        return tasks.get(task.name, self.echo)(task, progress)

    def add(self, task, progress):
        person, added = task.arguments["person"], sum(map(len, task.files.values()))
        self.known[person] = self.known.get(person, 0) + added
        return Answer(facts={"added": added, "already_present": 0, "unusable": []})

    def fail(self, upload):
        match upload.data.split()[0] if upload.data else b"":
            case b"crash":
                os._exit(3)
            case b"hang":
                time.sleep(60)
            case b"wait":
                time.sleep(float(upload.data.split()[1]))
            case b"memory":
                raise MemoryError
            case b"bug":
                raise ZeroDivisionError("a bug")
            case b"bad":
                raise InputError(upload.name, "contains no sound", "record it again")

    def echo(self, task, progress):
        files = {field: [[one.name, len(one.data)] for one in found] for field, found in task.files.items()}
        return Answer(
            facts={
                "task": task.name,
                "files": files,
                "arguments": task.arguments,
                "pid": os.getpid(),
                "threads_wait": os.environ.get("OMP_WAIT_POLICY"),
            }
        )

    def match(self, task, progress):
        """Names as they come, ever less probable; the last of several cannot be used."""
        side = "voice" if "voice" in task.files else "face"
        candidates = task.files["faces" if side == "voice" else "voices"]
        ranking = [
            {"rank": k + 1, "index": k, "name": one.name, "probability": 0.9 - 0.2 * k}
            for k, one in enumerate(candidates[: max(1, len(candidates) - 1)])
        ]
        unusable = [
            {"index": k, "name": one.name, "reason": f"{one.name}: shows no face; crop it"}
            for k, one in enumerate(candidates)
            if k >= len(ranking)
        ]
        query = task.files[side][0].name
        facts = {"matcher": "fake", "query": query, "ranking": ranking, "unusable": unusable, "warnings": []}
        return Answer(facts=facts)

    def verify(self, task, progress):
        return Answer(facts=self.echo(task, progress).facts | {"probability": 0.64, "warnings": []})

    def search(self, task, progress):
        found = [("Ann<i>", "a.jpg", 0.75), ("Bob", "b.jpg", 0.25)]
        hits = [
            {
                "rank": k,
                "person": person,
                "kind": "face",
                "file": file,
                "probability": value,
                "similarity": value,
            }
            for k, (person, file, value) in enumerate(found, start=1)
        ]
        return Answer(facts={"hits": hits, "arguments": task.arguments})

    def count(self, task, progress):
        return Answer(facts={"items": sum(self.known.values()), "people": len(self.known)})

    def people(self, task, progress):
        found = [
            {"person": person, "items": items}
            for person, items in self.known.items()
            if task.arguments["contains"] in person
        ]
        return Answer(facts={"total": len(found), "people": found})

    def remove(self, task, progress):
        return Answer(facts={"removed": self.known.pop(task.arguments["person"])})

    def imagine(self, task, progress):
        from PIL import Image

        from voiceface.media.origin import GeneratedImage, Origin

        given, files = task.arguments, []
        for k in range(given["n"]):
            origin = Origin(model="fake-imaginer", fingerprint="ab", seed=given["seed"], draw=k)
            buffer = io.BytesIO()
            side = given["size"] or 64
            GeneratedImage.of(Image.new("RGB", (side, side), (90 + 9 * k, 120, 140)), origin).save(
                buffer, "PNG"
            )
            files.append(buffer.getvalue())
        return Answer(
            facts={"model": "fake", "seed": given["seed"], "size": side, "warnings": []}, files=files
        )

    def animate(self, task, progress):
        """A small clip, or, for a file of ``steps N``, bytes after N steps."""
        words = task.files["voice"][0].data.split()
        steps = int(words[1]) if words[0] == b"steps" else 10
        for step in range(steps):
            progress(step, steps)
            time.sleep(0.02)
        if words[0] == b"steps":
            Path(task.arguments["out"]).write_bytes(bytes(range(200)))
        else:
            import numpy as np

            from voiceface.media.write_movie import write_movie

            frames = (np.full((64, 64, 3), 90 + 5 * k, np.uint8) for k in range(12))
            write_movie(task.arguments["out"], frames, fps=24, wave=np.zeros(8000, np.float32))
        return Answer(facts={"model": "fake", "seconds": 0.5, "frames": 12, "warnings": []})


def broken_engine():
    raise InputError("runs/mine", "is neither shipped weights nor a folder", "check the name")


def ending_engine():
    os._exit(4)


class NonsenseEngine(FakeEngine):
    """Says of itself what nobody understands, as a process would that a stranger has taken over."""

    about = 5


def fake_workers(count=1, make=FakeEngine, **limits):
    return Workers(make, count=count, limits=Limits(**limits))

"""Every speed that a change could lose, each beside a peer or a floor in the same run (`make bench`).

    python benchmarks/speed.py [-o bench.json] [--repeats 5] [--only NAME ...] [--smoke]

Both of a pair run in turn, so that a machine busy with other things disturbs both alike, on one thread.
Printed, and written as JSON beside what the machine is, are the medians of processor seconds and their
ratio: how many times the peer's time, or the floor's, ours takes. ``--smoke`` makes everything tiny: it
shows that all of it runs, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from gallery import Rows, largest
from loop_overhead import by_hand, in_the_loop
from sklearn.metrics import roc_curve
from wen_step import Ours, Written, batches, make

from voiceface.evaluation.source_commit import source_commit
from voiceface.face.detect import detect, detect_hog
from voiceface.face.dlib_models import dlib_module, model_file
from voiceface.face.mmod_detector import mmod_faces
from voiceface.media.sound import load_sound
from voiceface.pipelines.gallery import Gallery, Item
from voiceface.pipelines.matcher import Matcher
from voiceface.protocols import retrieval, verification

Work = Callable[[], object]
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pieces of work to be timed in turn."""

    ours: Work
    beside: Work
    other: str
    """What is beside."""
    processes: bool = False
    """Whether the work is done by processes of its own, whose time counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Medians of processor seconds."""

    name: str
    seconds: float
    beside: str
    beside_seconds: float
    ratio: float
    repeats: int


def whole_import(smoke: bool) -> Iterator[Pair]:
    """`import voiceface` beside an interpreter that does nothing."""
    yield Pair(process("import voiceface"), process("pass"), "python -c pass", processes=True)


def whole_match(smoke: bool) -> Iterator[Pair]:
    """`voiceface match` of one voice and three faces, a whole process, beside `import torch`."""
    from doors import made

    with tempfile.TemporaryDirectory() as place:
        voice, faces = made(Path(place))
        words = ["match", str(voice), *map(str, faces[:3])]
        ours = process(f"from voiceface.cli import main; main({words!r})")
        yield Pair(ours, process("import torch"), "import torch", processes=True)


def opening_sound(smoke: bool) -> Iterator[Pair]:
    """A WAV of four seconds beside the standard library's reader."""
    with tempfile.TemporaryDirectory() as place:
        path = str(Path(place) / "voice.wav")
        noise = np.random.default_rng(0).integers(-9000, 9000, 64_000).astype("<i2")
        with wave.open(path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(noise.tobytes())

        def plain() -> Floats:
            with wave.open(path, "rb") as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return samples.astype(np.float32) / 32768

        assert np.allclose(load_sound(path, rate=16_000), plain(), atol=1e-4)
        yield Pair(lambda: load_sound(path, rate=16_000), plain, "wave and numpy")


def embedding_faces(smoke: bool) -> Iterator[Pair]:
    """Pictures embedded by the matcher in batches, beside the same one by one."""
    from draw_face import draw_face  # of the tests, which `loop_overhead` has put on the path

    matcher, pictures = Matcher.load(), [draw_face(seed, 224) for seed in range(2 if smoke else 32)]
    yield Pair(
        lambda: matcher.embed_faces(pictures),
        lambda: [matcher.embed_faces([one]) for one in pictures],
        f"{len(pictures)} one by one",
    )


def embedding_voices(smoke: bool) -> Iterator[Pair]:
    """Recordings of 5 s embedded by the matcher in batches, beside the same one by one."""
    from corpus_media import synthetic_voice

    matcher = Matcher.load()
    voices = [(synthetic_voice(seed, 5.0), 16_000) for seed in range(2 if smoke else 32)]
    yield Pair(
        lambda: matcher.embed_voices(voices),
        lambda: [matcher.embed_voices([one]) for one in voices],
        f"{len(voices)} one by one",
    )


def embedding_in_bf16(smoke: bool) -> Iterator[Pair]:
    """Voices and aligned faces by the precision that is chosen here, beside float32."""
    from corpus_media import synthetic_voice

    count, random = 2 if smoke else 32, np.random.default_rng(0)
    voices = [synthetic_voice(seed, 5.0) for seed in range(count)]
    faces = random.integers(0, 256, (count, 150, 150, 3), dtype=np.uint8)

    def by(precision: str) -> Work:
        matcher = Matcher.load("matcher", precision=precision)
        return lambda: (matcher._embed_waves(voices), matcher._embed_aligned(faces))

    yield Pair(by("auto"), by("32"), "float32")


def finding_a_face(smoke: bool) -> Iterator[Pair]:
    """The face of a picture as `detect` looks for it, beside dlib's HOG detector on the picture enlarged."""
    from draw_face import draw_face  # of the tests, which `loop_overhead` has put on the path

    pixels = np.asarray(draw_face(1, 224))
    assert detect(pixels)[0].detector == "hog"
    yield Pair(lambda: detect(pixels), lambda: detect_hog(pixels, upsample=1), "dlib's HOG, enlarged")


def convolving_for_a_face(smoke: bool) -> Iterator[Pair]:
    """The convolutional face detector beside dlib's own, which finds the same."""
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    theirs = dlib_module().cnn_face_detection_model_v1(str(model_file("mmod")))
    yield Pair(lambda: mmod_faces(pixels), lambda: theirs(pixels), "dlib's network")


def verifying(smoke: bool) -> Iterator[Pair]:
    """AUC, EER and what else verification reports of 300,000 trials, beside scikit-learn's ROC curve."""
    random, count = np.random.default_rng(0), 2_000 if smoke else 300_000
    labels = random.random(count) < 0.5
    scores = random.normal(size=count) + labels
    yield Pair(
        lambda: verification(scores, labels, resamples=0), lambda: roc_curve(labels, scores), "scikit-learn"
    )


def retrieving(smoke: bool) -> Iterator[Pair]:
    """Mean average precision and R@K both ways, beside a product and a sort of it alone."""
    random, count = np.random.default_rng(0), 100 if smoke else 3_000
    people = random.integers(0, count // 10, count)
    voices, faces = (random.normal(size=(count, 128)).astype(np.float32) for _ in range(2))

    def plain() -> None:
        similarity = voices @ faces.T
        similarity.argsort(axis=1)
        similarity.argsort(axis=0)

    sides = (voices, faces)
    yield Pair(lambda: retrieval(sides, people=(people, people), resamples=0), plain, "product and two sorts")


def searching(smoke: bool) -> Iterator[Pair]:
    """The ten nearest of 200,000 items of a gallery, beside numpy's product and partition."""
    random, count = np.random.default_rng(0), 2_000 if smoke else 200_000
    rows = random.normal(size=(count, 70)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as place:
        gallery = Gallery.open(Path(place) / "gallery", matcher=Rows(70), create=True)  # type: ignore[arg-type]
        items = [Item(path=Path(str(k)), kind="face", person=str(k % 1000)) for k in range(count)]
        gallery.add_rows(rows, items)
        query = rows[7]
        found = [int(hit.path) for hit in gallery.search(query, side="voice", exact=True)]
        assert found == list(largest(rows @ query))
        yield Pair(
            lambda: gallery.search(query, side="voice", exact=True),
            lambda: largest(rows @ query),
            "numpy's product",
        )


def wen_step(smoke: bool) -> Iterator[Pair]:
    """A training step of `wen_voice2face`, beside Algorithm 1 as its paper writes it."""
    model = make("code", 32 if smoke else 1024, "cpu")
    batch = batches(2 if smoke else 32, "cpu")
    ours, written = (kind(model, half=False, device="cpu") for kind in (Ours, Written))
    yield Pair(lambda: ours(batch), lambda: written(batch), "the algorithm as written")


def training_loop(smoke: bool) -> Iterator[Pair]:
    """Steps of a tiny network in the training loop, beside the shortest loop written by hand."""
    steps = 20 if smoke else 1000
    yield Pair(lambda: in_the_loop(steps), lambda: by_hand(steps), "a loop by hand")


PAIRS: dict[str, Callable[[bool], Iterator[Pair]]] = {
    "import": whole_import,
    "match": whole_match,
    "sound": opening_sound,
    "embed-faces": embedding_faces,
    "embed-voices": embedding_voices,
    "embed-precision": embedding_in_bf16,
    "face": finding_a_face,
    "face-network": convolving_for_a_face,
    "verification": verifying,
    "retrieval": retrieving,
    "gallery": searching,
    "wen-step": wen_step,
    "loop": training_loop,
}


def process(code: str) -> Work:
    """Python running some code in a process of its own."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def measure(name: str, *, smoke: bool, repeats: int) -> Figure:
    """Time one pair in turn."""
    with contextlib.closing(PAIRS[name](smoke)) as pairs:
        pair = next(pairs)
        sides = (pair.ours, pair.beside)
        for work in sides:  # caches are warm from here on
            work()
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(repeats):
            for work, times in zip(sides, taken, strict=True):
                before = spent(processes=pair.processes)
                work()
                times.append(spent(processes=pair.processes) - before)
    ours, beside = (max(statistics.median(times), 1e-9) for times in taken)
    return Figure(
        name=name, seconds=ours, beside=pair.other, beside_seconds=beside, ratio=ours / beside,
        repeats=repeats,
    )  # fmt: skip


def spent(*, processes: bool) -> float:
    """Processor seconds so far, of this process or of those that it has ended."""
    if not processes:
        return time.process_time()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "av", "scikit-learn")},
        "commit": source_commit(),
        "load": os.getloadavg()[0],
    }


def processor() -> str:
    """Its model, where the system says it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main(words: list[str] | None = None) -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=sorted(PAIRS), default=list(PAIRS))
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    print("| what | processor | beside | processor | ratio |\n|---|---|---|---|---|")
    figures = []
    for name in given.only:
        figure = measure(name, smoke=given.smoke, repeats=1 if given.smoke else given.repeats)
        figures.append(figure)
        ours, beside = (f"{1000 * value:,.2f} ms" for value in (figure.seconds, figure.beside_seconds))
        print(f"| {name} | {ours} | {figure.beside} | {beside} | {figure.ratio:.2f} |", flush=True)
    if given.out is not None:
        found = {"machine": machine(), "smoke": given.smoke, "figures": [asdict(one) for one in figures]}
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

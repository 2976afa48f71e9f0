"""`evaluate faces` and `evaluate video` by several processes or a cluster print what one process prints."""

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from cli_fixtures import call
from dask_cluster import DaskCluster
from draw_face import draw_face
from test_cli_video import film
from voiceface.corpus.workers import Workers
from voiceface.errors import InputError
from voiceface.evaluation.generated_from_voices import has_detectable_face
from voiceface.evaluation.measure_clips import ClipPair, ClipTask, JudgeFiles, clip_tasks, measure_clip_files
from voiceface.evaluation.picture_faces import find_picture_faces, picture_blocks


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Clips of three people: one without its real clip, one real file that is no film, two generated ones."""
    root = tmp_path_factory.mktemp("clips")
    for person, seeds in (("ann", (1, 2)), ("bob", (3,)), ("eve", (4, 5))):
        for seed in seeds:
            film(root / "generated" / person / f"{seed}.mp4", seed, frames=20, dark=10)
            if seed != 5:
                film(root / "real" / person / f"{seed}.mp4", seed, frames=20, size=128 if seed == 1 else 112)
    (root / "real" / "ann" / "2.mp4").write_bytes(b"no film")
    for name in ("bob/6", "bob/7"):
        (root / "generated" / f"{name}.mp4").write_bytes(b"no film")
    return ["evaluate", "video", "--generated", root / "generated", "--reference", root / "real"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of nine people on either side, one damaged, one without a face, and a text."""
    root = tmp_path_factory.mktemp("pictures")
    for side in ("generated", "real"):
        for seed in range(9):
            place = root / side / f"p{seed}"
            place.mkdir(parents=True)
            for k in range(2):
                face = np.asarray(draw_face(seed, 180)).astype(int) + 9 * k - 12 * (side == "real")
                Image.fromarray(face.clip(0, 255).astype(np.uint8)).save(place / f"{k}.png")
    Image.new("RGB", (180, 180), (90, 90, 90)).save(root / "generated" / "p0" / "0.png")
    (root / "generated" / "p1" / "0.png").write_bytes(b"no picture")
    (root / "generated" / "p1" / "notes.txt").write_text("nothing")
    return ["evaluate", "faces", "--generated", root / "generated", "--reference", root / "real"]


def printed(words, *more):
    said = call(*words, "--json", "--resamples", "20", *more)
    assert said.code == 0, said.err
    return said.out


def test_several_processes_measure_clips_as_one_does(clips):
    alone = printed(clips)
    row = {figure["name"]: figure for figure in json.loads(alone)["rows"]["generated"]}
    assert '"file cannot be read": 3' in alone and row["SSIM"]["chance"] < row["SSIM"]["value"]
    assert printed(clips, "--workers", "2") == alone


def test_several_processes_find_the_faces_of_pictures_as_one_does(pictures):
    alone = printed(pictures)
    assert "pictures that cannot be read, counted as not found: 1" in alone
    assert printed(pictures, "--workers", "2") == alone


def test_faces_are_detected_by_several_processes_in_their_order():
    faces = np.stack([np.asarray(draw_face(seed, 64)) for seed in range(4)])
    faces[1] = 90
    alone = has_detectable_face(faces)
    assert alone.tolist() == [True, False, True, True]
    assert has_detectable_face(faces, workers=Workers(2)).tolist() == alone.tolist()


def test_the_stranger_of_a_clip_is_the_last_readable_one_of_another_person(clips):
    root = clips[3].parent
    names = ["ann/1", "ann/2", "bob/3", "eve/4", "eve/5"]
    generated = {name: root / "generated" / f"{name}.mp4" for name in names}
    real = {name: root / "real" / f"{name}.mp4" for name in names[:4]}
    people = {name: name[:3] for name in names}
    judges, workers = JudgeFiles(), Workers(2)
    tasks = list(clip_tasks(generated, real, people=people, groups={}, judges=judges, workers=workers))
    strangers = {task.pair.name: [one.name for one in task.strangers] for task in tasks}
    assert strangers == {
        "ann/1": [], "ann/2": [], "bob/3": ["ann/2", "ann/1"], "eve/4": ["bob/3", "ann/2", "ann/1"],
        "eve/5": ["bob/3", "ann/2", "ann/1"],
    }  # fmt: skip


def test_files_that_another_machine_does_not_see_are_named(tmp_path):
    (block,) = picture_blocks(tmp_path, ["gone.png"], Workers(2))
    with pytest.raises(InputError, match=r"gone\.png: is not there for the worker on \S+; mount the same"):
        find_picture_faces(block)
    pair = ClipPair(name="a", person="a", group="", generated=tmp_path / "a.mp4", real=None)
    with pytest.raises(InputError, match=r"a\.mp4: is not there for the worker on"):
        measure_clip_files(ClipTask(pair=pair, strangers=(), judges=JudgeFiles(), threads=0))


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec("distributed"),
    reason="distributed is not installed: pip install 'voiceface[cluster]'",
)
def test_a_cluster_measures_clips_and_finds_faces_as_one_process_does(clips, pictures, tmp_path):
    cluster = DaskCluster(tmp_path)
    try:
        cluster.start(2)
        for words in (clips, pictures):
            assert printed(words, "--cluster", cluster.address) == printed(words)
    finally:
        cluster.close()

"""`evaluate video`: files in, the protocol's figures out; the study page and its answers."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

from cli_fixtures import call
from corpus_media import synthetic_voice
from draw_face import draw_face
from voiceface.evaluation.clip_files import read_clip, track_face_points
from voiceface.evaluation.experiment_records import read_experiments
from voiceface.evaluation.study_page import write_study
from voiceface.media.movie import frames
from voiceface.media.write_movie import write_movie
from voiceface.metrics.image import psnr
from voiceface.protocols.preference_study import study_pairs
from voiceface.recipes import sync_expert
from voiceface.training.weights import write_weights

FRAMES = 24


def film(path, seed, *, frames=FRAMES, sound=True, blank=0, size=112, dark=0):
    """A clip of a generated face; the first ``blank`` frames are of a grey wall."""
    face = np.asarray(draw_face(seed, size))
    wall = np.full_like(face, 128)
    pictures = [np.clip(face.astype(int) - dark - k % 3, 0, 255).astype(np.uint8) for k in range(frames)]
    pictures[:blank] = [wall] * blank
    path.parent.mkdir(parents=True, exist_ok=True)
    write_movie(
        path, pictures, fps=25, wave=synthetic_voice(seed, frames / 25) if sound else None, rate=16000
    )


@pytest.fixture(autouse=True)
def few_looks(monkeypatch):
    """Describing a face is what takes time."""
    monkeypatch.setattr("voiceface.evaluation.clip_files._EMBEDDED", 2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    for person, seeds in (("ann", (1, 2)), ("bob", (3,)), ("eve", (4, 5))):
        for seed in seeds:
            film(root / "real" / person / f"{seed}.mp4", seed, size=128 if seed == 1 else 112)
    film(root / "generated" / "ann" / "1.mp4", 1, dark=10)
    film(root / "generated" / "ann" / "2.mp4", 2, dark=10, sound=False)
    film(root / "generated" / "bob" / "3.mp4", 3, dark=10, frames=FRAMES + 6)
    film(root / "generated" / "eve" / "4.mp4", 4, dark=10, blank=FRAMES // 2 + 2)
    (root / "generated" / "eve" / "5.mp4").write_bytes(b"no film")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A sync expert that learnt nothing."""
    run = sync_expert.recipe(width=4, dim=8)
    facts = {"mean": [0.0] * 40, "deviation": [1.0] * 40}
    torch.manual_seed(1)
    card = {"recipe": "sync_expert", "arguments": dict(run.arguments), "facts": facts}
    return write_weights(tmp_path_factory.mktemp("w") / "made", run.build(facts).weights(), card)


def test_figures_of_files_and_what_is_left_out(folders, weights, tmp_path):
    (tmp_path / "known.txt").write_text("ann\nbob\n")
    tokens = [
        "evaluate",
        "video",
        "--generated",
        folders / "generated",
        "--reference",
        folders / "real",
        "--sync",
        weights,
    ]
    said = call(*tokens, "--train-people", tmp_path / "known.txt", "--resamples", "20", "--json")
    assert said.code == 0, said.err
    rows, left = said.json["rows"], said.json["left_out"]
    assert set(rows) == {f"{s}, {g} voices" for s in ("generated", "real") for g in ("known", "unknown")}
    known = {e["name"]: e for e in rows["generated, known voices"]}
    # Ann's first real clip was larger than the generated one and was brought to its size.
    assert known["SSIM"]["n"] == 2 and known["SSIM"]["people"] == 1
    assert known["SSIM"]["low"] < known["SSIM"]["value"]
    assert "unknown voices: one person, so that intervals are over clips" in said.json["notes"]
    assert known["sync confidence"]["n"] == 2 and known["identity similarity"]["value"] > 0.9
    own, real = (read_clip(folders / side / "ann" / "2.mp4").frames for side in ("generated", "real"))
    one = psnr(own, real, scale=255).mean()
    assert known["PSNR"]["value"] == pytest.approx(
        (one + psnr(*sized(folders), scale=255).mean()) / 2, abs=1e-6
    )
    prefix = "generated, known voices: "
    assert left[prefix + "SSIM, PSNR: length differs from the real clip"] == ["bob/3"]
    assert left[prefix + "sync: no sound"] == ["ann/2"]
    assert left["generated, unknown voices: sync: no face in half of the frames"] == ["eve/4"]
    assert len(left["file cannot be read"]) == 1 and "5.mp4" in left["file cannot be read"][0]
    assert "5.mp4" in said.err
    assert any(
        re.match(r"generated: no face in 1\d of 102 frames \(1 clips\)", note) for note in said.json["notes"]
    )


def sized(folders):
    own = read_clip(folders / "generated" / "ann" / "1.mp4").frames
    return own, read_clip(folders / "real" / "ann" / "1.mp4", size=own.shape[2:0:-1]).frames


def test_what_is_printed_and_recorded(folders, tmp_path):
    results, two = tmp_path / "results", tmp_path / "two"
    for clip in ("ann/2.mp4", "bob/3.mp4"):
        (two / clip).parent.mkdir(parents=True)
        (two / clip).write_bytes((folders / "real" / clip).read_bytes())
    tokens = ["evaluate", "video", "--generated", two, "--reference", two, "--resamples", "20"]
    said = call(*tokens, "--record", "--results", results)
    assert said.code == 0, said.err
    assert "generated (2 clips, 2 people)" in said.out and "95 % interval over people" in said.out
    assert re.search(r"SSIM +1\.000 +\[1\.000, 1\.000\] +chance 0\.\d", said.out)
    assert all(len(line) <= 80 for line in said.out.splitlines())
    if "no sync expert" in said.err:
        assert "sync confidence" not in said.out
    (one,) = read_experiments(results)
    assert (
        one["protocol"] == "video"
        and {"row": "generated", "name": "SSIM"}.items() <= one["figures"][0].items()
    )
    assert str(folders) not in str(one)


def test_points_of_every_frame_and_none_where_there_is_no_face():
    face = np.asarray(draw_face(1, 112))
    wall = np.full_like(face, 128)
    points = track_face_points(np.stack([face] * 13 + [wall] * 12))
    known = np.isfinite(points).all(axis=(1, 2))
    assert known[:11].all() and not known[15:].any()
    assert np.abs(points[:11] - points[0]).max() < 2
    eyes = points[0, :4].mean(axis=0)
    assert (eyes > 25).all() and (eyes < 85).all() and points[0, 4, 1] > eyes[1]


def test_the_page_is_whole_blind_and_its_answers_come_back(folders, tmp_path):
    page, whole = tmp_path / "study.html", tmp_path / "generated"
    shutil.copytree(folders / "generated", whole)
    asked = ("evaluate", "video", "--study", page, "--generated", folders / "real", "--compare-with", whole)
    call(*asked).refused("5.mp4", "not media")  # raters would be given the bytes of whatever lies there
    (whole / "eve" / "5.mp4").unlink()
    said = call(*asked, "--pairs", "3", "--seed", "2", "--question", "Who <is> real?")
    assert said.code == 0 and "3 pairs" in said.out
    # Ann's first real clip has 128 pixels, the generated one 112.
    assert "in 1 of 3 pairs the clips differ in size" in said.err
    text = page.read_text()
    assert "Who &lt;is&gt; real?" in text
    data = json.loads(re.search(r'<script id="data".*?>(.*?)</script>', text, re.DOTALL)[1])
    rest = text.replace(json.dumps(data["pairs"]), "")
    assert not re.search(r"""(src|href)=["']?http|@import|url\(""", rest)
    assert "generated" not in text.replace("/generated", "") and str(tmp_path) not in text
    sides = {pair.clip: pair.first_left for pair in study_pairs(data["clips"], seed=2)}
    for pair in data["pairs"]:
        import base64

        left = base64.b64decode(pair["left"].partition("base64,")[2])
        first = (folders / "real" / f"{pair['clip']}.mp4").read_bytes()
        assert (left == first) == sides[pair["clip"]]
    for rater in "ab":
        answers = [
            {"clip": c, "choice": "left" if first else "right", "seconds": 1.0} for c, first in sides.items()
        ]
        told = {key: data[key] for key in ("study", "seed", "clips", "people")}
        (tmp_path / f"{rater}.json").write_text(json.dumps(told | {"rater": rater, "answers": answers}))
    said = call("evaluate", "video", "--answers", tmp_path / "a.json", "--answers", tmp_path / "b.json")
    assert said.code == 0 and re.search(
        r"generated preferred to beside +1\.000 +\[1\.000, 1\.000\]", said.out
    )
    assert "over 2 raters and" in said.out


def test_clips_that_browsers_do_not_play_become_mp4(folders, tmp_path):
    import av

    made = tmp_path / "x.avi"
    with av.open(str(made), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for k in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 40 * k, np.uint8), format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    page = tmp_path / "p.html"
    assert write_study(page, ({"x": made}, {"x": folders / "real" / "ann" / "1.mp4"}), people={}) == 1
    uris = re.findall(r"data:video/(\w+);base64,([A-Za-z0-9+/=]+)", page.read_text())
    assert [kind for kind, _ in uris] == ["mp4", "mp4"]
    import base64
    import io

    short = min((base64.b64decode(data) for _, data in uris), key=len)
    assert len(list(frames(io.BytesIO(short)))) == 5


def test_what_cannot_be_asked(folders, tmp_path):
    call("evaluate", "video").refused("--generated", "--answers")
    generated = ["evaluate", "video", "--generated", folders / "generated"]
    call(*generated, "--compare-with", folders / "real").refused("--study")
    call(*generated, "--study", tmp_path / "x.html").refused("--compare-with")
    for name, better in (("page.mp4", "page.html"), ("page", "page.html"), ("a.b/p.PDF", "p.html")):
        study = ("--study", tmp_path / name, "--compare-with", folders / "real")
        call(*generated, *study).refused("is no page", f"name it {better}")
        assert not (tmp_path / name).exists()
    (tmp_path / "other" / "zed").mkdir(parents=True)
    film(tmp_path / "other" / "zed" / "9.mp4", 9, frames=3)
    call(*generated, "--reference", tmp_path / "other").refused("shares no clip's name")
    call(*generated, "--study", tmp_path / "x.html", "--compare-with", tmp_path / "other").refused(
        "shares no clip"
    )
    call(*generated, "--reference", folders / "real", "--train-people", tmp_path / "none.txt").refused(
        "none.txt"
    )
    call(*generated, "--reference", folders / "real", "--sync", "nothing").refused("nothing")
    call("evaluate", "video", "--answers", tmp_path / "none.json").refused("none.json")
    (tmp_path / "list.json").write_text("[]")
    call("evaluate", "video", "--answers", tmp_path / "list.json").refused("contains no answers")
    call("evaluate", "video", "--generated", tmp_path / "empty").refused("empty")

"""`voiceface evaluate faces` on files, on pictures and on weights that generate faces."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cli_fixtures import call
from draw_face import draw_face
from voiceface.corpus.splits import split_known, split_people
from voiceface.corpus.views import face_view
from voiceface.evaluation import evaluate_face_generator as generator_module
from voiceface.evaluation.experiment_records import read_experiments
from voiceface.models.model import Model
from voiceface.pipelines import weights as weights_module
from voiceface.training.run import Run
from voiceface.training.training_folder import people_fingerprint

RANDOM = np.random.default_rng(0)
PEOPLE = np.array([f"p{k:02}" for k in range(24)])
SEXES = np.array(["f", "m"])[np.arange(24) % 2]
CENTRES = RANDOM.normal(size=(24, 6)) + np.where(SEXES == "f", 3, -3)[:, None] * np.eye(6)[0]
OPTIONS = {"drawn": "generated", "real": "reference"}


def rows_file(path, rows, people=PEOPLE, gender=SEXES, **more):
    names = np.array([f"{who}/{k}" for k, who in enumerate(people)])
    np.savez(path, names=names, people=people, gender=gender, embeddings=rows.astype(np.float32), **more)
    return path


@pytest.fixture
def files(tmp_path):
    real = np.repeat(CENTRES, 2, axis=0) + 0.3 * RANDOM.normal(size=(48, 6))
    others = np.array([f"q{k:02}" for k in range(30)])
    sexes = np.array(["f", "m"])[np.arange(30) % 2]
    rows = RANDOM.normal(size=(30, 6)) + np.where(sexes == "f", 3, -3)[:, None] * np.eye(6)[0]
    return {
        "drawn": rows_file(tmp_path / "d.npz", CENTRES),
        "real": rows_file(tmp_path / "r.npz", real, np.repeat(PEOPLE, 2), np.repeat(SEXES, 2)),
        "train": rows_file(tmp_path / "t.npz", rows, others, sexes),
    }


def judge(files, *more):
    given = [token for name, path in files.items() for token in (f"--{OPTIONS.get(name, name)}", path)]
    return call("evaluate", "faces", *given, "--resamples", 20, *more)


def test_rows_of_any_recogniser_are_judged(files, tmp_path):
    said = judge(files, "--features", "toy", "--json", "--record", "--results", tmp_path / "results")
    assert said.code == 0, said.err
    found = said.json["judged"]["d.npz"]["sections"]
    assert list(found) == ["Generated faces", "Threshold", "Memorisation, toy"]
    rows = found["Generated faces"]["rows"]
    assert rows["matching, L2"][0]["value"] > 0.98 and rows["matching, L2"][0]["chance"] == 0.5
    assert rows["generated faces as a set"][0]["name"] == "Fréchet (toy)"
    assert rows["gender, generated faces"][0]["value"] == 1.0
    (one,) = read_experiments(tmp_path / "results")
    assert ("matching, L2", "1:2") in [(figure["row"], figure["name"]) for figure in one["figures"]]
    assert "--generated GENERATED.npz" in one["command"] and str(tmp_path) not in str(one)
    assert one["protocol"] and "classifier itself" not in str(one)


def test_it_reads_well_in_a_terminal(files):
    said = judge(files)
    assert said.code == 0 and "1:2" in said.out and "chance 0.500" in said.out
    assert "is nearest to q" in said.out and "held-out real faces" in said.out


def test_a_file_may_tell_which_faces_were_not_found(files, tmp_path):
    found = np.arange(24) % 3 > 0
    rows_file(tmp_path / "d.npz", np.where(found[:, None], CENTRES, np.nan), found=found)
    said = judge(files, "--json")
    assert said.code == 0, said.err
    rows = said.json["judged"]["d.npz"]["sections"]["Generated faces"]["rows"]
    assert rows["found"][0]["value"] == pytest.approx(2 / 3)
    assert rows["matching, L2"][0]["value"] == pytest.approx(2 / 3, abs=0.02)


def test_bad_files_are_refused_in_one_line(files, tmp_path):
    call("evaluate", "faces").refused("has nothing to evaluate")
    call("evaluate", "faces", "--generated", files["drawn"]).refused("has nothing to evaluate")
    call("evaluate", "faces", "--model", "x").refused("give --corpus")
    call("evaluate", "faces", "--model", "x", "--generated", files["drawn"]).refused(
        "together with --generated"
    )
    judge(files, "--corpus", tmp_path).refused("require --model")
    judge(files | {"real": tmp_path / "none.npz"}).refused("does not exist")
    judge(files | {"real": tmp_path}).refused("holds no pictures")
    (tmp_path / "cut.npz").write_bytes(files["real"].read_bytes()[:500])
    judge(files | {"real": tmp_path / "cut.npz"}).refused("cut.npz", "no readable .npz")
    narrow = rows_file(tmp_path / "narrow.npz", CENTRES[:, :4])
    judge(files | {"drawn": narrow}).refused("wide", "one model")
    broken = rows_file(tmp_path / "broken.npz", np.where(np.eye(24, 6) > 0, np.inf, CENTRES))
    judge(files | {"drawn": broken}).refused("6 (0, 1, 2, …) of 24", "NaN or infinity")
    strangers = rows_file(tmp_path / "s.npz", CENTRES, np.array([f"x{k}" for k in range(24)]))
    judge(files | {"drawn": strangers}).refused("24 people of whom there is no real face")
    np.savez(tmp_path / "n.npz", names=np.array(["a"] * 24), people=PEOPLE, embeddings=CENTRES)
    judge(files | {"drawn": tmp_path / "n.npz"}).refused("two different rows")
    np.savez(tmp_path / "u.npz", names=PEOPLE, embeddings=CENTRES)
    judge(files | {"drawn": tmp_path / "u.npz"}).refused("whose 24 of 24 generated faces", "--people")
    judge(files | {"train": files["real"]}).refused("48 of 48 are training faces")
    judge(files, "-n", 1).refused("at least 2")


def test_a_table_names_the_people_and_unknown_names_are_an_error(files, tmp_path):
    np.savez(tmp_path / "d.npz", names=PEOPLE, embeddings=CENTRES)
    np.savez(tmp_path / "r.npz", names=np.char.add(PEOPLE, "-real"), embeddings=CENTRES + 0.01)
    lines = [f"{p}{end},{p},{s}" for p, s in zip(PEOPLE, SEXES, strict=True) for end in ("", "-real")]
    table = tmp_path / "who.csv"
    table.write_text("\n".join(["name,person,gender", *lines, "gone,p99,f"]), encoding="utf-8")
    some = {"drawn": tmp_path / "d.npz", "real": tmp_path / "r.npz", "people": table}
    said = judge(some)
    assert said.code == 0 and "named in the table, but without a face: 1" in said.out, said.err
    table.write_text("\n".join(["name,person,gender", *lines[4:]]), encoding="utf-8")
    judge(some).refused("2 (p00, p01) of 24 generated faces have no row")
    table.write_text("name,person\np00,p00\np00,p01\n", encoding="utf-8")
    judge(some).refused("line 3", "gives p00 to p01")
    table.write_text("name,person,sex\na,p00,f\nb,p00,m\n", encoding="utf-8")
    judge(some).refused("line 3", "says p00 is m")
    table.write_text("name\np00\n", encoding="utf-8")
    judge(some).refused("person")


def test_folders_of_pictures_are_looked_at(tmp_path):
    for k in range(6):
        for side, noise in (("drawn", 3), ("real", 0)):
            place = tmp_path / side / f"P{k}"
            place.mkdir(parents=True)
            pixels = np.asarray(draw_face(k, 160)).astype(float)
            pixels += noise * np.random.default_rng(k).normal(size=pixels.shape)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / "a.png")
    Image.new("RGB", (90, 90), (90, 120, 60)).save(tmp_path / "drawn" / "P0" / "a.png")
    (tmp_path / "drawn" / "P1" / "a.png").write_bytes(b"no picture")
    said = judge({"drawn": tmp_path / "drawn", "real": tmp_path / "real"}, "--json")
    assert said.code == 0, said.err
    one = said.json["judged"]["drawn"]
    rows = one["sections"]["Generated faces"]["rows"]
    assert rows["found"][0]["value"] == pytest.approx(4 / 6)
    assert rows["matching, L2"][0]["value"] == pytest.approx(4 / 6, abs=0.1)
    likeness = {
        e["name"]: e for e in one["sections"]["Pixel by pixel"]["rows"]["beside a real picture of the person"]
    }
    assert likeness["SSIM"]["n"] == 4 and likeness["SSIM"]["value"] > likeness["SSIM"]["chance"]
    assert any("cannot be read, counted as not found: 1" in note for note in one["notes"])


class ToyModel(Model):
    """Generates the face that ``face(input)`` gives."""

    face_size, face_template, face_embedding_mean = 64, "dlib", (0.0,) * 128

    def __init__(self, face):
        super().__init__()
        self.face = face

    def generate(self, inputs, *, seed=0, typical=False):
        return np.stack([self.face(one) for one in inputs])


def world(monkeypatch, corpus, split, face):
    """Weights that generate ``face(input)``, trained on the training people of ``split``."""
    trained = [str(person) for person in split(corpus).train.people]
    card = {
        "recipe": "toy",
        "people": {"count": len(trained), "fingerprint": people_fingerprint(trained)},
        "corpus": corpus.fingerprint,
    }
    run: Run = Run(
        recipe="toy", arguments={}, split=split, facts=None, build=None, data=None, optimisers={}, steps=0
    )  # type: ignore[arg-type]
    loaded = SimpleNamespace(name="toy", model=ToyModel(face), card=card)
    monkeypatch.setattr(weights_module, "load_model", lambda *a, **k: loaded)
    monkeypatch.setattr(generator_module, "load_model", lambda *a, **k: loaded)
    monkeypatch.setattr("voiceface.evaluation.training_split.weights_folder", Path)
    monkeypatch.setattr("voiceface.evaluation.training_split.run_of", lambda loaded: run)
    monkeypatch.setattr("voiceface.evaluation.training_split.hold_out_fold", lambda run, fold, folds: run)
    monkeypatch.setattr("voiceface.evaluation.evaluate_face_generator._MAX_DETECTED", 3)
    return loaded


@pytest.fixture
def corpus(tiny_corpus):
    return tiny_corpus()


def test_weights_draw_a_face_for_every_unknown_voice(corpus, monkeypatch, tmp_path):
    def split(one):
        return split_people(one, seed=1, validation=0.1, test=0.5)

    view = face_view(corpus, size=64, template="dlib")
    owners = corpus.column("faces", "person").astype(str)
    test = split(corpus).test
    voices = {
        corpus.wave(k).tobytes(): str(corpus.column("voices", "person")[k]) for k in test.voices.tolist()
    }
    world(monkeypatch, corpus, split, lambda one: view[owners == voices[one.wave.tobytes()]][0])
    given = ("evaluate", "faces", "--model", tmp_path, "--corpus", corpus.path, "--resamples", 20, "-n", 2)
    folder = tmp_path / "other"
    folder.mkdir()
    for who in test.people:
        Image.fromarray(view[0]).save(folder / f"{who}.png")
    said = call(*given, "--compare-with", f"same={folder}", "-o", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    sections = said.json["judged"]["toy"]["sections"]
    matching = sections["Generated faces"]["rows"]["matching, centred cosine"][0]
    assert matching["n"] == len(test.voices) and matching["value"] > 0.85
    assert sections["Detected"]["rows"]["detector, generated faces"][0]["n"] == 3
    assert {"Memorisation, dlib embeddings", "Memorisation, pixels", "Pixel by pixel"} <= set(sections)
    with Image.open(tmp_path / "out" / "worst.png") as sheet:
        assert sheet.text["Software"] == "voiceface" and sheet.size[1] > 10 * 128
    with np.load(tmp_path / "out" / "generated.npz") as kept:
        assert kept["pictures"].shape == (len(test.voices), 64, 64, 3)
        some = kept["pictures"][np.unique(kept["people"], return_index=True)[1][0]]
    with Image.open(
        tmp_path / "out" / "grid.png"
    ) as grid:  # of generated faces alone, the first one person's
        assert grid.text["synthetic"] == "true"
        np.testing.assert_array_equal(np.asarray(grid)[12:140:2, 12:140:2], some)
    one = said.json["judged"]["same"]["sections"]["Generated faces"]["rows"]["matching, L2"][0]
    assert one["value"] == pytest.approx(0.5, abs=1e-9)  # one face for all
    (folder / f"{test.people[0]}.png").unlink()
    call(*given, "--compare-with", f"same={folder}").refused("has no picture of 3")
    call(*given, "--compare-with", "nowhere").refused("is not NAME=FOLDER")
    call(*given, "--split", "known").refused("no new recordings")
    call(*given, "--split", "all").refused("were in the training set of toy", "--split test")


def test_known_people_are_judged_only_when_asked_for_and_said_so(corpus, monkeypatch, tmp_path):
    def split(one):
        return split_known(one, minimum=3, validation=0.2, test=0.4)

    rows = np.random.default_rng(1).normal(size=(36, 128)).astype(np.float32)
    monkeypatch.setattr(
        "voiceface.evaluation.generated_from_voices.embed_generated_faces",
        lambda p, *, template: rows[: len(p)],
    )
    monkeypatch.setattr("voiceface.evaluation.generated_from_voices.detect", lambda picture, *, upsample: [])
    loaded = world(monkeypatch, corpus, split, lambda one: np.full((64, 64, 3), len(one.person), np.uint8))
    given = ("evaluate", "faces", "--model", tmp_path, "--corpus", corpus.path, "--resamples", 0)
    call(*given).refused("trained on all of its people", "--split known")
    said = call(*given, "--split", "known", "--json")
    assert said.code == 0 and "known people, new recordings: 12" in json.loads(said.out)["warnings"][0]
    loaded.card["people"]["fingerprint"] = "0" * 64
    call(*given).refused("it is not known who was in the training set")
    loaded.card["corpus"] = "another"
    other = call(*given, "--split", "all", "--json")
    assert other.code == 0 and "is not known" in other.json["warnings"][0]
    assert not any("Memorisation" in name for name in other.json["judged"]["toy"]["sections"])
    loaded.model = Model()
    call(*given).refused("does not generate faces")

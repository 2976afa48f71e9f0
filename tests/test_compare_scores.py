"""Scores of every trial on disk, and two models compared by them."""

import csv
import json

import numpy as np
import pytest

from cli_fixtures import call
from voiceface import protocols

PEOPLE, EACH = 10, 2


def made(path, quality, *, seed, genders=False):
    """Embeddings of both sides as `voiceface embed` writes them, alike within a person by ``quality``."""
    random = np.random.default_rng(3)
    centres = random.normal(size=(PEOPLE, 6))
    noise = np.random.default_rng(seed)
    for side in ("voices", "faces"):
        people = np.repeat([f"p{k}" for k in range(PEOPLE)], EACH)
        rows = np.repeat(centres, EACH, 0) * quality + noise.normal(size=(PEOPLE * EACH, 6))
        names = [f"{side[0]}{k}" for k in range(PEOPLE * EACH)]
        gender = np.where(np.arange(PEOPLE * EACH) // EACH % 2, "f", "m")
        np.savez(
            path / f"{side}-{quality}.npz", names=names, people=people, gender=gender,
            embeddings=rows.astype(np.float32),
        )  # fmt: skip
    return ("--voices", path / f"voices-{quality}.npz", "--faces", path / f"faces-{quality}.npz")


@pytest.fixture
def scored(tmp_path):
    """A good model's scores as a CSV and a bad one's as an .npz."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.npz"
    for out, quality, seed in ((good, 3, 1), (bad, 0.5, 2)):
        given = made(tmp_path, quality, seed=seed)
        said = call(
            "evaluate", "verification", *given, "--same", "gender", "--resamples", 0, "--scores-out", out
        )
        assert said.code == 0 and f"scores of {(PEOPLE * EACH) ** 2} trials" in said.out, said.err
    return good, bad


def columns(path):
    rows = list(csv.DictReader(path.open()))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def test_two_models_are_compared_as_the_protocol_does(scored, tmp_path):
    good, bad = scored
    said = call("compare", good, bad, "--figure", "AUC", "--resamples", 200, "--seed", 4, "--json")
    one, other = columns(good), np.load(bad)
    assert one["voice"][0] == "v0" and set(one["in same gender"]) == {"0", "1"}
    people = one["voice_person"], one["face_person"]
    wanted = protocols.compare(
        one["score"].astype(float), other["score"], one["label"].astype(int), people=people,
        resamples=200, seed=4,
    )  # fmt: skip
    assert said.code == 0 and json.loads(said.out)["AUC"] == wanted.to_dict()
    assert wanted.first > wanted.second and wanted.p < 0.05
    told = call("compare", good, bad, "--stratum", "same gender", "--latex", tmp_path / "t.tex")
    assert "good less bad: 200 trials of 10 people, same gender" in told.out and "EER" in told.out
    assert r"\toprule" in (tmp_path / "t.tex").read_text()
    call("compare", good, bad, "--stratum", "same age").refused("is no stratum", "same gender")
    call("compare", good, bad, "--figure", "FID").refused("is unknown", "AUC")


def test_the_order_of_the_trials_does_not_matter_and_missing_ones_are_refused(scored, tmp_path):
    good, bad = scored
    head, *lines = good.read_text().splitlines()
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join([head, *reversed(lines)]))
    said = call("compare", good, turned, "--json").json
    assert said["AUC"]["difference"]["value"] == said["EER"]["difference"]["value"] == 0
    turned.write_text("\n".join([head, *lines[1:]]))
    call("compare", good, turned).refused("lacks 1 of the 400 trials")
    turned.write_text("\n".join([head, *lines, lines[0]]))
    call("compare", good, turned).refused("scores 1 trials twice")
    turned.write_text("\n".join([head.replace("voice_person", "x"), *lines]))
    call("compare", good, turned).refused("no columns voice_person and face_person")
    turned.write_text("\n".join([head, lines[0].replace("p0,p0", "p1,p0"), *lines[1:]]))
    call("compare", good, turned).refused("of other trials")


def test_folds_are_resampled_apart_and_must_agree(tmp_path):
    random, files = np.random.default_rng(0), []
    for name, folds in (("a", "01"), ("b", "xy"), ("c", "00")):
        lines = ["score,label,voice,face,voice_person,face_person,fold"]
        for fold in range(2):
            for v in range(6):
                for f in range(6):
                    score = random.normal() + (v == f)
                    lines.append(
                        f"{score},{int(v == f)},v{fold}{v},f{fold}{f},p{fold}{v},p{fold}{f},{folds[fold]}"
                    )
        files.append(tmp_path / f"{name}.csv")
        files[-1].write_text("\n".join(lines))
    found = call("compare", files[0], files[1], "--figure", "AUC", "--json").json["AUC"]
    a, b = (columns(path) for path in files[:2])
    wanted = protocols.compare(
        a["score"].astype(float), b["score"].astype(float), a["label"].astype(int),
        people=(a["voice_person"], a["face_person"]), groups=a["fold"],
    )  # fmt: skip
    assert found == wanted.to_dict()
    call("compare", files[0], files[2]).refused("other folds")

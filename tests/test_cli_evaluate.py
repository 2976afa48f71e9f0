"""`evaluate` by protocols and `audit`: the same figures as the protocols themselves give."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from cli_fixtures import call
from planted_component import planted
from voiceface import protocols
from voiceface.protocols.pair_verification import pair_trials

ROOT = Path(__file__).parents[1]
PEOPLE = np.array([f"P{k % 6}" for k in range(18)])
GENDER = np.array(["fm"[k % 6 % 2] for k in range(18)])


def vectors(seed):
    random = np.random.default_rng(seed)
    base = np.random.default_rng(9).normal(size=(6, 8))
    return np.stack([base[k % 6] + random.normal(size=8) for k in range(18)]).astype(np.float32)


@pytest.fixture
def files(tmp_path):
    for side, seed in (("voice", 1), ("face", 2)):
        names = np.array([f"{p}/{k:05}.{'wav' if side == 'voice' else 'jpg'}" for k, p in enumerate(PEOPLE)])
        np.savez(
            tmp_path / f"{side}.npz", names=names, embeddings=vectors(seed), people=PEOPLE, gender=GENDER
        )
    return ["--voices", tmp_path / "voice.npz", "--faces", tmp_path / "face.npz"]


def unit(rows):
    return rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)


def test_verification_of_all_pairs(files):
    said = call("evaluate", "verification", *files, "--same", "gender", "--resamples", "30", "--json")
    pairs = pair_trials(unit(vectors(1)) @ unit(vectors(2)).T, people=(PEOPLE, PEOPLE))
    mask = GENDER[pairs.voices] == GENDER[pairs.faces]
    expected = protocols.verification(
        pairs.scores, pairs.labels, people=pairs.people, strata={"same gender": mask}, resamples=30
    )
    assert said.code == 0
    for name, row in expected.rows.items():
        told = said.json["rows"][name][0]
        assert [told["value"], told["low"]] == pytest.approx([row[0].value, row[0].low], abs=1e-6)


def test_matching_and_retrieval(files):
    given = (vectors(1), vectors(2))
    said = call("evaluate", "matching", *files, "-n", "2", "-n", "4", "--resamples", "0", "--json").json
    expected = protocols.matching(given, people=(PEOPLE, PEOPLE), n=(2, 4), resamples=0)
    assert said["rows"]["voice->face"][1]["value"] == pytest.approx(expected.accuracy(4).value)
    said = call(
        "evaluate", "retrieval", *files, "-k", "3", "--same", "gender", "--resamples", "0", "--json"
    ).json
    expected = protocols.retrieval(given, people=(PEOPLE, PEOPLE), ks=(3,), resamples=0)
    assert said["rows"]["face->voice"][0]["value"] == pytest.approx(
        expected.figure("R@3", direction="face->voice").value
    )
    assert "face->voice, same gender" in said["rows"]


def test_the_tables_fit_a_terminal(files):
    for protocol in ("verification", "matching", "retrieval"):
        said = call("evaluate", protocol, *files, "--resamples", "20", "--same", "gender")
        assert said.code == 0 and "chance" in said.out and "95 %" in said.out
        assert all(len(line) <= 80 for line in said.out.splitlines())


def test_a_list_of_trials(files, tmp_path):
    names = [[f"{p}/{k:05}.{end}" for k, p in enumerate(PEOPLE)] for end in ("wav", "jpg")]
    trials = [(i, j) for i in range(18) for j in range(0, 18, 5)]
    lines = [f"{int(PEOPLE[i] == PEOPLE[j])} {names[0][i]} {names[1][j]}" for i, j in trials]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    said = call(
        "evaluate", "verification", *files, "--list", tmp_path / "list.txt", "--resamples", "0", "--json"
    )
    scores = [unit(vectors(1))[i] @ unit(vectors(2))[j] for i, j in trials]
    expected = protocols.verification(scores, [PEOPLE[i] == PEOPLE[j] for i, j in trials], resamples=0)
    assert said.json["rows"]["all"][0]["value"] == pytest.approx(expected.auc.value)
    rows = [f"{names[0][i]},{names[1][j]},{s}" for (i, j), s in zip(trials, scores, strict=True)]
    (tmp_path / "s.csv").write_text("\n".join(["voice,face,score", *reversed(rows)]))
    tokens = ["evaluate", "verification", "--scores", tmp_path / "s.csv", "--list", tmp_path / "list.txt"]
    told = call(*tokens, "--resamples", "0", "--json")
    assert told.json["rows"] == said.json["rows"]
    (tmp_path / "s.csv").write_text("\n".join(["voice,face,score", *rows[:-2]]))
    call(*tokens).refused("lacks 2", "score every trial")
    audit = call("audit", tmp_path / "list.txt", "--json")
    assert audit.code == 0 and audit.json["trials"] == len(trials) and audit.json["findings"]
    assert "labels do not alternate" in call("audit", tmp_path / "list.txt").out


def test_a_table_of_scores(tmp_path):
    random = np.random.default_rng(3)
    rows = [(p, q, random.normal() + (p == q)) for p in "abcdef" for q in "abcdef"]
    table = tmp_path / "s.csv"
    table.write_text("score,voice_person,face_person\n" + "\n".join(f"{s},{p},{q}" for p, q, s in rows))
    said = call("evaluate", "verification", "--scores", table, "--resamples", "20", "--json")
    expected = protocols.verification([s for *_, s in rows], [p == q for p, q, _ in rows], resamples=0)
    assert said.json["rows"]["all"][0]["value"] == pytest.approx(expected.auc.value)
    assert said.json["rows"]["all"][0]["low"] is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n", "columns a, b"), ("label,score\n", "no scores"), ("label,score\n1\n", "not have 2 col"),
     ("label,score\n1,x\n0,2\n", "1 (2) of 2 rows have no number as score"), ("", "empty"),
     ("score\n1\n", "which trials"), ("label,score\n1,nan\n0,1\n", "NaN")],
)  # fmt: skip
def test_tables_that_cannot_be_read(tmp_path, text, words):
    (tmp_path / "s.csv").write_text(text)
    call("evaluate", "verification", "--scores", tmp_path / "s.csv").refused(words)


def test_what_is_missing_is_said(files, tmp_path):
    call("evaluate", "verification").refused("--voices")
    call("evaluate", "verification", *files[:2]).refused("--faces")
    call("evaluate", "matching", *files, "--same", "nationality").refused("nationality", "--corpus")
    (tmp_path / "t.npz").write_text("text")
    call("evaluate", "matching", "--voices", tmp_path / "t.npz", *files[2:]).refused(
        "t.npz: is no readable .npz"
    )
    np.savez(tmp_path / "n.npz", names=np.array(["x.wav", "y.wav"]), embeddings=np.ones((2, 8), np.float32))
    call("evaluate", "matching", "--voices", tmp_path / "n.npz", *files[2:]).refused("whose its items are")
    np.savez(tmp_path / "w.npz", names=np.array(["P1/00001.wav"]), embeddings=np.ones((1, 5), np.float32))
    call("evaluate", "verification", "--voices", tmp_path / "w.npz", *files[2:]).refused("wide")
    call("audit", files[1]).refused("not UTF-8")


def test_embeddings_that_cannot_be_judged(files, tmp_path):
    def put(**changes):
        arrays = dict(np.load(files[3])) | changes
        np.savez(tmp_path / "x.npz", **arrays)
        return ["--voices", files[1], "--faces", tmp_path / "x.npz"]

    rows, names = np.load(files[3])["embeddings"], np.load(files[3])["names"]
    twice = names.copy()
    twice[[7, 9]] = names[1]
    bad = rows.copy()
    bad[3, 2] = np.nan
    for protocol in ("verification", "matching", "retrieval"):
        # A name for several vectors; the same vector twice is one item given twice, and no contradiction.
        told = ("x.npz", f"1 ({names[1]}) names", "different vectors")
        call("evaluate", protocol, *put(names=twice)).refused(*told)
        same = rows.copy()
        same[[7, 9]] = rows[1]
        assert call("evaluate", protocol, *put(names=twice, embeddings=same), "--resamples", "0").code == 0
        call("evaluate", protocol, *put(embeddings=rows[:, :5])).refused("8 wide", "5; embed both")
        call("evaluate", protocol, *put(embeddings=bad)).refused("rows 1 (3) of 18 hold NaN")
        call("evaluate", protocol, *put(people=np.array(["Z"] * 18))).refused()
    call("evaluate", "matching", *put(people=np.array(["Z"] * 18))).refused("0 people have a voice")
    lost = call("evaluate", "retrieval", *put(people=np.where(PEOPLE == "P0", "P0", "Z")), "--resamples", "0")
    assert "excluded: voice->face: no item of the probe's person in the gallery: 15" in lost.out


def test_lists_that_do_not_fit_the_embeddings(files, tmp_path):
    names = [np.load(files[k])["names"] for k in (1, 3)]
    lines = [f"{int(PEOPLE[i] == PEOPLE[j])} {names[0][i]} {names[1][j]}" for i in range(18) for j in (0, 5)]
    place = tmp_path / "list.txt"

    def judged(*text):
        place.write_text("\n".join(text))
        return call("evaluate", "verification", *files, "--list", place, "--resamples", "0")

    assert judged(*lines).code == 0
    judged(*lines, "1 X/1.wav Y/2.jpg", "0 Q/1.wav P0/00000.jpg").refused("lack 2 (Q/1.wav, X/1.wav)")
    judged(*lines[:-1], lines[-1][:-14]).refused("list.txt:36: has 2 columns", "fetch the list again")
    judged(*(line.replace(" ", ";") for line in lines)).refused("list.txt: begins with")
    judged(*(line for line in lines if line[0] == "1")).refused("are positive")
    packed = tmp_path / "list.txt.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode())[:-30])
    call("evaluate", "verification", *files, "--list", packed).refused("list.txt.gz", "cut short or damaged")
    galleries = "P0/00000.wav P0/00000.jpg P1/00001.jpg\nP1/00001.wav P1/00001.jpg"
    for ending, words in (("", "has 2 columns"), (" U/7.jpg", "lack 1 (U/7.jpg)")):
        place.write_text(galleries + ending + "\n")
        call("evaluate", "matching", *files, "--list", place).refused(words)


def test_a_new_protocol_needs_nothing_but_its_file(tmp_path):
    text = (ROOT / "tests" / "test_protocol_folder.py").read_text(encoding="utf-8")
    source = re.search(r"SEPARATION = '''(.*?)'''", text, re.DOTALL)[1]
    (tmp_path / "s.csv").write_text("label,score\n1,3\n0,1\n", encoding="utf-8")
    with planted("voiceface.protocols", tmp_path / "p", {"separation": source}):
        assert "separation" in call("list", "protocols").out
        assert "separation" in call("evaluate", "--help").out
        said = call("evaluate", "separation", tmp_path / "s.csv", "--scale", "2", "--json")
        assert said.json["value"] == 4.0, said.err
        assert "what to multiply it by" in call("evaluate", "separation", "--help").out
    call("evaluate", "separation", tmp_path / "s.csv").refused("separation")


def test_a_submission_to_the_fame_challenge_holds_the_distances_of_its_list(tmp_path):
    pairs = {"k1": ("voices/a.wav", "faces/a.jpg"), "k2": ("voices/b.wav", "faces/a.jpg")}
    for at, file in ((0, "v.npz"), (1, "f.npz")):
        names = np.array(sorted({pair[at] for pair in pairs.values()}))
        np.savez(tmp_path / file, names=names, embeddings=vectors(at)[: len(names)])
    (tmp_path / "list.txt").write_text("".join(f"{key} {' '.join(pair)}\n" for key, pair in pairs.items()))
    out = tmp_path / "submission.txt"
    sides = ("--voices", tmp_path / "v.npz", "--faces", tmp_path / "f.npz", "--list", tmp_path / "list.txt")
    said = call("evaluate", "fame", *sides, "-o", out)
    assert said.code == 0 and "2 distances" in said.out, said.err
    voices, face = unit(vectors(0)), unit(vectors(1))[0]
    lines = [line.split() for line in out.read_text().splitlines()]
    assert [key for key, _ in lines] == ["k1", "k2"]
    expected = [np.linalg.norm(voices[k] - face) for k in (0, 1)]
    assert [float(distance) for _, distance in lines] == pytest.approx(expected, abs=1e-6)
    with (tmp_path / "list.txt").open("a") as file:
        file.write("k3 voices/c.wav faces/a.jpg\n")
    call("evaluate", "fame", *sides, "-o", out).refused("lack 1", "c.wav")

"""`train` and `evaluate RECIPE` from the command line, on a corpus of made people."""

import json
import shutil

import numpy as np
import pytest
import torch

from cli_fixtures import call, require_ge2e, write_people_tree
from voiceface.cli.commands._evaluate_recipe import _folder_name
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.prepare import prepare
from voiceface.corpus.sources import pairs
from voiceface.corpus.splits import fold_people
from voiceface.errors import InputError
from voiceface.evaluation.claim_fold import NO_FOLD, claim_fold
from voiceface.evaluation.experiment_records import read_experiments
from voiceface.evaluation.hold_out_fold import parse_fold
from voiceface.pipelines.weights import weights_folder
from voiceface.training.training_folder import people_fingerprint
from voiceface.training.weights import read_weights, write_weights

SMALL = ("--voice-encoder", "ge2e", "--dim", "8", "--heads", "2", "--hidden", "16", "--batch-size", "8",
         "--validation", "0.3", "--device", "cpu")  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    require_ge2e()
    pytest.importorskip("lightning_fabric")
    root = write_people_tree(tmp_path_factory.mktemp("data"), people=40)
    out = tmp_path_factory.mktemp("made") / "corpus"
    return prepare(pairs.listing(root), out, arguments={"source": "pairs"}, workers=1, progress=False).path


def test_train_and_match_and_go_on(corpus, tmp_path):
    out = tmp_path / "run"
    said = call("train", "matcher", "--corpus", corpus, "-o", out, *SMALL, "--steps", "3")
    assert said.code == 0, said.err
    card = json.loads((out / "weights" / "run.json").read_text(encoding="utf-8"))
    assert card["arguments"]["dim"] == 8 and card["arguments"]["ridge"] == 5.0 and card["steps"] == 3
    assert str(out / "weights") in said.out and "3 steps" in said.out and "auc" in said.out
    again = call("train", "matcher", "--corpus", corpus, "-o", out, *SMALL, "--steps", "3", "--json")
    assert again.json["people"] == card["people"]["count"]
    call("train", "matcher", "--corpus", corpus, "-o", out, *SMALL, "--steps", "4").refused(
        "steps", "3 there"
    )
    call("train", "matcher", "--corpus", corpus, "-o", out, *SMALL, "--steps", "3", "--fold", "1/2").refused(
        "no fold", "fold 1/2"
    )
    data = next(corpus.parent.parent.glob("data*"))
    said = call("match", data / "voices" / "c0.wav", data / "faces" / "c0.jpg", "--weights", out)
    assert said.code == 0 and str(out) in said.out


def test_a_fold_leaves_its_people_out(corpus, tmp_path):
    out = tmp_path / "run"
    said = call("train", "matcher", "--corpus", corpus, "-o", out, *SMALL, "--steps", "2", "--fold", "2/2")
    assert said.code == 0, said.err
    split = fold_people(Corpus.open(corpus), fold=1, folds=2, seed=0, validation=0.3)
    card = json.loads((out / "weights" / "run.json").read_text(encoding="utf-8"))
    assert card["people"]["fingerprint"] == people_fingerprint([str(p) for p in split.train.people])
    call("train", "matcher", "--corpus", corpus, "-o", out, *SMALL, "--steps", "2", "--fold", "1/2").refused(
        "fold 2/2", "fold 1/2"
    )
    call("train", "matcher", "--corpus", corpus, "-o", out, *SMALL, "--steps", "2").refused(
        "fold 2/2", "no fold"
    )


@pytest.mark.parametrize("text", ["0/5", "6/5", "1", "1/1", "a/b", "-1/5"])
def test_folds_that_are_none(text):
    with pytest.raises(InputError, match="is not a fold"):
        parse_fold(text)


def test_other_options_are_evaluated_in_another_folder():
    name = _folder_name("matcher", "folds-5", {})
    assert name == "matcher-folds-5"
    short = _folder_name("matcher", "folds-5", {"dim": 8, "init": "../a b"})
    assert short == "matcher-folds-5-dim-8-init-..-a-b"
    long = [_folder_name("matcher", "split", {"init": "x" * 200 + end}) for end in "ab"]
    assert len(set(long)) == 2 and all(len(one) < 100 for one in long)


def test_a_failed_start_gives_its_folder_to_another_fold(tmp_path):
    out = tmp_path / "run"
    claim_fold(out, "fold 1/2")
    (out / "training.json").write_text("{}")
    for people in ("fold 2/2", NO_FOLD):
        claim_fold(out, people)
        assert (out / ".fold").read_text().strip() == people
    (out / "weights").mkdir()
    (out / "weights" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="left out no fold, not fold 1/2"):
        claim_fold(out, "fold 1/2")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").touch()
    claim_fold(tmp_path / "other", "fold 1/2")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["photo.jpg"]


def test_smoke(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = call("train", "matcher", "--corpus", corpus, "--smoke", "--device", "cpu")
    assert said.code == 0 and (tmp_path / "runs" / "matcher-smoke" / "weights" / "run.json").is_file()
    call("train", "matcher", "--corpus", corpus, "--smoke", "--dim", "4").refused("--smoke", "no options")


def test_training_from_python_is_that_of_the_command(corpus, tmp_path):
    from voiceface import train

    options = {"voice_encoder": "ge2e", "dim": 8, "heads": 2, "hidden": 8, "batch_size": 8, "steps": 2}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    weights = train("matcher", str(corpus), tmp_path / "python", **options)
    said = call("train", "matcher", "--corpus", corpus, "-o", tmp_path / "command", *words)
    assert said.code == 0, said.err
    other = tmp_path / "command" / "weights" / "model.safetensors"
    assert weights == tmp_path / "python" / "weights"
    assert (weights / "model.safetensors").read_bytes() == other.read_bytes()


def test_weights_of_ones_own_recipe_serve_every_command_that_is_told_to_trust_it(corpus, tmp_path):
    mine, run = tmp_path / "mine.py", tmp_path / "run"
    mine.write_text(
        '"""Mine."""\nfrom dataclasses import replace\nfrom voiceface.recipes import matcher\n'
        "def recipe(*, dim: int = 8):\n"
        "    run = matcher.recipe(voice_encoder='ge2e', dim=dim, heads=2, hidden=8, batch_size=8, steps=2)\n"
        "    return replace(run, recipe='mine', arguments={'dim': dim})\n"
    )
    assert call("train", "mine", "--trust", mine, "--corpus", corpus, "-o", run).code == 0
    tokens = ("evaluate", "verification", "--model", run, "--corpus", corpus, "--known-people", "keep")
    call(*tokens, "--resamples", 0).refused("mine: is not a known recipe")
    said = call(*tokens, "--resamples", 0, "--trust", mine)
    assert said.code == 0 and "AUC" in said.out, said.err
    # The word holds for one command alone.
    call(*tokens, "--resamples", 0, "--seed", 1).refused("mine: is not a known recipe")
    folds = ("evaluate", "mine", "--corpus", corpus, "--folds", 2, "--resamples", 0, "-o", tmp_path / "cv")
    assert call(*folds, f"--trust={mine}").code == 0


def test_a_recipe_of_ones_own_is_run_only_if_trusted(corpus, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        '"""Mine."""\nfrom voiceface.recipes import matcher\n'
        "print('run')\n"
        "def recipe(*, dim: int = 8):\n"
        "    return matcher.recipe(voice_encoder='ge2e', dim=dim, heads=2, hidden=8, batch_size=8, steps=2)\n"
    )
    call("train", mine, "--corpus", corpus).refused("is a file, not a recipe", "--trust")
    call("train", "mine", "--corpus", corpus).refused("mine: is not a known recipe")
    call("train", "other", "--corpus", corpus, "--trust", mine).refused("does not contain the recipe other")
    said = call("train", "mine", "--trust", mine, "--help")
    assert said.code == 0 and said.out.startswith("run") and "--dim INT" in said.out
    mine.write_text("def recipe(:\n")
    call("train", "mine", "--corpus", corpus, "--trust", mine).refused("mine.py: cannot be run (SyntaxError")


def test_cross_validation_and_its_rows(corpus, tmp_path):
    results, out = tmp_path / "results", tmp_path / "cv"
    tokens = ["evaluate", "matcher", "--corpus", corpus, "--folds", "2", "-o", out, *SMALL, "--steps", "2",
              "--resamples", "20"]  # fmt: skip
    said = call(*tokens, "--record", "--results", results)
    assert said.code == 0, said.err
    assert "2 folds over people" in said.out and "chance 0.500" in said.out
    assert [line for line in said.lines if "fold 2 of 2, split" in line and "people train" in line]
    (one,) = read_experiments(results)
    assert one["protocol"] == "2 folds over people" and one["figures"][0]["row"] == "verification, all"
    assert "--dim 8" in one["command"] and str(tmp_path) not in str(one) and str(corpus) not in str(one)
    scores = tmp_path / "scores.csv"
    told = call(*tokens, "--json", "--scores-out", scores).json
    assert scores.read_text().startswith("score,label,voice,face,voice_person,face_person,fold")
    assert call("compare", scores, scores, "--resamples", 20, "--json").json["AUC"]["first"] == pytest.approx(
        told["verification"]["rows"]["all"][0]["value"]
    )
    assert (
        told["folds"] == 2 and told["verification"]["rows"]["all"][0]["value"] == one["figures"][0]["value"]
    )
    call("evaluate", "matcher", "--corpus", corpus, "--folds", "4", "-o", out, *SMALL).refused(
        "2 folds", "4 folds"
    )
    call("evaluate", "voice_student", "--corpus", corpus, "--folds", "2", "-o", tmp_path / "s").refused(
        "embeds no"
    )


def test_what_cannot_be_is_refused_before_training(corpus, tmp_path):
    call("train", "matcher", "--corpus", tmp_path / "no").refused("does not exist", "voiceface prepare")
    call("train", "matcher", "--corpus", corpus, "--device", "tpu", "-o", tmp_path / "r").refused("tpu")
    record = ("--record", "--results", tmp_path / "no" / "records")
    call("evaluate", "matcher", "--corpus", corpus, *record, "-o", tmp_path / "x").refused("records")
    assert not list(tmp_path.iterdir())


def test_synthetic_people_are_judged_beside_their_ceiling(tiny_corpus, tmp_path):
    few = ("--folds", "2", "--steps", "2", "--resamples", "20")
    tokens = ["evaluate", "matcher", "--corpus", tiny_corpus().path, "-o", tmp_path / "cv", *SMALL, *few]
    said = call(*tokens)
    assert said.code == 0, said.err
    assert "The ceiling for these people" in said.out and "verification random auc" in said.out
    found = call(*tokens, "--json").json
    wanted = ("verification", "random", "auc")
    best = next(r for r in found["ceiling"] if (r["protocol"], r["stratum"], r["figure"]) == wanted)
    assert 0.9 < best["ceiling"]["value"] <= 1.0
    # The share of what there is above chance, for strata and directions alike.
    (auc,) = (one["value"] for one in found["verification"]["rows"]["all"] if one["name"] == "AUC")
    share = (auc - 0.5) / (best["ceiling"]["value"] - 0.5)
    assert found["shares"]["verification, all: AUC"] == pytest.approx(share, abs=1e-3)
    assert "matching, voice->face: 1:2" in found["shares"], found["shares"]
    assert "Share of the achievable improvement over chance" in said.out


def test_shipped_weights_are_tuned_by_name(corpus, tmp_path):
    given = (
        "--voice-encoder",
        "ge2e",
        "--validation",
        "0.3",
        "--steps",
        "2",
        "--heads",
        "2",
        "--device",
        "cpu",
    )
    said = call(
        "train", "matcher", "--corpus", corpus, *given, "--init", "matcher-ge2e", "-o", tmp_path / "r"
    )
    assert said.code == 0, said.err
    ours, shipped = (
        read_weights(folder)[0] for folder in (tmp_path / "r" / "weights", weights_folder("matcher-ge2e"))
    )
    # The closed-form answer is kept, and heads that it has none of have learnt something beside it.
    assert torch.equal(ours["link.voice_map"], shipped["link.voice_map"])
    assert shipped["link.voice_heads.out"].numel() == 0 and ours["link.voice_heads.out"].any()
    call(
        "train", "matcher", "--corpus", corpus, *given, "--init", "matcher-ge2", "-o", tmp_path / "s"
    ).refused("matcher-ge2", "matcher-ge2e")


def test_shipped_weights_learn_from_a_few_people_in_closed_form(corpus, tmp_path):
    given = ("train", "matcher", "--corpus", corpus, "--validation", "0.3", "--init", "matcher")
    said = call(*given, "-o", tmp_path / "r")
    assert said.code == 0, said.err
    ours, card = read_weights(tmp_path / "r" / "weights")
    shipped, theirs = read_weights(weights_folder("matcher"))
    assert not torch.equal(ours["link.voice_map"], shipped["link.voice_map"])
    assert ours["moments.count"] > shipped["moments.count"]
    assert card["ancestors"][0]["people"] == theirs["people"] != card["people"]
    # A few validation people do not overrule the calibration on many.
    before, after = theirs["facts"]["calibration"], card["facts"]["calibration"]
    assert after != before and after["slope"] == pytest.approx(before["slope"], rel=0.5)
    require_ge2e()
    other = (*given, "--voice-encoder", "ge2e", "-o", tmp_path / "s")
    call(*other).refused("--init", "another voice encoder", "--voice-encoder")
    older = shutil.copytree(weights_folder("matcher"), tmp_path / "older")
    kept = {name: t for name, t in shipped.items() if not name.startswith("moments.")}
    write_weights(older, kept, {n: v for n, v in theirs.items() if n != "files"}, half=True)
    call(*given[:-1], older, "-o", tmp_path / "t").refused("keep no covariances", "--heads 8")


def test_a_smoke_run_makes_its_own_people(tiny_corpus, tmp_path):
    require_ge2e()
    said = call("train", "matcher", "--smoke", "-o", tmp_path / "r", "--device", "cpu")
    assert said.code == 0, said.err
    assert read_weights(tmp_path / "r" / "weights")[1]["corpus"] == tiny_corpus().fingerprint
    call("train", "matcher", "-o", tmp_path / "s").refused("--corpus", "is missing", "--smoke")
    assert not (tmp_path / "s").exists()


def test_embeddings_of_synthetic_people_are_judged_beside_their_ceiling(tiny_corpus, tmp_path):
    made = tiny_corpus()
    for kind in ("voices", "faces"):
        names, people = made.column(kind, "id").astype(str), made.column(kind, "person").astype(str)
        own = np.unique(people, return_inverse=True)[1]
        np.savez(
            tmp_path / f"{kind}.npz", names=names, people=people, embeddings=np.eye(len(set(people)))[own]
        )
    files = ("--voices", tmp_path / "voices.npz", "--faces", tmp_path / "faces.npz", "--resamples", "0")
    for protocol in ("verification", "matching", "retrieval"):
        said = call("evaluate", protocol, *files, "--corpus", made.path)
        assert said.code == 0 and "The ceiling for these people" in said.out, said.err
        assert (
            "The ceiling" not in call("evaluate", protocol, *files).out
        )  # nothing says that they are synthetic
    rows = call("evaluate", "retrieval", *files, "--corpus", made.path, "--json").json["ceiling"]
    assert {row["protocol"] for row in rows} == {"verification", "matching", "retrieval"}

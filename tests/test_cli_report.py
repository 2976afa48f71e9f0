"""`evaluate` of a model on a corpus, and the files it writes: HTML, Markdown, rows of results."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from cli_fixtures import call, matcher_weights, require_ge2e, write_people_tree
from house_documents import record_faults
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.prepare import prepare
from voiceface.corpus.sources import pairs
from voiceface.corpus.splits import split_people
from voiceface.evaluation.experiment_records import read_experiments
from voiceface.pipelines import matcher as place
from voiceface.training.training_folder import people_fingerprint
from voiceface.training.weights import read_run, read_weights, write_weights

PEOPLE = 12


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    require_ge2e()
    root = write_people_tree(tmp_path_factory.mktemp("data"), people=PEOPLE)
    out = tmp_path_factory.mktemp("made") / "corpus"
    return prepare(pairs.listing(root), out, arguments={"source": "pairs"}, workers=1, progress=False).path


@pytest.fixture(scope="module")
def weights():
    return matcher_weights()


def carded(weights, folder, **changes):
    """The weights with other facts in their card."""
    tensors, card = read_weights(weights)
    return write_weights(folder, tensors, card | changes)


def test_a_model_on_a_corpus_is_judged_as_its_embeddings_are(corpus, weights, tmp_path, monkeypatch):
    said = call(
        "evaluate", "verification", "--model", weights, "--corpus", corpus, "--same", "gender", "--json"
    )
    assert said.code == 0, said.err
    for kind in ("voices", "faces"):
        call("embed", corpus, "--kind", kind, "--weights", weights, "-o", tmp_path / f"{kind}.npz")
    files = ["--voices", tmp_path / "voices.npz", "--faces", tmp_path / "faces.npz", "--corpus", corpus]
    other = call("evaluate", "verification", *files, "--same", "gender", "--json")
    assert said.json["rows"] == other.json["rows"] and set(said.json["rows"]) == {"all", "same gender"}
    assert said.json["model"] == {"name": weights.name, "known_people": False, "dropped": 0}
    # The matcher's own calibration is judged; embeddings state no probabilities.
    assert other.json["calibration"] is None
    rows = [np.load(tmp_path / f"{kind}.npz") for kind in ("voices", "faces")]
    odds = 4 * (rows[0]["embeddings"].astype(float) @ rows[1]["embeddings"].T)
    same = rows[0]["people"][:, None] == rows[1]["people"]
    cost = (np.log2(1 + np.exp(-odds[same])).mean() + np.log2(1 + np.exp(odds[~same])).mean()) / 2
    assert said.json["calibration"]["row"][1]["value"] == pytest.approx(cost, abs=1e-6)
    # Everything was placed before: the second time nothing is embedded.
    monkeypatch.setattr(place.Matcher, "embed_corpus_items", None)
    again = call(
        "evaluate", "retrieval", "--model", weights, "--corpus", corpus, "-k", "3", "--resamples", "0"
    )
    assert again.code == 0 and "R@3" in again.out and "does not record its training people" in again.out


def test_people_who_trained_it_are_refused_named_or_dropped(corpus, weights, tmp_path):
    split = split_people(Corpus.open(corpus), seed=0, validation=0.05, test=0.0)
    people = {"count": len(split.train.people), "fingerprint": people_fingerprint(split.train.people)}
    met = carded(weights, tmp_path / "met", people=people)
    tokens = ["evaluate", "matching", "--model", met, "--corpus", corpus, "-n", "2", "--resamples", "20"]
    call(*tokens).refused(
        "were in the training set of met, 1 more in its validation set",
        "--known-people keep",
        "--folds 5",
    )
    said = call(*tokens, "--known-people", "keep")
    assert said.code == 0 and "KNOWN PEOPLE" in said.out and "KNOWN PEOPLE" in said.err
    call(*tokens, "--known-people", "drop").refused("met all of its people")
    # Of the same corpus, dealt in a way that cannot be told.
    some = carded(weights, tmp_path / "some", people={"count": 5, "fingerprint": "ab" * 32},
                  corpus=Corpus.open(corpus).fingerprint)  # fmt: skip
    tokens[3] = some
    call(*tokens).refused("5 of 12 people were in the training set of some", "--known-people keep")
    call(*tokens, "--known-people", "drop").refused("cannot be told which people")
    # Trained with a fold left out: that fold's people can be told, and they alone are judged.
    from voiceface.corpus.splits import fold_people

    fold = fold_people(Corpus.open(corpus), fold=1, folds=3, seed=0, validation=0.05)
    people = {"count": len(fold.train.people), "fingerprint": people_fingerprint(fold.train.people)}
    tokens[3] = carded(weights, tmp_path / "fold-1-of-3" / "weights", people=people)
    said = call(*tokens, "--known-people", "drop", "--json")
    assert said.json["model"] == {"name": "weights", "known_people": True, "dropped": 8}
    assert said.json["rows"]["voice->face"][0]["people"] == len(fold.test.people) == 4
    # Fine-tuned since on other people: those of the training before are still known to it.
    far = {"people": {"count": 5, "fingerprint": "ab" * 32}, "corpus": "cd" * 32}
    own = {name: read_run(tokens[3])[name] for name in ("recipe", "arguments", "people")}
    tokens[3] = carded(weights, tmp_path / "tuned", **far, ancestors=[own])
    call(*tokens).refused("matcher that it was fine-tuned from", "--known-people keep")
    said = call(*tokens, "--known-people", "drop", "--json")
    assert said.json["model"] == {"name": "tuned", "known_people": True, "dropped": 8}
    tokens[3] = carded(weights, tmp_path / "far", **far)
    assert "5 people of another corpus" in call(*tokens).out


def test_reports_and_rows_are_written(corpus, weights, tmp_path):
    pytest.importorskip("matplotlib")
    results = tmp_path / "results"
    tokens = ["--model", weights, "--corpus", corpus, "--same", "gender", "--resamples", "30", "--record"]
    for protocol in ("verification", "matching", "retrieval"):
        places = ["--markdown", tmp_path / f"{protocol}.md", "--results", results]
        # One page is enough: drawing takes longer than measuring.
        places += ["--html", tmp_path / "r.html"] if protocol == "retrieval" else []
        said = call("evaluate", protocol, *tokens, *places)
        assert said.code == 0, said.err
        assert f"{protocol}.md (" in said.out and "MB)" in said.out and "recorded in" in said.out
        told = (tmp_path / f"{protocol}.md").read_text(encoding="utf-8")
        assert told.startswith(f"# {protocol.capitalize()} of {weights.name}") and "| " in told
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "does not record its training people" in page and 'class="warning"' in page
    assert "Faces found for voices" in page and page.count("data:image/jpeg") >= 3 * 8
    assert str(corpus) not in page and "--corpus CORPUS" in page
    assert "own face at place" in page and "<svg" in page
    records = read_experiments(results)
    assert [len(one["figures"]) for one in records] == [2, 4, 4]  # AUC, 1:2 and R@10 of each row
    assert {one["corpus"] for one in records} == {Corpus.open(corpus).fingerprint}
    assert [fault for one in records for fault in record_faults(one)] == []
    assert (
        records[0]["command"]
        == "voiceface evaluate verification --model WEIGHTS --corpus CORPUS --same gender"
    )


def test_what_cannot_be_done_is_said_before_any_work(corpus, weights, tmp_path, monkeypatch):
    call("evaluate", "matching").refused("has nothing to evaluate", "--model")
    call("evaluate", "retrieval", "--model", weights).refused("--corpus CORPUS")
    call("evaluate", "verification", "--model", weights, "--corpus", corpus, "--scores", "s.csv").refused(
        "--model: is given together with --scores"
    )
    call("evaluate", "matching", "--model", "matchr", "--corpus", corpus).refused("did you mean", "matcher")
    call("evaluate", "matching", "--model", "voice-student", "--corpus", corpus).refused("place no voices")
    call("evaluate", "matching", "--model", weights, "--corpus", tmp_path).refused(str(tmp_path))
    call("evaluate", "matching", "--voices", "v", "--faces", "f", "--known-people", "keep").refused("--model")
    tokens = ["evaluate", "matching", "--model", weights, "--corpus", corpus]
    call(*tokens, "--html", tmp_path / "no" / "r.html").refused("r.html")
    from voiceface.evaluation.report import drawing

    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    call(*tokens, "--html", tmp_path / "r.html").refused("matplotlib", "voiceface[report]")
    assert not (tmp_path / "r.html").exists()


def test_figures_without_intervals_are_not_recorded(corpus, weights, tmp_path):
    tokens = ["evaluate", "matching", "--model", weights, "--corpus", corpus, "--resamples", "0", "--record"]
    said = call(*tokens, "--results", tmp_path / "results")
    assert said.code == 1 and "no intervals" in said.err and not (tmp_path / "results").exists()


def test_a_corpus_that_may_not_be_written_to_is_judged_all_the_same(corpus, weights, tmp_path, monkeypatch):
    from voiceface.evaluation import cached_embeddings

    there = tmp_path / "corpus"
    shutil.copytree(corpus, there, ignore=shutil.ignore_patterns("views"))
    monkeypatch.setattr(cached_embeddings, "os", SimpleNamespace(access=lambda path, mode: False, W_OK=2))
    said = call("evaluate", "matching", "--model", weights, "--corpus", there, "-n", "2", "--json")
    assert said.code == 0 and not list((there / "views").glob("*.npz"))


def test_stated_probabilities_of_a_table_are_judged(tmp_path):
    rng = np.random.default_rng(0)
    odds = rng.normal(size=200)
    same = rng.random(200) < 1 / (1 + np.exp(-odds))
    rows = [f"{int(y)},{x},{1 / (1 + np.exp(-x))}" for x, y in zip(odds, same, strict=True)]
    (tmp_path / "s.csv").write_text("\n".join(["label,score,probability", *rows]))
    tokens = ["evaluate", "verification", "--scores", tmp_path / "s.csv", "--json"]
    found = call(*tokens).json["calibration"]
    cost = (np.log2(1 + np.exp(-odds[same])).mean() + np.log2(1 + np.exp(odds[~same])).mean()) / 2
    assert found["row"][1]["value"] == pytest.approx(cost) and found["prior"] == 0.5
    (tmp_path / "s.csv").write_text("\n".join(["label,score,probability", "1,1,0.5", "0,0,1.5"]))
    call(*tokens).refused("1 (first: 1) of 2 do not lie in [0, 1]")

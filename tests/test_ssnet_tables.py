"""SSNet's tables by one command, fine-tuning on new people, people with one modality only."""

import dataclasses
import types

import numpy as np
import pytest
import torch

from published_weights import facenet_file
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection, Split
from voiceface.errors import InputError
from voiceface.evaluation.embedding_space import (
    EmbeddedItems,
    evaluate_embedding_space,
    place,
    share_of_ceiling,
)
from voiceface.papers import ssnet
from voiceface.papers.ssnet import tables
from voiceface.pipelines.weights import load_model
from voiceface.protocols.estimate import Estimate
from voiceface.recipes import nawaz_ssnet
from voiceface.recipes.nawaz_ssnet import MixedBatches
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.loop import train
from voiceface.training.weights import read_weights


@pytest.fixture(scope="module")
def corpus():
    pytest.importorskip("espeakng_loader")
    return tiny_corpus()


def test_one_command_makes_every_table_and_trains_nothing_twice(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(ssnet, "_SHARES", {"validation": 0.3, "test": 0.3})
    monkeypatch.setattr(ssnet, "_RESAMPLES", 20)
    how = {"people": "unknown", "quick": True, "steps": 2, "size": 32, "seed": 1}
    told = []
    made = tables(corpus, tmp_path, tell=told.append, **how)
    assert told[1] == "training 2 of 3, unknown people, λ = 1: 2 steps of nawaz_ssnet" and len(told) == 3
    assert [table.title.partition(":")[0] for table in made] == [
        "Tables I and V", "Table II", "Tables III and VI", "Table IV",
    ]  # fmt: skip
    pairs, strata, matched, found = made
    assert {"λ = 0", "λ = 1", "λ = 1, wrong labels"} <= pairs.rows.keys()
    auc, ceiling = pairs.rows["λ = 1"][0], pairs.rows["λ = 1: ceiling"][0]
    share = pairs.rows["λ = 1: share of the ceiling"][0]
    assert share == pytest.approx((auc.value - 0.5) / (ceiling - 0.5), abs=1e-3)
    assert auc.low <= auc.value <= auc.high and auc.chance == 0.5
    gain = next(
        note for note in pairs.notes if note.startswith("λ = 1 against λ = 0, paired over people, AUC")
    )
    assert f"AUC: {auc.value:.3f} against {pairs.rows['λ = 0'][0].value:.3f}: " in gain
    assert pairs.rows["λ = 1"][2] == "none"  # a synthetic voice and face share no video
    assert strata.rows["λ = 1, AUC"][0] == auc
    assert matched.rows["λ = 0, face->voice"][0].name == "1:2"
    assert [cell.name for cell in found.rows["λ = 0"][::2]] == ["R@10", "R@10"]
    assert (tmp_path / "figure-3-unknown.png").stat().st_size > 5000
    again = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(again) >= 3
    assert tables(corpus, tmp_path, **how)[0].rows["λ = 0"] == pairs.rows["λ = 0"]
    assert again == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}


def test_strata_whose_attribute_is_not_known_are_told():
    people = np.array(["a", "b", "c", "d"])
    rows = np.eye(4, dtype=np.float32)
    known = np.array(["f", "f", "m", "m"])
    blank = np.full(4, "")
    attributes = {"G": (known, known), "N": (blank, blank), "A": (people, people), "GNA": (blank, blank)}
    given = {"people": (people, people), "attributes": attributes}
    report = evaluate_embedding_space(
        EmbeddedItems(voices=rows, faces=rows, sessions=(people, people), **given), resamples=10
    )
    assert report.left_out == {"N": "not known", "A": "nobody alike", "GNA": "not known"}
    assert report.pair_estimate("N", "AUC") == "not known"
    assert report.pair_estimate("G", "AUC").n == 8 and report.pair_estimate("all", "AUC").n == 16
    assert report.pair_estimate("same-video positives", "AUC").value == 1
    assert report.pair_estimate("cross-video positives", "AUC") == "none"
    assert set(report.retrieval.rows) == {
        "voice->face", "voice->face, within gender", "face->voice", "face->voice, within gender",
    }  # fmt: skip


def test_a_share_is_of_what_lies_above_chance():
    assert share_of_ceiling(Estimate(name="EER", value=0.3, chance=0.5), 0.1) == 0.5


def test_one_person_to_judge_is_refused(corpus, tmp_path):
    run = nawaz_ssnet.smoke()
    test = run.split(corpus).test
    loaded = types.SimpleNamespace(run=run, model=run.build({"classes": 2}).eval(), facts={}, name="x")
    with pytest.raises(InputError, match="1 of the people to be judged have a voice and a face"):
        place(loaded, test.restrict(test.people[:1]))


def _run(people):
    def split(corpus: Corpus) -> Split:
        whole = Selection.everything(corpus)
        others = whole.restrict({person.id for person in corpus.people} - set(people))
        return Split(whole.restrict(people), others, others.restrict([]))

    return dataclasses.replace(nawaz_ssnet.smoke(), split=split)


def test_new_people_are_learnt_without_pairs_and_their_classes_start_afresh(corpus, tmp_path):
    everybody = sorted(person.id for person in corpus.people)
    first = train(_run(everybody[:4]), corpus, tmp_path / "a", device="cpu", progress=False)
    heads = ["classifier.bias", "classifier.weight"]
    for name, people, afresh in (("same", everybody[:4], []), ("new", everybody[4:8], heads)):
        weights = train(_run(people), corpus, tmp_path / name, device="cpu", init=first, progress=False)
        assert read_weights(weights)[1].get("started_afresh", []) == afresh
    fresh = train(_run(everybody[4:8]), corpus, tmp_path / "fresh", device="cpu", progress=False)
    one = next(name for name in read_weights(first)[0] if name.startswith("network") and "weight" in name)
    before, tuned, other = (read_weights(w)[0][one].float() for w in (first, weights, fresh))
    assert (tuned - before).abs().max() < 0.02 and (other - tuned).abs().max() > 0  # went on, not anew


def test_the_backbone_starts_from_a_published_face_network(corpus, tmp_path):
    theirs = facenet_file(tmp_path / "face.pt")
    small = {"size": 96, "dim": 8, "people": 3, "items": 2, "validation": 0.3, "steps": 1, "lr": 1e-9}
    run = nawaz_ssnet.recipe(width=1 / 16, face_network=str(tmp_path / "face.pt"), **small)
    training = run.split(corpus).train
    facts = run.facts(training)
    model = run.build(facts)
    dense = model.network.dense.weight.clone()
    run.start(model, training, facts)
    pictures = torch.rand(2, 3, 96, 96) * 2 - 1
    model.eval()
    with torch.no_grad():
        ours, published = (net.maps(pictures)["c"] for net in (model.network, theirs.trunk))
    assert torch.equal(ours, published) and torch.equal(model.network.dense.weight, dense)
    tensors = read_weights(train(run, corpus, tmp_path / "run", device="cpu", progress=False))[0]
    name = "b.3.branches.1.2.0.weight"
    expected = theirs.trunk.state_dict()[name]
    assert torch.allclose(tensors[f"network.{name}"].float(), expected, atol=2e-3)
    assert load_model(tmp_path / "run" / "weights").model.network.dense.out_features == 8
    wide = nawaz_ssnet.recipe(width=1 / 8, face_network=str(tmp_path / "face.pt"), **small)
    with pytest.raises(InputError, match="has other sizes than the backbone"):
        train(wide, corpus, tmp_path / "wide", device="cpu", progress=False)
    with pytest.raises(InputError, match="another backbone than small"):
        nawaz_ssnet.recipe(backbone="small", face_network="face.pt")


def test_someone_with_one_modality_trains_that_side_alone(corpus):
    split = nawaz_ssnet.smoke().split(corpus).train
    silent, unseen = split.people[:2]
    voices, faces = (corpus.column(kind, "person").astype(str) for kind in ("voices", "faces"))
    some = Selection(
        corpus,
        split.voices[voices[split.voices] != silent],
        split.faces[faces[split.faces] != unseen],
        split.clips,
    )
    data = MixedBatches(some, grouped=True, people=50, items=3, size=16, seed=0, wrong_labels=False)
    batch = data.batch(0)
    told = [set(batch[name].tolist()) for name in ("face_people", "voice_people")]
    quiet, hidden = data.names.index(silent), data.names.index(unseen)
    assert quiet in told[0] and quiet not in told[1]
    assert hidden in told[1] and hidden not in told[0]
    model = nawaz_ssnet.smoke().build({"classes": len(data.names)})
    assert torch.isfinite(model.error(batch, None)["loss"])

"""A trained SSNet on a VoxCeleb tree by the published lists: every list is scored, missing rows are told."""

import gzip

import numpy as np
import pytest
import torch

import source_trees
from cli_fixtures import call
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.models.selection_embeddings import embed_selection
from voiceface.pipelines.weights import load_model
from voiceface.recipes import nawaz_ssnet
from voiceface.training.weights import write_weights

# Rows as they stand in Learnable PINs' lists: VIDEO_0000001.wav and NAME/VIDEO/0002275.jpg in verification,
# ids and NAME/1.6/VIDEO/0003650.jpg in matching.
VERIFICATION = """id,voice-speaker-id,face-speaker-id,label,voice-path,face-path
1,2,2,1,A.R._Rahman/gaQqIoV_aLY_0000001.wav,A.R._Rahman/QanuGhOhb9A/0035550.jpg
2,2,1249,0,A.R._Rahman/gaQqIoV_aLY_0000001.wav,Zack_Snyder/ZE54Jrjcj8I/0000850.jpg
3,956,956,1,Randeep_Hooda/M2k_enZdWu4_0000029.wav,Randeep_Hooda/M2k_enZdWu4/0009275.jpg
4,956,2,0,Randeep_Hooda/M2k_enZdWu4_0000029.wav,A.R._Rahman/QanuGhOhb9A/0035550.jpg
5,2,956,0,A.R._Rahman/gaQqIoV_aLY_0000001.wav,Randeep_Hooda/M2k_enZdWu4/0009275.jpg
6,493,493,1,Jesse_Spencer/FSfMyWtvPvI_0000003.wav,Jesse_Spencer/FSfMyWtvPvI/0000825.jpg
"""
_AR, _RH = "A.R._Rahman/1.6/QanuGhOhb9A/0035550.jpg", "Randeep_Hooda/1.6/M2k_enZdWu4/0009275.jpg"
_AR_WAV, _RH_WAV = "id10002/gaQqIoV_aLY/00001.wav", "id10956/M2k_enZdWu4/00029.wav"
_NOT_THERE = "id10002/6WO410QOeuo/00009.wav A.R._Rahman/1.6/RLKKsYiCMvc/0019450.jpg "
TRIPLES = {
    "v2f": f"{_AR_WAV} {_AR} {_RH}\n{_RH_WAV} {_RH} Zack_Snyder/1.6/ZE54Jrjcj8I/0000850.jpg\n"
    f"{_NOT_THERE}Jenny_Slate/1.6/YkWjfSi9Jrg/0005825.jpg\n",
    "f2v": f"{_AR} {_AR_WAV} {_RH_WAV}\n{_RH} {_RH_WAV} {_AR_WAV}\n"
    "A.R._Rahman/1.6/RLKKsYiCMvc/0008725.jpg id10002/6WO410QOeuo/00009.wav id10978/AN6ap6hG9OI/00001.wav\n",
}
META = """VoxCeleb1 ID	VGGFace1 ID	Gender	Nationality	Set
id10002	A.R._Rahman	m	India	dev
id10956	Randeep_Hooda	m	India	dev
id11249	Zack_Snyder	m	USA	dev
id10493	Jesse_Spencer	m	Australia	dev
id10430	Jenny_Slate	f	USA	dev
id10978	Aamir_Khan	m	India	dev
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A prepared tree of three people of the lists, weights, lists as published (packed), metadata."""
    root = tmp_path_factory.mktemp("vox")
    tree = root / "tree"
    source_trees.text(tree / "vox1_meta.csv", *META.splitlines())
    source_trees.real(tree / "wav" / "id10002" / "gaQqIoV_aLY" / "00001.wav", 0)
    source_trees.real(tree / "wav" / "id10956" / "M2k_enZdWu4" / "00029.wav", 1)
    source_trees.real(tree / "wav" / "id11249" / "ZE54Jrjcj8I" / "00001.wav", 2)
    for number, (name, video, frame) in enumerate(
        (
            ("A.R._Rahman", "QanuGhOhb9A", "0035550"),
            ("Randeep_Hooda", "M2k_enZdWu4", "0009275"),
            ("Zack_Snyder", "ZE54Jrjcj8I", "0000850"),
        )
    ):
        source_trees.real(tree / "unzippedFaces" / name / "1.6" / video / f"{frame}.jpg", number)
    done = call("prepare", "voxceleb", tree, "-o", root / "corpus", "--workers", "1")
    assert done.code == 0, done.err
    run = nawaz_ssnet.smoke()
    torch.manual_seed(0)
    model = run.build({"classes": 3})
    card = {
        "recipe": "nawaz_ssnet",
        "arguments": dict(run.arguments),
        "facts": {"classes": 3},
        "people": {"count": 3, "fingerprint": "0" * 16},
    }
    write_weights(root / "weights", model.weights(), card)
    for name, text in {"random_unseen": VERIFICATION, **TRIPLES}.items():
        with gzip.open(root / f"{name}.txt.gz", "wt") as file:
            file.write(text)
    return root


def _asked(world, kind, name, *more):
    model = ("--model", world / "weights", "--corpus", world / "corpus", "--known-people", "keep")
    people = ("--people", world / "tree" / "vox1_meta.csv")
    return call("evaluate", kind, *model, *people, "--list", world / f"{name}.txt.gz", "--json", *more)


def _missing(told):
    return [count for what, count in told.json["excluded"].items() if "not embedded" in what]


def test_a_verification_list_is_scored_row_by_row(world):
    told = _asked(world, "verification", "random_unseen", "--missing", "exclude", "--resamples", "20")
    assert told.code == 0, told.err
    assert _missing(told) == [1]
    assert (told.json["positives"], told.json["negatives"]) == (2, 3)
    # By hand: rows of the model, cosines of the five rows, share of well ordered pairs.
    corpus = Corpus.open(world / "corpus")
    model = load_model(world / "weights").model
    voices, faces = embed_selection(model, Selection.everything(corpus))
    v = {name.split("/")[0]: row for name, row in zip(corpus.column("voices", "id"), voices, strict=True)}
    f = {name.split("/")[0]: row for name, row in zip(corpus.column("faces", "id"), faces, strict=True)}
    a, r, z = "id10002", "id10956", "id11249"
    right, wrong = (
        [float(np.dot(v[x], f[y])) for x, y in pairs]
        for pairs in (((a, a), (r, r)), ((a, z), (r, a), (a, r)))
    )
    auc = np.mean([x > y for x in right for y in wrong])
    assert told.json["rows"]["all"][0]["value"] == pytest.approx(auc)


@pytest.mark.parametrize("name", ["v2f", "f2v"])
def test_triples_are_scored_both_ways(world, name):
    told = _asked(world, "matching", name, "--missing", "exclude", "--resamples", "20")
    assert told.code == 0, told.err
    assert _missing(told) == [1]
    assert told.json["rows"]["all"][0]["n"] == 2


def test_rows_that_nobody_embedded_are_an_error_unless_told(world):
    _asked(world, "verification", "random_unseen").refused("lack", "--missing exclude")
    _asked(world, "matching", "v2f").refused("lack", "--missing exclude")


def test_the_twenty_thousand_stand_in_two_files(world):
    for kind, rows in (
        ("wav", ["id10002\tid10002/gaQqIoV_aLY/00001.wav", "id10956\tid10956/M2k_enZdWu4/00029.wav"]),
        (
            "jpg",
            [
                "id10002\tA.R._Rahman/1.6/QanuGhOhb9A/0035550.jpg",
                "id10956\tRandeep_Hooda/1.6/M2k_enZdWu4/0009275.jpg",
                "id10956\tRandeep_Hooda/1.6/M2k_enZdWu4/0009300.jpg",
            ],
        ),
    ):
        source_trees.text(world / f"{kind}_20k.csv", f"VoxCeleb1 ID\t{kind}", *rows)
    model = ("--model", world / "weights", "--corpus", world / "corpus", "--known-people", "keep")
    people = ("--people", world / "tree" / "vox1_meta.csv", "--list", world / "wav_20k.csv")
    told = call("evaluate", "retrieval", *model, *people, "-k", "1", "--missing", "exclude", "--json")
    assert told.code == 0, told.err
    assert _missing(told) == [1] and told.json["gallery"]["voice->face"] == 2

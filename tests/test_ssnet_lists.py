"""A trained SSNet on a VoxCeleb tree by the published lists: every list is scored, missing rows are told."""

import gzip

import numpy as np
import pytest
import torch

import trees
from cli_world import call
from voiceface.corpus.corpus import Corpus
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
TRIPLES = {
    "v2f": """id10002/gaQqIoV_aLY/00001.wav A.R._Rahman/1.6/QanuGhOhb9A/0035550.jpg Randeep_Hooda/1.6/M2k_enZdWu4/0009275.jpg
id10956/M2k_enZdWu4/00029.wav Randeep_Hooda/1.6/M2k_enZdWu4/0009275.jpg Zack_Snyder/1.6/ZE54Jrjcj8I/0000850.jpg
id10002/QanuGhOhb9A/00025.wav A.R._Rahman/1.6/RLKKsYiCMvc/0019450.jpg Jenny_Slate/1.6/YkWjfSi9Jrg/0005825.jpg
""",
    "f2v": """A.R._Rahman/1.6/QanuGhOhb9A/0035550.jpg id10002/gaQqIoV_aLY/00001.wav id10956/M2k_enZdWu4/00029.wav
Randeep_Hooda/1.6/M2k_enZdWu4/0009275.jpg id10956/M2k_enZdWu4/00029.wav id10002/gaQqIoV_aLY/00001.wav
A.R._Rahman/1.6/RLKKsYiCMvc/0008725.jpg id10002/6WO410QOeuo/00009.wav id10978/AN6ap6hG9OI/00001.wav
""",
}  # fmt: skip  # noqa: E501
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
    trees.text(tree / "vox1_meta.csv", *META.splitlines())
    trees.real(tree / "wav" / "id10002" / "gaQqIoV_aLY" / "00001.wav", 0)
    trees.real(tree / "wav" / "id10956" / "M2k_enZdWu4" / "00029.wav", 1)
    trees.real(tree / "wav" / "id11249" / "ZE54Jrjcj8I" / "00001.wav", 2)
    for number, (name, video, frame) in enumerate(
        (
            ("A.R._Rahman", "QanuGhOhb9A", "0035550"),
            ("Randeep_Hooda", "M2k_enZdWu4", "0009275"),
            ("Zack_Snyder", "ZE54Jrjcj8I", "0000850"),
        )
    ):
        trees.real(tree / "unzippedFaces" / name / "1.6" / video / f"{frame}.jpg", number)
    done = call("prepare", "voxceleb", tree, "-o", root / "corpus", "--workers", "1")
    assert done.code == 0, done.err
    run = nawaz_ssnet.smoke()
    torch.manual_seed(0)
    system = run.build({"classes": 3})
    card = {
        "recipe": "nawaz_ssnet",
        "arguments": dict(run.arguments),
        "facts": {"classes": 3},
        "people": {"count": 3, "fingerprint": "0" * 16},
    }
    write_weights(root / "weights", system.weights(), card)
    for name, text in {"random_unseen": VERIFICATION, **TRIPLES}.items():
        with gzip.open(root / f"{name}.txt.gz", "wt") as file:
            file.write(text)
    return root


def _asked(world, kind, name, *more):
    model = ("--model", world / "weights", "--corpus", world / "corpus", "--known-people", "keep", "--missing", "exclude")
    people = ("--people", world / "tree" / "vox1_meta.csv")
    return call("evaluate", kind, *model, *people, "--list", world / f"{name}.txt.gz", *more)


def test_probe(world):
    c = Corpus.open(world / "corpus")
    print(c.column("voices", "id"), c.column("voices", "source"))
    print(c.column("faces", "id"), c.column("faces", "source"))
    for kind, name in (("verification", "random_unseen"), ("matching", "v2f"), ("matching", "f2v")):
        r = _asked(world, kind, name, "--resamples", "20")
        print(r.code, r.out, r.err)

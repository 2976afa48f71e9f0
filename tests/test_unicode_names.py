"""A name with an accent means the same in both Unicode forms, in whatever way a command is told it."""

import shutil
import unicodedata

import numpy as np
import pytest
import torch

from cli_fixtures import call, matcher_weights
from corpus_media import synthetic_voice
from draw_face import draw_face
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.split_names import split_by_names
from voiceface.media.sound import save_sound
from voiceface.media.unicode_names import path_as_on_disk
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.known_people import person_indices

PEOPLE = ("José", "Zoë", "Ann", "Çelik")


def composed(text):
    return unicodedata.normalize("NFC", str(text))


def apart(text):
    return unicodedata.normalize("NFD", str(text))


@pytest.fixture(params=[(apart, composed), (composed, apart)], ids=["disk-apart", "disk-composed"])
def forms(request):
    """How names are written on the disk and in files, and how they are typed."""
    return request.param


@pytest.fixture
def tree(tmp_path, forms):
    disk, _ = forms
    for number, person in enumerate(PEOPLE):
        folder = tmp_path / "people" / disk(person)
        folder.mkdir(parents=True)
        save_sound(folder / f"{disk(person)}.wav", synthetic_voice(number, 2.0))
        draw_face(number, 160).save(folder / f"{disk(person)}.png")
    return tmp_path / "people"


def test_files_and_folders_are_found_as_typed(tree, forms, tmp_path):
    disk, typed = forms
    voice, face = (str(tree / typed("José") / typed(f"José.{end}")) for end in ("wav", "png"))
    weights = ["--weights", matcher_weights()]
    said = call("verify", voice, face, *weights, "--json")
    assert said.code == 0, said.err
    assert call("match", voice, str(tree / typed("Zoë")), *weights).code == 0
    said = call("embed", str(tree / typed("Çelik")), f"--out={tmp_path}/e.npz", "--kind=voices", *weights)
    assert said.code == 0, said.err
    call("verify", str(tree / typed("Jose") / "a.wav"), face, *weights).refused("does not exist")
    assert path_as_on_disk(tree / typed("Zoë") / "no.wav") is None


def test_a_gallery_knows_people_and_values_in_both(tree, forms, tmp_path):
    disk, typed = forms
    place, weights = tmp_path / "g", ["--weights", matcher_weights()]
    for person, town in (("José", disk("Mérida")), ("Zoë", "Rome")):
        said = call("gallery", "add", place, tree / disk(person), "--attribute", f"town={town}", *weights)
        assert said.code == 0, said.err
    again = call(
        "gallery", "add", place, tree / disk("José") / disk("José.png"), "--person", typed("José"), "--json"
    )
    assert (again.json["added"], again.json["there"]) == (0, 1)
    query = tree / disk("Ann") / "Ann.wav"
    for value in ("Mérida", disk("Mérida"), typed("Mérida")):
        hits = call("gallery", "search", place, query, "--where", f"town={value}", "--json").json["hits"]
        assert [hit["person"] for hit in hits] == [composed("José")]
    assert call("gallery", "remove", place, typed("José")).out.startswith("2 items")
    call("gallery", "remove", place, typed("José")).refused("nobody called")


@pytest.mark.parametrize("header", ["clip,person", "voice,face,person"])
def test_a_table_of_pairs_finds_its_files_and_a_split_its_people(tree, forms, tmp_path, header):
    disk, typed = forms
    root = tmp_path / "data"
    lines = [header]
    for kind, end in (("voices", "wav"), ("faces", "png")):
        (root / kind).mkdir(parents=True)
        for person in PEOPLE:
            shutil.copy(tree / disk(person) / disk(f"{person}.{end}"), root / kind / disk(f"{person}.{end}"))
    for person in PEOPLE:
        cells = f"voices/{person}.wav,faces/{person}.png" if "voice" in header else person
        lines.append(typed(f"{cells},{person}"))
    (root / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = call("prepare", "pairs", root, "-o", tmp_path / "corpus", "--workers", "1", "--json")
    assert said.code == 0 and said.json["rejected"] == [], said.err
    assert (said.json["voices"], said.json["faces"], said.json["people"]) == (4, 4, 4)
    corpus = Corpus.open(tmp_path / "corpus")
    assert sorted(person.id for person in corpus.people) == sorted(map(composed, PEOPLE))
    split = tmp_path / "split.txt"
    split.write_text(f"{disk('José')} test\n{typed('Zoë')} train\n", encoding="utf-8")
    assert split_by_names(split, corpus) == {composed("José"): "test", composed("Zoë"): "train"}


def test_lists_scores_attributes_and_tables_of_people(forms, tmp_path):
    disk, typed = forms
    random = np.random.default_rng(0)
    people = [disk(person) for person in PEOPLE for _ in range(3)]
    names = {end: [f"{who}/{k:05}.{end}" for k, who in enumerate(people)] for end in ("wav", "jpg")}
    towns = np.array([form("Mérida") for form in (disk, typed)] * 6)
    for end, file in (("wav", "v.npz"), ("jpg", "f.npz")):
        rows = random.normal(size=(12, 8)).astype(np.float32)
        others = np.array([typed(who) if end == "jpg" else who for who in people])
        np.savez(
            tmp_path / file, names=np.array(names[end]), embeddings=rows, people=others, nationality=towns
        )
    files = ["--voices", tmp_path / "v.npz", "--faces", tmp_path / "f.npz", "--resamples", "0", "--json"]
    said = call("evaluate", "verification", *files, "--same", "nationality")
    assert said.code == 0, said.err
    assert said.json["rows"]["same nationality"] == said.json["rows"]["all"]  # all of one town

    trials = [(i, j) for i in range(12) for j in range(0, 12, 2)]
    lines = [f"{int(people[i] == people[j])} {names['wav'][i]} {names['jpg'][j]}" for i, j in trials]
    (tmp_path / "list.txt").write_text(typed("\n".join(lines)) + "\n", encoding="utf-8")
    listed = call("evaluate", "verification", *files, "--list", tmp_path / "list.txt")
    assert listed.code == 0, listed.err
    scored = ["voice,face,score", *(f"{names['wav'][i]},{names['jpg'][j]},{i - j}" for i, j in trials)]
    (tmp_path / "s.csv").write_text(disk("\n".join(scored)), encoding="utf-8")
    said = call("evaluate", "verification", "--scores", tmp_path / "s.csv", "--list", tmp_path / "list.txt")
    assert said.code == 0, said.err

    table = [
        "name,person,gender",
        *(f"{name},{who},f" for name, who in zip(names["jpg"], people, strict=True)),
    ]
    (tmp_path / "people.csv").write_text(typed("\n".join(table)), encoding="utf-8")
    for file, seed in (("real.npz", 1), ("drawn.npz", 2)):
        rows = np.random.default_rng(seed).normal(size=(12, 128)).astype(np.float32)
        np.savez(tmp_path / file, names=np.array(names["jpg"]), embeddings=rows)
    said = call(
        "evaluate", "faces", "--generated", tmp_path / "drawn.npz", "--reference", tmp_path / "real.npz",
        "--people", tmp_path / "people.csv", "--resamples", "0",
    )  # fmt: skip
    assert said.code == 0, said.err


def test_people_known_by_name(forms):
    disk, typed = forms
    known = [disk(person) for person in PEOPLE]
    asked = [GeneratorInput(person=typed(person)) for person in ("Zoë", "José")]
    assert torch.equal(person_indices(asked, known), torch.tensor([1, 0]))

"""Published splits reach training, and nobody whom a list names is trained on."""

import json
from dataclasses import replace

import pytest

import source_trees
from cli_fixtures import call
from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.evaluation.training_split import training_split
from voiceface.pipelines.weights import load_model
from voiceface.recipes import agarwal_voice_classifier, nawaz_ssnet, wen_voice2face
from voiceface.training.choose_split import choose_split, read_choice
from voiceface.training.split_choice import SplitChoice

PARTS = ["train"] * 6 + ["validation"] * 3 + ["test"] * 3
PEOPLE = [f"p{number:02d}" for number in range(len(PARTS))]


def made(folder, parts=PARTS, videos=3):
    """A prepared corpus of 12 people with some videos of two recordings and a face each."""
    lines = ["clip,person,video,split,gender"]
    for number, (person, part) in enumerate(zip(PEOPLE, parts, strict=True)):
        for video in range(videos):
            for take in range(2):
                clip = f"{person}_{video}_{take}"
                lines.append(f"{clip},{person},{person}-v{video},{part},{'fm'[number % 2]}")
                source_trees.real(folder / "tree" / "voices" / f"{clip}.wav", number)
                source_trees.real(folder / "tree" / "faces" / f"{clip}.jpg", number)
    source_trees.text(folder / "tree" / "pairs.csv", *lines)
    done = call("prepare", "pairs", folder / "tree", "-o", folder / "corpus", "--workers", "1")
    assert done.code == 0, done.err
    return folder / "corpus"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return made(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return made(tmp_path_factory.mktemp("plain"), [""] * len(PARTS))


def people(split):
    return [sorted(part.people) for part in (split.train, split.validation, split.test)]


def test_the_authors_split_is_the_default_where_it_serves(published, plain):
    corpus, run = Corpus.open(published), wen_voice2face.smoke()
    chosen = choose_split(run, corpus)
    assert chosen.by == "authors" and people(chosen.split) == [PEOPLE[:6], PEOPLE[6:9], PEOPLE[9:]]
    other = choose_split(replace(run, choice=SplitChoice(by="random")), corpus)
    assert other.by == "random" and people(other.split) == people(run.split(corpus))
    without = choose_split(run, Corpus.open(plain))
    assert without.by == "random" and not without.why
    with pytest.raises(InputError, match="no split by its authors"):
        choose_split(replace(run, choice=SplitChoice(by="authors")), Corpus.open(plain))


def test_a_split_of_people_does_not_serve_known_people_and_says_so(published):
    corpus, run = Corpus.open(published), agarwal_voice_classifier.recipe(minimum=3)
    chosen = choose_split(run, corpus)
    assert chosen.by == "random" and "not the authors'" in str(chosen)
    with pytest.raises(InputError, match="in every part"):
        choose_split(replace(run, choice=SplitChoice(by="authors")), corpus)


def test_known_people_are_split_by_video(plain):
    corpus = Corpus.open(plain)
    for run in (nawaz_ssnet.recipe(known=True), agarwal_voice_classifier.recipe(minimum=6)):
        split = choose_split(run, corpus).split
        sessions = corpus.column("voices", "session")
        parts = [set(sessions[p.voices].tolist()) for p in (split.train, split.validation, split.test)]
        assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
        faces = corpus.column("faces", "session")
        assert not set(faces[split.test.faces].tolist()) & parts[0]


def test_a_missing_validation_part_is_taken_from_the_training_people(tmp_path):
    corpus = Corpus.open(made(tmp_path, ["train"] * 9 + ["test"] * 3, videos=1))
    chosen = choose_split(nawaz_ssnet.recipe(validation=0.3), corpus)
    train, selected, tested = people(chosen.split)
    assert tested == PEOPLE[9:] and len(selected) >= 2 and sorted(train + selected) == PEOPLE[:9]


def test_a_file_splits_and_a_list_leaves_out(plain, tmp_path):
    corpus = Corpus.open(plain)
    file = source_trees.text(tmp_path / "parts.txt", "person,split", *(f"{p},train" for p in PEOPLE[:8]),
                             "p08 validation", "p09 2", "p10 4", "nobody 4")  # fmt: skip
    listed = source_trees.text(tmp_path / "list.txt", "p00", "p01", "stranger")
    choice = read_choice(corpus, split=str(file), leave_out=str(listed))
    chosen = choose_split(replace(nawaz_ssnet.smoke(), choice=choice), corpus)
    assert chosen.by == "file" and people(chosen.split) == [PEOPLE[2:8], ["p08", "p09"], ["p10"]]
    assert chosen.left_out == 2 and "2 people left out" in str(chosen)
    listed.write_text("stranger\n")
    with pytest.raises(InputError, match="names none of these people"):
        read_choice(corpus, leave_out=str(listed))
    with pytest.raises(InputError, match="who are not in"):
        read_choice(corpus, leave_out="p00,stranger")
    file.write_text("p00 sometimes\n")
    with pytest.raises(InputError, match="names no part"):
        read_choice(corpus, split=str(file))


def test_what_was_used_is_printed_recorded_and_found_again(published, tmp_path):
    out = tmp_path / "run"
    options = ("--backbone", "small", "--size", 32, "--width", 0.25, "--steps", 2)
    done = call("train", "nawaz_ssnet", "--corpus", published, *options, "--leave-out", "p00,p11", "-o", out)
    assert done.code == 0, done.err
    assert "split the authors': people train 5, validation 3, test 2; 2 people left out" in done.err
    card = json.loads((out / "weights" / "run.json").read_text())
    assert (card["split"]["by"], card["split"]["left_out"]) == ("authors", 2)
    assert "p00" not in json.dumps(card)
    corpus = Corpus.open(published)
    found = training_split(out, load_model(out), corpus)
    assert found is not None and people(found) == [PEOPLE[1:6], PEOPLE[6:9], PEOPLE[9:11]]
    call(
        "train", "nawaz_ssnet", "--corpus", published, "--split", "random", "--fold", "1/3", "-o", out
    ).refused("--fold")


def test_a_recipe_is_evaluated_on_a_published_split(published, tmp_path):
    options = ("--backbone", "small", "--size", 32, "--width", 0.25, "--steps", 2)
    given = ("evaluate", "nawaz_ssnet", "--corpus", published, *options, "--resamples", 0)
    done = call(*given, "-o", tmp_path / "split")
    assert done.code == 0, done.err
    assert "test people of a published split" in done.out
    card = json.loads((tmp_path / "split" / "split" / "weights" / "run.json").read_text())
    assert card["split"]["by"] == "authors" and card["people"]["count"] == 6
    call(*given, "--folds", 2, "--split", "authors", "-o", tmp_path / "no").refused("--folds")

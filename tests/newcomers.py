"""What CONTRIBUTING.md promises of its examples; `test_contributing.py` runs it in a copy with them."""

import json

import numpy as np
import pytest

import voiceface as vf
from cli_fixtures import call
from corpus_media import tree
from voiceface.corpus.prepare import prepare
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.training.loop import train
from voiceface.training.weights import read_weights


@pytest.fixture
def scores(tmp_path):
    """A table of scores whose two kinds lie two deviations apart."""
    path = tmp_path / "scores.csv"
    labels = np.arange(400) % 2
    values = np.random.default_rng(0).normal(size=400) + 2.0 * labels
    path.write_text("label,score\n" + "".join(f"{a},{b}\n" for a, b in zip(labels, values, strict=True)))
    return path


def test_every_newcomer_is_listed():
    listed = json.loads(call("list", "--json").out)
    assert "plain" in listed["voice-encoders"] and "album" in listed["sources"]
    assert "voice_gender" in listed["recipes"] and "separation" in listed["protocols"]


def test_a_newcomer_encoder_is_loaded_by_its_name():
    assert load_voice_encoder("plain").dim == 66


def test_a_newcomer_source_is_prepared_by_the_command(tmp_path):
    made = tree(tmp_path / "flat", people=2, videos=0)
    for item in made.items:
        place = tmp_path / "album" / item.person / item.path
        place.parent.mkdir(parents=True, exist_ok=True)
        (made.root / item.path).rename(place)
    out = tmp_path / "corpus"
    said = call("prepare", "album", tmp_path / "album", "-o", out, "--language", "hum", "--workers", "1")
    assert said.code == 0, said.err
    corpus = vf.Corpus.open(out)
    assert [(voice.person, voice.language) for voice in corpus.voices] == [("p0", "hum"), ("p1", "hum")]
    assert len(corpus.faces) == 2


def test_a_newcomer_recipe_learns(tmp_path):
    from voiceface.recipes import voice_gender  # only in the copy with the examples in it

    listing = tree(tmp_path / "data", people=6, videos=0)
    voices = [item for item in listing.items if item.path.endswith(".wav")]
    made = type(listing)(root=listing.root, people=listing.people, items=voices)
    corpus = prepare(made, tmp_path / "corpus", arguments={"source": "made"}, workers=1, progress=False)
    run = voice_gender.recipe(steps=100, validation=0.4)
    people = run.split(corpus).train
    data = run.data(people, {})
    model = run.build(run.facts(people))
    batch = {"statistics": data.statistics, "women": data.women}
    before = model.error(batch, None)["loss"]
    model.load_weights(read_weights(train(run, corpus, tmp_path / "run", device="cpu", progress=False))[0])
    assert model.error(batch, None)["loss"] < before / 2


def test_a_newcomer_protocol_is_reached_from_python_and_the_command_line(scores):
    table = np.loadtxt(scores, delimiter=",", skiprows=1)
    value = vf.protocols.separation(table[:, 1], table[:, 0]).value
    assert value == pytest.approx(2.0, abs=0.3)
    assert vf.protocols.separation(-table[:, 1], table[:, 0]).value == pytest.approx(-value)
    assert vf.protocols.separation(np.zeros(400), table[:, 0]).value == 0
    said = call("evaluate", "separation", scores)
    assert said.code == 0, said.err
    assert f"{value:.3f}" in said.out


def test_a_newcomer_metric_stands_in_the_report(scores):
    table = np.loadtxt(scores, delimiter=",", skiprows=1)
    said = call("evaluate", "verification", "--scores", scores)
    assert said.code == 0, said.err
    assert "Youden" in said.out
    rates = [
        (table[table[:, 0] == 1, 1] >= cut).mean() - (table[table[:, 0] == 0, 1] >= cut).mean()
        for cut in table[:, 1]
    ]
    report = vf.protocols.verification(table[:, 1], table[:, 0])
    assert report.figure("Youden").value == pytest.approx(max(rates))

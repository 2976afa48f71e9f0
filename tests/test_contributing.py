"""The examples of CONTRIBUTING.md are cut out of the page and run: nobody is told what does not work."""

import doctest
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import house
from corpus_media import tree
from encoder_contract import check_voice_encoder

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n# (src/voiceface/(\S+)\.py)\n(.*?)```", re.DOTALL)
EXAMPLES = {
    path: text for path, _, text in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
}


def path_of(stem):
    (path,) = [path for path in EXAMPLES if Path(path).stem == stem]
    return path


@pytest.fixture
def example(tmp_path):
    def load(stem):
        path = tmp_path / path_of(stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(EXAMPLES[path_of(stem)], encoding="utf-8")
        spec = importlib.util.spec_from_file_location(stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def corpus_of(listing, folder):
    from voiceface.corpus.prepare import prepare

    return prepare(listing, folder, arguments={"source": "made"}, workers=1, progress=False)


def test_there_is_one_for_each_kind():
    rooms = sorted(Path(path).parent.as_posix().removeprefix("src/voiceface/") for path in EXAMPLES)
    assert rooms == ["corpus/sources", "models/encoders", "protocols", "recipes"]
    assert not any((ROOT / path).exists() for path in EXAMPLES)


def test_they_keep_the_house(tmp_path):
    package = tmp_path / "voiceface"
    for path, text in EXAMPLES.items():
        place = tmp_path / path.removeprefix("src/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    files = sorted(package.rglob("*.py"))
    assert house.floor_violations(package) == []
    assert house.size_violations(tmp_path, files) == []
    assert house.recipe_violations(package / "recipes") == []
    assert house.source_violations(package / "corpus" / "sources") == []
    assert house.undocumented(package) == []
    options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    for command in (["check", *options], ["format", "--check", *options]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(package)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_encoder_keeps_the_contract(example):
    check_voice_encoder(example("plain"))


def test_the_source_becomes_a_corpus(example, tmp_path):
    made = tree(tmp_path / "flat", people=2, videos=0)
    for item in made.items:
        place = tmp_path / "album" / item.person / item.path
        place.parent.mkdir(parents=True, exist_ok=True)
        (made.root / item.path).rename(place)
    corpus = corpus_of(example("album").listing(tmp_path / "album", language="hum"), tmp_path / "corpus")
    assert [person.id for person in corpus.people] == ["p0", "p1"]
    assert [(voice.person, voice.language) for voice in corpus.voices] == [("p0", "hum"), ("p1", "hum")]
    assert len(corpus.faces) == 2


def test_the_recipe_trains_and_learns(example, tmp_path):
    from voiceface.training.loop import train

    module = example("heard_sex")
    listing = tree(tmp_path / "data", people=6, videos=0)
    voices = [item for item in listing.items if item.path.endswith(".wav")]
    made = type(listing)(root=listing.root, people=listing.people, items=voices)
    corpus = corpus_of(made, tmp_path / "corpus")
    weights = train(module.smoke(), corpus, tmp_path / "smoke", device="cpu", progress=False)
    assert sorted(path.name for path in weights.iterdir()) == ["model.safetensors", "run.json"]
    run = module.recipe(steps=100, validation=0.4)
    data = run.data(run.split(corpus).train, {})
    model = run.build(run.facts(run.split(corpus).train))
    before = model.error({"rows": data.rows, "women": data.women}, None)["loss"]
    trained = train(run, corpus, tmp_path / "trained", device="cpu", progress=False)
    from voiceface.training.weights import read_weights

    model.load_weights(read_weights(trained)[0])
    after = model.error({"rows": data.rows, "women": data.women}, None)["loss"]
    assert after < before / 2


def test_the_protocol_measures(example):
    module = example("separation")
    failed, tried = doctest.testmod(module)
    assert tried == 1 and failed == 0
    labels = np.arange(1000) % 2
    scores = np.random.default_rng(0).normal(size=1000) + 2.0 * labels
    assert module.separation(scores, labels).value == pytest.approx(2.0, abs=0.2)
    assert module.separation(-scores, labels).value == pytest.approx(-2.0, abs=0.2)
    assert module.separation(np.zeros(1000), labels).value == 0

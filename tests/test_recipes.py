"""What every recipe keeps to, by walking their folder: its smoke trains, on made people, and loads."""

import inspect
import json

import pytest
import torch

from voiceface.corpus.synthetic.tiny import tiny_corpus
from voiceface.errors import MissingPartError
from voiceface.folders import component_names, load_component
from voiceface.pipelines.weights import load_system
from voiceface.training.loop import train

RECIPES = "voiceface.recipes"


@pytest.fixture(scope="module")
def corpus():
    pytest.importorskip("espeakng_loader")
    return tiny_corpus()


@pytest.fixture(scope="module", params=component_names(RECIPES))
def trained(request, corpus, tmp_path_factory):
    run = load_component(RECIPES, request.param).smoke()
    out = tmp_path_factory.mktemp(request.param)
    try:
        return run, train(run, corpus, out, device="cpu", progress=False)
    except MissingPartError as missing:
        pytest.skip(str(missing))


def test_its_smoke_trains_to_the_end(trained):
    run, weights = trained
    lines = [json.loads(line) for line in (weights.parent / "log.jsonl").read_text().splitlines()]
    assert lines and max(line["step"] for line in lines) == run.steps
    numbers = [value for line in lines for value in line.values() if isinstance(value, float)]
    assert numbers and all(value == value and abs(value) < 1e9 for value in numbers)


def test_its_weights_load_and_say_what_they_are(trained):
    run, weights = trained
    loaded = load_system(weights)
    assert loaded.card["recipe"] == run.recipe and loaded.card["arguments"] == dict(run.arguments)
    for name in ("contract", "people", "licence", "corpus", "voiceface"):
        assert loaded.card[name], name
    assert not loaded.system.training
    again = load_system(weights).system.weights()
    assert again and all(torch.equal(tensor, again[name]) for name, tensor in loaded.system.weights().items())


def test_its_name_is_its_files(trained):
    run, _ = trained
    assert run.recipe in component_names(RECIPES)


@pytest.mark.parametrize("name", component_names(RECIPES))
def test_its_arguments_are_its_signature(name):
    module = load_component(RECIPES, name)
    signature = inspect.signature(module.recipe)
    run = module.recipe()
    assert dict(run.arguments) == {key: option.default for key, option in signature.parameters.items()}
    assert json.loads(json.dumps(dict(run.arguments))) == dict(run.arguments)

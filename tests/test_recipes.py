"""What every recipe keeps to, by walking their folder: its smoke trains, goes on after a kill, and loads."""

import ast
import inspect
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voiceface.components import component_names, load_component
from voiceface.corpus.splits import Selection
from voiceface.errors import MissingPartError
from voiceface.models import clip_motion, generated_faces
from voiceface.models.selection_embeddings import embed_selection, embeds_selections
from voiceface.pipelines.weights import load_model
from voiceface.recipes import _roldan_run, face_mesh
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.loop import train

RECIPES = "voiceface.recipes"
CARD = ("Paper", "Data", "Command", "Cost", "Reported", "Differs")


@pytest.fixture(scope="module", params=component_names(RECIPES))
def recipe_name(request):
    return request.param


@pytest.fixture(scope="module", autouse=True)
def few_validated():
    """Some recipes generate up to 64 faces or clips at a validation, and embed them: here a few."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (_roldan_run, *(load_component(RECIPES, name) for name in component_names(RECIPES))):
            if hasattr(module, "_MAX_VALIDATED"):
                patch.setattr(module, "_MAX_VALIDATED", 6)
        yield


@pytest.fixture(scope="module", autouse=True)
def embedded_once():
    """A face is embedded, and its mesh found, once: a run that goes on makes those of the first anew."""
    known = {}

    def once(function):
        def found(*given, **options):
            key = function, *(x.tobytes() if hasattr(x, "tobytes") else id(x) for x in given), str(options)
            if key not in known:
                known[key] = function(*given, **options)
            return known[key]

        return found

    with pytest.MonkeyPatch.context() as patch:
        for module in (generated_faces, face_mesh, clip_motion):
            for name in ("embed_aligned_faces", "find_mesh"):
                if hasattr(module, name):
                    patch.setattr(module, name, once(getattr(module, name)))
        yield


@pytest.fixture(scope="module")
def corpus(recipe_name):
    """What the recipe learns from: its contract says where that is talking clips."""
    pytest.importorskip("espeakng_loader")
    if load_component(RECIPES, recipe_name).smoke().contract.get("clips"):
        return tiny_corpus(people=3, voices=1, faces=1, clips=2)
    return tiny_corpus()


def smoke(name):
    """The recipe's own smoke, with a checkpoint half-way."""
    run = load_component(RECIPES, name).smoke()
    return replace(run, every=max(1, run.steps // 2))


@pytest.fixture(scope="module")
def trained(recipe_name, corpus, tmp_path_factory):
    run = smoke(recipe_name)
    out = tmp_path_factory.mktemp(recipe_name)
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


class Killed(BaseException):
    """Stands for a kill: nothing below may catch it."""


def test_killed_after_a_checkpoint_it_goes_on_to_the_same_weights(trained, corpus, tmp_path):
    """One without steps, whose answer is in closed form, is killed where its answer is computed."""
    run, weights = trained
    last = run.steps - 1
    if not run.steps:
        killed = replace(run, start=dies)
        with pytest.raises(Killed):
            train(killed, corpus, tmp_path / "t", device="cpu", progress=False)
        assert_goes_on(run, corpus, tmp_path / "t", weights)
        return
    assert run.every <= last

    def dying(selection, facts):
        data = run.data(selection, facts)
        batch = data.batch

        def until(step, *rest):
            if step == last:
                raise Killed
            return batch(step, *rest)

        data.batch = until
        return data

    with pytest.raises(Killed):
        train(replace(run, data=dying), corpus, tmp_path / "t", device="cpu", progress=False)
    assert_goes_on(run, corpus, tmp_path / "t", weights)


def dies(model, selection, facts):
    raise Killed


def assert_goes_on(run, corpus, folder, weights):
    """A run in the killed one's folder ends with the weights of one that was not killed."""
    assert not (folder / "weights").exists()
    resumed = train(run, corpus, folder, device="cpu", progress=False)
    for name in ("model.safetensors", "run.json"):
        assert (resumed / name).read_bytes() == (weights / name).read_bytes(), name


def test_its_weights_load_and_say_what_they_are(trained):
    run, weights = trained
    loaded = load_model(weights)
    assert loaded.card["recipe"] == run.recipe and loaded.card["arguments"] == dict(run.arguments)
    for name in ("contract", "people", "licence", "corpus", "voiceface"):
        assert loaded.card[name], name
    assert not loaded.model.training
    again = load_model(weights).model.weights()
    assert again and all(torch.equal(tensor, again[name]) for name, tensor in loaded.model.weights().items())


def test_loaded_it_judges_the_validation_people_as_it_was_judged(trained, corpus):
    run, weights = trained
    loaded = load_model(weights)
    if run.validate is None:
        pytest.skip("it validates nothing")
    with torch.no_grad():
        figures = run.validate(loaded.model, run.split(corpus).validation, loaded.card["facts"])
    stored = loaded.card["results"]["validation"]
    # What is exported is rounded to fp16 where the recipe allows it: one of 324 comparisons may turn.
    assert figures == pytest.approx(stored, abs=4e-3 if run.half else 1e-6)


def test_loaded_twice_it_embeds_the_same(trained, corpus):
    run, weights = trained
    if not embeds_selections(load_model(weights).model):
        pytest.skip("it embeds nothing")
    split = run.split(corpus).validation
    found = [embed_selection(load_model(weights).model, split) for _ in range(2)]
    for one, other in zip(*found, strict=True):
        assert len(one) and (one == other).all()
        assert abs((one**2).sum(1) - 1).max() < 1e-4


def test_its_name_is_its_files(trained):
    run, _ = trained
    assert run.recipe in component_names(RECIPES)


@pytest.mark.parametrize("name", component_names(RECIPES))
def test_it_has_its_card(name):
    lines = (load_component(RECIPES, name).__doc__ or "").splitlines()
    told = {line.split()[0]: line.split(maxsplit=1)[1:] for line in lines if line[:1].isalpha()}
    for entry in CARD:
        assert told.get(entry), f"{name} lacks {entry}"
    assert f"voiceface train {name}" in told["Command"][0]
    assert lines[0].endswith(".") and lines[0].split()[0] not in CARD


@pytest.mark.parametrize("name", component_names(RECIPES))
def test_its_smoke_is_its_recipe_made_small(name):
    module = load_component(RECIPES, name)
    run, plain = module.smoke(), module.recipe()
    assert run.recipe == plain.recipe
    if plain.steps:
        assert run.arguments["steps"] < plain.arguments["steps"] <= 1_000_000
    tree = ast.parse(inspect.getsource(module.smoke))
    assert any(
        isinstance(node, ast.Call) and getattr(node.func, "id", "") == "recipe" for node in ast.walk(tree)
    )


@pytest.mark.parametrize("name", component_names(RECIPES))
def test_its_arguments_are_its_signature(name):
    module = load_component(RECIPES, name)
    signature = inspect.signature(module.recipe)
    run = module.recipe()
    assert dict(run.arguments) == {key: option.default for key, option in signature.parameters.items()}
    assert json.loads(json.dumps(dict(run.arguments))) == dict(run.arguments)


def test_a_million_validation_pairs_stand_for_all_of_them(monkeypatch):
    """Few are taken all; of many, both kinds are drawn evenly, and the figures are those of all."""
    from voiceface.metrics.calibration import fit_logistic
    from voiceface.metrics.roc import auc
    from voiceface.recipes import matcher as recipe

    rng = np.random.default_rng(0)
    whose = [np.array([f"p{k % 40}" for k in range(size)]) for size in (300, 500)]
    whose[0][:5] = "nobody"  # voices without a face
    own = rng.normal(size=(40, 4))
    sides = [np.stack([own[int(p[1:])] if p[0] == "p" else own[0] for p in one]) for one in whose]
    voices, faces = (one + rng.normal(size=one.shape) for one in sides)
    left, right, same = recipe.sample_pairs(*whose, most=10_000, seed=3)
    assert (same == (whose[0][left] == whose[1][right])).all()
    every = {(i, j) for i, p in enumerate(whose[0]) for j in np.flatnonzero(whose[1] == p)}
    assert set(zip(left[same].tolist(), right[same].tolist(), strict=True)) == every
    left, right, same = recipe.sample_pairs(*whose, most=2_000, seed=3)
    assert same.sum() == 2_000 and 1_900 < (~same).sum() <= 2_000
    assert np.bincount(left[same], minlength=300)[5:].std() < 4  # every voice about as often as another
    again = recipe.sample_pairs(*whose, most=2_000, seed=3)
    assert all((one == other).all() for one, other in zip(again, (left, right, same), strict=True))
    corpus = SimpleNamespace(person_of=lambda table: whose[table == "faces"])
    selection = Selection(corpus, np.arange(300), np.arange(500), np.zeros(0, np.int64))
    monkeypatch.setattr(recipe, "embed_selection", lambda *_: (voices, faces))
    whole = recipe._trials(None, selection, 0)
    monkeypatch.setattr(recipe, "_MAX_PAIRS", 20_000)
    some = recipe._trials(None, selection, 0)
    assert len(whole[0]) == 300 * 500 and len(some[0]) < 40_000
    assert auc(*some) == pytest.approx(auc(*whole), abs=0.01)
    lines = [fit_logistic(*trials, prior=0.5) for trials in (whole, some)]
    assert lines[1].slope == pytest.approx(lines[0].slope, rel=0.05)

"""Weights from a stranger: NaN, other types, turned calibrations and impossible sizes are one line each."""

import json
import shutil

import pytest
import safetensors.torch
import torch

from cli_fixtures import call
from voiceface.errors import InputError
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.weights import load_model, shipped_weights


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "w"
    shutil.copytree(shipped_weights()["matcher"], place)
    return place


def change_card(folder, change):
    path = folder / "run.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def put(**values):
    def change(card):
        for place, value in values.items():
            *inner, last = place.split("__")
            group = card
            for name in inner:
                group = group[name]
            group[last] = value

    return change


CARDS = {
    "slope of zero": put(facts__calibration__slope=0),
    "slope below zero": put(facts__calibration__slope=-3.5),
    "no offset": put(facts__calibration={"slope": 1.0}),
    "offset of text": put(facts__calibration__offset="0"),
    "calibration of nothing": put(facts__calibration=None),
    "facts of nothing": put(facts=None),
    "facts as a list": put(facts=[1]),
    "arguments of nothing": put(arguments=None),
    "files of nothing": put(files=None),
    "a file elsewhere": put(files=["../w/model.safetensors"]),
    "a recipe of nothing": put(recipe=None),
    "a recipe elsewhere": put(recipe="../../os"),
    "a negative width": put(arguments__dim=-4),
    "a width of text": put(arguments__dim="64"),
    "a width of nothing": put(arguments__dim=None),
    "a width of a list": put(arguments__dim=[64]),
    "an impossible width": put(arguments__dim=2_000_000_000),
    "another width": put(arguments__dim=65),
    "an unknown argument": put(arguments__depth=3),
    "people as a list": put(people=[1]),
    "another encoder's width": put(facts__voice_width=-1),
    "a width of facts as text": put(facts__voice_width={"a": 1}),
}


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_that_lies_is_one_line(folder, kind):
    change_card(folder, CARDS[kind])
    with pytest.raises(InputError) as caught:
        Matcher.load(folder)
    assert len(str(caught.value)) < 400


TEXTS = {
    "NaN": lambda text: text.replace('"slope": ', '"slope": NaN, "was": '),
    "too large for a number": lambda text: text.replace('"slope": ', '"slope": 1e999, "was": '),
    "nested too deeply": lambda text: text.replace('"slope": ', '"deep": ' + "[" * 100_000 + "], "),
    "no UTF-8": lambda text: text.replace("matcher", "m\udcffcher"),
    "cut": lambda text: text[: len(text) // 2],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_card_that_is_no_json_is_one_line(folder, kind):
    path = folder / "run.json"
    path.write_bytes(TEXTS[kind](path.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"run\.json: is damaged \("):
        Matcher.load(folder)
    call("match", "--weights", folder, __file__, __file__).refused("run.json: is damaged")


def change_tensors(folder, change):
    for path in folder.glob("*.safetensors"):
        tensors = safetensors.torch.load_file(path)
        change(tensors)
        safetensors.torch.save_file(tensors, path)


def first_nan(tensors):
    name = max(tensors, key=lambda one: tensors[one].numel())
    tensors[name].view(-1)[3] = float("nan")


def first_infinite(tensors):
    name = max(tensors, key=lambda one: tensors[one].numel())
    tensors[name].view(-1)[3] = float("inf")


def as_whole_numbers(tensors):
    tensors |= {name: tensor.to(torch.int32) for name, tensor in tensors.items()}


def as_complex(tensors):
    tensors |= {name: tensor.float().to(torch.complex64) for name, tensor in tensors.items()}


def as_8_bits(tensors):
    tensors |= {name: tensor.float().to(torch.float8_e4m3fn) for name, tensor in tensors.items()}


def in_doubtful_parts(tensors):
    name = max(tensors, key=lambda one: tensors[one].numel())
    whole = tensors.pop(name)
    tensors |= {f"{name}@0": whole[:1].clone(), f"{name}@1": whole.view(-1)[:3].clone()}


def in_parts_without_a_number(tensors):
    name = max(tensors, key=lambda one: tensors[one].numel())
    tensors[f"{name}@first"] = tensors.pop(name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (first_nan, "holds NaN or infinite numbers"),
        (first_infinite, "holds NaN or infinite numbers"),
        (as_whole_numbers, "int32, the model needs"),
        (as_complex, "complex64, the model needs"),
        (as_8_bits, "is float8_e4m3fn, which no model has"),
        (in_doubtful_parts, "is in parts that do not fit"),
        (in_parts_without_a_number, "lacks"),
    ],
)
def test_tensors_that_are_none_are_refused(folder, change, words):
    change_tensors(folder, change)
    with pytest.raises(InputError, match=words):
        load_model(folder)


def test_a_header_longer_than_its_file_is_one_line(folder):
    path = next(folder.glob("*.safetensors"))
    data = path.read_bytes()
    for head in (b"\xff" * 8, (10**8).to_bytes(8, "little"), len(data).to_bytes(8, "little")):
        path.write_bytes(head + data[8:])
        with pytest.raises(InputError, match="is truncated or damaged"):
            load_model(folder)


def test_a_build_without_end_stops(folder):
    """A million small layers are refused as well as one large one."""
    from voiceface.pipelines.bounded_tensors import BoundedTensors, TooLargeError

    with pytest.raises(TooLargeError), BoundedTensors():
        for _ in range(100):
            torch.empty(200, 200, 300)
    with pytest.raises(TooLargeError), BoundedTensors():
        torch.nn.Linear(100_000, 100_000)
    with BoundedTensors():
        assert torch.nn.Linear(10, 10).weight.isfinite().all()

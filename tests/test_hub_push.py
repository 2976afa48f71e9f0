"""Weights to a hub: what is published, what never is, and the model card."""

import builtins
import json
import sys

import pytest
import safetensors.torch
import torch

from cli_fixtures import call
from hub_server import TOKEN, WEIGHTS, altered, files_of, hub, logged_in, put  # noqa: F401  two are fixtures
from voiceface.components import SHIPPED
from voiceface.errors import InputError
from voiceface.pipelines.push_weights import prepare_publication, push_weights
from voiceface.pipelines.weights import load_model
from voiceface.training.weights import read_weights

# ruff: noqa: F811  a fixture has the name of the function that makes it

pytest.importorskip("huggingface_hub")


def test_what_is_pushed_loads_equal_from_the_hub(hub, logged_in, tmp_path):
    own = altered(SHIPPED / "matcher", tmp_path / "mine")
    (own / "notes.txt").write_text("not to be published")
    said = call("push", own, "anna/mine", "--yes", "--json")
    assert said.code == 0, said.err
    held = hub.repos["anna/mine"].commits[said.json["commit"]]
    assert sorted(held) == ["README.md", "model.safetensors", "run.json"] and hub.repos["anna/mine"].large
    assert {name: held[name] for name in WEIGHTS} == files_of(own)
    tensors, _ = read_weights(own)
    for name, tensor in load_model(f"anna/mine@{said.json['commit']}").model.state_dict().items():
        assert name not in tensors or torch.equal(tensor, tensors[name])


def test_push_takes_a_trainings_folder_a_branch_and_private(hub, logged_in, tmp_path):
    altered(SHIPPED / "talker", tmp_path / "run" / "weights")
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / "step-000000010.pt").write_bytes(b"optimiser")
    said = call("push", tmp_path / "run", "anna/mine", "--private", "--revision", "trial", "--yes")
    assert said.code == 0, said.err
    repo = hub.repos["anna/mine"]
    assert repo.private and set(repo.refs) == {"main", "trial"}
    assert repo.commits[repo.refs["main"]] == {} and len(repo.commits[repo.refs["trial"]]) == 3
    assert f'load("anna/mine@{repo.refs["trial"]}")' in said.out
    assert call("push", tmp_path / "run", "anna/mine", "--private", "--yes").code == 0, "again, to main"


def test_private_is_never_answered_by_publishing(hub, logged_in, tmp_path):
    put(hub, "anna/open")
    before = dict(hub.repos["anna/open"].refs)
    said = call("push", "talker", "anna/open", "--private", "--yes")
    assert said.code == 1 and "anna/open: exists and is public" in said.err
    assert hub.repos["anna/open"].refs == before


def test_push_says_what_it_publishes_and_waits_for_a_yes(hub, logged_in, tmp_path, monkeypatch):
    shipped = json.loads((SHIPPED / "talker" / "run.json").read_text())
    own = altered(
        SHIPPED / "talker",
        tmp_path / "mine",
        facts=shipped["facts"] | {"people": ["Ann", "Bob"]},
        arguments=shipped["arguments"] | {"points": "/somewhere/points"},
    )
    said = call("push", own, "anna/mine")
    for part in (
        "To anna/mine (public",
        f"  run.json  {(own / 'run.json').stat().st_size:,} bytes",
        "  model.safetensors  ",
        "  README.md  ",
        "Recipe talker, trained on 5 people, licence Apache-2.0.",
        "run.json holds 2 names in its facts: Ann, Bob.",
        "run.json holds paths of this machine: /somewhere/points.",
    ):
        assert part in said.out
    assert said.code == 1 and "nobody is there to agree to this; add --yes" in said.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda prompt: "n")
    assert call("push", own, "anna/mine").code == 1
    assert hub.asked == [] and hub.repos == {}
    monkeypatch.setattr(builtins, "input", lambda prompt: "y")
    assert call("push", own, "anna/mine").code == 0 and "anna/mine" in hub.repos


def test_optimiser_states_and_checkpoints_are_never_published(hub, logged_in, tmp_path):
    extra = altered(SHIPPED / "talker", tmp_path / "extra")
    tensors = safetensors.torch.load_file(extra / "model.safetensors")
    safetensors.torch.save_file(tensors | {"optimiser.exp_avg": torch.zeros(3)}, extra / "model.safetensors")
    assert "optimiser.exp_avg" in call("push", extra, "anna/mine", "--yes").err
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    torch.save({"step": 1}, run / "checkpoints" / "step-000000001.pt")
    for given in (run, run / "checkpoints"):
        call("push", given, "anna/mine", "--yes").refused("holds no weights but checkpoints")
    call("push", run / "checkpoints" / "step-000000001.pt", "anna/mine", "--yes").refused(
        "is no weights folder"
    )
    assert hub.asked == [] and hub.repos == {}


def test_push_is_refused_in_one_line(hub, tmp_path, monkeypatch):
    publication = prepare_publication("talker", "anna/mine")
    for token, fault in (
        (None, "the hub refuses (401); log in"),
        ("hf_other", "the hub refuses (403); log in"),
    ):
        monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN", raising=False)
        with pytest.raises(InputError) as caught:
            push_weights(publication)
        assert fault in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="^anna/mine: HF_HUB_OFFLINE is set; unset it$"):
        push_weights(publication)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub.close()
    with pytest.raises(
        InputError, match=r"^anna/mine: http://127.0.0.1:\d+ could not be used \(.*; check the name"
    ):
        push_weights(publication)
    for name in ("mine", "a/b/c", "anna/mine@", "../mine"):
        call("push", "talker", name, "--yes").refused("is no name of a repository")
    call("push", tmp_path / "nowhere", "anna/mine", "--yes").refused(
        "is neither shipped weights nor a folder"
    )


def test_the_model_card_says_what_the_weights_are_and_are_not_for(hub, tmp_path):
    from huggingface_hub import ModelCard

    own = altered(SHIPPED / "matcher-campplus", tmp_path / "mine", licence="CC-BY-NC-4.0")
    card = ModelCard(prepare_publication(own, "anna/mine@v2").files["README.md"].decode())
    assert (card.data.license, card.data.library_name) == ("cc-by-nc-4.0", "voiceface")
    assert card.data.pipeline_tag == "feature-extraction" and {"voiceface", "matcher"} <= set(card.data.tags)
    found = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert found["cross validation, verification, all: AUC"] == 0.8684
    assert 'vf.Matcher.load("anna/mine@v2")' in card.text
    assert (
        "| training people | 718 |" in card.text and "people by part | train 718, validation 38" in card.text
    )
    assert "| cross validation, verification, all: AUC | 0.868 | 0.852 to 0.884 | 0.500 |" in card.text
    assert "## What it must not be used for\n\n- To identify, accuse" in card.text


def test_shipped_weights_carry_their_own_card(hub):
    for name, part in (
        ("talker", "**Nobody was filmed.**"),
        ("voice-student", "351 recordings of 261 LibriSpeech speakers"),
    ):
        text = prepare_publication(name, "anna/mine").files["README.md"].decode()
        assert part in text and "](../" not in text
    assert "no impersonation" in prepare_publication("talker", "anna/mine").files["README.md"].decode()


@pytest.mark.parametrize("wrong", [{"split": "halves"}, {"corpus": 7}, {"split": {"people": ["ann"]}}])
def test_a_run_json_that_no_card_can_be_made_of_is_refused(hub, tmp_path, wrong):
    own = altered(SHIPPED / "talker", tmp_path / "mine", **wrong)
    call("push", own, "anna/mine", "--yes").refused("run.json", "is damaged", next(iter(wrong)))


def test_a_name_in_run_json_cannot_break_the_card(hub, tmp_path):
    hostile = "x\n---\nlicense: mit\n<script>|`"
    own = altered(
        SHIPPED / "talker", tmp_path / "mine", licence=hostile, results={hostile: 0.5}, corpus=hostile
    )
    from huggingface_hub import ModelCard

    card = ModelCard(prepare_publication(own, "anna/mine").files["README.md"].decode())
    assert card.data.license == "other" and "<script>" not in card.text


def test_a_card_of_the_users_own_is_published_as_it_is(hub, tmp_path):
    own = altered(SHIPPED / "talker", tmp_path / "mine")
    (own / "README.md").write_text("---\nlicense: mit\n---\nMine.\n")
    assert prepare_publication(own, "anna/mine").files["README.md"] == own / "README.md"

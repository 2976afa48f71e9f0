"""A paper's recipe trains as its card says: optimiser, rates, schedule and steps."""

import importlib
import re

import pytest

from voiceface.errors import InputError
from voiceface.recipes import si_distill, si_speech2video

WORDS = {"adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSProp", "sgd": "SGD"}
RECIPES = {
    "agarwal_voice_classifier": {},
    "agarwal_voice2face": {"voice_classifier": "folder"},
    "wen_gender": {},
    "wen_voice2face": {},
    "nawaz_ssnet": {},
    "si_cpc": {},
    "si_distill": {},
    "si_speech2video": {},
    "roldan_name2face": {},
    "roldan_speaker": {},
    "roldan_speech2face": {},
}


def written(rate):
    """A rate as cards write it: 2e-4."""
    figure, power = f"{rate:e}".split("e")
    return f"{float(figure):g}e{int(power)}"


@pytest.mark.parametrize("name", RECIPES)
def test_the_card_says_how_the_recipe_trains(name):
    module = importlib.import_module(f"voiceface.recipes.{name}")
    run = module.recipe(**RECIPES[name])
    card = " ".join(re.split(r"^Paper ", module.__doc__, flags=re.MULTILINE)[1].split())
    assert f"{run.steps:,} steps" in card
    for one in run.optimisers.values():
        assert re.search(rf"\b{WORDS[one.name]}\b", card) and written(one.lr) in card, one
        assert one.schedule in ("constant", "cosine") and ("cosine" in card) == (one.schedule == "cosine")


def test_the_students_have_the_papers_optimiser_unless_another_is_asked_for():
    plain = si_distill.recipe().optimisers["distil"]
    assert (plain.name, plain.schedule, plain.clip, plain.weight_decay) == ("rmsprop", "constant", None, 0.0)
    asked = si_distill.recipe(optimiser="adamw").optimisers["distil"]
    assert (asked.name, asked.schedule, asked.weight_decay) == ("adamw", "cosine", 0.01)


def test_one_moment_a_clip_leaves_the_sync_discriminator_nothing_to_shift():
    with pytest.raises(InputError, match="--moments: is 1, so that D_sync"):
        si_speech2video.recipe(moments=1)
    assert si_speech2video.recipe(moments=1, sync=0.0).steps

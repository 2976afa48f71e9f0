"""Every command that a page of the papers prints parses as it stands, and its trainings run from nothing."""

import re
import shutil
from pathlib import Path

import pytest
from cyclopts import MissingArgumentError

from cli_fixtures import call
from test_documented_commands import ROOT, commands
from voiceface.cli import app
from voiceface.components import component_names
from voiceface.pipelines.weights import load_recipe

PAGES = sorted((ROOT / "docs" / "papers").glob("*.md"))
RECIPES = component_names("voiceface.recipes")
NAMES = re.compile(r"[A-Z]+(,[A-Z]+)+")
"""A list of people that the reader fills in: ``A,B,C``."""
NOT_HERE = {"veriflist_test_random_unseenunheard.txt.gz", "20180402-114759-vggface2.pt", "WEIGHTS"}
"""Files that nobody can make; test_paper_chains.py and test_ssnet_tables.py train with small ones."""
ELSEWHERE = {
    "prepare synthetic": "test_cli_prepare.py",
    "tables hearing": "test_si_speech_features.py",
    "evaluate retrieval": "test_ssnet_lists.py",
    "import-weights wen": "test_wen_imports.py",
}
"""Tests of what is neither a training nor in the chains of test_paper_chains.py."""
CLIPS = {"si_cpc", "expression", "si_distill", "si_speech2video"}
"""Recipes of talking clips."""


def expanded(text):
    """A page with the shell's variables in place: ``S="..."`` above, ``$S`` below."""
    for name, value in re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE):
        text = text.replace(f"${name}", value)
    return text


def printed(path):
    """The page's commands, without those that only name a command."""
    for words in commands(expanded(path.read_text(encoding="utf-8"))):
        if len(words) > 2 and "SOURCE" not in words:
            yield words


def small(recipe):
    """The numbers with which a recipe's own smoke run differs from its defaults, as options."""
    run = load_recipe(recipe)
    least, whole = run.smoke().arguments, run.recipe().arguments
    found = {n: v for n, v in least.items() if v != whole[n] and type(v) in (int, float)}
    found.pop("moments", 0)  # the expert needs more
    found |= {"steps": 1} | ({"every": 1} if "every" in whole else {})
    found |= {"backbone": "small"} if "backbone" in whole else {}
    return {"--" + name.replace("_", "-"): str(value) for name, value in found.items()}


def shortened(words, people):
    """The same command at the size of the recipe's smoke run, with a person where it names people."""
    given = small(words[1])
    if words[0] == "evaluate":  # its folds are the test parts
        given.pop("--test", "")
        given |= {"--validation": "0.34"} if "--validation" in given else {}
    elif any(map(NAMES.fullmatch, words)):  # who is left out is tested on
        given |= {"--validation": "0.5", "--test": "0"}
    kept, rest = [], iter(words)
    for word in rest:
        if word in given:
            next(rest)
        else:
            kept.append(people[0] if NAMES.fullmatch(word) else word)
    return [*kept, *(token for pair in given.items() for token in pair)]


def trainings(path):
    """The page's commands that train a recipe, in its order, once each."""
    found = []
    for words in printed(path):
        trains = words[0] in ("train", "evaluate") and words[1] in RECIPES and "--help" not in words
        if trains and not NOT_HERE & set(words) and words not in found:
            found.append(words)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_printed_command_parses(path):
    for words in printed(path):
        try:
            app.make_app(words).parse_args(words, print_error=False, exit_on_error=False)
        except MissingArgumentError:
            assert "-o" not in words and "--corpus" not in words, words  # prose names options alone


def test_a_wrong_value_does_not_parse():
    words = ["tables", "agarwal", "--corpus", "CORPUS", "--steps", "many"]
    with pytest.raises(Exception, match="many"):
        app.make_app(words).parse_args(words, print_error=False, exit_on_error=False)


def test_whatever_is_printed_is_run_by_a_test():
    chains = (ROOT / "tests" / "test_paper_chains.py").read_text() + Path(__file__).read_text()
    for path in PAGES:
        for verb, name, *_ in printed(path):
            if verb not in ("prepare", "tables", "evaluate", "import-weights") or name in RECIPES:
                continue
            elsewhere = ELSEWHERE.get(f"{verb} {name}")
            text = (ROOT / "tests" / elsewhere).read_text() if elsewhere else chains
            assert name in text if elsewhere else f'"{verb}", "{name}"' in text, (path.name, verb, name)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_printed_trainings_run(path, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in trainings(path):
        clips = words[1] in CLIPS
        corpus = tiny_corpus(people=3, voices=1, faces=1, clips=2) if clips else tiny_corpus()
        for name in ("CORPUS", "SPEECH", "VOICES"):
            (tmp_path / name).unlink(missing_ok=True)
            (tmp_path / name).symlink_to(corpus.path)
        out = words[words.index("-o") + 1] if "-o" in words else f"runs/{words[1]}"
        shutil.rmtree(tmp_path / out, ignore_errors=True)
        shorter = shortened(words, [one.id for one in corpus.people])
        said = call(*shorter)
        assert said.code == 0, (shorter, said.err)

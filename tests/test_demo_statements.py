"""What the demo says, suggests and understands: statements beside chance, commands, names of files."""

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from voiceface.demo import statements, user_files
from voiceface.demo.next_commands import next_commands
from voiceface.demo.rankings import PictureRanking, first_places
from voiceface.errors import InputError

ROOT = Path(__file__).parents[1]


def test_a_random_order_gives_the_chance_level_that_is_told():
    owners, genders = [(0, 0), (0, 1), (1, 0), (2, 0)], ["f", "m", "f"]
    found = []
    for order in itertools.permutations(range(4)):
        similarity = np.tile(np.array(order, float), (3, 1))
        ranking = first_places(similarity, similarity, owners, genders=genders, places=2)
        found.append((ranking.own, ranking.same_gender))
    assert np.mean(found, axis=0) == pytest.approx([ranking.own_by_chance, ranking.same_gender_by_chance])
    assert ranking.places == 6


def test_the_statement_turns_with_the_figures():
    similarity = np.array([[0.1, 0.2, 0.9, 0.8], [0.9, 0.8, 0.1, 0.2]])
    owners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    against = first_places(similarity, similarity, owners, genders=["f", "m"], places=2)
    told = statements.imagined_statement(against)
    assert "0 went to faces imagined for that very voice: fewer than guessing gives (2)" in told
    own = first_places(-similarity, similarity, owners, genders=["f", "f"], places=2)
    told = statements.imagined_statement(own)
    assert "4 went to faces imagined for that very voice: more than guessing gives (2)" in told
    assert "4 went to faces of a voice of the same gender: as many as guessing gives (4)" in told


@pytest.mark.parametrize("name", ["matcher", "matcher-ge2e", "matcher-campplus"])
def test_the_shipped_matchers_say_what_was_measured(name):
    import voiceface

    card = json.loads((Path(voiceface.__file__).parent / "shipped" / name / "run.json").read_text())
    told = statements.measured_statement(card)
    value, low, high, chance = card["results"]["cross_validation"][
        "value, 95 % interval over people, chance"
    ]["matching, voice->face: 1:2"]
    assert (
        f"in {value:.0%}".replace("%", " %") in told and f"guessing: {chance:.0%}".replace("%", " %") in told
    )
    assert f"{low:.0%} to {high:.0%}".replace("%", " %") in told and "of one gender" in told
    assert statements.measured_statement({}) == ""


def test_one_and_ten_pictures_are_told_apart():
    ranked = [(Path(f"{k}.jpg"), 0.9 - 0.08 * k) for k in range(10)]
    ten = statements.picture_statement(PictureRanking(matcher="m", ranked=ranked))
    assert ten.startswith("Of 10 pictures 0.jpg fits best, with 90 %") and "one time in 10" in ten
    one = statements.picture_statement(PictureRanking(matcher="m", ranked=ranked[:1]))
    assert "cannot be ranked" in one


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a b.png"], ["a b.png"]),
        (["'a b.png' its.png"], ["a b.png", "its.png"]),
        (["c.png a b.png"], None),
        (["c.png 'a b.png'", "c.png"], ["c.png", "a b.png"]),
        (["*.png"], ["a b.png", "c.png", "it's.png", "its.png"]),
        (["in one"], ["in one/x.png"]),
        (["'in one' c.png"], ["in one/x.png", "c.png"]),
        (["it's.png"], ["it's.png"]),
        (["it's.png c.png"], ["it's.png", "c.png"]),
    ],
)
def test_pictures_are_found_as_they_are_named(tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    Path("in one").mkdir()
    for name in ("a b.png", "c.png", "it's.png", "its.png", "in one/x.png"):
        Path(name).write_bytes(b"x")
    if expected is None:
        with pytest.raises(InputError, match="a: does not exist"):
            user_files.find_pictures(words)
    else:
        assert [path.as_posix() for path in user_files.find_pictures(words)] == expected


@pytest.mark.parametrize("best", [None, "a 'b.jpg"])
def test_the_suggested_commands_can_be_typed(best, monkeypatch):
    from test_documented_commands import faults

    monkeypatch.setenv("MAKELEVEL", "1")
    voice = Path("it's mine.wav")
    suggestions = next_commands(Path("demo out"), voice, Path(best) if best else None)
    assert len(suggestions) == 3 and len(next_commands(Path("demo out"))) == 3
    typed = [shlex.split(command) for command, _ in [*suggestions, *next_commands(Path("demo out"))]]
    ours = [words[words.index("voiceface") if "voiceface" in words else 0 :] for words in typed]
    ours = [[Path(words[0]).stem, *words[1:]] for words in ours if words[0] != "make"]
    assert len(ours) == (5 if best else 4)
    assert [faults(words[1:]) for words in ours] == [[]] * len(ours)
    assert all(str(voice) in words or str(Path("demo out/voice-1.wav")) in words for words in ours)
    assert not best or sum(best in words for words in typed) == 2


@pytest.mark.skipif(shutil.which("make") is None or os.name == "nt", reason="there is no make")
def test_make_hands_names_over_as_they_are(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / ".installed").touch()
    later = time.time() + 3600
    os.utime(tmp_path / ".installed", (later, later))
    program = tmp_path / "bin" / "python"
    program.write_text(f"#!{sys.executable}\nimport sys, json\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)
    voice, faces = """a "b's; (c).wav""", "'d e.jpg' f.jpg"
    command = ["make", "-s", "-C", ROOT, "demo", f"VENV={tmp_path}", f"VOICE={voice}", f"FACES={faces}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    handed = ["-m", "voiceface.demo", "--voice", voice, "--faces", faces]
    assert json.loads(done.stdout.splitlines()[-1]) == handed
    done = subprocess.run(command[:-2], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == handed[:2]

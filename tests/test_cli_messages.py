"""-v and -q on every command: what is told beside the result, and where it is computed."""

import inspect
import io
import re

import pytest

from cli_fixtures import call, write_people_tree
from generating_models import speech_like_wave, write_imaginer_weights
from test_cli_help import commands, find
from voiceface.cli import terminal
from voiceface.cli.terminal import now_and_then, progress_bar, show_log
from voiceface.media.sound import save_sound


@pytest.fixture
def voice(tmp_path):
    save_sound(tmp_path / "v.wav", 0.01 * speech_like_wave(1))
    save_sound(tmp_path / "w.wav", speech_like_wave(2))
    (tmp_path / "w.wav").write_bytes((tmp_path / "w.wav").read_bytes()[:100])
    return tmp_path / "v.wav"


@pytest.fixture
def weights(tmp_path):
    return write_imaginer_weights(tmp_path / "imaginer")


@pytest.mark.parametrize("names", sorted(set(commands())), ids="-".join)
def test_every_command_has_both_and_one_default_device(names):
    command = find(*names)
    if command.default_command is None:
        return
    arguments = {name: one for one in command.assemble_argument_collection() for name in one.names}
    assert {"-v", "--verbose", "-q", "--quiet"} <= arguments.keys()
    if "--device" in arguments:
        assert arguments["--device"].field_info.default in ("auto", inspect.Parameter.empty)
        defaults = inspect.signature(command.default_command).parameters
        assert "device" not in defaults or defaults["device"].default == "auto"


def test_verbose_says_what_is_loaded_where_and_for_how_long(voice, weights, tmp_path):
    said = call("imagine", voice, "-o", tmp_path / "f.png", "--weights", weights, "--device", "cpu", "-v")
    assert said.code == 0 and all(line.startswith("voiceface: ") for line in said.lines)
    assert re.search(r"weights of the recipe \w+, loaded on cpu in \d+\.\d s", said.err)
    assert re.search(r"voice encoder student, loaded on cpu in \d+\.\d s", said.err)
    assert re.search(r"done in \d+\.\d s$", said.lines[-1])
    usual = call("imagine", voice, "-o", tmp_path / "f.png", "--weights", weights)
    assert usual.out == said.out and "loaded" not in usual.err


def test_quiet_leaves_results_and_errors(voice, weights, tmp_path):
    folder, out = voice.parent, tmp_path / "faces"
    usual = call("imagine", voice, folder / "w.wav", "-o", out, "--weights", weights)
    assert usual.code == 0 and "skipped" in usual.err
    said = call("imagine", "-q", voice, folder / "w.wav", "-o", out, "--weights", weights)
    assert said.code == 0 and said.err == "" and said.out == usual.out
    call("imagine", folder / "gone.wav", "-q", "-o", out, "--weights", weights).refused("does not exist")
    call("imagine", voice, "-q", "-v", "-o", out).refused("--quiet", "together")
    after = call("imagine", voice, folder / "w.wav", "-o", out, "--weights", weights)
    assert after.err == usual.err, "the next command is as talkative as ever"


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(monkeypatch, capsys):
    times = iter([0, 10, 31, 40, 70])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(times))
    show_log(terminal.logging.WARNING)
    with progress_bar("faces") as progress:
        for done in (1, 2000):
            next_line = progress(done, 4000)
    assert next_line is None and capsys.readouterr().err == "voiceface: faces: 2,000 of 4,000\n"


def test_a_line_waits_its_time(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    line = now_and_then(5.0)
    for second in range(12):
        now[0] = float(second)
        line(f"{second}")
    assert capsys.readouterr().err == "voiceface: 5\nvoiceface: 10\n"


def test_a_bar_is_neither_shown_nor_logged_when_quiet(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(terminal.sys, "stderr", screen)
    show_log(terminal.logging.ERROR)
    try:
        with progress_bar("faces") as progress:
            progress(1, 2)
    finally:
        show_log(terminal.logging.WARNING)
    assert screen.getvalue() == ""


def test_a_preparation_tells_its_progress_in_a_log(tmp_path, monkeypatch):
    monkeypatch.setattr("voiceface.cli.commands.prepare.now_and_then", lambda: terminal.log_line)
    said = call(
        "prepare", "pairs", write_people_tree(tmp_path / "data", 2), "-o", tmp_path / "c", "--workers", 1
    )
    assert said.code == 0 and re.search(r"voiceface: \d of 4 items, 0 rejected", said.err)

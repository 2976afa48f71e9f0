"""The command line itself: help at once, every error one line, exit codes, streams of any kind."""

import os
import shutil
import subprocess
import sys
import warnings

import pytest

from cli_fixtures import call, shell
from voiceface.cli import app
from voiceface.components import component_names
from voiceface.errors import InputError

COMMANDS = [name.replace("_", "-") for name in component_names(app.COMMANDS)]
HEAVY = (
    "torch",
    "numpy",
    "av",
    "pyarrow",
    "PIL",
    "dlib",
    "voiceface.recipes.matcher",
    "voiceface.corpus.prepare",
)
WAITS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def test_help_lists_every_command_and_recipe_and_imports_nothing_heavy():
    code = (
        "import sys, time, voiceface.cli\n"
        "assert voiceface.cli.main(['--help']) == 0\n"
        f"print('loaded', [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
        "print('seconds', time.process_time(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in (*COMMANDS, *component_names("voiceface.recipes")):
        assert name in done.stdout
    assert "loaded []" in done.stderr
    # 0.15 s here; the bound only catches an import of torch (1 s) on a slow machine.
    assert float(done.stderr.split()[-1]) < 1.0


@pytest.mark.parametrize(
    "given, waits",
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
    ids=["default", "own count", "own policy"],
)
def test_threads_of_torch_wait_shortly_unless_the_user_says_otherwise(given, waits):
    code = (
        "import os, sys, voiceface.cli\n"
        "assert voiceface.cli.main(['--version']) == 0 and 'torch' not in sys.modules\n"
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in WAITS} | given
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == str(waits), done.stderr


def test_importing_the_package_loads_no_library():
    code = "import sys, voiceface; print([m for m in ('torch', 'numpy', 'cyclopts') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    said = call(name, "--help")
    assert said.code == 0 and name in said.out and not said.err
    assert all(len(line) <= 80 for line in said.out.splitlines())


def test_version():
    said = call("--version")
    assert said.code == 0 and said.out.strip()[0].isdigit()


@pytest.mark.parametrize(
    ("tokens", "offered"),
    [
        (["mach", "a.wav", "b.jpg"], '"match"'),
        (["match", "a.wav", "b.jpg", "--devise", "cpu"], "--device"),
        (["match", "a.wav", "b.jpg", "--direction", "voice-to-fac"], '"voice-to-face"'),
        (["list", "recipe"], '"recipes"'),
        (["train", "voice_student", "--corpus", "c", "--stepps", "3"], "--steps"),
        (["prepare", "pairs", "r", "-o", "c", "--faces-onli"], "--faces-only"),
        (["match", "a.wav"], "match: CANDIDATES is missing"),
        (["prepare", "pairs", "r"], "prepare pairs: --out is missing"),
        (["prepare", "pairs", "r", "-o"], "-o requires an argument"),
        (["mach"], 'Did you mean "match"?; see'),
        (["-v"], 'Unknown command "-v"; see'),
        (["imagine", "a.wav", "-o", "b.png", "-n", "2.5"], "-n: '2.5' is no whole number"),
        (["match", "a.wav", "b.jpg", "--top", "1.5"], "--top: '1.5' is no whole number"),
        (["evaluate", "faces", "--seed", "1.5"], "--seed: '1.5' is no whole number"),
    ],
)
def test_a_wrong_command_line_offers_the_nearest_in_one_line(tokens, offered):
    call(*tokens).refused(offered, code=2)


def test_no_command_writes_over_what_it_reads(tmp_path):
    (tmp_path / "scores.csv").write_text("label,score\n1,0.9\n0,0.1\n")
    (tmp_path / "link.csv").hardlink_to(tmp_path / "scores.csv")
    for tokens in (
        ("evaluate", "verification", "--scores", tmp_path / "scores.csv", "--csv", tmp_path / "link.csv"),
        ("compare", tmp_path / "scores.csv", tmp_path / "b.csv", "--markdown", tmp_path / "scores.csv"),
    ):
        call(*tokens).refused("is read here, and would be written over")
    assert (tmp_path / "scores.csv").read_text().startswith("label,score")


def test_patterns_that_the_shell_hands_on_are_files(tmp_path, monkeypatch):
    for name in ("b.wav", "a.wav", "c.mp3", "[c].mp3"):
        (tmp_path / name).touch()
    given = []
    monkeypatch.setattr(app, "_dispatch", lambda tokens: given.append(tokens) or 0)
    tokens = [
        "match",
        f"{tmp_path}/?.wav",
        f"{tmp_path}/[c].mp3",
        f"{tmp_path}/no*",
        "--subset",
        f"{tmp_path}/*",
    ]
    call(*tokens)
    monkeypatch.setattr(app, "SHELL_EXPANDS", False)
    call(*tokens)
    assert given == [tokens, ["match", f"{tmp_path}/a.wav", f"{tmp_path}/b.wav", *tokens[2:]]]


def test_an_address_is_no_file():
    call("match", "https://example.com/a.wav", "b.jpg").refused("does not exist; download it")


def test_pythons_warnings_are_lines_like_others(monkeypatch):
    monkeypatch.setattr(app, "_dispatch", lambda tokens: warnings.warn("a.wav: is odd", stacklevel=1) or 0)
    said = call("list")
    assert (said.code, said.err) == (0, "voiceface: warning: a.wav: is odd\n")


@pytest.mark.parametrize(
    ("tokens", "offered"),
    [(["train", "voice_studnt", "--corpus", "c"], "voice_student"), (["prepare", "voxcelb", "r"], "voxceleb"),
     (["evaluate", "matchr", "--corpus", "c"], "matcher")],
)  # fmt: skip
def test_an_unknown_recipe_or_source_offers_the_nearest(tokens, offered):
    call(*tokens).refused(offered)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.wav", "is empty", "record it"), 1, "voiceface: a.wav: is empty; record it"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "out of memory"),
        (OSError(28, "No space left on device", "x.npz"), 1, "x.npz: the disk is full"),
        (
            PermissionError(13, "Permission denied", "dir/y"),
            1,
            "dir/y: Permission denied (operating system)",
        ),
    ],
)
def test_errors_become_one_line_and_a_code(monkeypatch, error, code, line):
    def broken(tokens):
        raise error

    monkeypatch.setattr(app, "_dispatch", broken)
    call("list").refused(line, code=code)


def test_a_broken_pipe_is_silent(monkeypatch):
    def broken(tokens):
        raise BrokenPipeError

    monkeypatch.setattr(app, "_dispatch", broken)
    said = call("list")
    assert (said.code, said.err) == (141, "")


def test_a_fault_of_ours_keeps_its_traceback_in_a_file(monkeypatch):
    def broken(tokens):
        raise TypeError("of ours")

    monkeypatch.setattr(app, "_dispatch", broken)
    said = call("list")
    said.refused("TypeError: of ours")
    path = said.lines[0].split()[-1]
    with open(path, encoding="utf-8") as file:
        assert "in broken" in file.read()
    os.remove(path)


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("VOICEFACE_DEBUG", "1")
    said = call("match", "nothere.wav", "b.jpg")
    assert said.code == 1 and "Traceback" in said.err and said.lines[-1].startswith("voiceface: ")


def test_output_that_cannot_be_written_is_said(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        said = shell("list", stdout=full, env={"PYTHONUNBUFFERED": ""})
    assert said.code == 1 and said.lines == [
        "voiceface: output: the disk is full; free some space or write to another disk"
    ]


def test_a_reader_that_goes_away_is_no_error():
    command = f'"{sys.executable}" -m voiceface list | head -n 1'
    if os.name != "posix":
        pytest.skip("no head")
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("recipes") and done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_consoles_of_any_encoding(encoding):
    for tokens in (["--help"], ["prepare", "voxceleb+vggface", "--help"]):
        said = shell(*tokens, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
        assert said.code == 0 and said.out and not said.err, (encoding, said.err)


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names there are Unicode")
def test_names_that_are_no_text(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe\x1b[31m.wav")
    said = shell("match", name, "b.jpg")
    assert said.code == 1 and len(said.lines) == 1 and "\\x1b[31m.wav" in said.err and "\x1b" not in said.err


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_completion_is_installed_and_completes(tmp_path):
    home = os.environ | {"HOME": str(tmp_path), "SHELL": "/bin/bash"}
    command = [sys.executable, "-m", "voiceface", "--install-completion"]
    assert subprocess.run(command, env=home, capture_output=True, timeout=120).returncode == 0
    script = tmp_path / ".local/share/bash-completion/completions/voiceface"
    asked = f"""source '{script}'
    for words in "voiceface ima" "voiceface imagine --se" "voiceface gallery sea"; do
        COMP_WORDS=($words); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
        _voiceface; echo "${{COMPREPLY[*]}}"
    done"""
    said = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=60)
    assert said.stdout.split() == ["imagine", "--seed", "search"], said.stderr

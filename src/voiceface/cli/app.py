"""The command line: finds the command, runs it, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import re
import sys
from collections.abc import Sequence
from glob import glob
from importlib import import_module
from pathlib import Path

from cyclopts import App, CycloptsError, Group
from cyclopts.exceptions import MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from voiceface.cli.docstrings import component_summaries
from voiceface.cli.kept_inputs import check_given_files_kept
from voiceface.cli.log_options import add_log_options
from voiceface.cli.options import HEADINGS
from voiceface.cli.quick_torch import import_torch_quickly
from voiceface.cli.stopping import Stopped, stoppable
from voiceface.cli.terminal import log_error, print_line, safe_streams, show_log, warnings_on_one_line
from voiceface.cli.text_wrapping import wrap_columns
from voiceface.components import component_names
from voiceface.errors import InputError
from voiceface.media.unicode_names import path_as_on_disk

COMMANDS = "voiceface.cli.commands"

SHELL_EXPANDS = os.name != "nt"
"""Whether the shell replaces patterns by files; those of Windows hand them on."""

_INTERRUPTED, _BROKEN_PIPE, _USAGE_ERROR = 130, 141, 2  # the shell's codes for Ctrl-C, SIGPIPE and misuse

_ABOUT = """Learn the link between voices and faces, apply it and evaluate it.

voiceface match VOICE FACE... ranks the faces for a voice. Every command has --help.

Every command takes -v to print more beside its result, and -q to print only results and errors.

Every command that reads weights takes --trust FILE.py for weights of your own recipe; its code is run."""


def run(tokens: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code.

    0: done. 1: an input cannot be used; one line says why. 2: wrong options. 130: stopped by Ctrl-C,
    143 and 129: by SIGTERM and SIGHUP.
    """
    safe_streams()
    show_log(logging.WARNING)
    _shorten_waits_of_threads()
    import_torch_quickly()
    try:
        with stoppable(), warnings_on_one_line():
            _check_working_directory()
            given = _expanded(sys.argv[1:] if tokens is None else tokens)
            code = _run_trusting([_as_on_disk(one) for one in given])
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be reported
    except BaseException as error:  # every kind has its line and code
        code = _print_error(error)
    return code


def _shorten_waits_of_threads() -> None:
    """PyTorch's threads shall wait busily for a thousand turns, not 300,000 (GNU OpenMP's default).

    On a machine with other work the long wait takes the processor from the thread that is waited for: `match`
    took twice the processor's time and more. A thousand cost nothing on an idle machine, none at all would
    (docs/measurements/speed.md). It must be said before torch is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _check_working_directory() -> None:
    # Here, for torch cannot even be loaded in a folder that is gone, and ends the process.
    try:
        Path.cwd()
    except OSError as error:
        raise InputError("the working directory", "has been deleted", "change to another folder") from error


def _expanded(tokens: Sequence[str]) -> list[str]:
    """The tokens, patterns replaced by the files they match where the shell leaves that to programs."""
    found: list[str] = []
    for before, token in itertools.pairwise(["", *tokens]):
        # What follows an option may be its value, which is a pattern in itself (`--subset "train-*"`).
        given = SHELL_EXPANDS or "-" in (before[:1], token[:1]) or os.path.exists(token)
        found += ([] if given else sorted(glob(token))) or [token]
    return found


def _as_on_disk(token: str) -> str:
    """The token, or where it is a path whose accents have another Unicode form on the disk, that path."""
    if token.isascii():
        return token
    option, equals, value = token.partition("=") if token.startswith("-") else ("", "", token)
    return f"{option}{equals}{path_as_on_disk(Path(value)) or value}"


def make_app(tokens: Sequence[str]) -> App:
    """The cyclopts app; only the command of the first token is imported.

    A command's ``add_to`` gets the tokens after its name, or None where it is only listed.
    """
    app = App(
        name="voiceface",
        help=_ABOUT,
        help_format="plaintext",
        version=_version,
        version_flags=["--version"],
    )
    names = component_names(COMMANDS)
    first = tokens[0].replace("-", "_") if tokens else ""
    chosen = [first] if first in names else names
    for name in chosen:
        import_module(f"{COMMANDS}.{name}").add_to(app, tokens[1:] if chosen != names else None)
    add_log_options(app)
    options = Group("Options", sort_key=len(HEADINGS))
    app.register_install_completion_command(help="Install completion for this shell.", group=options)
    app["--help"].group = app["--version"].group = (options,)
    return app


def _run_trusting(tokens: list[str]) -> int:
    """Run the command; after ``--trust FILE`` every command loads weights of the user's own recipe."""
    at = next((k for k, token in enumerate(tokens) if token.partition("=")[0] == "--trust"), None)
    if at is None or tokens[0] == "train" or (tokens[at] == "--trust" and at + 1 == len(tokens)):
        return _dispatch(tokens)  # train has the option itself, with its help
    from voiceface.pipelines.weights import trusting

    _, equals, path = tokens[at].partition("=")
    rest = tokens[:at] + tokens[at + 1 + (not equals) :]
    with trusting(path if equals else tokens[at + 1]):
        return _dispatch(rest)


def _dispatch(tokens: list[str]) -> int:
    app = make_app(tokens)
    try:
        try:
            command, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
        except UnusedCliTokensError:  # an option stands between the names of files
            tokens = _options_first(app, tokens)
            command, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        log_error(_usage_error(error, tokens))
        return _USAGE_ERROR
    check_given_files_kept(bound.arguments)
    result = command(*bound.args, **bound.kwargs)
    if getattr(command, "__name__", "") == "help_print":
        requested = {"--help", "-h"} & set(tokens)
        if not set(tokens) - requested:
            print_line(_recipes())
        return 0 if requested else _USAGE_ERROR
    return result if isinstance(result, int) else 0


def _options_first(app: App, tokens: Sequence[str]) -> list[str]:
    """The same command line with its options before its files, which cyclopts takes only in one stretch."""
    _, apps, rest = app.parse_commands(tokens)
    values = {
        name: argument.token_count()[0]
        for argument in apps[-1].assemble_argument_collection()
        for name in argument.names
        if name.startswith("-")
    }
    options: list[str] = []
    files: list[str] = []
    given = iter(rest)
    for token in given:
        if token == "--":
            files += [token, *given]
        elif token.startswith("-") and token != "-":
            options += [token, *itertools.islice(given, values.get(token, 0))]
        else:
            files.append(token)
    return [*tokens[: len(tokens) - len(rest)], *options, *files]


def _usage_error(error: CycloptsError, tokens: Sequence[str]) -> str:
    """One line about a wrong command line, with the help to read."""
    text = " ".join(str(error).split())
    if isinstance(error, UnknownCommandError):
        text, _, _ = text.partition(" Available commands:")  # the help lists them all
    elif isinstance(error, MissingArgumentError) and error.keyword is None:
        text = re.sub(r'Command "([^"]+)" parameter (\S+) requires an argument', r"\1: \2 is missing", text)
    text = text.rstrip(".")
    chain = getattr(error, "command_chain", None) or ()
    return f"{text}; see `{' '.join(['voiceface', *chain, '--help'])}`"


def _print_error(error: BaseException) -> int:
    """Print the one line of an error; returns the exit code."""
    import traceback

    if os.environ.get("VOICEFACE_DEBUG", "") not in ("", "0") and not isinstance(error, SystemExit):
        traceback.print_exception(error)
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        case Stopped():
            log_error(f"stopped by {error.name}; run the same command again to resume where that is possible")
            return error.code
        case KeyboardInterrupt():
            log_error("interrupted; run the same command again to resume where that is possible")
            return _INTERRUPTED
        case BrokenPipeError():
            _drop_output()  # the reader has gone, as in `| head`: not an error
            return _BROKEN_PIPE
        case InputError():
            log_error(str(error))
        case MemoryError():
            log_error("out of memory; close other programs, or give fewer or shorter files")
        case OSError():
            log_error(_os_error_text(error))
        case _ if _out_of_memory(error):
            log_error("out of memory; use a smaller --batch-size, fewer files or --device cpu")
        case _:
            log_error(_unexpected_error(error))
    _drop_output()
    return 1


def _os_error_text(error: OSError) -> str:
    what = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "output"
    why = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ENOSPC:
        return str(InputError(what, "the disk is full", "free some space or write to another disk"))
    return str(InputError(what, f"{why} (operating system)", "check the path, its permissions and the disk"))


def _out_of_memory(error: BaseException) -> bool:
    # torch's own errors by name: this file must not import torch.
    text = str(error)
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text


def _unexpected_error(error: BaseException) -> str:
    """An unexpected error: its traceback goes to a file, because a long run may not get there again."""
    import tempfile
    import traceback

    kind = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    try:
        handle, path = tempfile.mkstemp(prefix="voiceface-error-", suffix=".txt", text=True)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        path = "the traceback (set VOICEFACE_DEBUG=1)"
    return f"unexpected {kind}; please report it with the contents of {path}"


def _drop_output() -> None:
    """Keep the interpreter from printing again, at exit, what could not be printed."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("voiceface")
    except PackageNotFoundError:
        return "unknown (not installed)"


def _recipes() -> str:
    """The list of recipes at the end of the help; none is imported."""
    found = component_summaries("voiceface.recipes")
    column = max(map(len, found), default=0) + 4
    lines = [wrap_columns(f"  {name:<{column - 2}}{line}") for name, line in found.items()]
    return "\n".join(["Recipes for voiceface train RECIPE:", *lines, ""])

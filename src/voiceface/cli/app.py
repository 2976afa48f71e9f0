"""Finds the command that is asked for, runs it, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from cyclopts import App, CycloptsError, Group

from voiceface.cli.docstrings import component_summaries
from voiceface.cli.options import HEADINGS
from voiceface.cli.terminal import safe_streams, say, tell
from voiceface.cli.text_wrapping import wrap_columns
from voiceface.components import component_names
from voiceface.errors import InputError

__all__ = ["make_app", "run"]

COMMANDS = "voiceface.cli.commands"
RECIPES = "voiceface.recipes"

_STOPPED, _BROKEN_PIPE, _MISUSED = 130, 141, 2  # what a shell gives for Ctrl-C, SIGPIPE and wrong options

_ABOUT = """Learn the link between people's voices and faces, use it and measure it.

voiceface match VOICE FACE... ranks the faces for a voice. Every command has --help."""


def run(tokens: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code and raises nothing but SystemExit of others' making.

    0: done. 1: something cannot be used, said in one line. 2: wrong options. 130: stopped by Ctrl-C.
    """
    safe_streams()
    try:
        code = _do(list(sys.argv[1:] if tokens is None else tokens))
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
    except BaseException as error:  # each kind has its line and its code
        code = _print_error(error)
    return code


def make_app(tokens: Sequence[str]) -> App:
    """The command line as cyclopts knows it; only the command of the first token is imported.

    A command's ``add_to`` is handed the tokens after its name, or None where it is only to be listed.
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
    app["--help"].group = app["--version"].group = (Group("Options", sort_key=len(HEADINGS)),)
    return app


def _do(tokens: list[str]) -> int:
    app = make_app(tokens)
    try:
        command, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        tell(_misuse(error, tokens))
        return _MISUSED
    result = command(*bound.args, **bound.kwargs)
    if getattr(command, "__name__", "") == "help_print":
        asked = {"--help", "-h"} & set(tokens)
        if not set(tokens) - asked:
            say(_recipes())
        return 0 if asked else _MISUSED
    return result if isinstance(result, int) else 0


def _misuse(error: CycloptsError, tokens: Sequence[str]) -> str:
    """A wrong command line in one line, with where to look."""
    said = " ".join(str(error).split()).rstrip(".")
    chain = getattr(error, "command_chain", None) or ()
    return f"{said}; see `{' '.join(['voiceface', *chain, '--help'])}`"


def _print_error(error: BaseException) -> int:
    """Print the one line of an error; returns the exit code."""
    import traceback

    if os.environ.get("VOICEFACE_DEBUG", "") not in ("", "0") and not isinstance(error, SystemExit):
        traceback.print_exception(error)
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        case KeyboardInterrupt():
            tell("stopped; run the same command again to go on where it can be resumed")
            return _STOPPED
        case BrokenPipeError():
            _drop_output()  # whoever read has gone: `| head` is no error to speak of
            return _BROKEN_PIPE
        case InputError():
            tell(str(error))
        case MemoryError():
            tell("memory: there is not enough; close other programs, or give fewer or shorter files")
        case OSError():
            tell(_system(error))
        case _ if _out_of_memory(error):
            tell("memory: there is not enough; take a smaller --batch-size, fewer files or --device cpu")
        case _:
            tell(_unexpected_error(error))
    _drop_output()
    return 1


def _system(error: OSError) -> str:
    what = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "output"
    why = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ENOSPC:
        return str(InputError(what, "the disk is full", "free some space or write to another disk"))
    return str(InputError(what, f"{why} (operating system)", "check the path, its permissions and the disk"))


def _out_of_memory(error: BaseException) -> bool:
    # torch's own kinds, told by name: this file must not import it.
    text = str(error)
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text


def _unexpected_error(error: BaseException) -> str:
    """An error nobody foresaw: its traceback goes into a file, since a long run may not come so far again."""
    import tempfile
    import traceback

    kind = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    try:
        handle, path = tempfile.mkstemp(prefix="voiceface-error-", suffix=".txt", text=True)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        path = "VOICEFACE_DEBUG=1 shows where"
    return f"unforeseen {kind}; please report it with what stands in {path}"


def _drop_output() -> None:
    """Keep the interpreter from trying once more, at its end, to print what could not be printed."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, sys.stdout.fileno())
            os.close(nothing)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("voiceface")
    except PackageNotFoundError:
        return "unknown (not installed)"


def _recipes() -> str:
    """The recipes and what they are, for the end of the help; none is imported."""
    found = component_summaries(RECIPES)
    column = max(map(len, found), default=0) + 4
    lines = [wrap_columns(f"  {name:<{column - 2}}{line}") for name, line in found.items()]
    return "\n".join(["Recipes for voiceface train RECIPE:", *lines, ""])

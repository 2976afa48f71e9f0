"""Every option of every command, recipe, source and paper has one line of help."""

import pytest

from cli_fixtures import call, fits
from voiceface.cli import app
from voiceface.cli.docstrings import docstring_arguments
from voiceface.components import SOURCES, component_names

COMPONENTS = {
    "train": "voiceface.recipes",
    "evaluate": "voiceface.recipes",
    "prepare": SOURCES,
    "tables": "voiceface.papers",
    "import-weights": "voiceface.pipelines.importers",
}
"""Commands whose options come from a component's signature."""


def is_line(text):
    """Whether a help text says what the option is: one line that does not begin as a fragment."""
    return len(text) >= 6 and "\n" not in text and not text.startswith(("of ", "over ", "those "))


def without_help(cyclopts_app):
    """Names of an app's arguments that have no line of help of their own."""
    if cyclopts_app.default_command is None:
        return []
    arguments = cyclopts_app.assemble_argument_collection(parse_docstring=True)
    texts = {
        argument.name: (argument.parameter.help or "").strip()
        for argument in arguments
        if argument.name != "*"
    }
    return [name for name, text in texts.items() if not is_line(text)]


def find(*names):
    found = app.make_app([*names])
    for name in names:
        found = found[name]
    return found


def commands():
    for name in component_names(app.COMMANDS):
        name = name.replace("_", "-")
        yield (name,)
        for part in find(name):
            if not part.startswith("-"):
                yield name, part
    for command, packages in COMPONENTS.items():
        for part in component_names(packages):
            yield command, part


@pytest.mark.parametrize("names", sorted(set(commands())), ids="-".join)
def test_every_option_has_a_line_of_help(names):
    assert not without_help(find(*names))


def test_an_option_without_help_is_found():
    def command(*, told: int = 1, untold: int = 2):
        """A command.

        Args:
            told: what it is for
        """

    made = app.App(name="t")
    made.default(command)
    assert without_help(made) == ["--untold"]


@pytest.mark.parametrize(
    "tokens", [("train", "matcher"), ("prepare", "voxceleb"), ("tables", "wen"), ("list",)]
)
def test_help_of_a_component_fits_a_terminal(tokens):
    said = call(*tokens, "--help")
    assert said.code == 0 and fits(said.out) and not said.err


def test_help_of_arguments_is_one_line_of_plain_text():
    text = "Do.\n\nArgs:\n    lr: the ``step`` of\n        `learning`\n    seed (int): random seed"
    assert docstring_arguments(text) == {"lr": "the step of learning", "seed": "random seed"}
    assert docstring_arguments(None) == docstring_arguments("Nothing.") == {}

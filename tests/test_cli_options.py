"""Options made from signatures: types, defaults and help; what cannot be is refused."""

from pathlib import Path
from typing import Literal

import pytest
from cyclopts import App, CoercionError

from voiceface.cli.docstrings import component_summaries, docstring_arguments, summary_line
from voiceface.cli.options import keyword_options, non_default_values, with_options
from voiceface.errors import InputError


def recipe(
    *, lr: float = 1e-3, steps: int = 10, heads: int | None = None, kind: Literal["a", "b"] = "a",
    meta: Path | None = None, mirror: bool = True,
):  # fmt: skip
    """A recipe.

    Args:
        lr: rate of learning
        steps: how many
    """


def parsed(*tokens):
    seen = {}

    def command(corpus: Path, /, *, out: str = "x", given: dict) -> int:
        seen.update(given=given, out=out, corpus=corpus)
        return 0

    app = App(name="t")
    app.default(with_options(command, {"given": keyword_options(recipe, title="r")}, owner="recipe r"))
    function, bound, _ = app.parse_args(list(tokens), print_error=False, exit_on_error=False)
    function(*bound.args, **bound.kwargs)
    return seen


def test_only_what_is_given_is_handed_on_in_its_type():
    seen = parsed("c", "--lr", "1e-4", "--no-mirror", "--meta", "m.csv", "--out", "y")
    assert seen == {
        "given": {"lr": 1e-4, "mirror": False, "meta": Path("m.csv")},
        "out": "y",
        "corpus": Path("c"),
    }
    assert parsed("c")["given"] == {}


@pytest.mark.parametrize(
    "tokens", [["--steps", "1.5"], ["--steps", "1e3"], ["--heads", "2.7"], ["--lr", "fast"], ["--kind", "c"]]
)
def test_a_mistyped_value_is_refused(tokens):
    with pytest.raises(CoercionError):
        parsed("c", *tokens)


def test_whole_numbers():
    assert parsed("c", "--steps", "100_000", "--heads", "-3")["given"] == {"steps": 100_000, "heads": -3}


def test_what_differs_from_the_default_as_json():
    options = keyword_options(recipe, title="r")
    given = {"lr": 1e-3, "steps": 11, "meta": Path("m.csv")}
    assert non_default_values(given, options) == {"steps": 11, "meta": "m.csv"}


def test_an_argument_without_a_type_or_with_a_taken_name_is_refused():
    def untyped(*, lr=1): ...

    def taken(*, out: int = 3): ...

    with pytest.raises(InputError, match="lr has no type"):
        keyword_options(untyped, title="r")
    with pytest.raises(InputError, match="--out belongs to the command"):
        with_options(lambda *, out, given: 0, {"given": keyword_options(taken, title="r")}, owner="recipe r")


def test_help_of_the_arguments():
    assert dict(docstring_arguments(recipe.__doc__)) == {"lr": "rate of learning", "steps": "how many"}
    assert not docstring_arguments("Nothing.") and not docstring_arguments(None)


def test_components_speak_for_themselves_without_being_imported(tmp_path, monkeypatch):
    package = tmp_path / "made_components"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text('"""First line.\n\nMore."""\nraise RuntimeError("imported")\n')
    (package / "two_b.py").write_text('"""Second."""\nNAME = "two+b"\n')
    (package / "broken.py").write_text("def (\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert component_summaries("made_components") == {"broken": "", "one": "First line.", "two+b": "Second."}
    assert (
        summary_line("voiceface.protocols.pair_verification", "verification")
        == "Judge scores of voice-face trials."
    )

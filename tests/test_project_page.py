"""The project's page at PyPI shows README.md alone: its pictures and links must lead to the repository."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = "https://github.com/somebody/voiceface"


@pytest.fixture
def metadata(monkeypatch):
    """What the build adds to the project's metadata in a workflow of a repository."""
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/voiceface")
    return lambda **known: (
        module.Addresses(str(ROOT), {}).update(known := {"version": "1.2.3", **known}) or known
    )


def links(text):
    return re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)\)", text)


def test_links_and_pictures_are_of_the_repository_at_the_tag(metadata):
    text, plain = metadata()["readme"]["text"], (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(links(text)) == len(links(plain)) > 30
    for picture, address in links(text):
        if address.startswith(("#", "https://")) and not address.startswith(PAGE):
            continue
        place = f"{PAGE}/{'raw' if picture else 'blob'}/v1.2.3/"
        assert address.startswith(place), address
        assert (ROOT / address.removeprefix(place).partition("#")[0]).exists(), address


def test_addresses_are_those_of_the_workflows_repository(metadata):
    assert metadata()["urls"] == {
        "Source": PAGE,
        "Documentation": f"{PAGE}/tree/v1.2.3/docs",
        "Changelog": f"{PAGE}/blob/v1.2.3/CHANGELOG.md",
        "Issues": f"{PAGE}/issues",
    }


def test_elsewhere_nothing_is_made_up(metadata, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY")
    made = metadata()
    assert "urls" not in made and made["readme"]["text"] == (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_wheel_from_an_sdist_keeps_what_the_sdist_says(metadata):
    """Hatchling fills these in from PKG-INFO before."""
    said = {"urls": {"Source": "https://example.org"}, "readme": {"text": "x"}}
    assert {name: metadata(**said)[name] for name in said} == said

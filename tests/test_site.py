"""The site is built strictly, names everything public, and asks no other host for anything.

Building it takes 20 seconds: `make test-all` does, and the job `docs` of `.github/workflows/ci.yml`.
"""

import functools
import html
import http.server
import importlib
import inspect
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import voiceface as vf
from browser_page import CHROMIUM, BrowserPage
from voiceface.cli.app import COMMANDS
from voiceface.components import SOURCES, component_names
from voiceface.pipelines.gallery import Gallery

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: make docs")
    pytest.importorskip("mkdocstrings_handlers.python", reason="mkdocstrings is not installed: make docs")
    folder = tmp_path_factory.mktemp("site")
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


def pages(site):
    return {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")
    }


def public_names():
    """Dotted names of all that is public: what `vf` gives, protocols, metrics, members of classes."""
    objects = [getattr(vf, name) for name in vf.__all__ if name != "protocols"] + [Gallery]
    objects += [getattr(vf.protocols, name) for name in vf.protocols.__all__]
    for name in component_names("voiceface.metrics"):
        module = importlib.import_module(f"voiceface.metrics.{name}")
        own = [one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__]
        objects += [one for one in own if not one.__name__.startswith("_")]
    for one in objects:
        yield f"{one.__module__}.{one.__qualname__}"
        if inspect.isclass(one) and one.__module__.startswith("voiceface.pipelines"):
            for name, member in inspect.getmembers(one):
                if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                    yield f"{one.__module__}.{one.__qualname__}.{name}"


@pytest.mark.slow
def test_no_public_name_is_missing_from_the_reference(site):
    anchors = {found for text in pages(site).values() for found in re.findall(r'\bid="([^"]+)"', text)}
    wanted = set(public_names())
    assert len(wanted) > 100
    assert sorted(wanted - anchors) == []


@pytest.mark.slow
def test_every_command_with_every_component_is_in_the_reference(site):
    for name in component_names(COMMANDS):
        command = name.replace("_", "-")
        text = (site / "reference" / "commands" / f"{command}.html").read_text(encoding="utf-8")
        assert f"voiceface {command}" in html.unescape(re.sub(r"<[^>]+>", "", text))
    for command, packages in (
        ("train", "voiceface.recipes"),
        ("prepare", SOURCES),
        ("tables", "voiceface.papers"),
    ):
        text = (site / "reference" / "commands" / f"{command}.html").read_text(encoding="utf-8")
        missing = [one for one in component_names(packages) if f'id="{one}"' not in text]
        assert missing in ([], ["voxceleb_vggface"])  # which is typed voxceleb+vggface
    match = (site / "reference" / "commands" / "match.html").read_text(encoding="utf-8")
    assert "number of results to print; by default all" in match
    assert "voiceface match [OPTIONS] QUERY CANDIDATES" in html.unescape(re.sub(r"<[^>]+>", "", match))


def test_links_to_the_repository_and_colab_are_made_where_it_is_known(monkeypatch):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: make docs")
    monkeypatch.syspath_prepend(ROOT / "tools")
    monkeypatch.setenv("COLUMNS", "80")  # which the module sets
    site_pages = importlib.import_module("site_pages")
    page = SimpleNamespace(file=SimpleNamespace(src_uri="tutorial.md"))
    text = "[a](../tools/ship.py) [b](../README.md#install) [c](pictures.md)\n\n## 1\n"
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    plain = site_pages.on_page_markdown(text, page, None, None)
    assert plain.startswith("a [b](index.md#install) [c](pictures.md)") and "Colab" not in plain
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/voiceface")
    known = site_pages.on_page_markdown(text, page, None, None)
    assert known.startswith("[a](https://github.com/someone/voiceface/blob/main/tools/ship.py) ")
    assert "https://colab.research.google.com/github/someone/voiceface/blob/main/docs/notebooks/" in known


@pytest.mark.slow
def test_no_page_names_another_host_to_load_from(site):
    for name, text in pages(site).items():
        loaded = re.findall(r'<(?:script|img|iframe|video|source)[^>]+src="(https?:[^"]+)"', text)
        loaded += re.findall(
            r'<link[^>]+rel="(?:stylesheet|preconnect|icon)"[^>]+href="(https?:[^"]+)"', text
        )
        assert loaded == [], name


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_pages_fit_a_phone_and_ask_no_other_host(site):
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/"
        for name in (
            "index.html",
            "tutorial.html",
            "reference/imaginer.html",
            "reference/commands/train.html",
        ):
            with BrowserPage(address + name, width=390) as page:
                # Beyond its window a page would have to be moved sideways.
                assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
                assert all(one.startswith((address, "data:", "blob:")) for one in page.requests()), name
                assert page.complaints() == [], name
    finally:
        server.shutdown()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass

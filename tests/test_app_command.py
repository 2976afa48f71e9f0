"""`voiceface app` as a user starts it: a page's address, answers, and an end that leaves nothing."""

import json
import socket
import sys
import urllib.error
import urllib.request

import pytest

pytest.importorskip("fastapi")

from app_server import started
from cli_fixtures import call
from voiceface.app.run_server import Address
from voiceface.errors import InputError


def get(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
        return answer.read()


def test_it_answers_with_the_shipped_models_and_ends_without_a_trace():
    with started("--host", "127.0.0.1", VOICEFACE_TOKEN="a-token-of-many-letters") as process:
        url = process.stdout.readline().strip()
        page, _, token = url.partition("#token=")
        assert token == "a-token-of-many-letters"
        assert b"<title>voiceface" in get(page)
        about = json.loads(get(f"{page}v1/about", Authorization=f"Bearer {token}"))
        assert about["models"]["imaginer"]["name"] == "imaginer" and not about["gallery"]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{page}v1/about")
        assert json.loads(get(f"{page}health")) == {"status": "ok", "workers": 1, "ready": 1, "busy": 0}
    assert process.returncode == 0 and process.rest == ""
    assert process.errors.splitlines() == [
        "voiceface: loading the models",
        "voiceface: the page is ready; Ctrl-C ends it",
    ]


def test_what_cannot_be_served_is_told_before_anything_is_loaded(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = call("app", "--port", str(port))
        assert said.code == 1 and f"127.0.0.1:{port}: cannot be opened (Address already in use)" in said.err
    for options, line in (
        (["--token", "short"], "--token: has 5 characters; give 16 or more, or leave it out"),
        (["--certificate", str(tmp_path / "no.pem")], "no.pem: does not exist; check the path"),
        (["--queue", "-1"], "--queue: is -1; give 0 or more"),
        (["--workers", "0", "--port", "0"], "--workers: is 0; give 1 or more"),
    ):
        said = call("app", *options)
        assert said.code == 1 and line in said.err and said.err.count("\n") <= 2


def test_weights_that_cannot_be_loaded_end_it_with_their_line():
    said = call("app", "--port", "0", "--workers", "1", "--imaginer", "nobody")
    assert said.code == 1 and said.out == ""
    assert "voiceface: nobody: is neither shipped weights nor a folder" in said.err


def test_without_the_packages_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "voiceface.app.run_server")
    said = call("app", "--port", "0")
    assert said.code == 1 and 'uvicorn: is not installed; pip install "voiceface[app]"' in said.err


@pytest.mark.parametrize(
    ("host", "token", "hosts", "url"),
    [
        ("127.0.0.1", "", {"127.0.0.1", "localhost", "::1"}, "http://127.0.0.1:1/"),
        ("localhost", "", {"127.0.0.1", "localhost", "::1"}, "http://localhost:1/"),
        ("::1", "", {"127.0.0.1", "localhost", "::1"}, "http://[::1]:1/"),
        ("192.0.2.1", "made", set(), "http://192.0.2.1:1/#token="),
        ("localhost.evil.example", "made", set(), "http://localhost.evil.example:1/#token="),
        ("0.0.0.0", "a-token-that-is-given", set(), "#token=a-token-that-is-given"),
    ],
)
def test_other_than_local_addresses_have_a_token(host, token, hosts, url):
    address = Address(host=host, token="" if token == "made" else token)
    access = address.access()
    assert access.hosts == hosts and url in address.url(1, access.token)
    assert len(access.token) >= 16 if token else access.token == ""


def test_an_address_that_is_no_address_is_refused():
    from voiceface.app.run_server import _listen

    for host, port in (("no.such.host.invalid", 1), ("127.0.0.1", 99999)):
        with pytest.raises(InputError, match="cannot be opened"):
            _listen(Address(host=host, port=port))

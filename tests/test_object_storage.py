"""A corpus in a bucket of a real S3 server on loopback: mirrored, read, and every fault in one line."""

import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pyarrow.fs as fs
import pytest

from cli_fixtures import call
from corpus_media import contents, tree
from voiceface.corpus import object_storage
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.item import Listing
from voiceface.corpus.object_storage import bucket_url, mirrored_corpus
from voiceface.corpus.prepare import prepare
from voiceface.errors import InputError

SERVER = os.environ.get("MOTO_SERVER") or shutil.which("moto_server")
REFUSED = (
    "s3://voices/corpora/one: access is refused; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE, of somebody who may read it"
)
needs_server = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SERVER, reason="there is no moto_server: pipx install 'moto[server]', or name it in MOTO_SERVER"
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [SERVER, "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
    for _ in range(600):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()
    log.close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    made = tree(tmp_path_factory.mktemp("made"), people=4)
    items = [item for item in made.items if item.key != "v0"]
    listing = Listing(root=made.root, people=made.people, items=items)
    out = tmp_path_factory.mktemp("one") / "corpus"
    return prepare(listing, out, arguments={"source": "made"}, workers=1, progress=False)


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """A user with credentials and a cache of their own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "VOICEFACE_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(object_storage, "_ATTEMPTS", 1)
    mirrored_corpus.cache_clear()
    yield
    mirrored_corpus.cache_clear()


@pytest.fixture
def bucket(server, prepared, at_home, monkeypatch):
    """A storage with the corpus at s3://voices/corpora/one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    storage = fs.S3FileSystem(endpoint_override=server, scheme="http", allow_bucket_creation=True)
    storage.create_dir("voices")
    fs.copy_files(str(prepared.path), "voices/corpora/one", destination_filesystem=storage)
    yield storage
    storage.delete_dir_contents("voices")


def refusal(url):
    mirrored_corpus.cache_clear()
    with pytest.raises(InputError) as caught:
        Corpus.open(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_urls_are_told_from_paths(tmp_path):
    assert bucket_url(Path("s3://bucket/a b")) == bucket_url("s3://bucket/a b/") == "s3://bucket/a b"
    assert bucket_url("s3:/bucket") == "s3://bucket"
    assert not any(map(bucket_url, ("corpus", "s3/corpus", "s3:", "s3://", "/s3:/x", "gs://bucket")))


def test_a_network_that_fails_is_one_line(at_home, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert refusal("s3://voices/corpora/one") == (
        "s3://voices/corpora/one: the storage cannot be reached; check the network and AWS_ENDPOINT_URL, "
        "then try again: what is here is kept"
    )


class Strict(http.server.BaseHTTPRequestHandler):
    """Answers who brings no credentials as Amazon does."""

    def do_GET(self):
        assert "Authorization" not in self.headers
        said = (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        )
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *words):
        pass


def test_missing_credentials_are_one_line(at_home, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.aws either
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Strict) as strict:
        threading.Thread(target=strict.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{strict.server_port}")
        assert refusal("s3://voices/corpora/one") == REFUSED
        strict.shutdown()


class TestOnAServer:
    pytestmark = needs_server

    def test_it_is_the_same_corpus(self, bucket, prepared):
        there = Corpus.open("s3://voices/corpora/one")
        assert there.fingerprint == prepared.fingerprint and contents(there.path) == contents(prepared.path)
        assert (there.wave(2) == prepared.wave(2)).all()
        assert there.picture(1).tobytes() == prepared.picture(1).tobytes()

    def test_commands_read_it(self, bucket, prepared, tmp_path):
        url = "s3://voices/corpora/one"
        for name, corpus in (("here", prepared.path), ("there", url)):
            words = ["--weights", "matcher", "--kind", "faces", "--device", "cpu"]
            assert call("embed", corpus, "-o", tmp_path / f"{name}.npz", *words).code == 0
            words = ["--corpus", corpus, "-o", tmp_path / name, "--steps", 2, "--validation", 0.5]
            done = call("train", "khosla_supcon", *words, "--batch-size", 2, "--device", "cpu")
            assert done.code == 0, done.err
        for file in (".npz", "/weights/model.safetensors"):
            assert (tmp_path / f"here{file}").read_bytes() == (tmp_path / f"there{file}").read_bytes()

    def test_only_what_changed_is_fetched_again(self, bucket, prepared, monkeypatch):
        url = "s3://voices/corpora/one"
        folder = Corpus.open(url).path
        (folder / "views").mkdir(exist_ok=True)
        (folder / "views" / "mine.npy").write_bytes(b"made here")
        lost = next((folder / "arrays" / "voices").iterdir())
        lost.write_bytes(b"cut short")
        (folder / "items" / "999-00000.parquet").write_bytes(b"of an older corpus")
        fetched = []
        real = object_storage._fetch
        monkeypatch.setattr(object_storage, "_fetch", lambda *given: fetched.append(given[3]) or real(*given))
        mirrored_corpus.cache_clear()
        assert Corpus.open(url).fingerprint == prepared.fingerprint
        assert fetched == [lost] and (folder / "views" / "mine.npy").exists()

    def test_a_copy_that_is_cut_short_goes_on(self, bucket, prepared, monkeypatch, tmp_path):
        url, fetched, real = "s3://voices/corpora/one", [], object_storage._fetch

        def broken(*given):
            if len(fetched) == 3:
                raise KeyboardInterrupt
            fetched.append(given[3])
            real(*given)

        monkeypatch.setattr(object_storage, "_fetch", broken)
        with pytest.raises(KeyboardInterrupt):
            Corpus.open(url)
        assert len(fetched) == 3
        assert not list((tmp_path / "cache").rglob("corpus.json"))
        monkeypatch.setattr(object_storage, "_fetch", lambda *given: fetched.append(given[3]) or real(*given))
        assert Corpus.open(url).fingerprint == prepared.fingerprint
        assert len(set(fetched)) == len(fetched)

    def test_what_is_not_there_is_one_line(self, bucket):
        assert refusal("s3://nobody/corpora/one").startswith(
            "s3://nobody/corpora/one: there is no such bucket; check the name, AWS_REGION"
        )
        assert refusal("s3://voices/corpora") == (
            "s3://voices/corpora: is not a corpus (no corpus.json in it); name a prepared folder"
        )
        assert refusal("s3://voices/corpora/two").startswith("s3://voices/corpora/two: ")

    def test_a_key_that_nobody_knows_is_one_line(self, bucket, server):
        def keys_are_checked_after(actions):
            plain = {"Content-Type": "text/plain"}
            where = f"{server}/moto-api/reset-auth"
            urllib.request.urlopen(urllib.request.Request(where, actions, plain, method="POST")).close()

        keys_are_checked_after(b"0")  # and it knows none
        try:
            assert refusal("s3://voices/corpora/one") == REFUSED
        finally:
            keys_are_checked_after(b"inf")

    def test_a_command_says_it_in_one_line(self, bucket):
        said = call("train", "khosla_supcon", "--corpus", "s3://nobody/one", "--device", "cpu")
        assert said.code != 0 and "s3://nobody/one: there is no such bucket" in said.err
        assert "Traceback" not in said.err

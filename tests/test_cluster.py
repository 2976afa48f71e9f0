"""A Dask cluster on loopback: workers die and join, the scheduler goes, and results are the local ones."""

import functools
import importlib.util
import shutil
import subprocess

import pytest

from cli_fixtures import matcher_weights
from corpus_media import contents, tree
from dask_cluster import DaskCluster
from voiceface.cli import main
from voiceface.corpus import shards
from voiceface.corpus.cluster_pool import _OnWorker, cluster_worker_pool
from voiceface.corpus.item import Listing
from voiceface.corpus.prepare import prepare
from voiceface.corpus.worker_pool import run_tasks
from voiceface.corpus.workers import Workers
from voiceface.errors import InputError
from voiceface.pipelines import embed as place
from voiceface.pipelines.embed import embed_corpus
from voiceface.pipelines.matcher import Matcher

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not importlib.util.find_spec("distributed"),
        reason="distributed is not installed: pip install 'voiceface[cluster]'",
    ),
]

quiet = functools.partial(prepare, arguments={"source": "made"}, progress=False)


@pytest.fixture
def cluster(tmp_path):
    one = DaskCluster(tmp_path)
    yield one
    one.close()


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    made = tree(tmp_path_factory.mktemp("made"), people=14)
    items = [item for item in made.items if item.key != "v0"]
    return Listing(root=made.root, people=made.people, items=items)


@pytest.fixture(scope="module")
def whole(listing, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_LEAST", 10)
        return quiet(listing, tmp_path_factory.mktemp("one") / "corpus", workers=1)


@pytest.fixture(autouse=True)
def many_parts(monkeypatch):
    monkeypatch.setattr(shards, "_LEAST", 10)
    monkeypatch.setattr(place, "_BLOCK", 2)


class Once:
    """A progress function that does something after the first part."""

    def __init__(self, act):
        self.act, self.done = act, False

    def __call__(self, *state):
        if not self.done:
            self.done = True
            self.act()


def parts(corpus):
    return {path.name: path.stat().st_mtime_ns for path in (corpus / "items").glob("[!.]*")}


def test_a_worker_is_killed_and_another_joins_and_the_bytes_are_the_same(cluster, listing, whole, tmp_path):
    cluster.start(3)

    def disturb():
        cluster.workers[0].kill()
        cluster.join()

    once = Once(disturb)
    there = quiet(listing, tmp_path / "c", cluster=cluster.address, progress=once)
    assert once.done and len(parts(whole.path)) > 4
    assert contents(there.path) == contents(whole.path)


def test_a_scheduler_that_goes_is_one_line_and_the_next_run_goes_on(cluster, listing, whole, tmp_path):
    cluster.start(3)

    def gone_with_something_stored(state):
        if parts(tmp_path / "c"):
            cluster.kill_scheduler()

    with pytest.raises(InputError) as caught:
        quiet(listing, tmp_path / "c", cluster=cluster.address, progress=gone_with_something_stored)
    assert str(caught.value) == (
        f"{cluster.address}: the Dask scheduler has gone; start the scheduler, then the same command again: "
        "what is finished is kept"
    )
    before = parts(tmp_path / "c")
    assert len(before) > 0
    for worker in cluster.workers:
        worker.wait(timeout=120)  # a worker ends when its scheduler is gone: nobody writes any longer
    before = parts(tmp_path / "c")
    cluster.start(2)
    there = quiet(listing, tmp_path / "c", cluster=cluster.address)
    after = parts(there.path)
    assert contents(there.path) == contents(whole.path)
    assert {name: after[name] for name in before} == before


def test_embedding_and_evaluation_on_the_cluster_are_those_of_one_process(
    cluster, whole, tmp_path, capsys, monkeypatch
):
    weights = matcher_weights()
    matcher = Matcher.load(weights, device="cpu")
    one = embed_corpus(matcher, whole, tmp_path / "one.npz", kind="voices")
    cluster.start(3)
    once = Once(lambda: (cluster.workers[1].kill(), cluster.join()))
    who = Workers(cluster=cluster.address)
    two = embed_corpus(matcher, whole, tmp_path / "two.npz", kind="voices", workers=who, progress=once)
    assert once.done and two.path.read_bytes() == one.path.read_bytes()
    copies = [shutil.copytree(whole.path, tmp_path / name) for name in ("here", "there")]
    words = ["evaluate", "retrieval", "--model", str(weights), "--known-people", "keep", "--json"]
    words += ["--resamples", "20", "--device", "cpu"]
    printed = []
    for copy, more in zip(copies, ([], ["--cluster", cluster.address]), strict=True):
        assert main([*words, "--corpus", str(copy), *more]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and '"R@1"' in printed[0]
    rows = [next((copy / "views").glob("*-faces.npz")).read_bytes() for copy in copies]
    assert rows[0] == rows[1]


def test_folds_trained_on_the_cluster_are_those_of_one_process(cluster, whole, tmp_path, capsys):
    cluster.start(2)
    words = [
        "evaluate",
        "khosla_supcon",
        "--corpus",
        str(whole.path),
        "--folds",
        "2",
        "--json",
        "--steps",
        "4",
    ]
    words += ["--resamples", "20", "--device", "cpu", "--validation", "0.4", "--batch-size", "4"]
    printed = []
    for name, more in (("here", []), ("there", ["--cluster", cluster.address])):
        assert main([*words, "-o", str(tmp_path / name), *more]) == 0
        said = capsys.readouterr()
        printed.append(said.out)
    assert printed[0] == printed[1] and "trained in fold-1-of-2" in said.err
    for fold in (0, 1):
        weights = [
            tmp_path / name / f"fold-{fold}-of-2/weights/model.safetensors" for name in ("here", "there")
        ]
        assert weights[0].read_bytes() == weights[1].read_bytes()


def test_nobody_at_the_address_is_one_line(capsys, listing, tmp_path, monkeypatch):
    monkeypatch.setattr("voiceface.corpus.cluster_pool._CONNECT", 1)
    for address in ("tcp://127.0.0.1:9", "127.0.0.1", "nonsense://x:1", "tls://127.0.0.1:9"):
        with pytest.raises(InputError) as caught:
            quiet(listing, tmp_path / "c", cluster=address)
        assert str(caught.value).startswith(f"{address}: no Dask scheduler answers there; check the address")


def test_a_cluster_without_workers_is_one_line(cluster, monkeypatch):
    monkeypatch.setattr("voiceface.corpus.cluster_pool._WORKERS", 1)
    cluster.start(0)
    with (
        pytest.raises(InputError, match="has no workers; start some: dask worker tcp://"),
        cluster_worker_pool(cluster.address, len),
    ):
        pass


def test_a_worker_of_another_version_or_without_the_storage_says_so(cluster, tmp_path):
    with pytest.raises(InputError, match=r"the worker on \S+: has voiceface .*; install the same version"):
        _OnWorker(len, "0.0", ())("abc")
    cluster.start(1)
    with cluster_worker_pool(cluster.address, len, folders=[tmp_path / "nowhere"]) as pool:
        fault = r"nowhere: is not there for the worker on \S+; mount the same storage"
        with pytest.raises(InputError, match=fault):
            list(run_tasks(["abc"], pool))
    with cluster_worker_pool(cluster.address, len, folders=[tmp_path]) as pool:
        assert list(run_tasks(["abc"], pool)) == [("abc", 3)]


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl to make certificates with")
def test_certificates_of_dasks_configuration_keep_strangers_out(tmp_path):
    import dask

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    files = {"ca-file": str(certificate), "cert": str(certificate), "key": str(key)}
    cluster = DaskCluster(tmp_path, protocol="tls", tls=files)
    try:
        cluster.start(1)
        with pytest.raises(InputError, match=r"tls://127.*needs the certificates in Dask's configuration"):
            cluster_worker_pool(cluster.address, len).__enter__()
        known = {"ca-file": str(certificate), "client.cert": str(certificate), "client.key": str(key)}
        named = {f"distributed.comm.tls.{name}": value for name, value in known.items()}
        with (
            dask.config.set(named),
            cluster_worker_pool(cluster.address, len) as pool,
        ):
            assert list(run_tasks(["abcd"], pool)) == [("abcd", 4)]
    finally:
        cluster.close()

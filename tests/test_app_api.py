"""The HTTP API, with a worker that has no models: fields and files in, answers and one-line errors out."""

import io
import threading
import time
import zipfile

import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from app_engine import fake_workers
from voiceface.app import clips
from voiceface.app.protection import Access
from voiceface.app.server import make_server
from voiceface.media.origin import read_origin

HOSTS = Access(hosts={"testserver"})
WAV = ("voice.wav", b"fine")


@pytest.fixture(scope="module")
def server():
    app = make_server(fake_workers(queue=3, upload_megabytes=0.2), access=HOSTS, gallery=True, corpus=True)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def error(answer, status):
    assert answer.status_code == status, answer.text
    line = answer.json()["error"]
    assert "\n" not in line and "Traceback" not in line
    return line


def pictures(count):
    return [("faces", (f"{k}.jpg", b"x" * k)) for k in range(count)]


# ---- what is sent arrives


def test_files_reach_the_worker_by_a_plain_name(server):
    hostile = "../../etc/<img src=x onerror=alert(1)>\x1b[2J.wav"
    files = {"voice": (hostile, b"12345"), "face": ("C:\\x\\" + "y" * 300 + ".png", b"1")}
    found = server.post("/v1/verify", files=files).json()["files"]
    assert found["voice"] == [["<img src=x onerror=alert(1)>_[2J.wav", 5]]
    name, size = found["face"][0]
    assert size == 1 and name.startswith("yyy") and name.endswith(".png") and len(name) < 110


def test_match_takes_either_side(server):
    files = [("voice", WAV), *pictures(3)]
    found = server.post("/v1/match", files=files).json()
    assert [one["name"] for one in found["ranking"]] == ["0.jpg", "1.jpg"]
    assert found["unusable"][0]["name"] == "2.jpg"
    files = [("face", ("a.jpg", b"1")), ("voices", WAV), ("voices", WAV)]
    assert server.post("/v1/match", files=files).json()["query"] == "a.jpg"


def test_embed_and_the_gallery(server):
    assert server.post("/v1/embed", files=[("voices", WAV)]).json()["task"] == "embed"
    found = server.post("/v1/gallery/search", files={"face": WAV}, data={"k": 3}).json()
    assert found["arguments"] == {"k": 3, "kind": ""}
    assert server.get("/v1/gallery").json() == {"items": 3, "people": 2}
    found = server.get("/v1/gallery/people", params={"contains": "Ann", "limit": 5}).json()
    assert found == {"total": 1, "people": [{"person": "Ann<i>", "items": 2}]}
    assert server.post("/v1/gallery/people/a%2F..%2F..%20b", files=pictures(2)).json()["added"] == 2
    found = server.get("/v1/gallery/people/a%2F..%2F..%20b").json()
    assert found["task"] == "gallery-items" and found["arguments"] == {"person": "a/../.. b"}
    assert server.delete("/v1/gallery/people/a%2F..%2F..%20b").json() == {"removed": 2}
    assert "give 200 characters or fewer" in error(server.delete(f"/v1/gallery/people/{'x' * 201}"), 422)


def test_the_report_of_the_corpus(server):
    assert server.get("/v1/corpus").json()["fingerprint"] == "ab" * 32
    assert server.get("/v1/about").json()["corpus"] is True


def test_imagine_answers_with_pictures_that_say_what_they_are(server):
    one = server.post("/v1/imagine", files={"voice": WAV}, data={"seed": 7, "size": 32})
    assert one.headers["content-type"] == "image/png"
    assert read_origin(io.BytesIO(one.content)).seed == 7
    several = server.post("/v1/imagine", files={"voice": WAV}, data={"n": 3})
    with zipfile.ZipFile(io.BytesIO(several.content)) as archive:
        assert archive.namelist() == ["face-1.png", "face-2.png", "face-3.png"]
        assert read_origin(io.BytesIO(archive.read("face-3.png"))).draw == 2
    wanted = {"Accept": "application/json, image/png;q=0.5"}
    found = server.post("/v1/imagine", files={"voice": WAV}, data={"n": 2}, headers=wanted).json()
    assert len(found["faces"]) == 2 and found["size"] == 64
    asked = server.post("/v1/imagine", files={"voice": WAV}, data={"n": 3}, headers={"Accept": "image/png"})
    assert "application/zip or application/json" in error(asked, 406)


# ---- clips


def wait_for(server, address, state):
    until = time.monotonic() + 20
    while (found := server.get(address).json())["state"] != state:
        assert time.monotonic() < until and found["state"] in ("queued", "running"), found
        time.sleep(0.02)
    return found


def test_a_clip_is_made_sought_and_deleted(server):
    begun = server.post("/v1/animate", files={"voice": ("a.wav", b"steps 3")})
    assert begun.status_code == 202
    address = begun.headers["location"]
    assert "is" in error(server.get(f"{address}/clip"), 409)
    found = wait_for(server, address, "done")
    whole = server.get(found["clip"])
    assert whole.headers["content-type"] == "video/mp4" and whole.content == bytes(range(200))
    part = server.get(found["clip"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == bytes(range(10, 20))
    assert server.delete(address).json()["state"] == "deleted"
    assert "no longer kept" in error(server.get(address), 404)


def test_a_clip_has_progress_and_can_be_cancelled(server):
    address = server.post("/v1/animate", files={"voice": ("a.wav", b"steps 1000")}).headers["location"]
    while (found := server.get(address).json())["progress"]["done"] == 0:
        time.sleep(0.02)
    assert found["state"] == "running" and found["progress"]["total"] == 1000
    assert server.delete(address).json()["state"] == "cancelled"
    assert error(server.get(f"{address}/clip"), 404)
    assert server.post("/v1/verify", files={"voice": WAV, "face": WAV}).status_code == 200


def test_a_clip_that_fails_says_why(server):
    address = server.post("/v1/animate", files={"voice": ("a.wav", b"bad")}).headers["location"]
    found = wait_for(server, address, "failed")
    assert found["error"] == "a.wav: contains no sound; record it again" and found["status"] == 422
    assert error(server.get(f"{address}/clip"), 422) == found["error"]


def test_a_clip_can_be_the_answer_itself(server):
    wanted = {"Accept": "video/mp4"}
    answer = server.post("/v1/animate", files={"voice": ("a.wav", b"steps 2")}, headers=wanted)
    assert answer.content == bytes(range(200)) and answer.headers["content-type"] == "video/mp4"
    answer = server.post("/v1/animate", files={"voice": ("a.wav", b"bad")}, headers=wanted)
    assert error(answer, 422).startswith("a.wav: contains no sound")


def test_clips_are_not_kept(server, monkeypatch):
    found = server.post("/v1/animate", files={"voice": ("a.wav", b"steps 1")})
    wait_for(server, found.headers["location"], "done")
    path = server.app.state.clips.find(found.json()["id"]).path
    assert path.is_file()
    monkeypatch.setattr(clips, "_KEPT_SECONDS", -1.0)
    assert error(server.get(found.headers["location"]), 404)
    assert not path.parent.exists()


def test_clips_are_deleted_also_while_nobody_asks(monkeypatch):
    monkeypatch.setattr(clips, "_KEPT_SECONDS", 0.2)
    monkeypatch.setattr("voiceface.app.server._SWEEP_SECONDS", 0.05)
    with TestClient(make_server(fake_workers(), access=HOSTS)) as client:
        found = client.post("/v1/animate", files={"voice": ("a.wav", b"steps 1")}).json()
        folder = client.app.state.clips.find(found["id"]).path.parent
        until = time.monotonic() + 20
        while folder.exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert not folder.exists()


# ---- what cannot be used


@pytest.mark.parametrize(
    ("address", "given", "status", "line"),
    [
        ("imagine", {}, 422, "voice: is missing; send it as a field of multipart/form-data"),
        ("imagine", {"data": {"voice": "abc"}}, 422, "voice: is no file; send one, as"),
        ("imagine", {"files": {"voice": WAV}, "data": {"n": 0}}, 422, "n: is '0'; give 1 or more"),
        ("imagine", {"files": {"voice": WAV}, "data": {"n": 10**9}}, 422, "n: is '1000000000'; give 16 or"),
        ("imagine", {"files": {"voice": WAV}, "data": {"n": "9" * 5000}}, 422, "n: is '9999"),
        (
            "imagine",
            {"files": {"voice": WAV}, "data": {"seed": 2**32}},
            422,
            "seed: is '4294967296'; give less",
        ),
        (
            "imagine",
            {"files": {"voice": WAV}, "data": {"seed": "a"}},
            422,
            "seed: is 'a'; give a whole number",
        ),
        ("imagine", {"files": {"voice": WAV}, "data": {"force": "so"}}, 422, "force: is 'so'; give true or"),
        ("imagine", {"files": {"voice": WAV, "n": WAV}}, 422, "n: is 'a file'; give a whole number"),
        ("imagine", {"files": {"voice": WAV}, "data": {"sed": 1}}, 422, "sed: is no field of this address"),
        ("imagine", {"files": [("voice", WAV)] * 2}, 422, "voice: is given 2 times; send it once"),
        ("imagine", {"files": {"voice": WAV}, "data": {"n": [1, 2]}}, 422, "n: is given 2 times"),
        ("verify", {"files": [("voice", WAV)]}, 422, "face: is missing"),
        (
            "gallery/search",
            {"files": {"voice": WAV}, "data": {"kind": "x"}},
            422,
            "kind: is 'x'; give '', 'voice'",
        ),
        ("gallery/people/%20", {"files": pictures(1)}, 422, "person: is ' '; give a name"),
        ("gallery/people/a%01b", {"files": pictures(1)}, 422, "person: is 'a\\x01b'; give a name"),
        (
            "embed",
            {"files": [("faces", ("a", b""))] * 1001},
            400,
            "the request: cannot be read (Too many files",
        ),
        (
            "verify",
            {"files": [("voice", ("a.wav", b"crash")), ("face", WAV)]},
            500,
            "one of a.wav, voice.wav: ended",
        ),
        ("imagine", {"files": {"voice": ("a.wav", b"bad")}}, 422, "a.wav: contains no sound"),
        ("imagine", {"files": {"voice": ("a.wav", b"crash")}}, 500, "a.wav: ended the process"),
        ("match", {"files": {"voice": WAV}}, 422, "match: needs one query; send voice and faces, or"),
        ("match", {"files": [("voice", WAV), ("face", WAV), *pictures(1)]}, 422, "match: needs one query"),
        ("embed", {}, 422, "embed: has no files"),
        ("embed", {"files": pictures(101)}, 422, "the request: has 101 files; send 100 or fewer"),
        ("gallery/search", {}, 422, "search: needs one query"),
        ("embed", {"content": b"x" * 300_000}, 413, "the upload: is larger than 0.2 MB"),
        ("embed", {"content": iter([b"x" * 99_999] * 3)}, 413, "the upload: is larger than 0.2 MB"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(server, address, given, status, line):
    headers = {"Content-Type": "multipart/form-data; boundary=b"} if "content" in given else {}
    assert error(server.post(f"/v1/{address}", headers=headers, **given), status).startswith(line)


def test_a_body_that_is_no_form_is_refused(server):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert "multipart/form-data" in error(server.post("/v1/imagine", content=b"hello", headers=headers), 400)
    assert error(server.get("/v1/nowhere"), 404) == "/v1/nowhere: does not exist"
    assert error(server.get("/v1/imagine"), 405) == "GET: is no method of this address"


def test_a_hundred_files_are_fine(server):
    found = server.post("/v1/embed", files=pictures(100)).json()["files"]["faces"]
    assert [size for _, size in found] == list(range(100))


# ---- who may ask


def test_other_sites_and_other_names_are_refused(server):
    form = {"files": {"voice": WAV, "face": WAV}}
    for origin in ("http://evil.example", "null", "http://testserver.evil.example"):
        line = error(server.post("/v1/verify", headers={"Origin": origin}, **form), 403)
        assert "other sites may not use this server" in line
    for site in ("cross-site", "same-site"):  # what a page embeds has no Origin
        embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        assert "other sites may not" in error(server.get("/v1/gallery", headers=embedded), 403)
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.get("/", headers=followed).status_code == 200
    own = server.post("/v1/verify", headers={"Origin": "http://testserver"}, **form)
    assert own.status_code == 200
    assert "evil.example" in error(server.get("/", headers={"Host": "evil.example:80"}), 421)


def test_every_answer_forbids_what_the_page_does_not_need(server):
    for answer in (server.get("/"), server.get("/v1/nowhere"), server.get("/", headers={"Host": "x"})):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


def test_with_a_token_only_its_bearer_is_answered():
    workers = fake_workers()
    workers.wait_until_ready()
    app = make_server(workers, access=Access(token="the-right-token-1"))
    with TestClient(app) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic the-right-token-1"}):
            for address in ("/v1/about", "/metrics", "/openapi.json", "/v1/gallery"):
                answer = client.get(address, headers=headers)
                assert error(answer, 401).startswith("the token: is ")
                assert answer.headers["www-authenticate"] == "Bearer"
        right = {"Authorization": "Bearer the-right-token-1", "Host": "any.name"}
        assert client.get("/v1/about", headers=right).status_code == 200
        assert client.get("/").status_code == client.get("/health").status_code == 200


# ---- how it does


def test_health_figures_and_description(server):
    server.get("/v1/about")
    assert server.get("/health").json() == {"status": "ok", "workers": 1, "ready": 1, "busy": 0}
    lines = server.get("/metrics").text.splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(figures['voiceface_requests_total{route="/v1/about",status="200"}']) >= 1
    assert figures["voiceface_workers_ready"] == "1" and figures["voiceface_queue_limit"] == "3"
    described = server.get("/openapi.json").json()["paths"]
    assert {"/v1/match", "/v1/verify", "/v1/imagine", "/v1/animate", "/v1/embed", "/v1/gallery"} <= set(
        described
    )
    assert server.get("/docs").status_code == 404  # it would fetch scripts from elsewhere


def test_without_a_gallery_or_a_corpus_there_is_none():
    with TestClient(make_server(fake_workers(), access=HOSTS)) as client:
        assert error(client.get("/v1/gallery"), 404)
        assert error(client.get("/v1/corpus"), 404)
        about = client.get("/v1/about").json()
        assert about["gallery"] is about["corpus"] is False


def test_beyond_the_queue_requests_are_refused_and_none_is_lost(server):
    found = []

    def ask():
        files = {"voice": ("a.wav", b"wait 0.3"), "face": WAV}
        found.append(server.post("/v1/verify", files=files))

    threads = [threading.Thread(target=ask) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    statuses = sorted(answer.status_code for answer in found)
    assert statuses == [200] * 4 + [429] * 3
    assert {answer.headers.get("retry-after") for answer in found} == {None, "5"}

"""A hub on loopback that answers as the Hugging Face hub does where huggingface_hub asks it."""

import base64
import hashlib
import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from voiceface.components import SHIPPED

TOKEN = "hf_aToken"
WEIGHTS = ("run.json", "model.safetensors")


class Repo:
    """One repository: a branch or tag to its commit, a commit to its files."""

    def __init__(self, *, private=False, gated=False):
        self.private, self.gated = private, gated
        self.refs, self.commits, self.large = {"main": "0" * 40}, {"0" * 40: {}}, set()

    def commit(self, branch, files, large=()):
        """Add files to a branch; returns the commit's hash."""
        held = self.commits[self.refs[branch]] | files
        told = json.dumps([self.refs[branch], *((n, hashlib.sha256(c).hexdigest()) for n, c in held.items())])
        made = hashlib.sha1(told.encode()).hexdigest()
        self.refs[branch], self.commits[made] = made, held
        self.large |= set(large)
        return made


class Hub:
    """The server, its repositories, and what it was asked: method, path and who asked."""

    def __init__(self):
        self.repos, self.stored, self.asked = {}, {}, []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        # Another host, as large files lie on one: it must not be told the token.
        self.store = f"http://localhost:{self.server.server_port}/store"
        self.failing = None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Stop it: later requests are refused by the system."""
        self.server.shutdown()
        self.server.server_close()

    def fetched(self):
        """The names of the files whose content was fetched."""
        return [
            path.rpartition("/")[2]
            for method, path, _ in self.asked
            if (method, "/resolve/" in path) == ("GET", True)
        ]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *arguments):
        """Quiet."""

    def do_HEAD(self):
        self.route()

    def do_GET(self):
        self.route()

    def do_POST(self):
        self.route()

    def do_PUT(self):
        self.route()

    def route(self):
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.hub.asked.append((self.command, path, self.token))
        if self.hub.failing:
            return self.send(self.hub.failing, {"error": "made to fail"})
        for pattern, answer in (
            (r"/api/repos/create", self.create),
            (r"/api/validate-yaml", lambda: self.send(200, {"warnings": [], "errors": []})),
            (r"/api/models/([^/]+/[^/]+)", self.info),
            (r"/api/models/([^/]+/[^/]+)/branch/(.+)", self.branch),
            (r"/api/models/([^/]+/[^/]+)/preupload/(.+)", self.preupload),
            (r"/api/models/([^/]+/[^/]+)/commit/(.+)", self.commit),
            (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.batch),
            (r"/store/(\w+)", self.store),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.resolve),
        ):
            if found := re.fullmatch(pattern, path):
                return answer(*found.groups())
        return self.send(404, {"error": "no such address"})

    def send(self, status, content=b"", **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def repo(self, name, *, write=False):
        """The repository, or None once the refusal is sent."""
        found, known = self.hub.repos.get(name), self.token == TOKEN
        if found is None or (found.private and not known):
            # The hub does not say which of the two it is.
            self.send(404 if known else 401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif found.gated:
            self.send(403, {"error": "gated"}, X_Error_Code="GatedRepo")
        elif write and not known:
            self.send(401 if self.token is None else 403, {"error": "You may not write here"})
        else:
            return found
        return None

    def create(self):
        wanted = json.loads(self.body)
        name = f"{wanted['organization']}/{wanted['name']}"
        if self.token != TOKEN:
            return self.send(401 if self.token is None else 403, {"error": "You may not make this"})
        if name in self.hub.repos:
            return self.send(409, {"error": "exists", "url": f"{self.hub.url}/{name}"})
        private = wanted.get("private") or wanted.get("visibility") == "private"
        self.hub.repos[name] = Repo(private=bool(private))
        return self.send(200, {"url": f"{self.hub.url}/{name}", "name": name})

    def info(self, name):
        if repo := self.repo(name):
            about = {
                "id": name,
                "sha": repo.refs["main"],
                "private": repo.private,
                "tags": [],
                "siblings": [],
            }
            self.send(200, about)

    def branch(self, name, branch):
        if repo := self.repo(name, write=True):
            if branch in repo.refs:
                return self.send(409, {"error": "exists"})
            repo.refs[branch] = repo.refs["main"]
            self.send(200, {})
        return None

    def preupload(self, name, revision):
        if self.repo(name, write=True):
            files = json.loads(self.body)["files"]
            modes = {True: "lfs", False: "regular"}
            answers = [
                {
                    "path": f["path"],
                    "uploadMode": modes[f["path"].endswith(".safetensors")],
                    "shouldIgnore": False,
                }
                for f in files
            ]
            self.send(200, {"files": answers})

    def batch(self, name):
        if self.repo(name, write=True):
            wanted = json.loads(self.body)["objects"]
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.store}/{one['oid']}"}}} for one in wanted
            ]
            self.send(200, {"transfer": "basic", "objects": objects})

    def store(self, digest):
        assert self.token is None
        if self.command == "PUT":
            assert hashlib.sha256(self.body).hexdigest() == digest
            self.hub.stored[digest] = self.body
            return self.send(200)
        return self.send(200, self.hub.stored[digest])

    def commit(self, name, branch):
        repo = self.repo(name, write=True)
        if repo is None:
            return None
        files, large = {}, set()
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
                large.add(value["path"])
        made = repo.commit(branch, files, large)
        return self.send(
            200, {"commitUrl": f"{self.hub.url}/{name}/commit/{made}", "commitOid": made, "success": True}
        )

    def resolve(self, name, revision, file):
        repo = self.repo(name)
        if repo is None:
            return None
        commit = repo.refs.get(revision, revision)
        if commit not in repo.commits:
            return self.send(404, X_Error_Code="RevisionNotFound")
        content = repo.commits[commit].get(file)
        if content is None:
            return self.send(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        digest = hashlib.sha256(content).hexdigest()
        if file in repo.large:  # LFS: the hub redirects to where the bytes are
            self.hub.stored[digest] = content
            linked = {"X_Linked_Size": len(content), "X_Linked_ETag": f'"{digest}"', "X_Repo_Commit": commit}
            return self.send(302, Location=f"{self.hub.store}/{digest}", **linked)
        return self.send(200, content, ETag=f'"{digest[:40]}"', X_Repo_Commit=commit)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub, an empty cache, and nobody logged in."""
    from huggingface_hub import constants

    made = Hub()
    for name, value in {
        "ENDPOINT": made.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": made.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield made
    made.close()


@pytest.fixture
def logged_in(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def files_of(folder):
    return {name: (folder / name).read_bytes() for name in WEIGHTS}


def put(hub, name, folder=SHIPPED / "talker", **options):
    """A repository on the hub with the weights of a folder; returns it and its commit."""
    repo = hub.repos[name] = Repo(**options)
    more = {"README.md": b"# a card", "optimizer.pt": b"not needed", "model.bin": b"pickle"}
    return repo, repo.commit("main", files_of(folder) | more, {"model.safetensors"})


def altered(folder, to, **changes):
    """A copy of a weights folder with another run.json."""
    shutil.copytree(folder, to)
    card = json.loads((to / "run.json").read_text())
    (to / "run.json").write_text(json.dumps(card | changes))
    return to

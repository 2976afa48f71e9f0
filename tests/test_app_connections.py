"""Real connections to the server: uploads that are slow, stop or never end, and clients that go away."""

import socket
import time

import pytest

pytest.importorskip("fastapi")

from app_engine import fake_workers
from app_server import listening
from voiceface.app import http_connection

HEAD = (
    b"POST /v1/embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 9000\r\n\r\n--b\r\n"
)
PART = b'--b\r\nContent-Disposition: form-data; name="voices"; filename="a.wav"\r\n\r\n%s\r\n--b--\r\n'


def test_slow_uploads_and_those_that_stop_free_their_place():
    workers = fake_workers(queue=0, upload_seconds=0.5)
    with listening(workers) as port:
        workers.wait_until_ready()
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(HEAD)
            slow.settimeout(10)
            assert b" 408 " in slow.recv(5000).split(b"\r\n")[0]
        with socket.create_connection(("127.0.0.1", port)) as stopping:
            stopping.sendall(HEAD)
        until = time.monotonic() + 20
        while workers._places and time.monotonic() < until:
            time.sleep(0.02)
        assert workers._places == 0


def test_who_goes_away_is_not_worked_for():
    workers = fake_workers(queue=2)
    with listening(workers) as port:
        workers.wait_until_ready()
        connections = []
        for text in (b"wait 2", b"hang"):
            body = PART % text
            head = HEAD.split(b"\r\n\r\n")[0].replace(b"9000", str(len(body)).encode())
            connections.append(socket.create_connection(("127.0.0.1", port)))
            connections[-1].sendall(head + b"\r\n\r\n" + body)
        until = time.monotonic() + 20
        while workers.waiting < 1 and time.monotonic() < until:
            time.sleep(0.02)
        connections[1].close()  # it waits, and is dropped
        while workers.waiting and time.monotonic() < until:
            time.sleep(0.02)
        assert workers.waiting == 0 and workers.busy == 1
        connections[0].close()


def test_an_upload_without_end_is_refused_and_idle_connections_are_closed(monkeypatch):
    monkeypatch.setattr(http_connection, "_PATIENCE", 0.2)
    workers = fake_workers(upload_megabytes=0.2)
    with listening(workers) as port:
        workers.wait_until_ready()
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: 127.0")
            idle.settimeout(10)
            assert idle.recv(100) == b""
        with socket.create_connection(("127.0.0.1", port)) as declared:
            declared.sendall(HEAD.replace(b"9000", b"1000000000"))
            declared.settimeout(10)
            assert b" 413 " in declared.recv(5000).split(b"\r\n")[0]
        with socket.create_connection(("127.0.0.1", port)) as endless:
            endless.sendall(HEAD.split(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n")
            endless.settimeout(10)
            for chunk in (PART.split(b"%s")[0], *[b"x" * 65536] * 5):
                endless.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            assert b" 413 " in endless.recv(5000).split(b"\r\n")[0]
        with socket.create_connection(("127.0.0.1", port)) as long:  # it works, and is not idle
            body = PART % b"wait 1"
            head = HEAD.split(b"\r\n\r\n")[0].replace(b"9000", str(len(body)).encode())
            long.sendall(head + b"\r\n\r\n" + body)
            long.settimeout(10)
            assert b" 200 " in long.recv(5000).split(b"\r\n")[0]

"""A server that listens on this machine, for tests that need a real connection."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import uvicorn

from app_engine import fake_workers
from voiceface.app.http_connection import HTTPConnection
from voiceface.app.protection import Access
from voiceface.app.server import make_server


@contextlib.contextmanager
def listening(workers=None, *, access=None, gallery=False, corpus=False):
    """The port of a server whose workers are fake ones unless others are given."""
    workers = workers or fake_workers()
    app = make_server(workers, access=access or Access(hosts={"127.0.0.1"}), gallery=gallery, corpus=corpus)
    server = uvicorn.Server(
        uvicorn.Config(app, http=HTTPConnection, log_level="error", timeout_graceful_shutdown=1)
    )
    bound = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        workers.close()


@contextlib.contextmanager
def started(*options, **environment):
    """A process of `voiceface app` with the shipped models and one worker; in the end it has what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "voiceface", "app", "--port", "0", "--workers", "1", *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.rest, process.errors = process.communicate(timeout=60)

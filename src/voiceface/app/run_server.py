"""Start the server: workers first, then the address, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import logging
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from voiceface.app.engine_options import EngineOptions
from voiceface.app.http_connection import HTTPConnection
from voiceface.app.load_engine import load_engine
from voiceface.app.protection import Access
from voiceface.app.server import make_server
from voiceface.app.workers import Workers
from voiceface.errors import InputError
from voiceface.media.files import check_readable

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_LEAST_TOKEN = 16
_MOST_CONNECTIONS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens, and who may call it."""

    host: str = "127.0.0.1"
    port: int = 8400
    """0: any that is free."""
    token: str = ""
    """That requests must carry; made where the address is not local and none is given."""
    allow_hosts: tuple[str, ...] = ()
    """Further names by which it may be called."""
    certificate: Path | None = None
    """For https, PEM."""
    key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def access(self) -> Access:
        """Who may ask.

        Raises:
            InputError: the token is shorter than 16 characters.
        """
        if self.token and len(self.token) < _LEAST_TOKEN:
            fault = f"has {len(self.token)} characters"
            raise InputError("--token", fault, f"give {_LEAST_TOKEN} or more, or leave it out")
        token = self.token or ("" if self.is_local else secrets.token_urlsafe(24))
        hosts = {*self.allow_hosts, *(() if token else (*_LOCAL_NAMES, self.host))}
        return Access(token=token, hosts=frozenset(name.lower() for name in hosts))

    def url(self, port: int, token: str) -> str:
        """The page's address; a token stands behind the #, which browsers send to nobody."""
        shown = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        shown = f"[{shown}]" if ":" in shown else shown
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{shown}:{port}/" + (f"#token={token}" if token else "")


def run_server(
    address: Address, options: EngineOptions, *, workers: int, announce: Callable[[str], None]
) -> None:
    """Load the models, open the address and answer until Ctrl-C or SIGTERM.

    Args:
        address: where.
        options: the models, and the limits of requests.
        workers: number of processes.
        announce: called with the page's address once it can be opened.

    Raises:
        InputError: the address cannot be opened, or the models cannot be loaded.
    """
    access = address.access()
    for file in (address.certificate, address.key):
        if file is not None:
            check_readable(file)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(_listen(address))
        pool = Workers(functools.partial(load_engine, options), count=workers, limits=options.limits)
        stack.callback(pool.close)
        pool.wait_until_ready()
        app = make_server(
            pool, access=access, gallery=options.gallery is not None, corpus=options.corpus is not None
        )
        config = uvicorn.Config(
            app,
            http=HTTPConnection,
            ws="none",
            log_level="error",  # what clients send wrongly is answered, not logged
            access_log=False,  # it would name people
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=3,
            ssl_certfile=address.certificate,
            ssl_keyfile=address.key,
        )
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # likewise
        announce(address.url(listening.getsockname()[1], access.token))
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
            uvicorn.Server(config).run(sockets=[listening])


def _listen(address: Address) -> socket.socket:
    """A socket that listens at the address.

    Raises:
        InputError: it cannot.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        why = os.strerror(number) if number in errno.errorcode else error
        where, remedy = f"{address.host}:{address.port}", "choose another --port or --host"
        raise InputError(where, f"cannot be opened ({why})", remedy) from error

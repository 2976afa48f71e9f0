"""Serve a local page and an HTTP API."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from voiceface.app.engine_options import EngineOptions
from voiceface.app.limits import Limits
from voiceface.cli.options import Flag, OptionValues, field_options, help_group, with_options
from voiceface.cli.terminal import log_line, print_line
from voiceface.errors import MissingPartError

_LIMITS_HELP = {
    "upload_megabytes": "size of all files of a request together; they are held in memory",
    "upload_seconds": "time in which they must arrive",
    "sound_seconds": "length of one recording",
    "megapixels": "size of one picture",
    "answer_seconds": "time for the work on a request, talking clips apart",
    "clip_seconds": "time for the work on a talking clip",
    "queue": "requests that may wait for a worker; one more is answered 429",
    "worker_gigabytes": "memory that a worker process may take (on Linux)",
}


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_command(), name="app", group=help_group("Inference"))


def _command() -> Callable[..., int]:
    options = field_options(Limits, title="Limits", help_texts=_LIMITS_HELP)
    return with_options(_app, {"bounds": options}, owner="app")


def _app(  # noqa: D417  bounds are options of their own
    *,
    host: str = "127.0.0.1",
    port: int = 8400,
    token: Annotated[str, Parameter(env_var="VOICEFACE_TOKEN", show_default=False)] = "",
    allow_host: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    certificate: Path | None = None,
    key: Path | None = None,
    open: Flag = False,  # noqa: A002  the option's name
    gallery: Path | None = None,
    corpus: Path | None = None,
    matcher: str | None = None,
    imaginer: str | None = None,
    talker: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    bounds: OptionValues,
) -> int:
    """Serve a local page and an HTTP API.

    The page records or takes a voice, imagines faces, makes talking clips and
    ranks faces and voices. The API does the same for programs: docs/app.md.
    Nothing is stored unless asked, or fetched from elsewhere. Ctrl-C ends it.

    Args:
        host: address to listen at; other than local ones require a token
        port: port to listen at; 0 takes a free one
        token: secret that requests must carry; generated if the address is not local
        allow_host: another name by which the server may be called; may be given several times
        certificate: PEM file for https, which phones require for recording
        key: PEM file of its private key
        open: open the page in a browser
        gallery: folder of a gallery to search, add to and remove from; created if it does not exist
        corpus: folder of a prepared corpus whose report to show
        matcher: shipped weights' name, a weights folder or owner/name on the hub; by default the best
        imaginer: the same for the model that generates faces
        talker: the same for the model of talking faces
        device: auto, cpu, cuda, cuda:N or mps
        workers: processes that work, each with its own models; by default up to 2
    """
    from voiceface.corpus.default_workers import default_workers

    run_server, new_address = _server()
    count = min(2, default_workers()) if workers is None else workers
    chosen = EngineOptions(
        matcher=matcher,
        imaginer=imaginer,
        talker=talker,
        gallery=gallery,
        corpus=corpus,
        device=device,
        threads=max(1, default_workers() // max(1, count)),
        limits=Limits(**bounds),
    )
    address = new_address(
        host=host, port=port, token=token, allow_hosts=allow_host, certificate=certificate, key=key
    )
    log_line("loading the models")
    run_server(address, chosen, workers=count, announce=_announce_and_open if open else _announce)
    return 0


def _server() -> tuple[Any, Any]:
    """`run_server` and `Address`.

    Raises:
        MissingPartError: a package of the server is not installed.
    """
    try:
        from voiceface.app.run_server import Address, run_server
    except ImportError as error:
        remedy = 'pip install "voiceface[app]"'
        raise MissingPartError(error.name or "fastapi", "is not installed", remedy) from error
    return run_server, Address


def _announce(url: str) -> None:
    print_line(url)
    sys.stdout.flush()  # whoever reads it waits for it
    log_line("the page is ready; Ctrl-C ends it")


def _announce_and_open(url: str) -> None:
    import webbrowser

    _announce(url)
    webbrowser.open(url)

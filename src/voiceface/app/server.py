"""The server: the page, the API, health and figures, behind their protection."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.formparsers import MultiPartParser

from voiceface.app import api, clip_api, corpus_api, gallery_api
from voiceface.app.answers import add_fault_handlers, workers_of
from voiceface.app.clips import Clips
from voiceface.app.fields import check_fields
from voiceface.app.limits import MOST_FACES, MOST_FILES
from voiceface.app.protection import Access, Protection
from voiceface.app.request_counts import RequestCounts
from voiceface.app.workers import Workers

PAGE = Path(__file__).parent / "page"
_SWEEP_SECONDS = 20.0


def make_server(workers: Workers, *, access: Access, gallery: bool = False, corpus: bool = False) -> FastAPI:
    """The server as an ASGI application; when it ends, its workers do.

    Args:
        workers: do the work.
        access: who may ask.
        gallery: whether the workers have a gallery.
        corpus: whether they have a corpus.
    """
    # A larger upload would be spooled to a file on the disk.
    MultiPartParser.spool_max_size = workers.limits.upload_bytes

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(app.state.clips))
        yield
        sweeping.cancel()
        workers.close()
        app.state.clips.close()

    app = FastAPI(
        title="voiceface",
        summary="Which face goes with which voice, and faces that could go with a voice",
        version=importlib.metadata.version("voiceface"),
        lifespan=lifespan,
        docs_url=None,  # these pages fetch scripts from other hosts
        redoc_url=None,
    )
    counts = RequestCounts()
    app.state.workers, app.state.clips, app.state.counts = workers, Clips(workers), counts
    app.state.gallery, app.state.corpus = gallery, corpus
    add_fault_handlers(app)
    routers = [api.router, clip_api.router]
    routers += [gallery_api.router] if gallery else []
    routers += [corpus_api.router] if corpus else []
    for router in routers:
        app.include_router(router, dependencies=[Depends(check_fields)])
    _add_facts(app)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.add_middleware(Protection, access=access, workers=workers, counts=counts)
    return app


async def _sweep(clips: Clips) -> None:
    """Delete clips whose time is over, also while nobody asks for anything."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        clips.sweep()


def _add_facts(app: FastAPI) -> None:
    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/v1/about")
    async def about(request: Request) -> dict[str, Any]:
        """Models, limits, and whether there are a gallery and a corpus."""
        workers = workers_of(request)
        limits = workers.limits
        return {
            "version": app.version,
            "models": workers.about,
            "gallery": app.state.gallery,
            "corpus": app.state.corpus,
            "limits": {
                "upload_megabytes": limits.upload_megabytes,
                "files": MOST_FILES,
                "faces": MOST_FACES,
                "sound_seconds": limits.sound_seconds,
                "megapixels": limits.megapixels,
            },
        }

    @app.get("/health")
    async def health(request: Request) -> Response:
        """Whether requests can be answered: 200, or 503 while models are loaded or cannot be."""
        workers = workers_of(request)
        state = "ok" if workers.ready else "failed" if workers.fault else "starting"
        facts = {"status": state, "workers": workers.count, "ready": workers.ready, "busy": workers.busy}
        return JSONResponse(facts, 200 if state == "ok" else 503)

    @app.get("/metrics")
    async def metrics(request: Request) -> PlainTextResponse:
        """Figures for Prometheus."""
        text = app.state.counts.text(workers_of(request))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

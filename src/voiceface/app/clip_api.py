"""The HTTP API of talking clips: jobs with progress that can be cancelled, and files that can be sought."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from voiceface.app.accepted import accepted
from voiceface.app.answers import answer_of, place_of, read_uploads
from voiceface.app.api import Force, OneVoice, Seed, Side
from voiceface.app.clips import Clips
from voiceface.app.refusal import Refusal
from voiceface.errors import InputError

router = APIRouter(prefix="/v1/animate")

_MP4, _JSON = "video/mp4", "application/json"


@router.post("", response_model=None, status_code=202, responses={200: {"content": {_MP4: {}}}})
async def begin(
    request: Request,
    voice: OneVoice,
    face: Annotated[UploadFile | None, File(description="the face; by default one that is generated")] = None,
    seed: Seed = 0,
    size: Side = None,
    force: Force = False,
) -> Response:
    """Begin a clip in which a face says a recording; with `Accept: video/mp4` it is the answer itself."""
    kind = accepted(request.headers.get("accept"), [_JSON, _MP4])
    clips = _clips(request)
    files = await read_uploads({"voice": voice, "face": face})
    arguments = {"seed": seed, "size": size, "force": force}
    clip = clips.begin(secrets.token_urlsafe(16), files, arguments, place_of(request))
    if kind == _JSON:
        facts = clips.facts(clip)
        return JSONResponse(facts, 202, {"Location": f"/v1/animate/{facts['id']}"})
    try:
        await answer_of(request, clip.job)
    except BaseException:
        clips.forget(clip)
        raise
    forget = BackgroundTask(clips.forget, clip)
    return FileResponse(clip.path, media_type=_MP4, filename="clip.mp4", background=forget)


@router.get("/{name}")
async def progress(request: Request, name: str) -> dict[str, Any]:
    """How far a clip is: queued, running, done, failed or cancelled."""
    clips = _clips(request)
    return clips.facts(clips.find(name))


@router.delete("/{name}")
async def cancel(request: Request, name: str) -> dict[str, Any]:
    """Cancel a clip, or delete it before its time is over."""
    clips = _clips(request)
    clip = clips.find(name)
    clips.forget(clip)
    return {"id": name, "state": "cancelled" if clip.job.cancelled.is_set() else "deleted"}


@router.get("/{name}/clip", response_class=FileResponse)
async def fetch(request: Request, name: str) -> FileResponse:
    """The clip as MP4, whole or by `Range`."""
    clips = _clips(request)
    clip = clips.find(name)
    state = clip.job.state
    if state == "failed":
        error = clip.job.answer.exception()
        assert error is not None
        raise error
    if state != "done":
        remedy = "ask again when its state is done"
        raise Refusal(409, InputError("the clip", f"is {state}", remedy), {"Retry-After": "1"})
    return FileResponse(clip.path, media_type=_MP4, filename="clip.mp4", content_disposition_type="inline")


def _clips(request: Request) -> Clips:
    clips: Clips = request.app.state.clips
    return clips

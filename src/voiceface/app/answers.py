"""From the files and fields of a request to a worker, and from its answer, or its fault, to HTTP."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from voiceface.app.fields import field_fault
from voiceface.app.job import Job
from voiceface.app.limits import MOST_FILES
from voiceface.app.messages import Answer, Task, Upload
from voiceface.app.place import Place
from voiceface.app.refusal import Refusal
from voiceface.app.shown_name import shown_name
from voiceface.app.workers import Workers
from voiceface.errors import InputError

_LOOK_SECONDS = 0.5
"""Between looks whether the client is still there."""
_OTHERWISE = {
    404: "does not exist",
    405: "is no method of this address",
}


def workers_of(request: Request) -> Workers:
    """The server's workers."""
    workers: Workers = request.app.state.workers
    return workers


def place_of(request: Request) -> Place:
    """The place of a request; one without an upload gets it now.

    Raises:
        Refusal: all are taken.
    """
    place: Place | None = getattr(request.state, "place", None)
    return place or workers_of(request).take_place()


async def read_uploads(
    files: Mapping[str, UploadFile | list[UploadFile] | None],
) -> dict[str, list[Upload]]:
    """The files of a request's fields, without the empty fields.

    Raises:
        Refusal: more than `MOST_FILES`.
    """
    found: dict[str, list[Upload]] = {}
    for field, given in files.items():
        several = given if isinstance(given, list) else [given] if given else []
        otherwise = {"voices": "voice", "faces": "face"}.get(field, field)
        if several:
            names = [shown_name(file.filename, f"{otherwise} {k}") for k, file in enumerate(several, start=1)]
            found[field] = [
                Upload(name, await _taken(file)) for name, file in zip(names, several, strict=True)
            ]
    count = sum(map(len, found.values()))
    if count > MOST_FILES:
        raise Refusal(422, InputError("the request", f"has {count} files", f"send {MOST_FILES} or fewer"))
    return found


async def _taken(file: UploadFile) -> bytes:
    """What is in a file, which is closed: requests that wait hold their uploads once, not twice."""
    data = await file.read()
    await file.close()
    return data


def make_task(name: str, files: dict[str, list[Upload]] | None = None, **arguments: Any) -> Task:  # noqa: ANN401
    """A task with an id that nobody can guess."""
    return Task(id=secrets.token_urlsafe(16), name=name, arguments=arguments, files=files or {})


async def answered(request: Request, task: Task) -> Answer:
    """The answer of a worker, for as long as the client waits.

    Raises:
        Refusal: there is none.
    """
    workers = workers_of(request)
    place = place_of(request)
    job = Job(task, place, seconds=workers.limits.answer_seconds)
    try:
        workers.submit(job)
    finally:
        if not place.handed_over:
            place.free()
    return await answer_of(request, job)


async def answer_of(request: Request, job: Job) -> Answer:
    """The answer of a job that is in the queue; it is cancelled when the client goes.

    Raises:
        Refusal: there is none.
    """
    answer = asyncio.wrap_future(job.answer)
    while not answer.done():
        await asyncio.wait({answer}, timeout=_LOOK_SECONDS)
        if not answer.done() and await request.is_disconnected():
            workers_of(request).cancel(job)
    return await answer


def add_fault_handlers(app: FastAPI) -> None:
    """Answer every fault with one line of JSON."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return JSONResponse(error.content, error.status, error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await refused(request, Refusal(422, field_fault(error.errors()[0])))

    async def other(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, Refusal):  # raised while the body was read
            return await refused(request, error.__cause__)
        what = {404: request.url.path[:100], 405: request.method}.get(error.status_code, "the request")
        fault, remedy = _OTHERWISE.get(error.status_code, str(error.detail)), ""
        if error.status_code == 400:  # of the reader of forms
            fault, remedy = f"cannot be read ({error.detail.rstrip('.')})", "send multipart/form-data"
        refusal = Refusal(error.status_code, InputError(what, fault, remedy), error.headers or {})
        return await refused(request, refusal)

    async def unexpected(request: Request, error: Exception) -> Response:
        fault = InputError("the server", f"met an unexpected {type(error).__name__}", "its log has more")
        return await refused(request, Refusal(500, fault))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, other)
    app.add_exception_handler(Exception, unexpected)

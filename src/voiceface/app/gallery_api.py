"""The HTTP API of a gallery, where the server was started with one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request

from voiceface.app.answers import answered, make_task, read_uploads
from voiceface.app.api import Faces, MaybeFace, MaybeVoice, Voices
from voiceface.app.refusal import Refusal
from voiceface.errors import InputError

router = APIRouter(prefix="/v1/gallery")

Person = Annotated[str, Path(min_length=1, max_length=200, description="a person's name in the gallery")]
_BY_NAME = "/people/{person:path}"
"""A name may hold a slash; nothing in it is a path on the server."""


@router.get("")
async def count(request: Request) -> dict[str, Any]:
    """How many items of how many people there are."""
    return (await answered(request, make_task("gallery-count"))).facts


@router.post("/search")
async def search(
    request: Request,
    voice: MaybeVoice = None,
    face: MaybeFace = None,
    k: Annotated[int, Form(ge=1, le=100, description="how many items")] = 10,
    kind: Annotated[Literal["", "voice", "face"], Form(description="only these; by default the other")] = "",
) -> dict[str, Any]:
    """The items that go best with a voice or a face."""
    files = await read_uploads({"voice": voice, "face": face})
    if len(files) != 1:
        raise Refusal(422, InputError("search", "needs one query", "send voice or face"))
    return (await answered(request, make_task("gallery-search", files, k=k, kind=kind))).facts


@router.get("/people")
async def people(
    request: Request,
    contains: Annotated[str, Query(max_length=200, description="only names that contain this")] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="how many to name")] = 100,
) -> dict[str, Any]:
    """The people by name, each with their number of items, and how many there are altogether."""
    return (await answered(request, make_task("gallery-people", contains=contains, limit=limit))).facts


@router.get(_BY_NAME)
async def items(request: Request, person: Person) -> dict[str, Any]:
    """What is kept of a person: kinds and names of files."""
    return (await answered(request, make_task("gallery-items", person=person))).facts


@router.post(_BY_NAME)
async def add(request: Request, person: Person, voices: Voices = None, faces: Faces = None) -> dict[str, Any]:
    """Add voices and faces of a person: their embeddings and names of files are kept, not the files."""
    files = await read_uploads({"voices": voices, "faces": faces})
    if not files:
        raise Refusal(422, InputError(person, "gets nothing", "send voices, faces or both"))
    if not person.strip() or not person.isprintable():
        fault = f"is {person[:40]!r}"
        raise Refusal(422, InputError("person", fault, "give a name without control characters"))
    return (await answered(request, make_task("gallery-add", files, person=person))).facts


@router.delete(_BY_NAME)
async def remove(request: Request, person: Person) -> dict[str, Any]:
    """Remove everything of a person."""
    return (await answered(request, make_task("gallery-remove", person=person))).facts

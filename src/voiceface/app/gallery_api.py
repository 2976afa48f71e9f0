"""The HTTP API of a gallery, where the server was started with one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Request

from voiceface.app.answers import answered, make_task, read_uploads
from voiceface.app.api import Faces, MaybeFace, MaybeVoice, Voices
from voiceface.app.refusal import Refusal
from voiceface.errors import InputError

router = APIRouter(prefix="/v1/gallery")

Person = Annotated[str, Path(max_length=200, description="the name of a person in the gallery")]


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


@router.post("/people/{person}")
async def add(request: Request, person: Person, voices: Voices = None, faces: Faces = None) -> dict[str, Any]:
    """Add voices and faces of a person: their embeddings and names of files are kept, not the files."""
    files = await read_uploads({"voices": voices, "faces": faces})
    if not files:
        raise Refusal(422, InputError(person, "gets nothing", "send voices, faces or both"))
    return (await answered(request, make_task("gallery-add", files, person=person))).facts


@router.delete("/people/{person}")
async def remove(request: Request, person: Person) -> dict[str, Any]:
    """Remove everything of a person."""
    return (await answered(request, make_task("gallery-remove", person=person))).facts

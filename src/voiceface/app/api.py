"""The HTTP API: match, verify, embed and imagine, each answered at once."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response

from voiceface.app.accepted import accepted
from voiceface.app.answers import answered, make_task, read_uploads
from voiceface.app.limits import MOST_FACES
from voiceface.app.refusal import Refusal
from voiceface.errors import InputError

router = APIRouter(prefix="/v1")

OneVoice = Annotated[UploadFile, File(description="a recording of one person, or a video with sound")]
OneFace = Annotated[UploadFile, File(description="a picture that shows one face")]
Seed = Annotated[int, Form(ge=0, lt=2**32, description="random seed; the same one gives the same result")]
Side = Annotated[int | None, Form(description="pixels a side, 16 to 1024; by default the model's own")]
Force = Annotated[bool, Form(description="generate even if no speech is detected")]
MaybeVoice = Annotated[UploadFile | None, File(description="a recording")]
MaybeFace = Annotated[UploadFile | None, File(description="a picture")]
Voices = Annotated[list[UploadFile] | None, File(description="recordings")]
Faces = Annotated[list[UploadFile] | None, File(description="pictures")]
_PNG, _JSON, _ZIP = "image/png", "application/json", "application/zip"


@router.post("/match")
async def match(
    request: Request,
    voice: MaybeVoice = None,
    face: MaybeFace = None,
    voices: Voices = None,
    faces: Faces = None,
) -> dict[str, Any]:
    """Rank `faces` for a `voice`, or `voices` for a `face`. Probabilities are at even odds."""
    wanted = {"voice": (voice, faces), "face": (face, voices)}
    given = [side for side, (query, candidates) in wanted.items() if query and candidates]
    if len(given) != 1 or (voice and face) or (voices and faces):
        error = InputError("match", "needs one query", "send voice and faces, or face and voices")
        raise Refusal(422, error)
    files = await read_uploads({"voice": voice, "face": face, "voices": voices, "faces": faces})
    return (await answered(request, make_task("match", files))).facts


@router.post("/verify")
async def verify(request: Request, voice: OneVoice, face: OneFace) -> dict[str, Any]:
    """The probability that a voice and a face are one person's, at even odds. It identifies nobody."""
    files = await read_uploads({"voice": voice, "face": face})
    return (await answered(request, make_task("verify", files))).facts


@router.post("/embed")
async def embed(request: Request, voices: Voices = None, faces: Faces = None) -> dict[str, Any]:
    """Embeddings of voices and faces, of length 1 and in one space."""
    files = await read_uploads({"voices": voices, "faces": faces})
    if not files:
        raise Refusal(422, InputError("embed", "has no files", "send voices, faces or both"))
    return (await answered(request, make_task("embed", files))).facts


@router.post("/imagine", response_model=None, responses={200: {"content": {_PNG: {}, _JSON: {}, _ZIP: {}}}})
async def imagine(
    request: Request,
    voice: OneVoice,
    n: Annotated[int, Form(ge=1, le=MOST_FACES, description="number of faces")] = 1,
    seed: Seed = 0,
    size: Side = None,
    force: Force = False,
) -> Response:
    """Faces that could go with a voice: PNG for one, a ZIP archive of PNGs for more, or JSON with base64."""
    kind = accepted(request.headers.get("accept"), [_PNG if n == 1 else _ZIP, _JSON])
    files = await read_uploads({"voice": voice})
    answer = await answered(request, make_task("imagine", files, n=n, seed=seed, size=size, force=force))
    if kind == _JSON:
        pictures = [{"png": base64.b64encode(picture).decode()} for picture in answer.files]
        return JSONResponse({**answer.facts, "faces": pictures})
    if kind == _PNG:
        return Response(answer.files[0], media_type=_PNG)
    return Response(_archive(answer.files), media_type=_ZIP)


def _archive(pictures: list[bytes]) -> bytes:
    """PNG files in a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, picture in enumerate(pictures, start=1):
            archive.writestr(f"face-{number}.png", picture)
    return buffer.getvalue()

"""The HTTP API of a corpus, where the server was started with one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from voiceface.app.answers import answered, make_task

router = APIRouter(prefix="/v1/corpus")


@router.get("")
async def report(request: Request) -> dict[str, Any]:
    """How much of whom the corpus holds, what was rejected, and what its check finds."""
    return (await answered(request, make_task("corpus"))).facts

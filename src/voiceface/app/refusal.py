"""What a request is answered with instead of a result: a status of HTTP and one line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from voiceface.errors import InputError


class Refusal(Exception):  # noqa: N818  it is an answer
    """A request that gets no result.

    Attributes:
        status: of HTTP.
        error: what is wrong, and the remedy.
        headers: further ones.
    """

    def __init__(
        self, status: int, error: InputError, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(str(error))
        self.status, self.error, self.headers = status, error, dict(headers)

    @property
    def content(self) -> dict[str, str]:
        """The answer's JSON: the line, and its parts."""
        error = self.error
        parts = {"what": error.what, "fault": error.fault, "remedy": error.remedy}
        return {"error": str(error), **{key: " ".join(text.split()) for key, text in parts.items()}}

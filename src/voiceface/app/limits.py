"""What one request may cost the server, and how many may wait."""

from __future__ import annotations

from dataclasses import dataclass, fields

from voiceface.errors import InputError

MOST_FILES = 100
"""Files in one request."""
MOST_FACES = 16
"""Faces that one request may ask for."""
_LEAST = {"queue": 0, "worker_gigabytes": 1}
"""Of the limits that have one; all others are above 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one request and of the queue.

    Raises InputError when a value cannot be.
    """

    upload_megabytes: float = 64.0
    """Size (10^6 bytes) of all files of a request together; they are held in memory."""
    upload_seconds: float = 120.0
    """Time in which they must arrive."""
    sound_seconds: float = 300.0
    """Length of one recording."""
    megapixels: float = 50.0
    """Size of one picture."""
    answer_seconds: float = 60.0
    """Time for the work on a request, talking clips apart."""
    clip_seconds: float = 600.0
    """Time for the work on a talking clip."""
    queue: int = 16
    """Requests that may wait for a worker; one more is answered 429."""
    worker_gigabytes: float = 4.0
    """Memory (10^9 bytes) of a worker process. Linux keeps to it, macOS and Windows do not."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for field in fields(self):
            value, least = getattr(self, field.name), _LEAST.get(field.name)
            if not (value > 0 if least is None else value >= least) or value > 1e6:
                remedy = "give more than 0" if least is None else f"give {least} or more"
                raise InputError(f"--{field.name.replace('_', '-')}", f"is {value:g}", remedy)

    @property
    def upload_bytes(self) -> int:
        """`upload_megabytes` in bytes."""
        return round(self.upload_megabytes * 1e6)

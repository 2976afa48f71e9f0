"""A place among the requests that the server takes at once."""

from __future__ import annotations

from collections.abc import Callable


class Place:
    """A place in the queue, from the beginning of an upload to the end of the work; free it once or more."""

    def __init__(self, free: Callable[[], None]) -> None:
        self._free: Callable[[], None] | None = free
        self.handed_over = False
        """Whether a job in the queue has it, which frees it."""

    def free(self) -> None:
        """Give it back."""
        free, self._free = self._free, None
        if free:
            free()

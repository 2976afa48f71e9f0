"""Memory that a training step frees is kept for the next one, where the C library would give it back."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = 2**31 - 1
_LARGEST_THRESHOLD = 32 << 20  # glibc's own limit, which its dynamic threshold reaches after one such block
_USUAL_MMAP_MAX = 65_536


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let glibc keep freed memory inside the block; give it back at the end. Nothing happens elsewhere.

    Blocks above 32 MB, such as a layer's maps, are otherwise mapped anew in every step, and the system clears
    each of their pages. A higher threshold for trimming alone makes it worse: to set one stops glibc from
    raising the size from which blocks are mapped.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.mallopt(_MMAP_MAX, _USUAL_MMAP_MAX)
        # Where the dynamic thresholds of a process that used such blocks stand, for they are off from now on.
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process if it is glibc; None with musl, on macOS and on Windows."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return None
    return ctypes.CDLL(None) if version and version.startswith("glibc") else None

"""How many processes to start when nobody says."""

from __future__ import annotations

import os


def default_workers() -> int:
    """As many processes as this one may use cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

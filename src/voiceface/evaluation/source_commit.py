"""The source that a figure was made with."""

from __future__ import annotations

import subprocess
from pathlib import Path


def source_commit() -> str:
    """The commit of the package's own repository, with ``+`` where files differ; its version outside git.

    >>> bool(source_commit())
    True
    """
    from importlib.metadata import PackageNotFoundError, version

    import voiceface

    package = Path(voiceface.__file__)

    def git(*words: str) -> str:
        command = ["git", "-C", str(package.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        # Installed into somebody's environment, the repository around the package is not ours.
        git("ls-files", "--error-unmatch", str(package))
        changes = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        return git("rev-parse", "--short=10", "HEAD") + changes
    except (OSError, subprocess.SubprocessError):
        try:
            return f"v{version('voiceface')}"
        except PackageNotFoundError:
            return "unknown"

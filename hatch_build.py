"""Addresses for the project's page at PyPI, taken from the repository whose workflow builds the release."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"(!\[[^\]]*\]\()(?!\w+:|#)")
_LINK = re.compile(r"(?<!!)(\[[^\]]*\]\()(?!\w+:|#)")


class Addresses(MetadataHookInterface):
    """Fills ``urls`` and ``readme``; a build elsewhere has no addresses, and README.md as it is."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Add to the project's metadata what an sdist's own PKG-INFO has not already said."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        if repository := os.environ.get("GITHUB_REPOSITORY"):
            page = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
            tag = f"v{metadata['version']}"
            # PyPI shows README.md alone: its links must lead to the repository.
            text = _LINK.sub(rf"\g<1>{page}/blob/{tag}/", _PICTURE.sub(rf"\g<1>{page}/raw/{tag}/", text))
            metadata.setdefault(
                "urls",
                {
                    "Source": page,
                    "Documentation": f"{page}/tree/{tag}/docs",
                    "Changelog": f"{page}/blob/{tag}/CHANGELOG.md",
                    "Issues": f"{page}/issues",
                },
            )
        metadata.setdefault("readme", {"content-type": "text/markdown", "text": text})

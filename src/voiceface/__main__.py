"""``python -m voiceface`` is the command ``voiceface``."""

from __future__ import annotations

import sys

from voiceface.cli import main

if __name__ == "__main__":
    sys.exit(main())

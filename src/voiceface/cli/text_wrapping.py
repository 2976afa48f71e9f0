"""Docstrings with columns (``Paper   ...``, ``Layout  ...``) wrapped to the width of a terminal."""

from __future__ import annotations

import re
import shutil
import textwrap

_GAP = re.compile(r"\S(\s{2,})(?=\S)")
_MAX_WIDTH = 100
_FULL = 85


def terminal_width() -> int:
    """Columns to write in, at most 100."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, _MAX_WIDTH))


def wrap_columns(text: str, width: int | None = None) -> str:
    r"""Wrapped text whose columns stay columns: what does not fit continues under its own column.

    >>> print(wrap_columns("Paper     A long line of the paper\n          that goes on", 30))
    Paper     A long line of the
              paper that goes on
    """
    width = width or terminal_width()
    joined: list[tuple[str, int]] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        gaps = list(_GAP.finditer(line))
        before, column = joined[-1] if joined else ("", -1)
        # Without a column, a line continues a paragraph where the line before was broken only because it
        # was full: command lines are shorter.
        if line.strip() and not gaps and indent == column and (indent or len(before) > _FULL):
            joined[-1] = (f"{before} {line.strip()}", indent)
        else:
            joined.append((line, gaps[-1].end() if gaps else indent))
    lines = []
    for line, column in joined:
        indent_text = " " * (column if column <= width // 2 else 12)
        lines += textwrap.wrap(
            line, width, subsequent_indent=indent_text, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)


def wrap_hanging(head: str, text: str) -> str:
    """``head`` and ``text`` wrapped to the terminal, further lines under the start of the text.

    >>> print(wrap_hanging("  - ", "too  long " * 9).splitlines()[1][:8])
        long
    """
    lines = textwrap.wrap(
        text,
        terminal_width(),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) or head.rstrip()

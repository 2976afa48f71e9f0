"""A griffe extension: examples in docstrings (``>>> ...``) become code blocks; Markdown would quote them."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

_EXAMPLE = re.compile(r"^(?:>>> .*\n?(?:(?!\s*$|```).+\n?)*)+", re.MULTILINE)
_DIRECTIVE = re.compile(r"  # doctest: .*|^Traceback \(most recent call last\):\n", re.MULTILINE)


def with_code_blocks(docstring: str) -> str:
    r"""The docstring with its examples fenced, without doctest's directives.

    >>> print(with_code_blocks("Add.\n\n>>> 1 + 1  # doctest: +SKIP\n2\n\nMore."))
    Add.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    More.
    """

    def fenced(found: re.Match[str]) -> str:
        return f"```pycon\n{_DIRECTIVE.sub('', found[0]).rstrip()}\n```\n"

    return _EXAMPLE.sub(fenced, docstring)


class Doctests(Extension):
    """Applies `with_code_blocks` to every docstring."""

    def on_object(self, *, obj: Any, **kwargs: Any) -> None:  # noqa: ANN401  griffe's protocol
        """Rewrite the docstring of an object that was read."""
        if not obj.is_alias and obj.docstring is not None:
            obj.docstring.value = with_code_blocks(obj.docstring.value)

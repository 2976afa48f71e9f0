"""HTML from the Jinja templates that lie beside this file."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from voiceface.protocols.estimate import number

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """The text of ``TEMPLATE.html.j2``; values are escaped unless the template says ``safe``."""
    return _environment().get_template(f"{template}.html.j2").render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader(__package__ or "", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["number"] = number
    return found

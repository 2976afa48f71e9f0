"""HTML from Jinja templates: those beside this file, or beside another page's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from voiceface.protocols.estimate import number

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, /, *, package: str = __name__.rpartition(".")[0], **values: object) -> str:
    """The text of ``TEMPLATE.html.j2`` in a package; values are escaped unless the template says ``safe``."""
    return _environment(package).get_template(f"{template}.html.j2").render(**values)


@cache
def _environment(package: str) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["number"] = number
    return found

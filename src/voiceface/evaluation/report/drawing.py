"""Matplotlib as a drawer of inline SVG whose colours follow the page: light, dark or paper."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from voiceface.errors import MissingPartError

Axes = Any
"""Matplotlib's own; an optional part has no types here."""

# Matplotlib wants real colours: these odd ones stand for the page's and are replaced by their variables.
INK, GRID, CHANCE, PAGE = "#010102", "#010103", "#010104", "#010105"
SERIES = tuple(f"#0101{16 + k:02x}" for k in range(10))
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 2, 2)), (0, (1, 1)), (0, (9, 3)))
"""A series is told by its dashes too, for those who see its colour differently."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")

_VARIABLES = {INK: "--ink", GRID: "--line", CHANCE: "--soft", PAGE: "--card"} | {
    colour: f"--s{k + 1}" for k, colour in enumerate(SERIES)
}
_SIZE = 10.0


def require_packages(*names: str) -> None:
    """Refuse to begin where a package that drawings need is not installed (``matplotlib``, ``sklearn``).

    Raises:
        MissingPartError: names it and how to get it.
    """
    for name in names or ("matplotlib", "sklearn"):
        if find_spec(name) is None:
            fault = "is not installed, and drawings need it"
            raise MissingPartError(name, fault, 'pip install "voiceface[report]"')


@contextmanager
def drawing(description: str) -> Iterator[tuple[Axes, list[str]]]:
    """Axes to draw on, and a list that holds the SVG's text when the block has ended.

    Args:
        description: What the drawing shows, for who does not see it.
    """
    require_packages("matplotlib")
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_style(description)):
        figure = Figure(figsize=(4.6, 3.9), layout="constrained")
        FigureCanvasSVG(figure)
        out: list[str] = []
        yield figure.subplots(), out
        text = io.StringIO()
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=unsaid, bbox_inches="tight", pad_inches=0.05)
    out.append(_inline(text.getvalue(), description))


def _style(description: str) -> Any:  # noqa: ANN401  matplotlib names every key
    inks = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor", "axes.titlecolor")
    lines = ("axes.edgecolor", "xtick.color", "ytick.color")
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": description,  # names of parts must not meet those of another drawing of the page
        "font.size": _SIZE,
        "font.family": "sans-serif",
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": _SIZE - 1.5,
        "axes.titlesize": _SIZE,
        "lines.linewidth": 1.8,
        **dict.fromkeys(inks, INK),
        **dict.fromkeys(lines, GRID),
    }


def _inline(text: str, description: str) -> str:
    """The bare ``<svg>`` element without sizes, namespaces and metadata, its colours as variables."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    head, rest = text.split(">", 1)
    view = re.search(r'viewBox="[^"]+"', head)
    box = view.group(0) if view else ""
    rest = re.sub(r"\bxlink:href=", "href=", rest)
    # Every browser has its own sans-serif; the page's is taken.
    rest = re.sub(
        r"(font(?:-family)?:\s*(?:[\w.]+px\s)?)[^;\"]*sans-serif[^;\"]*", r"\1system-ui, sans-serif", rest
    )
    for colour, variable in _VARIABLES.items():
        rest = rest.replace(colour, f"var({variable})")
    return f'<svg role="img" aria-label="{html.escape(description, quote=True)}" {box}>{rest.strip()}'


def legend(axes: Axes, *, inside: str = "") -> None:
    """A legend in a corner, or below the axes where curves would run through it."""
    if inside:
        axes.legend(loc=inside)
    else:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, columnspacing=1.2, handlelength=2.6
        )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Rows' names as a legend has room for them."""
    return {name: name.replace("->", " → ") for name in names}

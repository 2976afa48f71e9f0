"""Both modalities on one map: t-SNE, or UMAP where it is installed, by person and by gender."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceface.evaluation.report.drawing import CHANCE, INK, SERIES, Axes, drawing, require_packages
from voiceface.evaluation.report.evidence import Evidence
from voiceface.evaluation.report.page import Figure

_MOST = 1500
"""Voices and faces on the map, each; more are sampled at random."""
_PEOPLE = 10
_GENDERS = {"f": "women", "m": "men", "": "gender not known"}
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def placed(rows: npt.NDArray[np.floating], *, seed: int = 0) -> tuple[Floats, str]:
    """Rows (n, width) on a plane (n, 2) by their cosines, and the method's name.

    Raises:
        MissingPartError: neither UMAP nor scikit-learn is installed.
    """
    if find_spec("umap") is not None:
        method: Any = import_module("umap").UMAP(
            metric="cosine", n_neighbors=min(15, max(2, len(rows) - 1)), random_state=seed
        )
        return np.asarray(method.fit_transform(rows), dtype=np.float64), "UMAP"
    require_packages("sklearn")
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(1.0, (len(rows) - 1) / 3.0))
    method = TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=seed)
    return np.asarray(method.fit_transform(np.asarray(rows, dtype=np.float64)), dtype=np.float64), "t-SNE"


def map_figures(evidence: Evidence, *, seed: int = 0) -> list[Figure]:
    """Where the model puts voices (circles) and faces (triangles), coloured by gender and by ten people."""
    random = np.random.default_rng(seed)
    sides = [_some(places, random) for places in evidence.group()]
    rows = np.concatenate([evidence.voices[sides[0]], evidence.faces[sides[1]]])
    points, method = placed(rows, seed=seed)
    cut = len(sides[0])
    xy = points[:cut], points[cut:]
    people = evidence.voice_people[sides[0]], evidence.face_people[sides[1]]
    genders = (
        None if evidence.voice_genders is None else evidence.voice_genders[sides[0]],
        None if evidence.face_genders is None else evidence.face_genders[sides[1]],
    )
    groups = 1 if evidence.voice_folds is None else len(np.unique(evidence.voice_folds))
    whose = f" Of the first of {groups} folds: each fold has a space of its own." if groups > 1 else ""
    by_gender = (
        f"{method} by cosine of {cut:,} voices (circles) and {len(sides[1]):,} faces (triangles).{whose} "
        "Distances on such a map say who is near whom, not how far."
    )
    by_person = (
        "The same map with ten people marked, each with a colour and a number; "
        "a line goes from each of their voices to the nearest own face."
    )
    with _map(f"Map of both modalities by gender ({method})", by_gender) as (axes, figures):
        _by_gender(axes, xy, genders)
    with _map(f"Map with ten people ({method})", by_person) as (axes, more):
        _by_person(axes, xy, people, random)
    return [*figures, *more]


@contextmanager
def _map(title: str, caption: str) -> Iterator[tuple[Axes, list[Figure]]]:
    """Bare axes, and a list that holds the figure when the block has ended."""
    figures: list[Figure] = []
    with drawing(title) as (axes, out):
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_aspect("equal", adjustable="datalim")
        yield axes, figures
    figures.append(Figure(title=title, body=out[0], caption=caption))


def _some(places: Places, random: np.random.Generator) -> Places:
    return places if len(places) <= _MOST else np.sort(random.choice(places, _MOST, replace=False))


def _by_gender(
    axes: Axes, xy: tuple[Floats, Floats], genders: tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]
) -> None:
    colours = {"f": SERIES[1], "m": SERIES[0], "": CHANCE}
    for side, marker, kind in ((0, "o", "voices"), (1, "^", "faces")):
        own = genders[side]
        values = np.full(len(xy[side]), "") if own is None else own
        for value, words in _GENDERS.items():
            here = xy[side][values == value]
            if len(here):
                alpha = 0.45 if value == "" else 0.85
                axes.scatter(
                    here[:, 0], here[:, 1], s=13, marker=marker, color=colours[value], alpha=alpha, lw=0,
                    label=f"{kind}: {words}",
                )  # fmt: skip
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, handletextpad=0.2)


def _by_person(
    axes: Axes,
    xy: tuple[Floats, Floats],
    people: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    random: np.random.Generator,
) -> None:
    for side, marker in ((0, "o"), (1, "^")):
        axes.scatter(xy[side][:, 0], xy[side][:, 1], s=7, marker=marker, color=CHANCE, alpha=0.22, lw=0)
    for k, person in enumerate(sample_people(people, random)):
        own = [xy[side][people[side] == person][:12] for side in (0, 1)]
        for voice in own[0]:
            near = own[1][np.argmin(((own[1] - voice) ** 2).sum(axis=1))]
            axes.plot([voice[0], near[0]], [voice[1], near[1]], color=SERIES[k], lw=0.8, alpha=0.7)
        for side, marker in ((0, "o"), (1, "^")):
            axes.scatter(
                own[side][:, 0],
                own[side][:, 1],
                s=34,
                marker=marker,
                color=SERIES[k],
                edgecolors=INK,
                linewidths=0.5,
            )
            axes.annotate(str(k + 1), own[side][0], xytext=(4, 4), textcoords="offset points", fontsize=8.5)


def sample_people(
    people: tuple[npt.NDArray[Any], npt.NDArray[Any]], random: np.random.Generator
) -> list[str]:
    """Ten people with voices and faces: at random among those with the most of both."""
    counts = [dict(zip(*np.unique(side, return_counts=True), strict=True)) for side in people]
    both = sorted(counts[0].keys() & counts[1].keys())
    order = random.permutation(len(both))
    ranked = sorted(order.tolist(), key=lambda k: -min(4, counts[0][both[k]], counts[1][both[k]]))
    return sorted(str(both[k]) for k in ranked[:_PEOPLE])

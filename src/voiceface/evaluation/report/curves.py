"""The protocols' curves: ROC, DET, accuracy by N, CMC, reliability."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceface.evaluation.report.drawing import (
    CHANCE,
    DASHES,
    INK,
    MARKERS,
    SERIES,
    Axes,
    drawing,
    legend,
    short_names,
)
from voiceface.evaluation.report.page import Figure

if TYPE_CHECKING:
    from voiceface.protocols.calibration import Calibration
    from voiceface.protocols.curves import CmcCurve, RocPoints
    from voiceface.protocols.gallery_matching import MatchingReport

_DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 0.999)


def roc_figure(curves: Mapping[str, RocPoints]) -> Figure:
    """True against false accepts."""
    with drawing("ROC: share of positives accepted over share of negatives accepted") as (axes, out):
        axes.plot([0, 1], [0, 1], color=CHANCE, lw=1, ls=(0, (2, 2)), label="chance")
        for k, (name, label) in enumerate(short_names(list(curves)).items()):
            axes.plot(curves[name].fpr, curves[name].tpr, color=SERIES[k % 10], ls=DASHES[k % 6], label=label)
        _shares(axes, "negatives accepted (FPR)", "positives accepted (TPR)")
        axes.set_aspect("equal")
        legend(axes, inside="lower right")
    return Figure(
        title="ROC",
        body=out[0],
        caption="Tied scores are accepted together; of folds the mean ROC at equal FPR.",
    )


def det_figure(curves: Mapping[str, RocPoints]) -> Figure:
    """Misses against false accepts, both on normal deviates: two normal score distributions give a line."""
    probit = NormalDist().inv_cdf
    ends = probit(_DET_TICKS[0]), probit(_DET_TICKS[-1])
    title = "DET: share of positives refused over share of negatives accepted, normal deviates"
    with drawing(title) as (axes, out):
        axes.plot(ends, [-end for end in ends], color=CHANCE, lw=1, ls=(0, (2, 2)), label="chance")
        axes.plot(ends, ends, color=INK, lw=0.7, ls=(0, (1, 3)), label="equal errors")
        for k, (name, label) in enumerate(short_names(list(curves)).items()):
            rates = np.array([curves[name].fpr, curves[name].fnr])
            inside = ((rates > 0) & (rates < 1)).all(axis=0)
            points = [[probit(float(x)) for x in row[inside]] for row in rates]
            axes.plot(points[0], points[1], color=SERIES[k % 10], ls=DASHES[k % 6], label=label)
        places = [probit(x) for x in _DET_TICKS]
        names = [f"{100 * x:g}" for x in _DET_TICKS]
        axes.set_xticks(places, names)
        axes.set_yticks(places, names)
        axes.set(xlim=ends, ylim=ends, xlabel="negatives accepted, %", ylabel="positives refused, %")
        axes.set_aspect("equal")
        legend(axes, inside="lower left")
    return Figure(
        title="DET",
        body=out[0],
        caption="Axes of normal deviates; where the dotted diagonal is met lies the EER.",
    )


def gallery_size_figure(report: MatchingReport) -> Figure:
    """Accuracy of 1:N by N, with 95 % intervals over people and chance."""
    with drawing("Accuracy of matching by the number of people to choose from") as (axes, out):
        rows = {name: report.by_size(name) for name in report.rows}
        sizes = sorted({n for row in rows.values() for n in row})
        axes.plot(sizes, [1 / n for n in sizes], color=CHANCE, lw=1, ls=(0, (2, 2)), label="chance, 1/N")
        for k, (name, label) in enumerate(short_names(list(rows)).items()):
            if not rows[name]:
                continue
            apart = (k - (len(rows) - 1) / 2) * 0.12  # so that intervals do not hide each other
            places = [n + apart for n in rows[name]]
            found = list(rows[name].values())
            bars = np.array([[max(0.0, e.value - e.low), max(0.0, e.high - e.value)] for e in found]).T
            axes.errorbar(
                places,
                [e.value for e in found],
                yerr=None if np.isnan(bars).any() else bars,
                color=SERIES[k % 10],
                ls=DASHES[k % 6],
                marker=MARKERS[k % 10],
                ms=4.5,
                lw=1.2,
                elinewidth=1.2,
                capsize=2,
                label=label,
            )
        axes.set(ylim=(0, 1), xlabel="N people to choose from", ylabel="accuracy")
        if len(sizes) <= 12:
            axes.set_xticks(sizes)
        legend(axes)
    return Figure(
        title="Matching by N",
        body=out[0],
        caption="Bars: 95 % intervals over people. Points of one N stand side by side.",
    )


def cmc_figure(curves: Mapping[str, CmcCurve]) -> Figure:
    """Recall at every rank, with its 95 % band and chance."""
    with drawing("CMC: share of probes with a right item among the first K") as (axes, out):
        for k, (name, label) in enumerate(short_names(list(curves)).items()):
            one, colour = curves[name], SERIES[k % 10]
            axes.plot(one.ranks, one.recall, color=colour, ls=DASHES[k % 6], label=label)
            if not np.isnan(one.low).any():
                axes.fill_between(one.ranks, one.low, one.high, color=colour, alpha=0.13, lw=0)
            axes.plot(one.ranks, one.chance, color=colour, lw=0.9, ls=(0, (1, 2)))
        axes.set_xscale("log")
        last = max(curve.ranks[-1] for curve in curves.values())
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000) if t <= last]
        axes.set_xticks(ticks, [f"{t:,}" for t in ticks])
        axes.minorticks_off()
        axes.set(ylim=(0, 1.02), xlabel="K first of the gallery", ylabel="recall (R@K)")
        legend(axes)
    caption = "Bands: 95 % intervals over people. Dotted in the same colour: chance for that gallery."
    return Figure(title="Retrieval by rank (CMC)", body=out[0], caption=caption)


def reliability_figure(found: Calibration) -> Figure:
    """Stated probability against the share found, above a histogram of what is stated."""
    with drawing("Reliability: share of positives found over stated probability") as (axes, out):
        below = axes.inset_axes((0.0, -0.44, 1.0, 0.2))
        used = [k for k, weight in enumerate(found.weight) if weight > 0]
        axes.plot([0, 1], [0, 1], color=CHANCE, lw=1, ls=(0, (2, 2)), label="perfectly calibrated")
        axes.plot(
            [found.stated[k] for k in used], [found.found[k] for k in used],
            color=SERIES[0], marker="o", ms=5, label="found",
        )  # fmt: skip
        _shares(axes, "", "share of one person's")
        legend(axes, inside="upper left")
        below.bar(
            found.edges[:-1],
            found.weight,
            width=np.diff(found.edges) * 0.92,
            align="edge",
            color=SERIES[0],
            alpha=0.6,
        )
        below.set(xlim=(0, 1), xlabel="stated probability", ylabel="trials")
        below.set_yticks([0, round(max(found.weight), 2)])
    words = f"Both classes weighed to a prior of {found.prior:.3g}; below, the share of trials in each bin."
    return Figure(title="Reliability", body=out[0], caption=words)


def _shares(axes: Axes, across: str, up: str) -> None:
    ticks: list[Any] = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=across, ylabel=up, xticks=ticks, yticks=ticks)

"""The demo's page: one HTML file beside its pictures, sounds and clip; it opens without a network."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceface.demo.demo_result import CLIP, MOST_SHOWN
from voiceface.demo.rankings import ImaginedRanking, PictureRanking
from voiceface.demo.statements import (
    compared,
    imagined_statement,
    measured_statement,
    picture_statement,
    share,
)
from voiceface.demo.user_files import shown_name
from voiceface.evaluation.report.template import render
from voiceface.media.files import write_text

if TYPE_CHECKING:
    from voiceface.demo.demo_result import DemoResult


def write_page(path: Path, result: DemoResult) -> None:
    """Write the page.

    Raises:
        InputError: it cannot be written.
    """
    models = result.models
    used = [
        f"{model.name} {model.fingerprint[:8]}" for model in (models.imaginer, models.talker, models.matcher)
    ]
    page = render(
        "page",
        package="voiceface.demo",
        result=result,
        clip=CLIP,
        imagined=_imagined(result.ranking),
        pictures=_pictures(result),
        measured=measured_statement(models.matcher.card),
        made=[_software(), *used, "seed 0"],
        share=share,
    )
    write_text(path, page)


def _imagined(ranking: object) -> dict[str, Any] | None:
    if not isinstance(ranking, ImaginedRanking):
        return None
    counts = [
        ("imagined for that very voice", ranking.own, ranking.own_by_chance),
        ("of the same gender", ranking.same_gender, ranking.same_gender_by_chance),
    ]
    return {
        "statement": imagined_statement(ranking),
        "first": ranking.first,
        "places": ranking.places,
        "counts": [(told, count, chance, compared(count, chance)) for told, count, chance in counts],
    }


def _pictures(result: DemoResult) -> dict[str, Any] | None:
    ranking = result.ranking
    if not isinstance(ranking, PictureRanking):
        return None
    return {
        "statement": picture_statement(ranking),
        "rows": [
            (shown_name(path), file, probability)
            for (path, probability), file in zip(ranking.ranked, result.pictures, strict=False)
        ],
        "more": max(0, len(ranking.ranked) - MOST_SHOWN),
        "unusable": [shown_name(str(fault)) for fault in ranking.unusable],
    }


def _software() -> str:
    try:
        return f"voiceface {version('voiceface')}"
    except PackageNotFoundError:
        return "voiceface"

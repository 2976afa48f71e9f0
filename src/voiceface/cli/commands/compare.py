"""Compare two models on the same trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from voiceface.cli.options import help_group
from voiceface.cli.output_options import NO_FILES, FileOptions
from voiceface.cli.terminal import print_json, print_line


def add_to(app: App, tokens: Sequence[str] | None) -> None:
    """Add the command."""
    app.command(_compare, name="compare", group=help_group("Evaluation"))


def _compare(
    first: Annotated[Path, Parameter(name="A")],
    second: Annotated[Path, Parameter(name="B")],
    /,
    *,
    figure: Annotated[list[str] | None, Parameter(negative="")] = None,
    stratum: str = "",
    resamples: int = 1000,
    seed: int = 0,
    outputs: FileOptions = NO_FILES,
) -> int:
    """Compare two models on the same trials: a paired bootstrap over people.

    voiceface evaluate verification --model ONE --corpus CORPUS --scores-out one.csv

    voiceface evaluate verification --model OTHER --corpus CORPUS --scores-out other.csv

    voiceface compare one.csv other.csv

    Both models are tested on the same samples of people, so that the difference has
    a much narrower interval than either figure alone.

    Args:
        first: scores of one model, as evaluate --scores-out writes them (.csv or .npz)
        second: scores of the other on the same trials, in any order
        figure: AUC, EER, minDCF ...; may be given several times; by default AUC and EER
        stratum: only the trials of this stratum of the files: "same gender"
        resamples: bootstrap resamples over people
        seed: random seed of the bootstrap
        outputs: where figures are written
    """
    from voiceface.evaluation.compare_scores import compare_scores

    files = outputs.files()
    found = compare_scores(
        (first, second), figures=figure or ["AUC", "EER"], stratum=stratum, sampling=(resamples, seed)
    )
    if outputs.json:
        print_json({name: one.to_dict() for name, one in found.comparisons.items()})
    else:
        for line in found.lines():
            print_line(line)
    if files.markdown is not None:
        found.write_markdown(files.markdown)
    outputs.print_written(files.write_tables(lambda: [found.table()]))
    return 0

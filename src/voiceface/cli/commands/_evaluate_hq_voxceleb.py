"""The command `evaluate hq-voxceleb`: retrieval of real people by faces generated from their voices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from voiceface.cli.output_options import NO_FILES, FileOptions
from voiceface.cli.terminal import print_json, print_line


def command(
    *,
    generated: Path,
    faces: Path,
    split: Path | None = None,
    gallery: int = 100,
    k: Annotated[list[int] | None, Parameter(name="-k", negative="")] = None,
    resamples: int = 1000,
    seed: int = 0,
    outputs: FileOptions = NO_FILES,
) -> int:
    """Search real people by generated faces: R@K in galleries of 100, as on HQ-VoxCeleb.

    Embed generated and real faces with one face encoder; published figures are of
    FaceNet (SF2F) and ArcFace (Vox2Face), and other encoders' are not comparable.

    Args:
        generated: embeddings of generated faces, as voiceface embed writes them
        faces: embeddings of real faces of the same people
        split: HQ-VoxCeleb's split.json; only its test people are evaluated
        gallery: people of a gallery
        k: the K of R@K; may be given several times; by default 1, 5 and 10
        resamples: bootstrap resamples over people; 0: no intervals
        seed: random seed of the bootstrap
        outputs: where figures are written
    """
    from voiceface.evaluation.hq_voxceleb import hq_voxceleb
    from voiceface.evaluation.report_files import write_figures

    files = outputs.files()
    report = hq_voxceleb(
        generated, faces, split, gallery=gallery, ks=k or (1, 5, 10), resamples=resamples, seed=seed
    )
    print_json(report.to_dict()) if outputs.json else print_line(str(report))
    outputs.print_written(write_figures(files, "HQ-VoxCeleb", report.rows, notes=report.notes))
    return 0

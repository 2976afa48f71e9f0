"""How well a voice could match faces at all, for each judge of faces: the ceiling of the Imaginer's matching.

    python benchmarks/judge_ceiling.py CORPUS [--faceres FILE] [--voices student ge2e] [--drawn NAME=FOLDER]

No face is drawn here. On the people that `voiceface train imaginer` learns from, each judge's own description
of a face is predicted from the voice in closed form, as the Imaginer predicts dlib's (ridge regression and
canonical correlation, their constants unchanged), and on its test people the prediction itself is matched
with real faces. The ceiling is this way's, on so many people; it is not nature's. With ``--faceres`` (see
tools/second_recogniser.py) the second judge is asked too. ``--drawn`` judges pictures named after the voices,
or what `voiceface evaluate faces -o` wrote (drawn.npz), by the same measure.

1:2 matching, centred cosine, all pairs, every speaker counts the same; intervals over speakers; chance 0.5.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voiceface.corpus.corpus import Corpus
from voiceface.corpus.splits import Selection
from voiceface.media.picture import load_picture
from voiceface.models.corpus_embeddings import as_tensor, face_embeddings, voice_embeddings
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.face_model import TEMPLATE
from voiceface.models.generated_faces import embed_generated_faces
from voiceface.models.matching import solve
from voiceface.recipes._paired_people import paired_indices
from voiceface.recipes.imaginer import recipe

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from face_realism import matching  # type: ignore[import-not-found]  # noqa: E402
from second_recogniser import (  # type: ignore[import-not-found]  # noqa: E402
    FaceRes,
    describe_corpus,
    describe_faces,
    load_faceres,
)


def main() -> None:
    """Fit, match, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--faceres", type=Path)
    parser.add_argument("--voices", nargs="+", default=["student"])
    parser.add_argument("--drawn", nargs="*", default=[], metavar="NAME=FOLDER")
    given = parser.parse_args()
    corpus = Corpus.open(given.corpus)
    split = recipe().split(corpus)
    left, right = paired_indices(split.train, wrong_labels=None)
    second = load_faceres(given.faceres) if given.faceres else None
    judges = {"dlib": as_tensor(face_embeddings(corpus))}
    if second is not None:
        judges["HSE-FaceRes"] = torch.from_numpy(describe_corpus(second, corpus)["embeddings"])
    print("| judge | what is matched with real faces | 1:2 |\n|---|---|---|")
    for judge, real in judges.items():
        mean = real[split.train.faces].mean(0)
        for name in given.voices:
            rows = as_tensor(voice_embeddings(corpus, load_voice_encoder(name)))
            for way, answer in predictions(rows[left], real[right], rows[split.test.voices]).items():
                told = matching(answer.numpy(), (real[split.test.faces] - mean).numpy(), 0.0, split.test)
                print(f"| {judge} | {way} from {name} | {told} |", flush=True)
        for one in given.drawn:
            name, _, folder = one.partition("=")
            seen = described(Path(folder), corpus, split.test, None if judge == "dlib" else second)
            told = matching(seen.numpy(), real[split.test.faces].numpy(), mean.numpy(), split.test)
            print(f"| {judge} | drawn by {name} | {told} |", flush=True)


def predictions(voices: Tensor, faces: Tensor, asked: Tensor) -> dict[str, Tensor]:
    """Centred descriptions predicted for the asked voices, three ways."""
    middle = voices.mean(0)
    voices, faces, asked = voices - middle, faces - faces.mean(0), asked - middle
    covariance = voices.T @ voices / len(voices)
    covariance += 3.0 * covariance.diagonal().mean() * torch.eye(len(covariance))
    near = F.normalize(asked @ torch.linalg.solve(covariance, voices.T @ faces / len(voices)), dim=-1)
    found = solve(voices, faces, ridge=5.0, dim=16)
    turned = F.normalize(asked @ found.voice_map, dim=-1) @ found.face_map.T
    turned = turned / turned.square().sum(1).mean().sqrt()
    return {"ridge": near, "canonical correlation": turned, "both": near + turned}


def described(folder: Path, corpus: Corpus, part: Selection, second: FaceRes | None) -> Tensor:
    """What a judge says of the pictures drawn for a part's voices; dlib where there is no second."""
    names = corpus.column("voices", "id")[part.voices].tolist()
    if folder.suffix == ".npz":
        with np.load(folder) as file:
            places = {name: place for place, name in enumerate(file["names"].tolist())}
            kept = file["pictures"]
        pictures = np.stack([kept[places[name]] for name in names])
    else:
        pictures = np.stack([np.asarray(load_picture(folder / f"{name}.png")) for name in names])
    if second is not None:
        return torch.from_numpy(describe_faces(second, pictures, template=TEMPLATE)["embeddings"])
    return torch.from_numpy(embed_generated_faces(pictures, template=TEMPLATE))


if __name__ == "__main__":
    main()

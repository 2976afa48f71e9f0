"""Whether portraits stay who they are while they talk.

    python tools/talking_portraits.py PORTRAITS VOICES [--weights FOLDER] [--frames 10] [--sheet sheet.png]

Every portrait says one of the voices, in turn. Prints, with 95 % intervals over portraits: how many are
animated, and why others are refused; in how many frames dlib's HOG finds a face at their own size; and the
Euclidean distance of the frames' dlib embeddings from the photograph's (0.6 is two people's), beside the
distance of different portraits. ``--sheet`` shows the ten portraits that change most, photograph first.
"""

import argparse
import tempfile
from pathlib import Path

import av
import numpy as np
from PIL import Image

from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.detect import detect_hog
from voiceface.face.dlib_embedding import embed_faces
from voiceface.face.find_face import find_face
from voiceface.face.quality import best_face
from voiceface.media.picture import load_picture
from voiceface.pipelines.talker import PHOTOGRAPH_SIDE, Talker

SEED = 0


def embed(picture: np.ndarray) -> np.ndarray | None:
    """The embedding (128,) of the best face that HOG finds; None without a face."""
    face = best_face(picture, detect_hog(picture, upsample=0))
    if face is None or face.landmarks is None:
        return None
    return embed_faces(align(picture, face.landmarks, size=150, border="edge")[None])[0]


def frames_of(path: Path, count: int) -> list[np.ndarray]:
    """So many frames of a clip, evenly spaced."""
    with av.open(str(path)) as clip:
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    return [frames[at] for at in np.linspace(0, len(frames) - 1, count).round().astype(int)]


def shown(values: list[float]) -> str:
    """Mean and interval over portraits."""
    each = np.array(values)
    drawn = each[np.random.default_rng(SEED).integers(len(each), size=(2000, len(each)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{each.mean():.3f} [{low:.3f}, {high:.3f}]"


def crop(picture: np.ndarray) -> np.ndarray:
    """The face, 160 pixels wide."""
    try:
        points = find_face(picture).landmarks
    except InputError:
        return np.zeros((160, 160, 3), np.uint8)
    (x, y), reach = points.mean(0).astype(int), int(1.2 * np.ptp(points[:, 0]))
    cut = Image.fromarray(picture[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach])
    return np.asarray(cut.resize((160, 160)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portraits", type=Path)
    parser.add_argument("voices", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    talk = Talker.load(given.weights)
    voices = sorted(path for path in given.voices.iterdir() if path.is_file())
    portraits = sorted(p for p in given.portraits.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    kept, refused, owns, found, away = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, portrait in enumerate(portraits):
            clip = Path(folder) / "clip.mp4"
            try:
                talk(voices[number % len(voices)], clip, face=portrait, seed=SEED + number)
            except InputError as fault:
                refused.append(f"{portrait.name}: {fault.fault}")
                continue
            photograph = np.asarray(load_picture(portrait, long_side=PHOTOGRAPH_SIDE))
            own = embed(photograph)
            if own is None:
                continue
            frames = frames_of(clip, given.frames)
            each = [embed(frame) for frame in frames]
            found.append(float(np.mean([one is not None for one in each])))
            distances = [float(np.linalg.norm(one - own)) for one in each if one is not None]
            away.append(float(np.mean(distances)) if distances else 1.0)
            owns.append(own)
            kept.append((portrait.name, [photograph, *frames[1:8]]))
    print(f"{len(portraits)} portraits, {len(portraits) - len(refused)} animated")
    for one in refused:
        print(f"  refused: {one}")
    print(f"  faces found in {shown(found)} of frames of {len(found)} clips")
    print(f"  distance from the photograph {shown(away)}; largest {max(away):.3f}")
    others = np.linalg.norm(np.array(owns)[:, None] - np.array(owns), axis=2)
    print(f"  distance between different portraits {others[np.triu_indices(len(owns), 1)].mean():.3f}")
    if given.sheet:
        worst = np.argsort(away)[::-1][:10]
        print("  most changed: " + ", ".join(f"{kept[k][0]} {away[k]:.3f}" for k in worst))
        rows = [np.concatenate([crop(picture) for picture in kept[k][1]], 1) for k in worst]
        Image.fromarray(np.concatenate(rows)).save(given.sheet)


if __name__ == "__main__":
    main()

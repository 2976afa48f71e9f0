"""Make the moving picture of a talking face: docs/talking-face.webp.

    python tools/talking_picture.py -o docs/talking-face.webp [--person 0] [--seed 0] [--seconds 3]

A synthetic person of that number says a sentence of the speech synthesiser; the face is generated from that
voice. Nobody was recorded or filmed. The picture repeats without end and has no sound.
"""

import argparse
import tempfile
from pathlib import Path

import av
from PIL import Image

from voiceface.pipelines.talker import Talker
from voiceface.records import SAMPLE_RATE
from voiceface.synthetic.people import synthetic_person
from voiceface.synthetic.speech import speak


def main() -> None:
    """Generate and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--person", type=int, default=0, help="number of the synthetic person who speaks")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the face")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=int, default=256, help="pixels a side")
    parser.add_argument("--quality", type=int, default=85, help="of the picture, 0 to 100")
    given = parser.parse_args()
    wave = speak(synthetic_person(given.person), seconds=given.seconds)[0]
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mkv"
        Talker.load()((wave, SAMPLE_RATE), clip, seed=given.seed, size=given.size, force=True)
        with av.open(str(clip)) as container:
            first, *others = [frame.to_image() for frame in container.decode(video=0)]
    options = {"duration": 40, "loop": 0, "quality": given.quality, "method": 6}
    first.save(given.out, save_all=True, append_images=others, **options)
    with Image.open(given.out) as made:
        frames = getattr(made, "n_frames", 1)
    print(f"{given.out}: {frames} frames, {given.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

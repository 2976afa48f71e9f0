"""Stand-ins for the demo's three models that see only how loud a voice and how bright a picture is."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from voiceface.demo.demo_result import DemoModels
from voiceface.errors import InputError
from voiceface.media.origin import GeneratedImage, Origin
from voiceface.media.picture import load_picture
from voiceface.media.sound import load_sound
from voiceface.media.write_movie import write_movie


def level(sound):
    return float(np.abs(load_sound(sound)).mean())


class Painter:
    """Paints a voice as loud as it is, each face a little brighter."""

    name, fingerprint = "painter", "ab12" * 8

    def __init__(self):
        self.asked = []

    def __call__(self, sound, *, n, size):
        self.asked.append(sound)
        tones = [min(250, round(2000 * level(sound)) + k) for k in range(n)]
        origin = Origin(model="painter", fingerprint="ab12", seed=0)
        return [GeneratedImage.of(Image.new("RGB", (size, size), (tone,) * 3), origin) for tone in tones]


class Mime:
    """A clip of grey frames, which a browser plays if ``playable``."""

    name, fingerprint = "mime", "cd34" * 8

    def __init__(self, playable=False):
        self.asked, self.playable = [], playable

    def __call__(self, sound, out):
        self.asked.append(sound)
        out.write_bytes(b"a clip")
        if self.playable:
            frames = (np.full((64, 64, 3), 90 + k, np.uint8) for k in range(12))
            write_movie(out, frames, fps=24, wave=load_sound(sound)[:8000])
        return SimpleNamespace(seconds=0.5, frames=12, note="")


class Scale:
    """Compares loudness with brightness; finds no face in a green picture."""

    name, fingerprint = "scale", "ef56" * 8

    def __init__(self):
        self.card, self.warns = {}, True

    def embed_voices(self, sources):
        return self.rows([min(250, 2000 * level(source)) for source in sources])

    def embed_faces(self, pictures, *, on_error=None):
        return self.rows([np.asarray(load_picture(picture)).mean() for picture in pictures])

    def rows(self, values):
        angles = np.array(values) / 255 * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def probability(self, similarity):
        return np.asarray(similarity, dtype=float) ** 8

    def rank(self, query, candidates, *, direction, on_error, progress):
        assert direction == "voice->face"
        found, voice = [], self.embed_voices([query])[0]
        for index, path in enumerate(candidates):
            try:
                if np.ptp(np.asarray(load_picture(path))[0, 0]) > 100:
                    raise InputError(path, "shows no face", "give another")
                found.append((path, float(self.probability(self.embed_faces([path])[0] @ voice))))
            except InputError as error:
                on_error(index, error)
        return sorted(found, key=lambda pair: -pair[1])


def stand_ins(playable=False):
    return DemoModels(imaginer=Painter(), talker=Mime(playable), matcher=Scale())

"""Wen et al.'s log-mels of all voices of a corpus, computed once, and crops of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceface.audio.vad import keep_speech
from voiceface.audio.wen_logmel import BANDS, repeat_frames, wen_logmel
from voiceface.errors import InputError
from voiceface.media.files import atomic_path
from voiceface.models.voice_encoder import as_wave
from voiceface.records import SAMPLE_RATE

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

_MIN_FRAMES, _MAX_FRAMES = 300, 800
"""Of a crop in training: 3 to 8 s."""
_HELD: dict[Path, Logmels] = {}


def logmel(wave: npt.NDArray[Any]) -> Tensor:
    """Log-mels ``(frames, 64)`` of the speech in a recording at 16 kHz, each band normalised over it.

    Voice activity is detected as in the authors' program. Where there is none, the whole recording is
    taken: faces of noise have to be generated too, to show that they are none.

    Raises:
        InputError: no samples, NaN.
    """
    whole = as_wave(wave).numpy()
    speech = keep_speech(whole, rate=SAMPLE_RATE, rejudge=True)
    return wen_logmel(torch.from_numpy(speech if len(speech) else whole))


class Logmels:
    """The log-mels of a corpus' voices, read from one flat array on demand.

    Args:
        flat: ``(all frames, 64)`` float16.
        starts: ``(voices + 1,)``: the first frame of each voice, and the end.
    """

    def __init__(self, flat: npt.NDArray[np.float16], starts: npt.NDArray[np.int64]) -> None:
        self.flat, self.starts = flat, starts

    def __len__(self) -> int:
        """Voices."""
        return len(self.starts) - 1

    def crops(self, voices: npt.NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """A crop of each recording ``(voices, 64, frames)``, 3 to 8 s, one length for the whole batch."""
        frames = int(torch.randint(_MIN_FRAMES, _MAX_FRAMES + 1, (1,), generator=generator))
        positions = torch.rand(len(voices), generator=generator).tolist()
        crops = []
        for index, position in zip(voices.tolist(), positions, strict=True):
            logmels = repeat_frames(self.whole(index), frames=frames)
            first = int(position * (len(logmels) - frames + 1))
            crops.append(logmels[first : first + frames])
        return torch.stack(crops).transpose(1, 2).contiguous()

    def whole(self, index: int) -> Tensor:
        """All frames of a recording, ``(frames, 64)``."""
        part = self.flat[self.starts[index] : self.starts[index + 1]]
        return torch.from_numpy(np.asarray(part, dtype=np.float32))


def corpus_logmels(corpus: Corpus) -> Logmels:
    """The log-mels of all voices of a corpus, cached in its ``views/`` where that can be written to."""
    folder = corpus.path.resolve() / "views"
    path, index = (folder / f"wen-logmel-{corpus.fingerprint[:12]}{end}" for end in (".f16", ".npy"))
    if path in _HELD:
        return _HELD[path]
    if index.is_file() and path.is_file():
        starts = np.load(index, allow_pickle=False)
        if path.stat().st_size == 2 * BANDS * starts[-1] and len(starts) == len(corpus.voices) + 1:
            flat = np.memmap(path, dtype=np.float16, mode="r", shape=(int(starts[-1]), BANDS))
            return Logmels(flat, starts)
    parts = (logmel(corpus.wave(row)).numpy().astype(np.float16) for row in range(len(corpus.voices)))
    lengths = [0]
    try:
        folder.mkdir(exist_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for part in parts:
                part.tofile(file)
                lengths.append(len(part))
        # Last: without it the array counts as missing.
        with atomic_path(index) as temporary, temporary.open("wb") as file:
            np.save(file, np.cumsum(lengths))
    except OSError:
        return _held(corpus, path)
    except InputError as error:
        if error.what != str(path) and error.what != str(index):
            raise
        return _held(corpus, path)
    return corpus_logmels(corpus)


def _held(corpus: Corpus, path: Path) -> Logmels:
    """In memory: a read-only corpus serves as well."""
    made = [logmel(corpus.wave(row)).numpy().astype(np.float16) for row in range(len(corpus.voices))]
    starts = np.cumsum([0, *(len(part) for part in made)])
    _HELD[path] = Logmels(np.concatenate(made), starts)
    return _HELD[path]

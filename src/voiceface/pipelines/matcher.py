"""Matcher: who goes with whom, from files to probabilities."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from voiceface.audio.vad import speech_flags
from voiceface.errors import InputError, MissingPartError
from voiceface.face.align import align
from voiceface.face.detect import detect
from voiceface.face.quality import surest
from voiceface.media.picture import load_picture
from voiceface.media.sound import SoundSource, stream_sound
from voiceface.metrics.calibration import Logistic
from voiceface.models.corpus_embeddings import align_corpus_face
from voiceface.models.encoders import ge2e
from voiceface.models.face_encoders.dlib import DlibFace
from voiceface.models.grouped_matching import GroupedMatching
from voiceface.models.matching import Matching
from voiceface.pipelines.weights import Loaded, load_model, shipped

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

__all__ = ["PREFERRED", "Matcher", "best_shipped"]

PictureSource = str | Path | Image.Image | npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]
OnError = Callable[[int, InputError], None]

PREFERRED = ("matcher-ge2e", "matcher")
"""The shipped matchers, better ones first (RESULTS.md)."""

_BLOCK_SECONDS = 60.0
_MIN_SECONDS = 0.2
"""Of a recording, and of what WebRTC's strictest mode must take for a voice in it."""
_DETECT_SIDE = 1280


class Matcher:
    """Tells which face belongs to which voice; made by `load`."""

    def __init__(self, loaded: Loaded, *, device: str = "cpu", precision: str = "auto") -> None:
        model = loaded.model
        if not isinstance(model, Matching | GroupedMatching):
            fault = f"holds weights of {loaded.card.get('recipe')}, no matcher"
            raise InputError(loaded.name, fault, "give weights that `voiceface train matcher` wrote")
        if precision not in {"auto", "32", "bf16"}:
            raise InputError("precision", f"is {precision!r}", "give auto, 32 or bf16")
        self.name, self.card, self.device = loaded.name, loaded.card, device
        self.warns = True
        """Warn of recordings without a voice; the commands say so themselves."""
        self._model = model
        self._bf16 = precision == "bf16"
        self._encoder = model.encoders.voice(device)
        self._faces = model.encoders.face(device) if model.encoders.face_name != "dlib" else DlibFace()
        found = loaded.facts.get("calibration", {})
        self._calibration = Logistic(float(found.get("slope", 1.0)), float(found.get("offset", 0.0)))

    @classmethod
    def load(
        cls, weights: str | Path | None = None, *, device: str = "cpu", precision: str = "auto"
    ) -> Matcher:
        """Load a matcher.

        Args:
            weights: A weights folder or the name of shipped weights; None takes the best shipped one
                whose parts are installed, and ``name`` says which.
            device: ``cpu``, ``cuda`` or ``mps``.
            precision: ``auto`` (float32), ``32`` or ``bf16``.

        Raises:
            InputError: the weights cannot be used.
            MissingPartError: a part they need is not installed.
        """
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise InputError(f"device {device}", "cannot be used here", "give cpu, or see doctor") from error
        loaded = load_model(weights if weights is not None else best_shipped(), device=device)
        return cls(loaded, device=device, precision=precision)

    def __repr__(self) -> str:
        """Name and device."""
        return f"Matcher({self.name!r}, device={self.device!r})"

    @property
    def fingerprint(self) -> str:
        """Names the weights: embeddings of two fingerprints must not be compared."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.weights().items()):
            digest.update(name.encode() + tensor.cpu().float().numpy().tobytes())
        return digest.hexdigest()

    @property
    def dim(self) -> int:
        """Numbers of an embedding."""
        return self._model.dim

    def embed_voices(self, sources: Sequence[SoundSource], *, on_error: OnError | None = None) -> Rows:
        """Embed recordings.

        A long one is read a minute at a time, so memory stays bounded, and its minutes are averaged, the
        last one weighing as much as it is long.

        A recording without voice activity in its first minute is embedded with a warning that names it
        (`warnings`): silence has a place in the space too, but nobody's.

        Args:
            sources: Paths, file objects or (array, rate) pairs; anything FFmpeg reads.
            on_error: Called with the place and the error of a source that cannot be used, whose row
                is then NaN; without it the error is raised.

        Returns:
            ``(sources, dim)`` float32, rows of length 1.

        Raises:
            InputError: a recording cannot be read or is shorter than 0.2 s.
        """
        return self._rows(sources, self._embed_voice, self._model.voices, on_error)

    def embed_faces(self, sources: Sequence[PictureSource], *, on_error: OnError | None = None) -> Rows:
        """Embed pictures by their surest face.

        Args:
            sources: Paths, PIL images or (height, width, 3) uint8 arrays.
            on_error: As in `embed_voices`.

        Returns:
            ``(sources, dim)`` float32, rows of length 1.

        Raises:
            InputError: a picture cannot be read or shows no face; the file is named.
        """
        return self._rows(sources, self._embed_face, self._model.faces, on_error)

    def embed_corpus_items(self, corpus: Corpus, kind: str, places: Sequence[int]) -> Rows:
        """Embed a prepared corpus' ``voices`` or ``faces`` at these places, ``(places, dim)``.

        Faces are not looked for again: the corpus knows where they are.
        """
        if kind == "voices":
            with self._autocast():
                rows = self._encoder.embed([corpus.wave(place) for place in places])
            return self._project(rows, self._model.voices)
        size, template = self._faces.size, self._faces.template
        chips = [align_corpus_face(corpus, place, size=size, template=template) for place in places]
        return self._project(self._faces.embed(np.stack(chips)), self._model.faces)

    def score(self, voice: SoundSource, face: PictureSource) -> float:
        """The probability that voice and face are one person's, at even odds before listening.

        A rising function of the dot product of the two rows, fitted on people held out of training.

        Raises:
            InputError: either cannot be used.
        """
        return float(self.probability(_dots(self.embed_voices([voice]), self.embed_faces([face])[0]))[0])

    def rank(
        self,
        query: SoundSource | PictureSource,
        candidates: Sequence[Any],
        *,
        direction: str = "voice->face",
        on_error: OnError | None = None,
    ) -> list[tuple[Any, float]]:
        """Order candidates by how well they go with the query.

        Args:
            query: A voice, or a face with ``direction="face->voice"``.
            candidates: Faces, or voices.
            direction: ``voice->face`` or ``face->voice``.
            on_error: As in `embed_voices`; such a candidate is left out.

        Returns:
            ``[(candidate, probability)]``, the best first; equal ones in the order given.

        Raises:
            InputError: the query or, without ``on_error``, a candidate cannot be used.
        """
        if direction not in {"voice->face", "face->voice"}:
            raise InputError("direction", f"is {direction!r}", "give voice->face or face->voice")
        forward = direction == "voice->face"
        own, other = (
            (self.embed_voices, self.embed_faces) if forward else (self.embed_faces, self.embed_voices)
        )
        probe = own([query])[0]  # type: ignore[list-item]
        rows = other(candidates, on_error=on_error)
        kept = [k for k in range(len(candidates)) if not np.isnan(rows[k, 0])]
        similarity = _dots(rows[kept], probe)
        chances = self.probability(similarity)
        order = np.argsort(-similarity, kind="stable")
        return [(candidates[kept[k]], float(chances[k])) for k in order]

    def probability(self, similarity: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probabilities of dot products of rows, at even odds."""
        return np.asarray(self._calibration(similarity), dtype=np.float64)

    def _embed_voice(self, source: SoundSource) -> npt.NDArray[np.float32]:
        total, blocks = np.zeros(self._encoder.dim), 0
        for wave in stream_sound(source, block_seconds=_BLOCK_SECONDS):
            short = len(wave) < 1.6 * 16_000
            if blocks and short:
                break  # the rest of a long recording, too short to say more
            if len(wave) < _MIN_SECONDS * 16_000:
                name = source if isinstance(source, str | Path) else "the recording"
                fault = f"is {len(wave) / 16_000:.2f} s long"
                raise InputError(name, fault, f"give at least {_MIN_SECONDS} s of speech")
            if self.warns and not blocks and not _has_voice_activity(wave):
                name = source if isinstance(source, str | Path) else "the recording"
                words = f"{name}: holds no voice that can be told; do not trust its scores"
                warnings.warn(words, stacklevel=4)
            with self._autocast():
                total, blocks = total + len(wave) * self._encoder.embed([wave])[0], blocks + 1
        row: npt.NDArray[np.float32] = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
        return row

    def _embed_face(self, source: PictureSource) -> npt.NDArray[np.float32]:
        picture = np.asarray(load_picture(source, long_side=_DETECT_SIDE))
        face = surest(picture, detect(picture))
        if face is None or face.landmarks is None:
            name = source if isinstance(source, str | Path) else "the picture"
            raise InputError(name, "shows no face", "give a picture with one face, seen from the front")
        chip = align(picture, face.landmarks, size=self._faces.size, template=self._faces.template)
        row: npt.NDArray[np.float32] = self._faces.embed(chip[None])[0]
        return row

    def _rows(
        self,
        sources: Sequence[Any],
        describe: Callable[[Any], npt.NDArray[np.float32]],
        project: Callable[[torch.Tensor], torch.Tensor],
        on_error: OnError | None,
    ) -> Rows:
        if isinstance(sources, str | Path):
            raise InputError(sources, "is one file where a list is expected", "give [file]")
        rows = np.full((len(sources), self.dim), np.nan, dtype=np.float32)
        for place, source in enumerate(sources):
            try:
                rows[place] = self._project(describe(source)[None], project)[0]
            except InputError as error:
                if on_error is None:
                    raise
                on_error(place, error)
        return rows

    def _project(self, rows: Rows, project: Callable[[torch.Tensor], torch.Tensor]) -> Rows:
        with torch.inference_mode(), self._autocast():
            found = project(torch.from_numpy(rows).to(self.device)).float()
            placed: Rows = torch.nn.functional.normalize(found, dim=-1).cpu().numpy()
        return placed

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self._bf16)


def _has_voice_activity(wave: npt.NDArray[np.float32]) -> bool:
    """Whether WebRTC hears a voice; raised to full scale first, so that the level does not count."""
    loudest = float(np.abs(wave).max(initial=0.0))
    if loudest < 1e-4:  # below three steps of 16 bits
        return False
    flags = speech_flags((wave / loudest).astype(np.float32), rate=16_000, mode=3, frame_ms=20)
    return float(flags.sum()) * 0.02 >= _MIN_SECONDS


def _dots(rows: Rows, probe: Rows) -> npt.NDArray[np.float64]:
    """Dot products of rows with a probe; row by row, for a matrix product sums equal rows differently."""
    dots: npt.NDArray[np.float64] = (rows.astype(np.float64) * probe).sum(axis=1)
    return dots


def best_shipped() -> str:
    """The name of the best shipped matcher whose parts are installed.

    Raises:
        MissingPartError: none is shipped.
    """
    for name in PREFERRED:
        if name not in shipped():
            continue
        try:
            if name == "matcher-ge2e":
                ge2e.weights_path()
        except MissingPartError:
            continue
        return name
    raise MissingPartError("matcher", "no trained weights came with this package", "pip install voiceface")

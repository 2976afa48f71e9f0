"""Matcher: which face goes with which voice, from files to probabilities."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from voiceface.audio.vad import speech_flags
from voiceface.errors import InputError
from voiceface.face.align import align
from voiceface.face.find_face import find_face
from voiceface.media.media_kind import media_kind
from voiceface.media.picture import PictureSource
from voiceface.media.samples import Wave
from voiceface.media.sound import SoundSource, stream_sound
from voiceface.metrics.calibration import Logistic
from voiceface.models.corpus_embeddings import align_corpus_face
from voiceface.models.model import Embeddings, Model
from voiceface.models.projection_model import ProjectionModel
from voiceface.models.voice_encoder import Waves
from voiceface.pipelines.embed_batches import BatchedEncoder, embed_in_batches
from voiceface.pipelines.pipeline import Pipeline, load_for
from voiceface.pipelines.video_faces import video_faces
from voiceface.pipelines.weights import Loaded
from voiceface.records import SAMPLE_RATE
from voiceface.training.devices import computes_in_bf16

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus

T = TypeVar("T")
OneOrSeveral: TypeAlias = T | list[T]
OnError = Callable[[int, InputError], None]
Progress = Callable[[int, int], None]

_BLOCK_SECONDS = 60.0
_MIN_SECONDS = 0.2
"""Of a recording, and of voice activity in it by WebRTC's strictest mode."""
_MIN_LAST_SECONDS = 1.6
"""The end of a long recording is left out where it is shorter: one window of the encoders."""
_FACES_AT_ONCE = 16
_MOST_NOTES = 1000
_Side = tuple[BatchedEncoder, Callable[[torch.Tensor], torch.Tensor]]
"""An encoder, and the projection above it."""


class Matcher(Pipeline):
    """Embeds voices and faces in one space and says how likely a voice and a face are one person's.

    >>> matcher = Matcher.load()  # doctest: +SKIP
    >>> matcher.score("voice.wav", "face.jpg")  # doctest: +SKIP
    0.87
    >>> matcher.rank("voice.wav", ["anna.jpg", "ben.jpg"])  # doctest: +SKIP
    [('ben.jpg', 0.87), ('anna.jpg', 0.22)]

    Attributes:
        name: of the weights.
        card: their ``run.json``: recipe, arguments, licence, results.
        warns: warn of recordings without voice activity and of pictures with several faces.
        notes: a line about each picture with several faces that was embedded, the last thousand.
        calibration: from a dot product of embeddings to a probability.
    """

    def __init__(self, loaded: Loaded, *, device: str = "cpu", precision: str = "auto") -> None:
        super().__init__(loaded, device=device, precision=precision)
        if not self.accepts(loaded.model):
            fault = f"holds weights of {loaded.card.get('recipe')}, no matcher"
            raise InputError(loaded.name, fault, "give weights that `voiceface train matcher` wrote")
        assert isinstance(loaded.model, ProjectionModel)
        self.warns = True
        self.notes: deque[str] = deque(maxlen=_MOST_NOTES)
        self._model: ProjectionModel = loaded.model
        self._auto_bf16 = precision == "auto" and computes_in_bf16("cpu")
        self._load_encoders()
        stored = loaded.card.get("facts", {}).get("calibration", {})
        self.calibration = Logistic(float(stored.get("slope", 1.0)), float(stored.get("offset", 0.0)))

    @classmethod
    def load(
        cls, weights: str | Path | None = None, *, device: str = "auto", precision: str = "auto"
    ) -> Matcher:
        """Load a matcher.

        Args:
            weights: A weights folder, the name of shipped weights, or ``owner/name`` or
                ``owner/name@REVISION`` of the hub (docs/hub.md); None takes the best shipped one
                whose parts are installed, and ``name`` says which.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            precision: ``auto`` (float32, but the encoders `student`, `ge2e` and `dlib_layers` in bf16 on a
                processor that computes in it), ``32`` or ``bf16``.

        Raises:
            InputError: the weights or the device cannot be used.
            MissingPartError: a part the weights need is not installed.
        """
        loaded, device = load_for("matcher", weights, device=device)
        return cls(loaded, device=device, precision=precision)

    def to(self, device: str) -> Self:
        """As `Pipeline.to`."""
        super().to(device)
        self._load_encoders()
        return self

    def _load_encoders(self) -> None:
        self._voices = self._model.encoders.voice(self.device)
        self._faces = self._model.encoders.face(self.device)

    @staticmethod
    def accepts(model: Model) -> bool:
        """Whether a model places voices and faces in one space, above an encoder of each."""
        return isinstance(model, ProjectionModel) and model.can("embed")

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return self._model.dim

    def embed_voices(
        self, sources: Sequence[OneOrSeveral[SoundSource]], *, on_error: OnError | None = None
    ) -> Embeddings:
        """Embed recordings.

        A long recording is read a minute at a time, so that memory stays bounded, and the minutes'
        embeddings are averaged, weighted by their length. Short ones share forward passes: an embedding is
        that of the recording alone within 2e-6 in float32 (in bf16 within 0.02), not to the bit. A recording
        without voice activity in its first minute is embedded with a warning that names it.

        Args:
            sources: Paths, file objects or (array, rate) pairs; anything FFmpeg reads. A list among them is
                several recordings of one person (enrolment): its row is the mean of their embeddings.
            on_error: Called with the index and the error of a source that cannot be used, whose embedding
                is then NaN; without it the error is raised.

        Returns:
            ``(sources, dim)`` float32, rows of length 1.

        Raises:
            InputError: a recording cannot be read or is shorter than 0.2 s.
        """
        return self._embed_all(sources, self._voice_side(), on_error)

    def embed_faces(
        self, sources: Sequence[OneOrSeveral[PictureSource]], *, on_error: OnError | None = None
    ) -> Embeddings:
        """Embed pictures, each by the face that is detected best in it.

        A video is embedded by the person whom most of eight frames show, the mean of these faces. Forward
        passes are shared as in `embed_voices`.

        Args:
            sources: Paths (of videos too), file objects, PIL images or (height, width, 3) uint8 arrays. A
                list among them is several pictures of one person (enrolment): its row is the mean of their
                embeddings.
            on_error: As in `embed_voices`.

        Returns:
            ``(sources, dim)`` float32, rows of length 1.

        Raises:
            InputError: a picture cannot be read or shows no face; the file is named.
        """
        return self._embed_all(sources, self._face_side(), on_error)

    def embed_corpus_items(self, corpus: Corpus, kind: str, indices: Sequence[int]) -> Embeddings:
        """Embed the ``voices`` or ``faces`` of a prepared corpus at these indices, ``(indices, dim)``.

        Faces are not detected again: the corpus knows where they are.
        """
        if kind == "voices":
            waves = [corpus.wave(index) for index in indices]
            return self._project(self._embed_waves(waves), self._model.voices)
        size, template = self._faces.size, self._faces.template
        faces = np.stack([align_corpus_face(corpus, k, size=size, template=template) for k in indices])
        return self._project(self._embed_aligned(faces), self._model.faces)

    def score(self, voice: OneOrSeveral[SoundSource], face: OneOrSeveral[PictureSource]) -> float:
        """The probability that voice and face are one person's, before anything else is known (even odds).

        A rising function of the dot product of their embeddings, calibrated on people held out of training.
        A list is several recordings or pictures of one person, as in `embed_voices`.

        Raises:
            InputError: either cannot be used.
        """
        return float(self.probability(_dots(self.embed_voices([voice]), self.embed_faces([face])[0]))[0])

    def rank(
        self,
        query: OneOrSeveral[SoundSource | PictureSource],
        candidates: Sequence[Any],
        *,
        direction: str = "voice->face",
        on_error: OnError | None = None,
        progress: Progress | None = None,
    ) -> list[tuple[Any, float]]:
        """Order candidates by how well they go with the query.

        Args:
            query: A voice, or a face with ``direction="face->voice"``.
            candidates: Faces, or voices. A list, here or as the query, is several of one person.
            direction: ``voice->face`` or ``face->voice``.
            on_error: As in `embed_voices`; such a candidate is left out.
            progress: Called with the number of candidates done and of all.

        Returns:
            ``[(candidate, probability)]``, the best first, in the order of the dot products; equal ones in
            the order given.

        Raises:
            InputError: the query or, without ``on_error``, a candidate cannot be used.
        """
        if direction not in {"voice->face", "face->voice"}:
            raise InputError("direction", f"is {direction!r}", "give voice->face or face->voice")
        sides = self._voice_side(), self._face_side()
        side, other = sides if direction == "voice->face" else sides[::-1]
        probe = self._embed_all([query], side, None)[0]
        embeddings = self._embed_all(candidates, other, on_error, progress)
        kept = np.flatnonzero(~np.isnan(embeddings[:, 0])).tolist()
        similarity = _dots(embeddings[kept], probe)
        probabilities = self.probability(similarity)
        # Not by probability: two that differ may both be 1.0.
        order = np.argsort(-similarity, kind="stable")
        return [(candidates[kept[k]], float(probabilities[k])) for k in order]

    def probability(self, similarity: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probabilities of dot products of embeddings, at even odds."""
        return np.asarray(self.calibration(similarity), dtype=np.float64)

    def _waves(self, source: SoundSource) -> Iterator[Wave]:
        """A recording in pieces of a minute, checked."""
        name = source if isinstance(source, str | Path) else "the recording"
        for number, wave in enumerate(stream_sound(source, block_seconds=_BLOCK_SECONDS)):
            seconds = len(wave) / SAMPLE_RATE
            if number and seconds < _MIN_LAST_SECONDS:
                break
            if seconds < _MIN_SECONDS:
                fault = f"is {seconds:.2f} s long"
                raise InputError(name, fault, f"give at least {_MIN_SECONDS} s of speech")
            if self.warns and not number and not _has_voice_activity(wave):
                text = f"{name}: contains no detectable speech; do not trust its scores"
                warnings.warn(text, stacklevel=5)
            yield wave

    def _aligned_faces(self, source: PictureSource) -> Iterator[npt.NDArray[np.uint8]]:
        """A picture's best face aligned for the encoder; of a video those of several frames."""
        video = isinstance(source, str | Path) and media_kind(Path(source).name) == "video"
        found = video_faces(source) if video else [find_face(source)]  # type: ignore[arg-type]
        if not video and found[0].faces > 1:
            name = source if isinstance(source, str | Path) else "the picture"
            text = f"{name}: shows {found[0].faces} faces, of which the surest is used; crop it to one"
            self.notes.append(text)
            if self.warns:
                warnings.warn(text, stacklevel=5)
        for one in found:
            yield align(one.picture, one.landmarks, size=self._faces.size, template=self._faces.template)

    def _embed_waves(self, waves: Waves) -> Embeddings:
        kind = torch.device(self.device).type
        bf16 = self._in_bf16(self._voices.gains_by_bf16, self.device)
        with torch.autocast(kind, torch.bfloat16, enabled=bf16):
            return self._voices.embed(waves)

    def _embed_aligned(self, faces: npt.NDArray[np.uint8]) -> Embeddings:
        bf16 = self._in_bf16(self._faces.gains_by_bf16, self._faces.device)
        return self._faces.embed(faces, bf16=bf16)

    def _in_bf16(self, gains: bool, device: str) -> bool:
        """Whether an encoder on a device computes in bf16."""
        return self.precision == "bf16" or (self._auto_bf16 and gains and device == "cpu")

    def _voice_side(self) -> _Side:
        # A minute of sound in a batch, so that many recordings need no more memory than a long one.
        most = round(_BLOCK_SECONDS * SAMPLE_RATE)
        encoder = BatchedEncoder(
            read=self._waves, embed=self._embed_waves, size=len, most=most, combine=_weighted_mean
        )
        return encoder, self._model.voices

    def _face_side(self) -> _Side:
        encoder = BatchedEncoder(
            read=self._aligned_faces,
            embed=lambda faces: self._embed_aligned(np.stack(faces)),
            size=lambda face: 1,
            most=_FACES_AT_ONCE,
            combine=lambda sizes, rows: np.stack(rows),
        )
        return encoder, self._model.faces

    def _embed_all(
        self,
        sources: Sequence[Any],
        side: _Side,
        on_error: OnError | None,
        progress: Progress | None = None,
    ) -> Embeddings:
        if isinstance(sources, str | Path):
            raise InputError(sources, "is one file where a list is expected", "give [file]")
        embeddings = np.full((len(sources), self.dim), np.nan, dtype=np.float32)
        encoder, project = side
        for index, found in embed_in_batches(sources, encoder, strict=on_error is None):
            if not isinstance(found, InputError):
                embeddings[index] = _mean(self._project(np.vstack(found), project))
            elif on_error is None:
                raise found
            else:
                on_error(index, found)
            if progress is not None:
                progress(index + 1, len(sources))
        return embeddings

    def _project(self, embeddings: Embeddings, project: Callable[[torch.Tensor], torch.Tensor]) -> Embeddings:
        with torch.inference_mode(), self.autocast():
            found = project(torch.from_numpy(embeddings).to(self.device)).float()
            # Again, for bf16 rounds lengths.
            unit: Embeddings = torch.nn.functional.normalize(found, dim=-1).cpu().numpy()
        return unit


def _has_voice_activity(wave: npt.NDArray[np.float32]) -> bool:
    """Whether WebRTC detects a voice at full scale, so that the recording's level does not count."""
    peak = float(np.abs(wave).max(initial=0.0))
    if peak < 1e-4:  # below three steps of 16 bits
        return False
    flags = speech_flags((wave / peak).astype(np.float32), rate=SAMPLE_RATE, mode=3, frame_ms=20)
    return float(flags.sum()) * 0.02 >= _MIN_SECONDS


def _weighted_mean(lengths: list[int], rows: list[Embeddings]) -> Embeddings:
    """The mean direction of a recording's minutes, ``(1, width)``, each weighted by its length."""
    total = np.zeros(len(rows[0]))
    for length, row in zip(lengths, rows, strict=True):
        total = total + length * row
    mean: Embeddings = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
    return mean[None]


def _mean(embeddings: Embeddings) -> Embeddings:
    """The mean direction of one person's embeddings; one embedding is left as it is."""
    total: Embeddings = embeddings.sum(axis=0)
    if len(embeddings) > 1:
        total /= max(float(np.linalg.norm(total)), 1e-12)
    return total


def _dots(embeddings: Embeddings, probe: Embeddings) -> npt.NDArray[np.float64]:
    """Dot products with a probe; row by row, for a matrix product sums equal rows differently."""
    dots: npt.NDArray[np.float64] = (embeddings.astype(np.float64) * probe).sum(axis=1)
    return dots

"""Talker: a video of a talking face from a voice. Nobody was filmed, and the file says so."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from voiceface.errors import InputError
from voiceface.face.align import align, template_points
from voiceface.face.find_face import find_face
from voiceface.media.check_writable import check_inputs_kept
from voiceface.media.files import check_readable, source_name
from voiceface.media.origin import Origin
from voiceface.media.picture import PictureSource
from voiceface.media.sound import SoundSource, sound_seconds, stream_sound
from voiceface.media.write_movie import write_movie
from voiceface.models.talking_face import FaceTooSmallError, Speaker, TalkingFace, frame_count
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.pipeline import Pipeline, load_for
from voiceface.pipelines.voice_recording import VoiceRecording, read_voice_recording
from voiceface.pipelines.weights import Loaded
from voiceface.records import SAMPLE_RATE

Frames = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]

SOUND_RATE = 48_000
"""Sample rate in Hz of the sound in the file; the model takes 16,000."""
SILENT = 1e-3
"""A recording whose loudest sample is below this is silent: 60 dB below full scale."""

PHOTOGRAPH_SIDE = 512
"""Long side in pixels to which a larger photograph is reduced, unless a size is asked for..."""
LARGEST_SIDE = 1024
"""...or its face needs more, up to this, for its eyes to be `EYES_APART`."""
EYES_APART = 32.0
"""Pixels between the eyes that a face needs to talk well."""

_BLOCK_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkingVideo:
    """The video that was written."""

    path: Path
    seconds: float
    frames: int
    fps: float
    size: int
    plausibility: float
    """How likely the recording is a voice (`VoiceRecording.plausibility`)."""
    note: str = ""
    """A warning about the clip: a silent recording, hardly a voice, several faces in the picture."""

    def _repr_html_(self) -> str:
        """The clip itself, as notebooks show it; it stays in the notebook when the file is gone."""
        kind = "webm" if self.path.suffix.lower() == ".webm" else "mp4"
        data = base64.b64encode(self.path.read_bytes()).decode()
        return f'<video controls width="{self.size}" src="data:video/{kind};base64,{data}"></video>'


class Talker(Pipeline):
    """Generates videos of talking faces; made by `load`.

    >>> Talker.load("nobody")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    voiceface.errors.InputError: nobody: is neither shipped weights nor a folder
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        imaginer: Imaginer | None = None,
        device: str = "cpu",
        precision: str = "auto",
    ) -> None:
        model = loaded.model
        if not model.can("talk"):
            fault = f"holds weights of {loaded.card.get('recipe')}, which does not talk"
            raise InputError(loaded.name, fault, "give weights that `voiceface train talker` wrote")
        super().__init__(loaded, device=device, precision=precision)
        self.fps, self.size, self.template = model.fps, model.face_size, model.face_template
        self.animates = model.animates
        """Whether it animates a still face, given or generated; False where the model generates its own."""
        self._model, self._imaginer = model, imaginer

    @classmethod
    def load(
        cls,
        weights: str | Path | None = None,
        *,
        imaginer: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> Talker:
        """Load weights of any recipe that talks.

        Args:
            weights: A weights folder, the name of shipped weights, or ``owner/name`` or
                ``owner/name@REVISION`` of the hub (docs/hub.md); None takes the best shipped.
            imaginer: The same of the Imaginer that generates faces, for weights that animate a still face.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            precision: ``auto`` (float32), ``32`` or ``bf16``.

        Raises:
            InputError: the weights cannot be used, or do not talk.
            MissingPartError: none are shipped, or a part they need is not installed.
        """
        loaded, device = load_for("talker", weights, device=device)
        drawing = None if imaginer is None else Imaginer.load(imaginer, device=device)
        return cls(loaded, imaginer=drawing, device=device, precision=precision)

    def to(self, device: str) -> Self:
        """As `Pipeline.to`, the Imaginer included."""
        super().to(device)
        if self._imaginer is not None:
            self._imaginer.to(device)
        return self

    def __call__(
        self,
        voice: SoundSource,
        out: str | Path,
        *,
        seed: int = 0,
        face: PictureSource | None = None,
        size: int | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> TalkingVideo:
        """Write a video of a face that says the recording; the same seed gives the same frames.

        Sound and picture are read, generated and written together, a few seconds at a time: memory does not
        grow with the recording. A silent recording gives a face at rest, and `TalkingVideo.note` says so.

        Args:
            voice: A path, a file object or an (array, rate) pair.
            out: A name ending in .mp4, .m4v, .mov, .mkv or .webm.
            seed: Random seed for the generated face, blinks and head motion.
            face: A picture whose surest face is animated; None: the face is generated from the voice.
            size: Long side of the video in pixels; a photograph is not enlarged, and by default at most 512.
            force: Generate even if the recording contains no detectable speech.
            progress: Called with the number of frames generated and about how many there will be.

        Raises:
            NotSpeechError: the recording contains no detectable speech, is not silent, and is not forced.
            InputError: the recording cannot be read or is shorter than 0.2 s, there is no face in the
                picture, or the file cannot be written or is one that is read.
        """
        if size is not None and not 16 <= size <= LARGEST_SIDE:
            raise InputError("size", f"is {size} pixels", f"give 16 to {LARGEST_SIDE}")
        check_inputs_kept([Path(out)], [voice, face])
        sound = _RereadableSound(voice)
        recording = read_voice_recording(sound())
        note = _note(recording, force=force)
        shown = self._shown(recording, face, seed, size)
        note = "; ".join(filter(None, (note, shown.note)))
        talking = self._talking(shown, shown.speaker(recording, seed), face, size)
        side = None if self._model.whole_pictures else size or self.size
        total = frame_count(max(1, round(sound_seconds(sound()) * SAMPLE_RATE)), self.fps)
        counted = _CountedFrames(self._frames(talking, sound(), side), total, progress)
        origin = Origin(model=self.name, fingerprint=self.fingerprint[:16], seed=seed, note=note)
        write_movie(
            out,
            counted,
            fps=self.fps,
            wave=stream_sound(sound(), rate=SOUND_RATE, block_seconds=_BLOCK_SECONDS),
            rate=SOUND_RATE,
            metadata=origin.movie_metadata(given_face=face is not None),
        )
        return TalkingVideo(
            path=Path(out),
            seconds=counted.done / self.fps,
            frames=counted.done,
            fps=self.fps,
            size=side or shown.long_side,
            plausibility=recording.plausibility,
            note=note,
        )

    def _talking(
        self, shown: _Shown, speaker: Speaker, face: PictureSource | None, size: int | None
    ) -> TalkingFace:
        """The face to feed with sound; a picture that cannot be animated is named."""
        try:
            with self.autocast():
                return self._model.talk(speaker)
        except InputError as error:
            if error.what != "the picture":
                raise
            name, remedy = error.what, error.remedy
            if face is None:
                name = "the generated picture"
            elif not isinstance(face, np.ndarray | Image.Image):
                name = source_name(face)
            if isinstance(error, FaceTooSmallError) and (face is None or shown.reduced):
                crop = "crop it to the face"
                may_grow = size is not None and size < LARGEST_SIDE
                larger = "give a larger size" if may_grow else ""
                remedy = larger if face is None else " or ".join(filter(None, (larger, crop)))
            raise InputError(name, error.fault, remedy) from None

    def _frames(self, talking: TalkingFace, sound: SoundSource, side: int | None) -> Iterator[Frames]:
        """The frames one by one, resized to a square of ``side`` pixels if there is one."""
        for block in stream_sound(sound, rate=SAMPLE_RATE, block_seconds=_BLOCK_SECONDS):
            with self.autocast():
                frames = talking.feed(block)
            yield from frames if side is None else resize_frames(frames, side)
        with self.autocast():
            frames = talking.close()
        yield from frames if side is None else resize_frames(frames, side)

    def _shown(
        self, recording: VoiceRecording, face: PictureSource | None, seed: int, size: int | None
    ) -> _Shown:
        """The face to animate, as the weights take it."""
        if not self.animates:
            if face is not None:
                fault = "generates the face from the voice and cannot animate another"
                raise InputError(self.name, fault, "leave the face out, or use other weights")
            return _Shown()
        if face is not None:
            return self._photograph(face, size)
        if self._imaginer is None:
            self._imaginer = Imaginer.load(device=self.device, precision=self.precision)
        template, side = self._imaginer.template, self.size
        if self._model.whole_pictures:
            side = size or side
            # A larger face gets detail of its own size.
            generated = self._imaginer(recording, seed=seed, size=side, force=True)[0].convert("RGB")
            picture = np.asarray(generated)
            # `align` and the mesh name a pixel by its centre, templates measure from the corner.
            return _Shown(picture, (template_points(template, side) - 0.5).astype(np.float32))
        generated = self._imaginer(recording, seed=seed, force=True)[0].convert("RGB")
        if template == self.template:
            return _Shown(np.asarray(generated.resize((side, side), Image.Resampling.LANCZOS)))
        pixels = np.asarray(generated)
        points = template_points(template, len(pixels)) - 0.5
        return _Shown(align(pixels, points, size=side, template=self.template, border="edge"))

    def _photograph(self, face: PictureSource, size: int | None) -> _Shown:
        found = find_face(face)
        several = f"of {found.faces} faces in the picture the surest talks; crop it to choose another"
        note = several if found.faces > 1 else ""
        if not self._model.whole_pictures:
            aligned = align(
                found.picture, found.landmarks, size=self.size, template=self.template, border="edge"
            )
            return _Shown(aligned, note=note)
        height, width = found.picture.shape[:2]
        if size is None:
            eyes = np.hypot(*(found.landmarks[:2].mean(0) - found.landmarks[2:4].mean(0)))
            needed = max(height, width) * EYES_APART / max(float(eyes), 1e-6)
            size = int(np.clip(np.ceil(needed), PHOTOGRAPH_SIDE, LARGEST_SIDE))
        share = min(1.0, size / max(height, width))
        # A video has even sides.
        sides = [max(2, round(side * share) // 2 * 2) for side in (width, height)]
        reduced = Image.fromarray(found.picture).resize((sides[0], sides[1]), Image.Resampling.LANCZOS)
        scale = np.array([sides[0] / width, sides[1] / height])
        landmarks = (np.asarray(found.landmarks, np.float64) + 0.5) * scale - 0.5
        return _Shown(np.asarray(reduced), landmarks.astype(np.float32), note, reduced=share < 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """The face that talks; nothing where the model generates its own."""

    picture: Frames | None = None
    landmarks: npt.NDArray[np.float32] | None = None
    note: str = ""
    reduced: bool = False
    """Whether a photograph has fewer pixels here than in its file."""

    @property
    def long_side(self) -> int:
        """Of the picture in pixels."""
        return 0 if self.picture is None else max(self.picture.shape[:2])

    def speaker(self, recording: VoiceRecording, seed: int) -> Speaker:
        """Who talks in the video."""
        return Speaker(wave=recording.wave, face=self.picture, landmarks=self.landmarks, seed=seed)


def _note(recording: VoiceRecording, *, force: bool) -> str:
    """A note about the recording."""
    if float(np.abs(recording.wave).max(initial=0.0)) < SILENT:
        return "the recording is silent: a face at rest"
    return recording.check_speech(force=force)


class _RereadableSound:
    """A recording that can be read several times, also where it is a file object."""

    def __init__(self, voice: SoundSource) -> None:
        self.voice, self.data = voice, b""
        if not isinstance(voice, str | Path | tuple):
            check_readable(voice)  # winds it back
            self.name, self.data = source_name(voice), voice.read()

    def __call__(self) -> SoundSource:
        """The recording from its beginning."""
        return _NamedBytes(self.data, self.name) if self.data else self.voice


class _NamedBytes(io.BytesIO):
    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


class _CountedFrames:
    """Counts frames as they are written."""

    def __init__(self, frames: Iterator[Frames], total: int, progress: Progress | None) -> None:
        self.frames, self.total, self.progress, self.done = frames, total, progress, 0

    def __iter__(self) -> Iterator[Frames]:
        for frame in self.frames:
            yield frame
            self.done += 1
            if self.progress is not None:
                self.progress(self.done, max(self.total, self.done))
        if self.progress is not None and self.done < self.total:
            self.progress(self.done, self.done)


def resize_frames(frames: Frames, side: int) -> Frames:
    """Frames of another side, reduced by averaging areas where the sides divide."""
    own = frames.shape[1]
    if own == side or not len(frames):
        return frames
    if own % side == 0:
        share = own // side
        parts = frames.reshape(len(frames), side, share, side, share, 3).astype(np.uint16)
        total = parts.sum(axis=(2, 4), dtype=np.uint32) + share * share // 2
        means: Frames = (total // (share * share)).astype(np.uint8)
        return means
    kernel = Image.Resampling.LANCZOS
    return np.stack([np.asarray(Image.fromarray(frame).resize((side, side), kernel)) for frame in frames])

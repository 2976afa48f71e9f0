"""Imaginer: faces that a model generates from a voice. They are nobody's portrait."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from voiceface.errors import InputError
from voiceface.media.origin import GeneratedImage, Origin
from voiceface.media.sound import SoundSource
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.model import Pictures
from voiceface.pipelines.pipeline import Pipeline, load_for
from voiceface.pipelines.voice_recording import VoiceRecording, read_voice_recording
from voiceface.pipelines.weights import Loaded
from voiceface.training.devices import computes_in_bf16

OnError = Callable[[int, InputError], None]
Face = TypeVar("Face", GeneratedImage, GeneratedImage | None)

_BLOCK = 32


class ImaginedFaces(list[Face]):
    """The faces of a call, a list of images; notebooks show them in a row."""

    def _repr_html_(self) -> str:
        """The pictures themselves as PNG, with their origin in them; a dash where a voice gave no face."""
        shown = "".join("–" if face is None else _as_html(face) for face in self)
        return f'<div style="display: flex; flex-wrap: wrap; gap: 4px; align-items: center">{shown}</div>'


@dataclass(frozen=True, slots=True, kw_only=True)
class _FaceRequest:
    """What a face is generated from, a note for its origin, and its name for errors."""

    input: GeneratorInput
    note: str = ""
    name: str = ""

    def named(self, error: InputError) -> InputError:
        """A model's error with the recording's name: the model knows only the index of its input."""
        if not self.name or not error.what.startswith("input "):
            return error
        return InputError(self.name, error.fault, error.remedy)


class Imaginer(Pipeline):
    """Generates faces for voices; made by `load`.

    >>> Imaginer.load("nobody")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    voiceface.errors.InputError: nobody: is neither shipped weights nor a folder
    """

    def __init__(self, loaded: Loaded, *, device: str = "cpu", precision: str = "auto") -> None:
        if not loaded.model.can("generate"):
            fault = f"has weights of {loaded.card.get('recipe')}, which generates no faces"
            raise InputError(loaded.name, fault, "give weights that `voiceface train imaginer` wrote")
        super().__init__(loaded, device=device, precision=precision)
        self._model = loaded.model
        # No eye sees the difference: docs/measurements/speed.md.
        self._model.detail_in_bf16 = precision == "auto" and computes_in_bf16("cpu")

    @classmethod
    def load(
        cls, weights: str | Path | None = None, *, device: str = "auto", precision: str = "auto"
    ) -> Imaginer:
        """Load weights of any recipe that generates faces.

        Args:
            weights: A weights folder, the name of shipped weights, or ``owner/name`` or
                ``owner/name@REVISION`` of the hub (docs/hub.md); None takes the best shipped.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            precision: ``auto`` (float32, but the detail network in bf16 on a processor that computes in it),
                ``32`` or ``bf16``.

        Raises:
            InputError: the weights cannot be used, or generate no faces.
            MissingPartError: none are shipped, or a part they need is not installed.
        """
        loaded, device = load_for("imaginer", weights, device=device)
        return cls(loaded, device=device, precision=precision)

    @property
    def template(self) -> str:
        """The alignment of its faces (`voiceface.face.align.TEMPLATES`)."""
        return self._model.face_template

    @property
    def takes_voices(self) -> bool:
        """Whether it generates from voices; False where from names alone."""
        return self._model.takes_voices

    def __call__(
        self,
        voice: SoundSource | VoiceRecording | None = None,
        *,
        n: int = 1,
        seed: int = 0,
        size: int | None = None,
        person: str = "",
        typical: bool = False,
        glasses: bool = False,
        force: bool = False,
    ) -> ImaginedFaces[GeneratedImage]:
        """Generate ``n`` different faces for one voice; the same seed gives the same faces.

        Args:
            voice: A path, a file object, an (array, rate) pair, or what `read_voice_recording` gave. Of a
                long recording the first 30 s with speech are used.
            n: Number of faces.
            seed: Random seed of what the voice does not tell: skin, hair, clothes, a wall. At one seed other
                voices get other ones, and near voices similar ones.
            size: Pixels a side, 16 to 1024; by default the weights' own. Within larger faces detail is added
                where the weights have a network for it; all else is resampled.
            person: Somebody the weights know by name, for models that generate from names.
            typical: Generate the one face that is typical of such voices instead.
            glasses: Whether the faces wear glasses, of which a voice says nothing.
            force: Generate even where no speech is detected.

        Raises:
            NotSpeechError: no speech is detected, and ``force`` is False.
            InputError: the recording cannot be read or is shorter than 0.2 s, the name is unknown, ``n`` is
                not 1 or more, ``size`` is out of range, or the weights add no glasses.
        """
        _check_size(size)
        if n < 1 or (typical and n > 1):
            remedy = "give 1 or more" if n < 1 else "leave one of the two out: there is one typical face"
            raise InputError("n", f"is {n}{' with typical' if typical else ''}", remedy)
        request = self._request(voice, person, glasses=glasses, force=force)
        try:
            pictures = self._generate([request.input] * n, seed, typical=typical)
        except InputError as error:
            raise request.named(error) from error
        return ImaginedFaces(
            self._image(pictures, index, seed, request, typical=typical, sample=index, size=size)
            for index in range(n)
        )

    def many(
        self,
        voices: Sequence[SoundSource | VoiceRecording],
        *,
        seed: int = 0,
        size: int | None = None,
        typical: bool = False,
        glasses: bool = False,
        force: bool = False,
        on_error: OnError | None = None,
    ) -> ImaginedFaces[GeneratedImage | None]:
        """Generate one face for each voice, in batches: what a call with each voice gives, within rounding.

        Args:
            voices: As ``voice`` of a call.
            seed: Random seed, the same for all voices.
            size: As in a call.
            typical: As in a call.
            glasses: As in a call.
            force: As in a call.
            on_error: Called with the index and the error of a voice that cannot be used, whose face is
                then None; without it the error is raised.

        Raises:
            InputError: as a call.
        """
        _check_size(size)
        if isinstance(voices, str | Path):
            raise InputError(voices, "is one file where a list is expected", "give [file]")
        faces: ImaginedFaces[GeneratedImage | None] = ImaginedFaces([None] * len(voices))

        def fail(index: int, error: InputError) -> None:
            if on_error is None:
                raise error
            on_error(index, error)

        for first in range(0, len(voices), _BLOCK):
            requests: dict[int, _FaceRequest] = {}
            for index in range(first, min(first + _BLOCK, len(voices))):
                try:
                    requests[index] = self._request(voices[index], "", glasses=glasses, force=force)
                except InputError as error:
                    fail(index, error)
            images = self._one_each(list(requests.values()), seed, typical, size)
            for index, image in zip(requests, images, strict=True):
                if isinstance(image, InputError):
                    fail(index, image)
                else:
                    faces[index] = image
        return faces

    def plausibility(self, voice: SoundSource | VoiceRecording) -> float:
        """How surely a recording is a voice, in [0, 1] (see `VoiceRecording.plausibility`).

        Raises:
            InputError: the recording cannot be read or is shorter than 0.2 s.
        """
        return (voice if isinstance(voice, VoiceRecording) else read_voice_recording(voice)).plausibility

    def _request(
        self, voice: SoundSource | VoiceRecording | None, person: str, *, glasses: bool, force: bool
    ) -> _FaceRequest:
        if glasses and not self._model.adds_glasses:
            raise InputError(self.name, "adds no glasses", "leave glasses out, or take weights of imaginer")
        if voice is None:
            if not person or self.takes_voices:
                what = "a voice" if self.takes_voices else "a name (person=)"
                raise InputError(self.name, f"generates from {what}, and none was given", f"give {what}")
            return _FaceRequest(input=GeneratorInput(person=person, glasses=glasses), name=person)
        if person and not self._model.uses_names:
            raise InputError(self.name, "knows nobody by name", f"leave the person {person!r} out")
        recording = voice if isinstance(voice, VoiceRecording) else read_voice_recording(voice)
        note = recording.check_speech(force=force)
        return _FaceRequest(
            input=GeneratorInput(wave=recording.wave, person=person, glasses=glasses),
            note=note,
            name=recording.name,
        )

    def _one_each(
        self, requests: Sequence[_FaceRequest], seed: int, typical: bool, size: int | None
    ) -> list[GeneratedImage | InputError]:
        """The first sample of each request, or what is wrong with it."""
        if not requests:
            return []
        inputs = [replace(request.input, sample=0) for request in requests]
        try:
            pictures = self._generate(inputs, seed, typical=typical)
        except InputError as error:
            if len(requests) == 1:
                return [requests[0].named(error)]
            # One by one, to find which request the error is about.
            return [one for request in requests for one in self._one_each([request], seed, typical, size)]
        return [
            self._image(pictures, index, seed, request, typical=typical, size=size)
            for index, request in enumerate(requests)
        ]

    def _generate(self, inputs: Sequence[GeneratorInput], seed: int, *, typical: bool) -> Pictures:
        with torch.no_grad(), self.autocast():
            return self._model.generate(inputs, seed=seed, typical=typical)

    def _image(
        self,
        pictures: Pictures,
        index: int,
        seed: int,
        request: _FaceRequest,
        *,
        typical: bool,
        sample: int = 0,
        size: int | None = None,
    ) -> GeneratedImage:
        worn = "with glasses added" if request.input.glasses else ""
        note = "; ".join(filter(None, ("the typical face" if typical else "", worn, request.note)))
        origin = Origin(model=self.name, fingerprint=self.fingerprint[:16], seed=seed, draw=sample, note=note)
        picture = pictures[index : index + 1]
        if size is not None and size > picture.shape[1]:
            larger = self._model.enlarge(picture, [sample], seed=seed)
            picture = picture if larger is None else larger
        image = Image.fromarray(np.ascontiguousarray(picture[0]))
        if size is not None and size != image.width:
            image = image.resize((size, size), Image.Resampling.LANCZOS)
        return GeneratedImage.of(image, origin)


def _as_html(face: GeneratedImage) -> str:
    file = io.BytesIO()
    face.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="Generated face" width="{face.width}" src="data:image/png;base64,{data}">'


def _check_size(size: int | None) -> None:
    if size is not None and not 16 <= size <= 1024:
        raise InputError("size", f"is {size} pixels", "give 16 to 1024")

"""The pretrained voice and face encoders below a model: loaded once, on first use, and checked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import torch

from voiceface.errors import InputError
from voiceface.models.encoder_loading import load_face_encoder, load_voice_encoder
from voiceface.models.face_encoder import FaceEncoder
from voiceface.models.voice_encoder import VoiceEncoder

_LOG = logging.getLogger(__name__)


class PretrainedEncoders:
    """A model's voice and face encoder. No module: they are in no state_dict, and are never trained or saved.

    Args:
        voice: name or path of the voice encoder (docs/encoders.md); empty where the model has none.
        face: the same of the face encoder.
        voice_fingerprint: of the voice encoder that the model was trained on; empty: not checked.
        face_fingerprint: the same of the face encoder.
    """

    def __init__(
        self, *, voice: str = "", face: str = "", voice_fingerprint: str = "", face_fingerprint: str = ""
    ) -> None:
        self.voice_name, self.face_name = voice, face
        self._fingerprints = {"voice": voice_fingerprint, "face": face_fingerprint}
        self._loaded: dict[tuple[str, str], Any] = {}

    def voice(self, device: str | torch.device = "cpu") -> VoiceEncoder:
        """The voice encoder on a device.

        Raises:
            InputError: there is no such encoder, or it is another one than the model was trained on.
            MissingPartError: its weights are not installed.
        """
        encoder: VoiceEncoder = self._load("voice", self.voice_name, load_voice_encoder, str(device))
        return encoder

    def face(self, device: str | torch.device = "cpu") -> FaceEncoder:
        """The face encoder on a device; errors as those of `voice`."""
        encoder: FaceEncoder = self._load("face", self.face_name, load_face_encoder, str(device))
        return encoder

    def forget_other_devices(self, device: str | torch.device) -> None:
        """Free the memory of the encoders that do not lie on this device."""
        self._loaded = {key: one for key, one in self._loaded.items() if key[1] == str(device)}

    def __deepcopy__(self, memo: dict[int, Any]) -> PretrainedEncoders:
        """Itself: copies of a model share their encoders."""
        return self

    def _load(self, side: str, name: str, load: Callable[..., Any], device: str) -> Any:  # noqa: ANN401
        """One encoder on a device, loaded once."""
        if (side, device) not in self._loaded:
            begun = time.monotonic()
            self._loaded[side, device] = self._check(side, load(name, device=device))
            told = "%s encoder %s, loaded on %s in %.1f s"
            _LOG.info(told, side, name, device, time.monotonic() - begun)
        return self._loaded[side, device]

    def _check(self, side: str, encoder: VoiceEncoder | FaceEncoder) -> VoiceEncoder | FaceEncoder:
        expected = self._fingerprints[side]
        if expected and encoder.fingerprint != expected:
            own = encoder.fingerprint[:12]
            fault = f"is the {side} encoder {own}, but the model was trained on {expected[:12]}"
            raise InputError(encoder.name, fault, "give the model its own encoder, or train it again")
        return encoder

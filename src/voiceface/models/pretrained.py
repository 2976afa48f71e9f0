"""The pretrained voice and face encoders below a model: loaded once, on first use, and checked."""

from __future__ import annotations

from typing import Any

import torch

from voiceface.errors import InputError
from voiceface.models.encoder_loading import load_face_encoder, load_voice_encoder
from voiceface.models.face_encoder import FaceEncoder
from voiceface.models.voice_encoder import VoiceEncoder


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
        key = "voice", str(device)
        if key not in self._loaded:
            self._loaded[key] = self._check("voice", load_voice_encoder(self.voice_name, device=key[1]))
        encoder: VoiceEncoder = self._loaded[key]
        return encoder

    def face(self, device: str | torch.device = "cpu") -> FaceEncoder:
        """The face encoder on a device; errors as those of `voice`."""
        key = "face", str(device)
        if key not in self._loaded:
            self._loaded[key] = self._check("face", load_face_encoder(self.face_name, device=key[1]))
        encoder: FaceEncoder = self._loaded[key]
        return encoder

    def __deepcopy__(self, memo: dict[int, Any]) -> PretrainedEncoders:
        """Itself: copies of a model share their encoders."""
        return self

    def _check(self, side: str, encoder: VoiceEncoder | FaceEncoder) -> VoiceEncoder | FaceEncoder:
        expected = self._fingerprints[side]
        if expected and encoder.fingerprint != expected:
            own = encoder.fingerprint[:12]
            fault = f"is the {side} encoder {own}, but the model was trained on {expected[:12]}"
            raise InputError(encoder.name, fault, "give the model its own encoder, or train it again")
        return encoder

"""An encoder or teacher by its name, by the place of its weights, or by both: ``NAME=PLACE``."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from voiceface.components import component_names, load_component
from voiceface.errors import InputError
from voiceface.models.face_encoder import FaceEncoder
from voiceface.models.teacher import Teacher
from voiceface.models.voice_encoder import VoiceEncoder

__all__ = ["load_face_encoder", "load_teacher", "load_voice_encoder"]

_VOICES, _FACES = "voiceface.models.encoders", "voiceface.models.face_encoders"
_TEACHERS = "voiceface.models.teachers"


def load_voice_encoder(name: str, *, device: str = "cpu") -> VoiceEncoder:
    """The voice encoder of that name, or the one whose weights lie there.

    Raises:
        InputError: there is no such encoder, or its weights cannot be used.
        MissingPartError: its weights, or a package that it needs, are not installed.
    """
    return cast(VoiceEncoder, _pick(_VOICES, name, "student", device))


def load_face_encoder(name: str, *, device: str = "cpu") -> FaceEncoder:
    """The face encoder of that name, or the one whose weights lie there.

    Raises:
        InputError: there is no such encoder, or its weights cannot be used.
        MissingPartError: its weights are not installed.
    """
    return cast(FaceEncoder, _pick(_FACES, name, "", device))


def load_teacher(name: str, *, device: str = "cpu") -> Teacher:
    """The teacher of that name; a folder alone is taken for weights of the recipe ``expression``.

    Raises:
        InputError: there is no such teacher, or its weights cannot be used.
        MissingPartError: its weights are not installed.
    """
    return cast(Teacher, _pick(_TEACHERS, name, "expression", device))


def _pick(package: str, name: str, otherwise: str, device: str) -> object:
    """A component loaded; of a place, the one whose ``fits`` knows it, else ``otherwise``.

    ``NAME=PLACE`` says which, where a file has a name of its own.
    """
    own, equals, given = name.partition("=")
    if equals and own in component_names(package):
        return load_component(package, own).load(given, device=device)
    place = Path(name).expanduser()
    if not place.exists():
        return load_component(package, name).load(device=device)
    for one in component_names(package):
        module = load_component(package, one)
        if hasattr(module, "fits") and module.fits(place):
            return module.load(place, device=device)
    if not otherwise:
        known = ", ".join(component_names(package))
        raise InputError(name, f"holds no weights of {known}", "write NAME=PLACE, see docs/encoders.md")
    return load_component(package, otherwise).load(place, device=device)

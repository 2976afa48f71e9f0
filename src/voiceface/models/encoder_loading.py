"""An encoder or teacher by its name, by the path of its weights, or by both: ``NAME=PATH``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from voiceface.components import component_names, load_component
from voiceface.errors import InputError
from voiceface.models.face_encoder import FaceEncoder
from voiceface.models.stacked_voices import StackedVoices
from voiceface.models.teacher import Teacher
from voiceface.models.voice_encoder import VoiceEncoder

_VOICES, _FACES = "voiceface.models.encoders", "voiceface.models.face_encoders"
_TEACHERS = "voiceface.models.teachers"


def load_voice_encoder(name: str, *, device: str = "cpu") -> VoiceEncoder:
    """The voice encoder of that name, or the one that weights of this path belong to.

    Names joined by ``+`` are a stack of encoders (`StackedVoices`), each a name or ``NAME=PATH``.

    Raises:
        InputError: there is no such encoder, or its weights cannot be used.
        MissingPartError: its weights, or a package that it needs, are not installed.
    """
    names = name.split("+")
    if len(names) > 1 and all(one.partition("=")[0] in component_names(_VOICES) for one in names):
        return StackedVoices([load_voice_encoder(one, device=device) for one in names])
    return cast(VoiceEncoder, _pick(_VOICES, name, "student", device))


def load_face_encoder(name: str, *, device: str = "cpu") -> FaceEncoder:
    """The face encoder of that name, or the one that weights of this path belong to.

    Raises:
        InputError: there is no such encoder, or its weights cannot be used.
        MissingPartError: its weights are not installed.
    """
    return cast(FaceEncoder, _pick(_FACES, name, "", device))


def load_teacher(name: str, *, device: str = "cpu") -> Teacher:
    """The teacher of that name; a path alone is taken for weights of the recipe ``expression``.

    Raises:
        InputError: there is no such teacher, or its weights cannot be used.
        MissingPartError: its weights are not installed.
    """
    return cast(Teacher, _pick(_TEACHERS, name, "expression", device))


def _pick(package: str, name: str, otherwise: str, device: str) -> object:
    """A component by name, by ``NAME=PATH``, or by the path of its weights.

    A path alone is recognised by a component's ``recognises_weights`` or by its ``FILES``; any other is given
    to the component ``otherwise``.
    """
    own, equals, given = name.partition("=")
    if equals and own in component_names(package):
        return load_component(package, own).load(given, device=device)
    path = Path(name).expanduser()
    if not path.exists():
        return load_component(package, name).load(device=device)
    for one in component_names(package):
        module = load_component(package, one)
        recognises = getattr(module, "recognises_weights", partial(_has_file, getattr(module, "FILES", ())))
        if recognises(path):
            return module.load(path, device=device)
    if not otherwise:
        known = ", ".join(component_names(package))
        raise InputError(name, f"holds no weights of {known}", "write NAME=PATH, see docs/encoders.md")
    return load_component(package, otherwise).load(path, device=device)


def _has_file(files: Sequence[str], path: Path) -> bool:
    return path.name in files or any((path / name).is_file() for name in files)

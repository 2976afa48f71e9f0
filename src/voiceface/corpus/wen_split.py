"""Wen et al.'s division of the people of VoxCeleb1."""

from __future__ import annotations

from voiceface.media.voxceleb_names import fold_name


def wen_split(name: str) -> str:
    """Wen et al.'s split by the first letter of the name: F–Z train, A–B validate, C–E test.

    The paper gives the people's numbers, 924/112/189; these letters give them on the people who
    have voices in VoxCeleb1 and faces in VGGFace. ``""`` for a name that begins with no letter.
    """
    letter = fold_name(name)[:1]
    if not ("a" <= letter <= "z"):
        return ""
    return "validation" if letter <= "b" else "test" if letter <= "e" else "train"

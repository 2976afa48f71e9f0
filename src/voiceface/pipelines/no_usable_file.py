"""The error of a command that could use none of its files."""

from __future__ import annotations

from collections.abc import Sequence

from voiceface.errors import InputError


def no_usable_file(failed: Sequence[InputError], kind: str) -> InputError:
    """The first file's error, and how many other files cannot be used either.

    Args:
        failed: the error of every file, at least one; if all say the same, that is said once.
        kind: what one of the files is: ``"recording"``, ``"voice"``, ``"face"``.

    >>> silent = [InputError(name, "is silent", "record again") for name in ("a.wav", "b.wav", "c.wav")]
    >>> str(no_usable_file(silent, "voice"))
    'a.wav: is silent, and the other 2 voices cannot be used either; record again'
    """
    first, more = failed[0], len(failed) - 1
    if all(str(error) == str(first) for error in failed):
        return first
    fault = f"{first.fault}, and the other {more} {kind}{'s' * (more > 1)} cannot be used either"
    return InputError(first.what, fault, first.remedy)

"""The one error a user sees: what file, what is wrong with it, what to do."""

from __future__ import annotations

_LONGEST_WORD = 500


class InputError(ValueError):
    """Something handed to voiceface cannot be used, with a remedy.

    Its text is always one line, ``what: fault; remedy``, and the command line prints it as it
    stands, without a traceback. ``what`` is a file, a column, an option: the thing at fault.

    >>> str(InputError("a.wav", "contains no sound", "give an audio file"))
    'a.wav: contains no sound; give an audio file'
    """

    def __init__(self, what: object, fault: str, remedy: str = "") -> None:
        self.what, self.fault, self.remedy = str(what), fault, remedy
        text = f"{what}: {fault}" + (f"; {remedy}" if remedy else "")
        super().__init__(_one_line(text))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """Pickle by its three parts, so that it crosses a process border whole."""
        return type(self), (self.what, self.fault, self.remedy)


def _one_line(text: str) -> str:
    """A text in one line, without the middle of a word from a stranger's file that fills a screen."""
    words = (word if len(word) <= _LONGEST_WORD else f"{word[:100]}...{word[-20:]}" for word in text.split())
    return " ".join(words)


class MissingPartError(InputError):
    """An optional part (a package, a weights file) is not installed; the remedy says how to get it."""

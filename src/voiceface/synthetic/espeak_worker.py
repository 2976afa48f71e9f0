"""The process that speaks: eSpeak NG (GPL-3.0) is loaded here and nowhere else.

Run as a program of its own, it imports nothing but the standard library, so that the library stays behind a
process border: ``python espeak_worker.py LIBRARY DATA FOLDER``. A message is a 4-byte little-endian length
and that many bytes; a request is JSON, the answer JSON (``rate``, ``events`` as ``[name, milliseconds,
sample]``, or ``error``) followed by a message of 16-bit samples. The library keeps noise and flutter of the
last utterance in static variables that terminating, initialising and seeding leave as they are, so it is
loaded afresh for every utterance: only then does one seed give identical bytes. Where the system cannot
unload it, the answer says ``"fresh": false`` and the caller starts another process.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

RETRIEVAL, PHONEME_EVENTS, DONT_EXIT, UTF8, SSML_OFF = 1, 1, 0x8000, 1, 0
PHONEME = 7
RATE, VOLUME = 1, 2


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def read_message(stream: BinaryIO) -> bytes | None:
    """One framed message, or None where the stream has ended."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = struct.unpack("<I", head)[0]
    body = stream.read(size)
    return body if len(body) == size else None


def write_message(stream: BinaryIO, body: bytes) -> None:
    """Write one framed message and flush it."""
    stream.write(struct.pack("<I", len(body)) + body)
    stream.flush()


def copy_data(data: Path, folder: Path, language: str) -> None:
    """Bring the parts of eSpeak's data that a language needs under a short path.

    A long data path makes the library end its process, and a voice variant must lie inside the data.
    """
    if not (folder / "phontab").exists():
        for name in ("phondata", "phonindex", "intonations", "en_dict", "phontab"):
            shutil.copyfile(data / name, folder / name)
        shutil.copytree(data / "lang", folder / "lang")
        (folder / "voices" / "!v").mkdir(parents=True)
    name = language.split("-")[0] + "_dict"
    if not (folder / name).exists() and (data / name).exists():
        shutil.copyfile(data / name, folder / name)


def unload(library: ctypes.CDLL, path: str) -> bool:
    """Unload a library and say whether it is gone."""
    if sys.platform == "win32":
        from _ctypes import FreeLibrary

        FreeLibrary(library._handle)
        return not ctypes.windll.kernel32.GetModuleHandleW(ctypes.c_wchar_p(path))
    from _ctypes import dlclose

    dlclose(library._handle)
    try:
        ctypes.CDLL(path, mode=os.RTLD_NOLOAD)
    except OSError:
        return True
    return False


class Speaker:
    """eSpeak NG, loaded for one utterance."""

    def __init__(self, library: str, data: str, folder: str) -> None:
        """Load the library; ``folder`` is a short path of this process's own."""
        self.espeak = ctypes.CDLL(library)
        self.espeak.espeak_GetCurrentVoice.restype = ctypes.POINTER(_Voice)
        self.data, self.folder = Path(data), Path(folder)

    def speak(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Say ``text`` with ``language`` and the ``variant`` file's text; ``seed``, ``rate``, ``volume``."""
        copy_data(self.data, self.folder, request["language"])
        variant = self.folder / "voices" / "!v" / "own"
        variant.write_text(request["variant"], encoding="utf-8", newline="\n")
        library = self.espeak
        rate = library.espeak_Initialize(RETRIEVAL, 0, str(self.folder).encode(), PHONEME_EVENTS | DONT_EXIT)
        if rate <= 0:
            return {"error": f"eSpeak NG does not start (code {rate})"}, b""
        try:
            return self._utter(request, rate)
        finally:
            library.espeak_Terminate()

    def _utter(self, request: dict[str, Any], rate: int) -> tuple[dict[str, Any], bytes]:
        library, samples, events = self.espeak, bytearray(), []
        library.espeak_ng_SetRandSeed(ctypes.c_long(request["seed"]))
        name = f"{request['language']}+own"
        if library.espeak_SetVoiceByName(name.encode()) != 0:
            return {"error": f"eSpeak NG has no voice {request['language']}"}, b""
        # A variant that cannot be read is success to the library, and another voice speaks.
        identifier = (library.espeak_GetCurrentVoice().contents.identifier or b"").decode("utf-8", "replace")
        if not identifier.endswith("+own") or request["language"].lower() not in self._spellings(identifier):
            return {"error": f"eSpeak NG took the voice {identifier!r} for {name}"}, b""

        def receive(wave: ctypes.c_void_p, count: int, event: ctypes.Array[_Event]) -> int:
            if count > 0 and wave:
                samples.extend(ctypes.string_at(wave, 2 * count))
            index = 0
            while event[index].type != 0:
                if event[index].type == PHONEME:
                    text = event[index].id.string.decode("utf-8", "replace")
                    events.append([text, event[index].audio_position, event[index].sample])
                index += 1
            return 0

        callback = _CALLBACK(receive)  # kept by name: the library holds no reference to it
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetParameter(RATE, request["rate"], 0)
        library.espeak_SetParameter(VOLUME, request["volume"], 0)
        text = request["text"].encode("utf-8") + b"\0"
        library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, UTF8, None, None)
        library.espeak_Synchronize()
        return {"rate": rate, "events": events}, bytes(samples)

    def _spellings(self, identifier: str) -> set[str]:
        voice = self.espeak.espeak_GetCurrentVoice().contents
        # languages: a priority byte, then a name ended by zero.
        return {(voice.languages or b"\0")[1:].decode().lower(), Path(identifier.split("+")[0]).name.lower()}


def main(library: str, data: str, folder: str) -> None:
    """Answer requests from standard input until it ends, then remove the folder: the parent may be dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, whose end closes the input
    try:
        _answer(library, data, folder)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answer(library: str, data: str, folder: str) -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (body := read_message(source)) is not None:
        try:
            speaker = Speaker(library, data, folder)
            head, sound = speaker.speak(json.loads(body))
            head["fresh"] = unload(speaker.espeak, library)
        except (OSError, ValueError, KeyError, TypeError) as error:
            head, sound = {"error": f"{type(error).__name__}: {error}", "fresh": False}, b""
        write_message(sink, json.dumps(head).encode())
        write_message(sink, sound)


if __name__ == "__main__":
    main(*sys.argv[1:])

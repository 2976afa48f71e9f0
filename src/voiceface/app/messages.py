"""What the server and its worker processes say to each other: plain data in MessagePack.

A worker reads files of strangers. What comes back from it is decoded as data of these types, never unpickled.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any, Literal

import msgspec

from voiceface.errors import InputError

_LARGEST = 1 << 30
"""Bytes of a message from a worker."""

FaultKind = Literal["input", "missing", "cancelled", "unexpected"]


class Upload(msgspec.Struct, frozen=True):
    """A file of a request; its name is shown in errors and is no path."""

    name: str
    data: bytes


class Task(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Work for a worker."""

    id: str
    name: str
    arguments: dict[str, Any] = {}
    files: dict[str, list[Upload]] = {}


class Cancel(msgspec.Struct, tag=True, frozen=True):
    """Stop working on a task."""

    id: str


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The worker has loaded its models; what there is to know of them."""

    about: dict[str, Any]


class Begun(msgspec.Struct, tag=True, frozen=True):
    """The worker has received a task."""

    id: str


class Progress(msgspec.Struct, tag=True, frozen=True):
    """How much of a task is done."""

    id: str
    done: int
    total: int


class Answer(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The result of a task: facts that JSON can hold, and files."""

    id: str = ""
    facts: dict[str, Any] = {}
    files: list[bytes] = []


class Fault(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Why there is no result: the parts of an `InputError`."""

    id: str = ""
    kind: FaultKind
    what: str = ""
    fault: str = ""
    remedy: str = ""

    @property
    def error(self) -> InputError:
        """As the error."""
        return InputError(self.what, self.fault, self.remedy)


Message = Task | Cancel | Ready | Begun | Progress | Answer | Fault
_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def send(connection: Connection[Any, Any], message: Message) -> None:
    """Send a message.

    Raises:
        OSError: nobody is at the other end.
    """
    connection.send_bytes(_encode(message))


def receive(connection: Connection[Any, Any]) -> Message:
    """Wait for the next message.

    Raises:
        EOFError: the other end is gone.
        OSError: it broke while sending, or sent more than 2^30 bytes.
        msgspec.DecodeError: it sent no message.
    """
    return _decoder.decode(connection.recv_bytes(_LARGEST))

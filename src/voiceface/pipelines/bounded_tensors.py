"""A bound on what building a model may allocate, for arguments that come from a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from typing import Any

from torch.overrides import TorchFunctionMode

_LARGEST = 1 << 30
"""Numbers in all: 4 GB of float32, several times the largest published encoder."""
_CALL = 1000
"""What a tensor counts beside its numbers, so that many small ones have an end, too."""


class TooLargeError(ValueError):
    """More numbers than any model here has."""


class BoundedTensors(TorchFunctionMode):
    """Within it, tensors of 2**30 numbers in all can be made; the next one raises `TooLargeError`."""

    def __init__(self) -> None:
        super().__init__()
        self._left = _LARGEST

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Count what is made by its shape (``torch.empty``, ``zeros``, ``randn`` ...), before it is made."""
        kwargs = kwargs or {}
        first = kwargs.get("size", args[0] if args else None)
        sides = first if isinstance(first, list | tuple) else takewhile(lambda arg: type(arg) is int, args)
        shape = [side for side in sides if isinstance(side, int)]
        if shape:
            self._left -= math.prod(shape) + _CALL
            if self._left < 0:
                raise TooLargeError(f"a tensor of {' x '.join(map(str, shape))} numbers is too large")
        return func(*args, **kwargs)

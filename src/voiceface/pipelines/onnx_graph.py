"""One network as an ONNX graph: exported, and compared with PyTorch."""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from voiceface.errors import MissingPartError

OPSET = 20
"""Version of ONNX's operators: what onnxruntime has understood since 1.17."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One network to be exported.

    Its sizes in words may differ between runs (``batch``, ``samples``); its sizes in figures may not.
    """

    name: str
    """Of the file, without its suffix."""
    network: nn.Module
    """Takes the inputs in order."""
    inputs: Mapping[str, tuple[tuple[int | str, ...], str]]
    """Each input's shape and what it is."""
    outputs: Mapping[str, str]
    """What each output is, with its shape."""
    example: Callable[[int], tuple[Tensor, ...]] = field(repr=False)
    """Made inputs, of other sizes for every number from 0 on; with those of 0 the network is recorded."""

    def run_torch(self, inputs: tuple[Tensor, ...]) -> list[npt.NDArray[Any]]:
        """The outputs as PyTorch computes them."""
        with torch.no_grad():
            found = self.network(*inputs)
        return [one.numpy() for one in ([found] if isinstance(found, Tensor) else found)]


def check_packages() -> None:
    """Refuse to start where a package is missing.

    Raises:
        MissingPartError: one of onnx, onnxscript and onnxruntime is not installed.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            remedy = 'pip install "voiceface[onnx]"'
            raise MissingPartError("export", f"the package {name} is not installed", remedy) from error


def onnx_bytes(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """The ONNX file of a graph, with metadata in it."""
    shapes = tuple(
        {at: size for at, size in enumerate(shape) if isinstance(size, str)}
        for shape, _ in graph.inputs.values()
    )
    # Once before it is recorded: what functions cache must be numbers, not symbols.
    graph.run_torch(graph.example(0))
    with _quiet():
        program = torch.onnx.export(
            graph.network.eval(),
            graph.example(0),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            optimize=False,  # its rewriting drops the addition of 1e-9 before a logarithm
            custom_translation_table={torch.ops.aten.repeat_interleave.Tensor: _repeat_interleave()},
            verbose=False,
        )
    assert program is not None
    optimizer = importlib.import_module("onnxscript.optimizer")
    optimizer.inline(program.model)
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    model = program.model_proto
    model.doc_string = f"{graph.name} of {metadata['weights']}"
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    found: bytes = model.SerializeToString()
    return found


def open_graph(source: bytes | str) -> Callable[..., list[npt.NDArray[Any]]]:
    """A graph, from its bytes or file, as a function of its inputs by name."""
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return lambda **inputs: list(session.run(None, inputs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far a graph's outputs are from PyTorch's at most; None for a kind of outputs that it has not."""

    numbers: float | None = None
    levels: int | None = None
    """Of uint8 pictures, in levels of 255."""

    def __str__(self) -> str:
        """In words.

        >>> print(Difference(numbers=4.7e-7, levels=1))
        numbers at most 4.7e-07 and pictures at most 1 of 255 levels from PyTorch's
        """
        numbers = [] if self.numbers is None else [f"numbers at most {self.numbers:.2g}"]
        pictures = [] if self.levels is None else [f"pictures at most {self.levels} of 255 levels"]
        return " and ".join([*numbers, *pictures]) + " from PyTorch's"

    def within(self, tolerance: float) -> bool:
        """Whether numbers differ by no more than that, and pictures by one level, which rounding may turn."""
        return (self.numbers is None or self.numbers <= tolerance) and (self.levels or 0) <= 1


def largest_difference(
    graph: Graph,
    run: Callable[..., list[npt.NDArray[Any]]],
    examples: Iterable[tuple[Tensor, ...]],
) -> Difference:
    """How far the outputs of ``run`` are from PyTorch's on all of these inputs; NaN where one is NaN."""
    numbers: list[float] = []
    levels: list[int] = []
    for inputs in examples:
        named = {name: value.numpy() for name, value in zip(graph.inputs, inputs, strict=True)}
        for wanted, found in zip(graph.run_torch(inputs), run(**named), strict=True):
            assert wanted.shape == found.shape and wanted.dtype == found.dtype
            away = float(np.abs(wanted.astype(np.float64) - found).max())
            if wanted.dtype == np.uint8:
                levels.append(int(away))
            else:
                numbers.append(away)
    return Difference(
        numbers=float(np.max(numbers)) if numbers else None, levels=max(levels) if levels else None
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own workings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _repeat_interleave() -> Callable[..., Any]:
    """``repeat_interleave(repeats)`` in memory linear in its result.

    The exporter's own makes a table of all rows by the largest count: seconds for a mesh of triangles.
    """
    op = importlib.import_module("onnxscript").opset20

    def translated(repeats: Any, output_size: Any = None) -> Any:  # noqa: ANN401  values of a graph
        one = op.Constant(value_ints=[1])
        ends = op.CumSum(repeats, op.Constant(value_int=0))
        length = op.ReduceSum(repeats, keepdims=1)
        # A mark where each row begins; counted up, the marks are the rows' numbers.
        empty = op.Expand(op.Constant(value_ints=[0]), op.Add(length, one))
        ones = op.Expand(one, op.Shape(repeats))
        marks = op.ScatterElements(empty, op.Sub(ends, repeats), ones, axis=0, reduction="add")
        rows = op.Sub(op.CumSum(marks, op.Constant(value_int=0)), one)
        return op.Slice(rows, op.Constant(value_ints=[0]), length)

    return translated

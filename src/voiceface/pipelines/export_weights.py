"""Weights as ONNX files with a README whose example runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from voiceface.components import component_names, load_component
from voiceface.errors import InputError
from voiceface.media.files import write_bytes, write_text
from voiceface.media.new_folder import check_new, new_folder
from voiceface.pipelines.onnx_graph import (
    Difference,
    Graph,
    check_packages,
    largest_difference,
    onnx_bytes,
    open_graph,
)
from voiceface.pipelines.weights import Loaded, load_model
from voiceface.training.weights import package_version

EXPORTERS = "voiceface.pipelines.exporters"
TOLERANCE = 1e-4
"""How far from PyTorch's the numbers of a graph may be."""
_CHECKS = 3

_README = """\
# {name}

The weights `{name}` (recipe `{recipe}`) as ONNX graphs, exported by voiceface {version}.
{summary}

{tables}
{about}

## Run it

With `pip install onnxruntime numpy av` alone:

```python
import av
import numpy as np
import onnxruntime


def run(graph, **inputs):
    return onnxruntime.InferenceSession(f"{{graph}}.onnx").run(None, inputs)


def sound(path):  # (1, samples): 16 kHz, mono, floats in [-1, 1]
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16000)
    with av.open(path) as file:
        frames = [new for old in file.decode(audio=0) for new in resampler.resample(old)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames + resampler.resample(None)])[None]


{example}```

## Terms

Licence of the weights: {licence}. Parts that others published (voice encoders, dlib's recogniser) keep their
own terms: NOTICE of voiceface. Fingerprint of the weights:
`{fingerprint}`.

Not to identify anybody, not as evidence of who somebody is, not to decide about people. A generated face is
nobody's portrait. Ask the people whose voices and faces you use.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """One graph that was written."""

    path: Path
    size: int
    """Bytes."""
    difference: Difference
    """On made inputs."""


def export_weights(
    weights: str | Path, out: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[ExportedFile]:
    """Write the ONNX graphs of weights, and a README, into a new folder: whole, or not at all.

    Every graph is run by onnxruntime and compared with PyTorch before the folder appears.

    Args:
        weights: the name of shipped weights, or a weights folder.
        out: the folder to make.
        progress: called with the number of graphs done and of all.

    Raises:
        InputError: the weights cannot be read or exported, a graph differs from PyTorch by more than 1e-4,
            or the folder exists or cannot be written.
        MissingPartError: a package is not installed.
    """
    check_packages()
    check_new(out)
    loaded = load_model(weights)
    exporter = _exporter(loaded)
    graphs: list[Graph] = exporter.graphs(loaded)
    metadata = {
        "weights": loaded.name,
        "recipe": str(loaded.card["recipe"]),
        "fingerprint": loaded.model.fingerprint(),
        "licence": str(loaded.card.get("licence", "unknown")),
        "voiceface": package_version(),
    }
    exported = []
    with new_folder(out) as folder:
        for done, graph in enumerate(graphs):
            progress(done, len(graphs))
            data = onnx_bytes(graph, metadata)
            difference = _check(graph, data)
            write_bytes(folder / f"{graph.name}.onnx", data)
            path = out / f"{graph.name}.onnx"
            exported.append(ExportedFile(path=path, size=len(data), difference=difference))
        write_text(folder / "README.md", _readme(loaded, exporter, graphs, metadata))
        progress(len(graphs), len(graphs))
    return exported


def _exporter(loaded: Loaded) -> ModuleType:
    """The exporter that takes these weights."""
    names = component_names(EXPORTERS)
    for name in names:
        module = load_component(EXPORTERS, name)
        if module.accepts(loaded.model):
            return module
    fault = f"holds weights of {loaded.card['recipe']}, which cannot be exported"
    known = ", ".join(name.replace("_", "-") for name in names)
    raise InputError(loaded.name, fault, f"those of {known} can")


def _check(graph: Graph, data: bytes) -> Difference:
    """The largest difference from PyTorch on made inputs of several sizes."""
    difference = largest_difference(graph, open_graph(data), map(graph.example, range(_CHECKS)))
    if not difference.within(TOLERANCE):
        fault = f"differs too much when onnxruntime runs it, {difference}"
        remedy = "report this, with the versions of torch and onnxruntime"
        raise InputError(f"{graph.name}.onnx", fault, remedy)
    return difference


def _readme(loaded: Loaded, exporter: ModuleType, graphs: list[Graph], metadata: dict[str, str]) -> str:
    return _README.format(
        name=metadata["weights"],
        recipe=metadata["recipe"],
        version=metadata["voiceface"],
        summary=str(exporter.__doc__).strip(),
        tables="\n".join(map(_table, graphs)),
        about=exporter.about(loaded),
        example=exporter.EXAMPLE,
        licence=metadata["licence"],
        fingerprint=metadata["fingerprint"],
    )


def _table(graph: Graph) -> str:
    rows = [f"## {graph.name}.onnx", "", "| | name | what |", "|---|---|---|"]
    for name, (shape, what) in graph.inputs.items():
        sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        rows.append(f"| in | `{name}` | ({sizes}) {what} |")
    rows += [f"| out | `{name}` | {what} |" for name, what in graph.outputs.items()]
    return "\n".join(rows) + "\n"

"""What a training writes: ``log.jsonl``, TensorBoard curves and pictures, and its progress."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.distributed as dist
from torch import Tensor

from voiceface.errors import InputError, MissingPartError
from voiceface.media.files import write_text
from voiceface.models.model import Pictures

if TYPE_CHECKING:
    from rich.progress import Progress

_CURVE_SECONDS = 2.0
_LINE_SECONDS = 30.0
"""Where there is no bar, progress is told after so long."""


class NotFiniteError(InputError):
    """A loss became NaN or infinite; ``what`` names the step and the turn."""


class TrainingLog:
    """Figures of the steps, averaged over a few steps and all processes, written by the first process.

    Figures stay on their device until a line is due, so that a GPU need not wait for the log at
    every step. No line holds a time: a resumed run's log equals an uninterrupted one's.
    """

    def __init__(
        self,
        folder: Path,
        start: int,
        steps: int,
        title: str,
        *,
        is_main_process: bool,
        progress: bool | Callable[[str], None],
    ) -> None:
        self._is_main_process = is_main_process
        self._pending: list[tuple[int, dict[str, Tensor | float]]] = []
        self._start, self._steps, self._begun = start, steps, time.monotonic()
        self._file: Any = None
        self._curves: Any = None
        self._bar: Progress | None = None
        self._tell = progress if callable(progress) else None
        self._title, self._last_told = title, time.monotonic()
        self._shown: dict[str, float] = {}
        self._points: list[tuple[str, float, int]] = []
        self._last_written = time.monotonic()
        self._path = folder / "log.jsonl"
        if not is_main_process:
            return
        path = self._path
        write_text(path, _lines_until(path, start))
        self._file = path.open("a", encoding="utf-8", newline="\n", buffering=1)  # a line at once
        self._curves = _curves(folder / "curves", start)
        if progress is True:
            self._bar = _bar()
            self._task = self._bar.add_task(title, total=steps, completed=start, figures="", rate="")
            self._bar.start()

    def __enter__(self) -> Self:
        """The log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files and stop the bar; figures that wait for a line are dropped."""
        if self._bar is not None:
            self._bar.stop()
        if self._file is not None:
            with contextlib.suppress(OSError):  # told already, or told at the next commit
                self._file.close()
        if self._curves is not None:
            self._write_curves()
            self._curves.close()

    def add(self, step: int, figures: dict[str, Tensor | float]) -> None:
        """Note one step's figures; nothing is computed yet."""
        self._pending.append((step, figures))

    def flush(self) -> None:
        """Write one line for all steps noted since the last, with the last one's number.

        Raises:
            NotFiniteError: a loss was not finite; the first such step and its turn are named.
        """
        if not self._pending:
            return
        flat = [value for _, figures in self._pending for value in figures.values()]
        values = iter(_numbers(flat))
        columns: dict[str, list[float]] = {}
        for step, figures in self._pending:
            for name, value in zip(figures, values, strict=False):
                columns.setdefault(name, []).append(value)
                if name.endswith("/loss") and not math.isfinite(value):
                    self._pending.clear()
                    what = f"step {step}, turn {name.removesuffix('/loss')}"
                    raise NotFiniteError(what, f"the loss is {value}")
        last = self._pending[-1][0]
        self._pending.clear()
        self.write(last, {name: sum(column) / len(column) for name, column in columns.items()})

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Write ``figures`` as the line of ``step``, to the curves and to the progress bar."""
        if not self._is_main_process or not figures:
            return
        # JSON has no word for NaN.
        line = {"step": step} | {n: v if math.isfinite(v) else None for n, v in figures.items()}
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self._points += [(name, value, step) for name, value in figures.items()]
        if time.monotonic() - self._last_written > _CURVE_SECONDS:
            self._write_curves()
        # A narrow terminal holds the losses and the validation, which are what is watched.
        for name, value in figures.items():
            turn, _, figure = name.rpartition("/")
            if turn == "validation" or figure == "loss":
                self._shown[f"val {figure}" if turn == "validation" else turn] = value
        self._show(step)

    def _show(self, step: int) -> None:
        """Move the bar; without one tell the progress as a line, if the last was long enough ago."""
        now = time.monotonic()
        rate = f"{(step - self._start) / max(1e-9, now - self._begun):.1f} steps/s"
        shown = "  ".join(f"{name} {value:.4g}" for name, value in self._shown.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=step, figures=shown, rate=rate)
        elif self._tell is not None and now - self._last_told >= _LINE_SECONDS:
            self._last_told = now
            self._tell(f"{self._title}: step {step:,} of {self._steps:,}, {rate}  {shown}")

    def draw(self, step: int, picture: Callable[[], Pictures | None]) -> None:
        """Give TensorBoard the picture (height, width, 3) of generated faces of ``step``, if there is one.

        It is made only where TensorBoard is installed.
        """
        if self._curves is not None and (made := picture()) is not None:
            self._curves.add_image("faces", made, step, dataformats="HWC")

    def commit(self) -> None:
        """Make sure that every line written so far survives a crash; before each checkpoint."""
        if self._file is None:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error
        self._write_curves()
        self._curves.flush()

    def _write_curves(self) -> None:
        """Hand the points to TensorBoard, whose thread takes the interpreter from the loop at each."""
        for name, value, step in self._points:
            self._curves.add_scalar(name, value, step)
        self._points.clear()
        self._last_written = time.monotonic()

    def _unwritable(self, error: OSError) -> InputError:
        fault = f"cannot be written ({error.strerror})"
        return InputError(
            self._path, fault, "free some space and start again: it goes on from its checkpoint"
        )


def _numbers(values: list[Tensor | float]) -> list[float]:
    """All values as floats, averaged over the processes: one transfer, one all-reduce."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else torch.device("cpu")
    flat = torch.stack(
        [
            v.detach().reshape(()).to(device, torch.float32)
            if isinstance(v, Tensor)
            else torch.tensor(v, dtype=torch.float32, device=device)
            for v in values
        ]
    )
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
    return flat.tolist()


def _lines_until(path: Path, step: int) -> str:
    """The whole lines of an earlier log up to ``step``; what came after will come again."""
    if not path.exists():
        return ""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:  # the last line of a killed process, cut short
            continue
    return "".join(kept) if step > 0 else ""


def _curves(folder: Path, start: int) -> Any:  # noqa: ANN401 - SummaryWriter, imported late
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        fault = "training writes its curves with TensorBoard, which is not installed"
        raise MissingPartError("tensorboard", fault, 'pip install "voiceface[train]"') from error
    return SummaryWriter(str(folder), purge_step=start + 1 if start else 0)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        "{task.description}",
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    return Progress(
        *columns,
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=Console(stderr=True),  # results alone are on the output stream
        refresh_per_second=2,
    )

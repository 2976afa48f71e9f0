"""RESULTS.md: one row a run, appended whole, the table made where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voiceface.errors import InputError
from voiceface.media.files import write_text
from voiceface.protocols.estimate import Estimate, number

__all__ = ["COLUMNS", "Result", "record"]

COLUMNS = ("recipe", "corpus", "protocol", "value", "chance", "command", "commit")

_HEAD = "| " + " | ".join(COLUMNS) + " |"
_RULE = "|" + "---|" * len(COLUMNS)
_TITLE = "# Results\n\nOne row a run, written by `voiceface evaluate --record`.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row: what was measured, by what, on what, and how to measure it again."""

    recipe: str
    corpus: str
    """Fingerprint."""
    protocol: str
    value: Estimate
    command: str
    commit: str

    def row(self) -> str:
        """As a row of the table.

        >>> value = Estimate(name="AUC", value=0.8, low=0.7, high=0.9, chance=0.5)
        >>> Result(recipe="r", corpus="ab" * 32, protocol="p", value=value, command="c", commit="d").row()
        '| r | `abababababab` | p: AUC | 0.800 [0.700, 0.900] | 0.500 | `c` | d |'
        """
        span = (
            f" [{number(self.value.low)}, {number(self.value.high)}]"
            if self.value.low == self.value.low
            else ""
        )
        cells = (
            self.recipe,
            f"`{self.corpus[:12]}`",
            f"{self.protocol}: {self.value.name}",
            number(self.value.value) + span,
            number(self.value.chance),
            f"`{self.command}`",
            self.commit,
        )
        return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def record(path: str | Path, results: list[Result]) -> None:
    """Append rows to the table of ``path``; whatever else the file says stays as it is.

    Raises:
        InputError: the file cannot be read or written.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else f"{_TITLE}\n{_HEAD}\n{_RULE}\n"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read ({error})", "check the file") from error
    lines = text.splitlines()
    heads = [at for at, line in enumerate(lines) if _cells(line) == list(COLUMNS)]
    if heads:
        end = heads[-1] + 1
        while end < len(lines) and lines[end].lstrip().startswith("|"):
            end += 1
    else:
        lines += [*([""] if lines and lines[-1].strip() else []), _HEAD, _RULE]
        end = len(lines)
    lines[end:end] = [result.row() for result in results]
    write_text(path, "\n".join(lines) + "\n")


def _cells(line: str) -> list[str]:
    return [cell.strip().lower() for cell in line.strip().strip("|").split("|")]

"""The options ``--workers`` and ``--cluster`` of the commands whose work can be divided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from voiceface.corpus.workers import Workers


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Who does the work."""

    workers: Annotated[int, Parameter(help="processes on this machine, which share its cores")] = 1
    cluster: Annotated[
        str | None, Parameter(help="address of a Dask scheduler, or local, to use its workers instead")
    ] = None

    @property
    def who(self) -> Workers:
        """As the work is given to them.

        Raises:
            InputError: fewer than one process.
        """
        from voiceface.corpus.workers import Workers

        return Workers(self.workers, self.cluster)


ONE_PROCESS = WorkerOptions()

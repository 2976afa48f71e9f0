"""Which sync expert judges: weights trained here, the shipped ones, or SyncNet's published ones."""

from __future__ import annotations

from pathlib import Path

from voiceface.errors import InputError
from voiceface.models.sync_expert import PublishedSyncNet, SyncExpert, SyncModel, load_published
from voiceface.pipelines.weights import load_model, shipped

__all__ = ["SHIPPED", "find_sync_expert"]

SHIPPED = "sync-expert"


def find_sync_expert(weights: str | Path = "") -> SyncExpert | PublishedSyncNet | None:
    """The expert of a weights folder or shipped name, of a published file, or by default the shipped one.

    Returns:
        None where nothing is named and none is shipped.

    Raises:
        InputError: what is named cannot be found or is no sync expert.
    """
    if not str(weights):
        if SHIPPED not in shipped():
            return None
        weights = SHIPPED
    path = Path(weights)
    if path.is_file():
        return load_published(path)
    model = load_model(weights).model
    if not isinstance(model, SyncModel):
        raise InputError(weights, "is no sync expert", "give weights that `train sync_expert` wrote")
    return SyncExpert(model)

"""The sync expert that evaluates clips: shipped, trained here, or SyncNet with its published weights."""

from __future__ import annotations

from pathlib import Path

from voiceface.errors import InputError
from voiceface.models.sync_expert import PublishedSyncNet, SyncExpert, SyncModel, load_syncnet
from voiceface.pipelines.weights import load_model, shipped_weights

SHIPPED = "sync-expert"


def find_sync_expert(weights: str | Path = "") -> SyncExpert | PublishedSyncNet | None:
    """The expert of a weights folder or shipped name, of a published file, or by default the shipped one.

    Returns:
        None where none is given and none is shipped.

    Raises:
        InputError: the weights cannot be found or are not a sync expert's.
    """
    if not str(weights):
        if SHIPPED not in shipped_weights():
            return None
        weights = SHIPPED
    path = Path(weights)
    if path.is_file():
        return load_syncnet(path)
    model = load_model(weights).model
    if not isinstance(model, SyncModel):
        raise InputError(weights, "is no sync expert", "give weights that `train sync_expert` wrote")
    return SyncExpert(model)

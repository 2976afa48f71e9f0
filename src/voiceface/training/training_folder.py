"""The folder of a training: its identity, what it starts from, and the weights it ends with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from voiceface.errors import InputError
from voiceface.media.files import write_json
from voiceface.media.make_folder import make_folder
from voiceface.media.read_json import read_json
from voiceface.media.writer_lock import writer_lock
from voiceface.models.model import Model
from voiceface.training.checkpoint import Checkpoints
from voiceface.training.choose_split import ChosenSplit, save_choice
from voiceface.training.run import Facts, Run
from voiceface.training.weights import package_version, read_run, read_weights, write_weights

if TYPE_CHECKING:
    from voiceface.corpus.corpus import Corpus
    from voiceface.corpus.splits import Selection, Split
    from voiceface.training.trainer import Trainer


class _Identity(TypedDict):
    """What makes a training this one and no other."""

    recipe: str
    corpus: str
    split: str
    init: str | None
    steps: int
    seed: int
    arguments: dict[str, Any]


def claim_training_folder(
    out: Path,
    run: Run,
    corpus: Corpus,
    split: Split,
    *,
    init: str | Path | None,
    fabric: Any,  # noqa: ANN401
) -> Path:
    """Make ``out`` the folder of this training, or find that it is already; returns it.

    The people it trains and selects on are part of its identity: another fold is another training. One
    that has saved nothing yet, a failed start, gives way to any other.

    Raises:
        InputError: it holds another training (the arguments that differ are named) or other files, or
            cannot be written to.
    """
    identity = {
        "recipe": run.recipe,
        "corpus": corpus.fingerprint,
        "split": _split_fingerprint(split),
        "init": _digest(Path(init)) if init is not None else None,
        "steps": run.steps,
        "seed": run.seed,
        "arguments": _json(run, "arguments", run.arguments),
    }
    _json(run, "contract", run.contract)
    path = out / "training.json"
    if path.is_file():
        if holds_progress(out):
            _refuse_other_training(path, identity)
    elif out.exists() and not out.is_dir():
        raise InputError(out, "is a file", "give a folder to train in")
    elif out.is_dir() and any(not item.name.startswith(".") for item in out.iterdir()):
        raise InputError(out, "holds other files and no training", "give a new folder")
    fabric.barrier()  # every process has looked before the first one writes
    if fabric.global_rank == 0 and not holds_progress(out):
        make_folder(out)
        write_json(path, identity | {"voiceface": package_version()})
    fabric.barrier()
    return out


def holds_progress(out: Path) -> bool:
    """Whether a training in this folder has written a checkpoint or its weights."""
    return (out / "weights" / "run.json").is_file() or bool(Checkpoints(out / "checkpoints").steps())


def hold_training_folder(out: Path, fabric: Any) -> AbstractContextManager[None]:  # noqa: ANN401
    """Within it no other process trains in the folder, which is made where it is missing.

    Raises:
        InputError: another process trains in it, or it cannot be written to.
    """
    finished = (out / "weights" / "run.json").is_file()
    if fabric.global_rank != 0 or finished or (out.exists() and not out.is_dir()):
        return nullcontext()
    return writer_lock(make_folder(out), busy="is being trained in by another process")


def check_split(run: Run, split: Split) -> None:
    """Refuse a split without people to train on, or to select on where the recipe selects."""
    remedy = "prepare a larger corpus or give validation a larger share"
    if not len(split.train.people):
        raise InputError(run.recipe, "the split leaves nobody to train on", remedy)
    if run.validate is not None and not len(split.validation.people):
        raise InputError(run.recipe, "the split leaves nobody to validate on", remedy)


def check_facts(run: Run, facts: Facts) -> Facts:
    """The facts as JSON gives them back, so that training and loading build from the same."""
    checked: Facts = _json(run, "facts", facts)
    return checked


def load_initial_weights(init: str | Path, model: Model, people: Sequence[str]) -> list[str]:
    """Load a weights folder into ``model``; returns the class heads' tensors that are reinitialised.

    A head is reinitialised where its shape is another, and where the weights were trained on others than
    ``people``: a class of the same number would be somebody else.

    Raises:
        InputError: the folder cannot be read, or a tensor that is in no class head is missing, too
            many or of another shape.
    """
    tensors, card = read_weights(init)
    own = model.weights()
    known = (card.get("people") or {}).get("fingerprint")
    others = known is not None and known != people_fingerprint(people)
    reinitialised = [
        name
        for name in sorted(own.keys() | tensors.keys())
        if model.is_class_head(name)
        and (others or name not in own or name not in tensors or own[name].shape != tensors[name].shape)
    ]
    kept = {name: own[name] for name in reinitialised if name in own}
    model.load_weights({n: t for n, t in tensors.items() if n not in reinitialised} | kept, source=init)
    return reinitialised


def adapt_initial_weights(run: Run, model: Model, split: Split, facts: Facts, init: str | Path) -> Facts:
    """Call `Run.adapt` with the facts of the weights folder that ``model`` starts from; more facts.

    Raises:
        InputError: neither a step nor `Run.adapt` would change the weights.
    """
    if run.adapt is not None:
        return run.adapt(model, split.train, facts, read_run(init).get("facts") or {})
    if not run.steps:
        fault = (
            f"would change nothing: {run.recipe} is computed in closed form from its training people alone"
        )
        raise InputError("--init", fault, "train without --init")
    return {}


def export(
    trainer: Trainer,
    corpus: Corpus,
    chosen: ChosenSplit,
    *,
    init: str | Path | None,
    reinitialised: Sequence[str],
) -> None:
    """Write ``weights/`` from the model as it stands, and ``cost.json`` (hours, machine) beside it.

    ``run.json`` also has what all weights it started from say of their own training people.
    """
    split = chosen.split
    run, model, folder = trainer.run, trainer.exported_model, trainer.folder
    facts = dict(trainer.facts)
    if run.calibrate is not None:
        facts |= _json(run, "calibration", run.calibrate(model, split.validation, trainer.facts))
    people = [str(person) for person in split.train.people]
    run_json = {
        "recipe": run.recipe,
        "arguments": dict(run.arguments),
        "facts": facts,
        "contract": dict(run.contract),
        "people": {"count": len(people), "fingerprint": people_fingerprint(people)},
        "corpus": corpus.fingerprint,
        "ancestors": _ancestors(init) if init is not None else [],
        "split": chosen.record() | {"trained": selection_fingerprint(split.train)},
        "licence": run.licence,
        "steps": run.steps,
        "best_step": trainer.best["step"],
        "started_afresh": list(reinitialised),
        "results": {"validation": _json(run, "validation", trainer.best["figures"])},
    }
    cost = {
        "seconds": trainer.seconds,
        "device": str(trainer.fabric.device),
        "processes": trainer.fabric.world_size,
    }
    save_choice(folder, run.choice)
    write_json(folder / "cost.json", cost)
    write_weights(folder / "weights", model.weights(), run_json, half=run.half)


def _ancestors(init: str | Path) -> list[dict[str, Any]]:
    """Trainings that a weights folder comes from, its own last: what is needed to tell their people."""
    card = read_run(init)
    own = {name: card[name] for name in ("recipe", "arguments", "people", "corpus") if name in card}
    return [*card.get("ancestors", []), own]


def people_fingerprint(people: Sequence[str]) -> str:
    """SHA-256 of the sorted identifiers, so that overlap of whole sets can be told without naming anyone."""
    return hashlib.sha256("\n".join(sorted(people)).encode()).hexdigest()


def _split_fingerprint(split: Split) -> str:
    """Fingerprint of the items that train and that select, and of their people."""
    digest = hashlib.sha256()
    for part in (split.train, split.validation):
        _add_selection(digest, part)
    return digest.hexdigest()


def selection_fingerprint(selection: Selection) -> str:
    """SHA-256 of a selection's items and people, the same for the same part of the same corpus."""
    digest = hashlib.sha256()
    _add_selection(digest, selection)
    return digest.hexdigest()


def _add_selection(digest: hashlib._Hash, part: Selection) -> None:
    for table in ("voices", "faces", "clips"):
        digest.update(repr([int(row) for row in getattr(part, table, ())]).encode())
    digest.update(people_fingerprint([str(person) for person in part.people]).encode())


def _refuse_other_training(path: Path, identity: Mapping[str, Any]) -> None:
    theirs, ours = _flat(read_json(path, _Identity, remedy="train in a new folder")), _flat(identity)
    missing = object()
    differ = [n for n in sorted(theirs.keys() | ours) if theirs.get(n, missing) != ours.get(n, missing)]
    if differ:
        parts = (f"{n} ({theirs.get(n, 'not')} there, {ours.get(n, 'not')} here)" for n in differ)
        fault = f"holds a training with other arguments: {', '.join(parts)}"
        raise InputError(path.parent, fault, "give the same arguments to go on, or a new folder")


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    """One level, the arguments last so that the user's word stands for a thing named twice."""
    plain = {name: identity[name] for name in ("recipe", "corpus", "split", "init", "steps", "seed")}
    return plain | dict(identity["arguments"])


def _json(run: Run, what: str, value: object) -> Any:  # noqa: ANN401
    """``value`` as JSON gives it back; found out now rather than when hours of training are to be saved."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{run.recipe}'s {what}", f"JSON cannot hold it ({error})", "correct the recipe"
        ) from error


def _digest(folder: Path) -> str:
    """The tensors' fingerprint, wherever the folder lies."""
    read_weights(folder)
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()

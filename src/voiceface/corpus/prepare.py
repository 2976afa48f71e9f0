"""Turn what a source lists into a corpus on disk, on all cores, resumable after a kill at any moment."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from voiceface.corpus.cluster_pool import cluster_worker_pool
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.default_workers import default_workers
from voiceface.corpus.item import Item, Listing, Rejection
from voiceface.corpus.item_limits import ItemLimits
from voiceface.corpus.options import UNNAMED, PrepareOptions
from voiceface.corpus.progress import Progress, show_progress
from voiceface.corpus.shards import (
    JOURNAL_FOLDER,
    Shard,
    cut_into_shards,
    item_kind,
    items_digest,
    remove_partial_files,
    run_shard,
    table_folders,
)
from voiceface.corpus.table_reader import CARD, SOURCE_REJECTIONS, Commit, commits, read_card
from voiceface.corpus.tables import FORMAT, SCHEMAS, Row, content_sum, write_table
from voiceface.corpus.worker_pool import local_worker_pool, run_all_shards
from voiceface.errors import InputError
from voiceface.media.files import partial_files, write_json
from voiceface.media.make_folder import make_folder
from voiceface.media.writer_lock import LOCK, writer_lock
from voiceface.records import Person


def prepare(
    listing: Listing,
    out: str | Path,
    *,
    arguments: Mapping[str, Any],
    options: PrepareOptions | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    limits: ItemLimits | None = None,
    progress: bool | Callable[[Progress], None] = True,
) -> Corpus:
    """Prepare everything listed into the corpus folder ``out`` and open it.

    What was finished before (a killed run, an older and shorter listing) is kept; only what is missing
    is done. The result does not depend on the number of workers, their order, or kills.

    Args:
        listing: What a source found.
        out: The corpus' folder: new, empty, or prepared with the same arguments and options.
        arguments: Source and its arguments, as JSON; they name the corpus.
        options: What is kept of the media; by default ``PrepareOptions()``.
        workers: Processes on this machine; by default one a core.
        cluster: ``"local"`` or a Dask scheduler's address: its workers instead of ours.
        limits: What one item may cost a process of this machine (a cluster has its own limits).
        progress: A bar on the terminal, or a function called now and then.

    Raises:
        InputError: ``out`` contains something else or a corpus prepared otherwise (nothing is touched), is
            being prepared by another process, cannot be written, or its disk is full (run again to
            go on); nothing is listed.
        MissingPartError: a package that the work needs is not installed.
    """
    out, options = Path(out), options or PrepareOptions()
    if workers is not None and workers < 1:
        raise InputError("workers", f"is {workers}", "give 1 or more")
    made = {"made": dict(listing.generator.facts())} if listing.generator else {}
    card = _card_for(out, {"arguments": arguments, "options": options.facts(), **made})
    items, duplicates = _unique(listing.items)
    if not items and not (out / CARD).exists():
        raise InputError(listing.root, "contains nothing to prepare", _first_reason(listing))
    make_folder(out)
    with writer_lock(out, busy="is being prepared by another process"):
        if not (out / CARD).exists():
            write_json(out / CARD, card)
        finished = commits(out)
        _clean(out, {commit.part for commit in finished})
        _write_people(out, listing.people, items)
        _write_listed(out, [*listing.rejected, *duplicates])
        if listing.generator:
            listing.generator.write(out)
        missing, card = _plan(out, card, items, finished)
        bounds = None if cluster else limits or ItemLimits()
        shards = [_shard(listing, out, (options, bounds), *one) for one in missing]
        if shards:
            _run(shards, len(items), _rejections(finished), (workers, cluster), progress)
        shutil.rmtree(out / JOURNAL_FOLDER, ignore_errors=True)
        if not card["complete"]:
            write_json(out / CARD, card | {"complete": True, "format": FORMAT})
    return Corpus.open(out)


def _shard(
    listing: Listing,
    out: Path,
    how: tuple[PrepareOptions, ItemLimits | None],
    part: str,
    chunk: Sequence[Item],
) -> Shard:
    options, limits = how
    return Shard(
        part=part,
        items=chunk,
        root=listing.root,
        out=out,
        options=options,
        generator=listing.generator,
        limits=limits,
    )


def _first_reason(listing: Listing) -> str:
    if listing.rejected:
        first = listing.rejected[0]
        return f"{len(listing.rejected)} files were refused, the first ({first.path}): {first.reason}"
    return "check the folder and the source's name"


def _card_for(out: Path, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The card of this preparation: the one in place if it fits, else a new one; touches nothing."""
    given = json.loads(json.dumps(facts, default=str))
    if (out / CARD).exists():
        card = read_card(out)
        for group in ("arguments", "options", "made"):
            unnamed = UNNAMED if group == "options" else {}
            before, now = {**unnamed, **card.get(group, {})}, given.get(group, {})
            for name in sorted({*before, *now}):
                if before.get(name) != now.get(name):
                    fault = f"was prepared with {name} = {before.get(name)!r}, not {now.get(name)!r}"
                    raise InputError(out, fault, "name another folder, or give the same arguments")
        return card
    if out.exists() and not out.is_dir():
        raise InputError(out, "is a file", "name a folder")
    if out.is_dir() and any(path.name != LOCK for path in out.iterdir()):
        raise InputError(out, "contains other files and is not a corpus", "name a new or an empty folder")
    try:
        ours = version("voiceface")
    except PackageNotFoundError:
        ours = "unknown"
    return {"format": FORMAT, "version": ours, **given, "plans": [], "complete": False}


def _unique(items: Iterable[Item]) -> tuple[list[Item], list[Rejection]]:
    """Items sorted by key, one of each; the others as rejections."""
    ordered = sorted(items, key=lambda item: (item.key, item_kind(item), item.path, item.person))
    kept: list[Item] = []
    duplicates = []
    for item in ordered:
        if kept and (kept[-1].key, item_kind(kept[-1])) == (item.key, item_kind(item)):
            reason = f"is listed under the key {item.key!r}, which {kept[-1].path} has; give each its own"
            duplicates.append(Rejection(path=item.path, reason=reason, person=item.person))
        else:
            kept.append(item)
    return kept, duplicates


def _clean(out: Path, finished: set[str]) -> None:
    """Remove what killed workers left: temporary files, journals, parts without a commit."""
    for path in partial_files(out):
        path.unlink(missing_ok=True)
    shutil.rmtree(out / JOURNAL_FOLDER, ignore_errors=True)
    there = {path.name.split(".")[0] for folder in table_folders(out) for path in folder.glob("*.*")}
    for part in there - finished - {SOURCE_REJECTIONS}:
        remove_partial_files(out, part)


def _write_people(out: Path, people: Iterable[Person], items: Iterable[Item]) -> None:
    """The people table: those listed, those items name, and those an earlier listing knew."""
    path = out / "people" / "people.parquet"
    known: dict[str, Row] = {}
    before: list[Row] = []
    if path.exists():
        before = pq.read_table(path, schema=SCHEMAS["people"]).to_pylist()
        known.update({row["id"]: row for row in before})
    for person in people:
        known[person.id] = asdict(person)
    for item in items:
        if item.person not in known:
            known[item.person] = asdict(Person(id=item.person))
    rows = [known[id] for id in sorted(known)]
    if rows != before:
        path.parent.mkdir(exist_ok=True)
        total = f"{content_sum('people', rows):064x}"
        write_table(path, "people", rows, {"rows": len(rows), "sum": total})


def _write_listed(out: Path, rejected: Iterable[Rejection]) -> None:
    """Write what the source itself rejected, as a part of its own."""
    rows = sorted(
        ({"path": r.path, "reason": r.reason, "person": r.person, "key": ""} for r in rejected),
        key=lambda row: (row["path"], row["reason"], row["person"]),
    )
    path = out / "rejected" / f"{SOURCE_REJECTIONS}.parquet"
    if not rows:
        path.unlink(missing_ok=True)
        return
    if path.exists() and pq.read_table(path, schema=SCHEMAS["rejected"]).to_pylist() == rows:
        return
    path.parent.mkdir(exist_ok=True)
    write_table(path, "rejected", rows, {"rows": len(rows)})


def _plan(
    out: Path, card: dict[str, Any], items: list[Item], finished: Sequence[Commit]
) -> tuple[list[tuple[str, Sequence[Item]]], dict[str, Any]]:
    """The shards to do, and the card that knows of them.

    A plan is the items that were missing when it was made, cut into shards. The same listing continues
    the last plan, shard for shard; another one makes a new plan of what is still missing.
    """
    plans = card["plans"]
    last = f"{len(plans) - 1:03d}-"
    older = _keys(out, [commit.part for commit in finished if not commit.part.startswith(last)])
    missing = [item for item in items if (item_kind(item), item.key) not in older]
    if not plans or items_digest(missing) != plans[-1]["digest"]:
        newest = _keys(out, [commit.part for commit in finished if commit.part.startswith(last)])
        missing = [item for item in missing if (item_kind(item), item.key) not in newest]
        if missing:
            digest = items_digest(missing)
            plans = [
                *plans,
                {"items": len(missing), "shards": len(list(cut_into_shards(missing))), "digest": digest},
            ]
            card = card | {"plans": plans, "complete": False, "format": FORMAT}
            write_json(out / CARD, card)
    done = {commit.part for commit in finished}
    named = (
        (f"{len(plans) - 1:03d}-{index:05d}", chunk) for index, chunk in enumerate(cut_into_shards(missing))
    )
    return [(part, chunk) for part, chunk in named if part not in done], card


def _keys(out: Path, parts: Iterable[str]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for part in parts:
        items = pq.read_table(out / "items" / f"{part}.parquet", columns=["kind", "key"])
        found.update(zip(items["kind"].to_pylist(), items["key"].to_pylist(), strict=True))
    return found


def _rejections(finished: Iterable[Commit]) -> int:
    return sum(commit.rows("rejected") for commit in finished)


def _run(
    shards: Sequence[Shard],
    total: int,
    rejected: int,
    where: tuple[int | None, str | None],
    progress: bool | Callable[[Progress], None],
) -> None:
    workers, cluster = where
    count = sum(len(shard.items) for shard in shards)
    state = Progress(
        done=total - count, total=total, rejected=rejected, seconds=0.0, already_done=total - count
    )
    began = time.monotonic()

    def on_progress(done: int, facts: dict[str, dict[str, Any]] | None) -> None:
        nonlocal state
        lost = state.rejected + (facts or {}).get("rejected", {}).get("rows", 0)
        seconds = time.monotonic() - began
        # A shard that is redone after its worker died must not turn the bar back.
        state = replace(
            state, done=max(state.done, state.already_done + done), rejected=lost, seconds=seconds
        )
        show(state)

    folders = [shards[0].out] if shards[0].generator else [shards[0].root, shards[0].out]
    with (
        show_progress(progress) as show,
        cluster_worker_pool(cluster, run_shard, folders=folders)
        if cluster
        else local_worker_pool(min(workers or default_workers(), len(shards)), run_shard) as pool,
    ):
        run_all_shards(shards, pool, on_progress)

"""The engine: the same result from any workers, only what is missing, every bad file told, none fatal."""

import ctypes
import faulthandler
import functools
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from corpus_media import ARGUMENTS, contents, synthetic_voice, tree
from voiceface.corpus import item_processing, item_rows
from voiceface.corpus import prepare as engine
from voiceface.corpus.corpus import Corpus
from voiceface.corpus.item import FaceItem, Listing, Rejection, VideoItem, VoiceItem
from voiceface.corpus.item_limits import ItemLimits
from voiceface.corpus.item_rows import ItemResult
from voiceface.corpus.options import PrepareOptions
from voiceface.corpus.prepare import prepare
from voiceface.corpus.shards import JOURNAL_FOLDER, Shard, cut_into_shards, run_shard
from voiceface.errors import InputError, MissingPartError
from voiceface.media.sound import load_sound, save_sound
from voiceface.media.writer_lock import writer_lock

quiet = functools.partial(prepare, arguments=ARGUMENTS, progress=False)


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    return tree(tmp_path_factory.mktemp("made"), people=14)


@pytest.fixture(scope="module")
def whole(listing, tmp_path_factory):
    return quiet(listing, tmp_path_factory.mktemp("one") / "corpus", workers=1)


@pytest.fixture(scope="module")
def few(listing):
    """Without the video, and fewer people: for what each worker's death makes anew."""
    items = [item for item in listing.items if item.key in ("p1", "p2", "p3", "p4", "p5")]
    return Listing(root=listing.root, people=listing.people, items=items)


def test_all_items_become_rows(whole):
    assert len(whole.voices) == 15 and len(whole.faces) == 14 + 3 and len(whole.clips) == 1
    assert [person.id for person in whole.people] == sorted(f"p{n}" for n in range(14))
    assert whole.complete and not whole.rejected
    ids = whole.column("faces", "id").tolist()
    assert ids == sorted(ids)


def test_any_number_of_workers_writes_the_same_bytes(listing, whole, tmp_path):
    shuffled = Listing(root=listing.root, people=listing.people[::-1], items=listing.items[::-1])
    two = quiet(shuffled, tmp_path / "two", workers=2)
    assert len(list((whole.path / "items").iterdir())) >= 2
    assert contents(two.path) == contents(whole.path)
    assert two.fingerprint == whole.fingerprint


def test_a_second_run_does_nothing(listing, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.path.rglob("*.*")}
    told = []
    again = prepare(listing, whole.path, arguments=ARGUMENTS, progress=told.append)
    assert told == [] and again.fingerprint == whole.fingerprint
    assert {path: path.stat().st_mtime_ns for path in whole.path.rglob("*.*")} == before


def test_what_a_killed_run_left_is_removed_by_the_next(listing, whole, tmp_path):
    """A part whose shard was never committed, half-written files and the journals of workers."""
    copy = Path(shutil.copytree(whole.path, tmp_path / "copy"))
    (part,) = (copy / "clips").glob("*.parquet")
    left = [
        copy / "voices" / f"999-00000{part.suffix}",
        copy / "rejected" / f"999-00000{part.suffix}",
        copy / "voices" / f".{part.name}.partial-1",
        copy / JOURNAL_FOLDER / "999-00000",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(part.read_bytes())
    again = quiet(listing, copy, workers=1)
    assert [path.name for path in left if path.exists()] == []
    assert contents(again.path) == contents(whole.path) and again.fingerprint == whole.fingerprint


def test_only_a_lost_shard_is_done_again(listing, whole, tmp_path):
    copy = Path(shutil.copytree(whole.path, tmp_path / "copy"))
    lost = sorted((copy / "items").iterdir())[0]
    lost.unlink()  # its commit: voices and faces of the part are now leftovers
    (copy / "arrays" / "voices" / ".000-00000.partial-1-ab.i16").write_bytes(b"litter")
    assert len(Corpus.open(copy).voices) < len(whole.voices)
    told = []
    quiet(listing, copy, progress=told.append, workers=1)
    assert told[0].already_done == told[0].done > 0 and told[-1].done == told[-1].total == len(listing.items)
    assert contents(copy) == contents(whole.path)


def test_a_grown_listing_adds_only_what_is_new(listing, whole, tmp_path):
    few = Listing(root=listing.root, people=listing.people[:5], items=listing.items[:10])
    first = quiet(few, tmp_path / "c", workers=1)
    told = []
    grown = quiet(listing, tmp_path / "c", workers=1, progress=told.append)
    assert first.fingerprint != whole.fingerprint
    assert told[-1].already_done == 10 and told[-1].done == len(listing.items)
    # Other shards, the same contents in the same order.
    assert grown.fingerprint == whole.fingerprint
    assert grown.column("voices", "id").tolist() == whole.column("voices", "id").tolist()
    assert all((grown.wave(i) == whole.wave(i)).all() for i in range(len(whole.voices)))


def test_bad_files_are_rejected_with_their_reason_and_the_rest_is_done(tmp_path):
    root = tmp_path / "root"
    good = tree(root, people=2, videos=0)
    (root / "empty.wav").write_bytes(b"")
    (root / "text.wav").write_text("this is no sound")
    (root / "cut.png").write_bytes((root / "p0.png").read_bytes()[:700])
    save_sound(root / "sound.mp4", synthetic_voice(1))
    from PIL import Image

    Image.new("RGB", (200, 200), (90, 120, 60)).save(root / "grass.png")
    bad = [
        VoiceItem(key="b1", person="p0", path="empty.wav"),
        VoiceItem(key="b2", person="p0", path="text.wav"),
        VoiceItem(key="b3", person="p0", path="gone.wav"),
        VoiceItem(key="p0", person="p1", path="p1.wav"),
        FaceItem(key="b4", person="p0", path="cut.png"),
        FaceItem(key="b5", person="p0", path="grass.png"),
        FaceItem(key="b6", person="p0", path="p0.png", box=(900.0, 900.0, 990.0, 990.0)),
        VideoItem(key="b7", person="p0", path="sound.mp4"),
    ]
    refused = [Rejection(path="a.txt", reason="no media", person="")]
    everything = Listing(root=root, people=good.people, items=[*good.items, *bad], rejected=refused)
    corpus = quiet(everything, tmp_path / "c", workers=1)
    reasons = {rejection.path: rejection.reason for rejection in corpus.rejected}
    names = {
        "a.txt",
        "empty.wav",
        "text.wav",
        "gone.wav",
        "p1.wav",
        "cut.png",
        "grass.png",
        "p0.png",
        "sound.mp4",
    }
    assert set(reasons) == names
    assert reasons["grass.png"].startswith("contains no detectable face")
    assert "lies outside" in reasons["p0.png"] and "key 'p0'" in reasons["p1.wav"]
    assert all(reason and "\n" not in reason and str(root) not in reason for reason in reasons.values())
    # The sound of a video without pictures is kept.
    assert corpus.column("voices", "id").tolist() == ["b7@00000.000", "p0", "p1"]
    assert len(corpus.faces) == 2 and corpus.complete


def test_other_arguments_are_refused_and_touch_nothing(listing, whole):
    before = contents(whole.path)
    with pytest.raises(InputError, match="was prepared with source = 'made', not 'other'"):
        prepare(listing, whole.path, arguments={"source": "other"}, progress=False)
    with pytest.raises(InputError, match="frame_side = 0, not 64"):
        quiet(listing, whole.path, options=PrepareOptions(frame_side=64))
    assert contents(whole.path) == before


def test_a_folder_of_something_else_is_refused(listing, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="contains other files"):
        quiet(listing, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="is a file"):
        quiet(listing, tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="workers"):
        quiet(listing, tmp_path / "new", workers=0)
    assert not (tmp_path / "new").exists()


def test_nothing_listed_is_an_error_naming_the_first_reason(tmp_path):
    refused = [Rejection(path="a.wav", reason="is named by no row")]
    with pytest.raises(InputError, match="a.wav.*is named by no row"):
        quiet(Listing(root=tmp_path, people=[], items=[], rejected=refused), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_one_preparation_at_a_time(listing, tmp_path):
    (tmp_path / "c").mkdir()
    with writer_lock(tmp_path / "c"), pytest.raises(InputError, match="another process"):
        quiet(listing, tmp_path / "c")


def test_shards_depend_on_the_items_alone(listing):
    items = sorted(listing.items, key=lambda item: item.key)
    chunks = list(cut_into_shards(items))
    assert [item for chunk in chunks for item in chunk] == items and all(chunks)
    assert list(cut_into_shards([])) == []


def test_a_shard_done_again_leaves_nothing_of_the_first_attempt(listing, tmp_path):
    items = [item for item in listing.items if item.key == "p1"]
    shard = Shard(part="000-00000", items=items, root=listing.root, out=tmp_path, options=PrepareOptions())
    (tmp_path / "rejected").mkdir()
    (tmp_path / "rejected" / "000-00000.parquet").write_bytes(b"of an attempt that was killed")
    facts = run_shard(shard)
    assert facts["voices"]["rows"] == facts["faces"]["rows"] == 1 and "rejected" not in facts
    assert list((tmp_path / "rejected").iterdir()) == []


def _ends_the_process(item, root, options):
    if item.key == "p3" and isinstance(item, VoiceItem):
        os._exit(139)
    return _process_item(item, root, options)


_process_item = item_processing.process_item


def crashing_shard(shard):
    item_processing.process_item = _ends_the_process
    return run_shard(shard)


def test_an_item_that_ends_its_worker_is_rejected_alone(few, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "run_shard", crashing_shard)
    corpus = quiet(few, tmp_path / "c", workers=2)
    assert [(one.path, one.person) for one in corpus.rejected] == [("p3.wav", "p3")]
    assert "ended the program that read it" in corpus.rejected[0].reason
    assert corpus.column("voices", "id").tolist() == ["p1", "p2", "p4", "p5"] and len(corpus.faces) == 5


def dies_at_once(shard):
    os._exit(1)


def test_workers_that_cannot_begin_are_an_error(listing, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "run_shard", dies_at_once)
    with pytest.raises(InputError, match="end before they begin"):
        quiet(listing, tmp_path / "c", workers=1)


def on_a_full_disk(shard):
    import resource

    # The kernel refuses every byte beyond it, as a full disk does, with another number.
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    return run_shard(shard)


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no limit on file sizes to play a full disk with"
)
def test_a_full_disk_is_one_error_and_the_next_run_goes_on(listing, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(engine, "run_shard", on_a_full_disk)
        with pytest.raises(InputError, match=r"000-0000.*disk") as caught:
            quiet(listing, tmp_path / "c", workers=2)
    assert "\n" not in str(caught.value)
    assert not Corpus.open(tmp_path / "c").complete
    quiet(listing, tmp_path / "c", workers=1)
    assert contents(tmp_path / "c") == contents(whole.path)


def test_a_missing_package_is_no_fault_of_the_file():
    def absent():
        raise MissingPartError("dlib", "is not installed")

    def odd():
        raise ZeroDivisionError("deep inside\na decoder")

    made = item_rows.ItemResult()
    with pytest.raises(MissingPartError):
        made.run_step(absent)
    made.run_step(odd)
    assert made.rejected == ["cannot be used (ZeroDivisionError: deep inside a decoder)"]


def test_stored_sound_is_the_file_s(listing, whole):
    index = whole.column("voices", "id").tolist().index("p5")
    wave = load_sound(listing.root / "p5.wav")
    assert whole.wave(index).dtype == np.int16
    assert np.abs(whole.wave(index) / 32768 - wave).max() <= 1 / 32768
    assert whole.voices[index].seconds == 1.0 and whole.column("voices", "level")[index] > -30


def unhurried_shard(shard):
    """On a fast machine all would be done between two looks."""
    real = item_processing.process_item

    def later(*given):
        time.sleep(0.1)
        return real(*given)

    item_processing.process_item = later
    try:
        return run_shard(shard)
    finally:
        item_processing.process_item = real


def test_progress_tells_rate_and_time_left(few, tmp_path, monkeypatch):
    monkeypatch.setattr("voiceface.corpus.worker_pool._POLL", 0.01)
    monkeypatch.setattr(engine, "run_shard", unhurried_shard)
    told = []
    quiet(few, tmp_path / "c", workers=1, progress=told.append)
    dones = [state.done for state in told]
    assert dones == sorted(dones) and dones[-1] == len(few.items) == told[-1].total
    assert told[-1].rate > 0 and told[-1].seconds_left == 0.0
    assert len(set(dones)) > 3  # finer than the shards


def test_the_bar_shows_itself_on_the_error_stream(listing, tmp_path, capsys):
    few = Listing(root=listing.root, people=[], items=listing.items[:2])
    prepare(few, tmp_path / "c", arguments=ARGUMENTS, workers=1)
    printed = capsys.readouterr()
    assert printed.out == "" and "2/2" in printed.err and "items/s" in printed.err


def test_without_the_package_a_cluster_is_a_missing_part(monkeypatch, listing, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPartError, match="voiceface.cluster"):
        quiet(listing, tmp_path / "c", cluster="local")


@pytest.mark.slow
def test_a_dask_cluster_writes_the_same_bytes(listing, whole, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        there = quiet(listing, tmp_path / "c", cluster=cluster.scheduler_address)
    assert contents(there.path) == contents(whole.path)


_set_clock, CLOCKS = faulthandler.dump_traceback_later, []


def _noted_clock(seconds, **how):
    CLOCKS.append((seconds, how))
    _set_clock(seconds, **how)


def _hangs_or_eats(item, root, options):
    if item.key == "p3" and isinstance(item, VoiceItem):
        # As if all but a second of its time were over: nobody should wait for the rest.
        seconds, how = CLOCKS[-1]
        assert seconds == 60.0
        _set_clock(1.0, **how)
        # Like a decoder in C that never returns, and never gives the interpreter back to other threads.
        ctypes.PyDLL(None).sleep(1000)
    if item.key == "p4" and isinstance(item, VoiceItem):
        result = ItemResult()
        result.run_step(lambda: np.ones(3_000_000_000, np.uint8))
        return result
    return _process_item(item, root, options)


def costly_shard(shard):
    item_processing.process_item = _hangs_or_eats
    faulthandler.dump_traceback_later = _noted_clock
    return run_shard(shard)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")
def test_an_item_that_hangs_or_eats_memory_is_rejected_alone(few, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "run_shard", costly_shard)
    limits = ItemLimits(item_minutes=1.0, item_gigabytes=2.0)  # a busy machine may need 10 s for an item
    corpus = quiet(few, tmp_path / "c", workers=2, limits=limits)
    reasons = {one.path: one.reason for one in corpus.rejected}
    assert set(reasons) == {"p3.wav", "p4.wav"}
    assert "took too long" in reasons["p3.wav"] and "needs more memory" in reasons["p4.wav"]
    assert corpus.column("voices", "id").tolist() == ["p1", "p2", "p5"] and len(corpus.faces) == 5


def test_limits_that_cannot_be_are_refused():
    for wrong in ({"item_minutes": 0}, {"item_minutes": float("nan")}, {"item_gigabytes": 0.5}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            ItemLimits(**wrong)

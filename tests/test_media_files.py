import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from voiceface.errors import InputError
from voiceface.media.check_writable import check_inputs_kept
from voiceface.media.files import (
    atomic_path,
    check_readable,
    partial_files,
    write_bytes,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_file_appears_whole_and_alone(tmp_path):
    with atomic_path(tmp_path / "a.npz") as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".npz"
        temporary.write_bytes(b"new")
        assert not (tmp_path / "a.npz").exists()
    assert (tmp_path / "a.npz").read_bytes() == b"new" and names(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("fault", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_any_exception_leaves_the_old_file_and_no_other(tmp_path, fault):
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(type(fault)) as caught, atomic_path(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half")
        raise fault
    assert caught.value is fault
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_a_killed_writer_leaves_the_old_file_and_litter_that_can_be_told(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    code = (
        "import os, sys\nfrom voiceface.media.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as t:\n    t.write_text('half')\n    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")]).returncode == 9
    assert (tmp_path / "a.txt").read_text() == "old"
    (litter,) = partial_files(tmp_path)
    assert litter.read_text() == "half" and names(tmp_path) == sorted(["a.txt", litter.name])


def test_flushed_before_renamed(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replace(a, b)))
    write_bytes(tmp_path / "a", b"x")
    assert events == ["fsync", "replace"] + ["fsync"] * (os.name == "posix")


def test_long_unicode_names_fit(tmp_path):
    name = "ä" * 125 + ".txt"  # 254 bytes of the 255 a disk allows
    write_text(tmp_path / name, "x")
    assert names(tmp_path) == [name]


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_is_followed_and_stays(tmp_path):
    write_text(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


def test_texts_are_the_same_on_every_system(tmp_path):
    write_text(tmp_path / "a.txt", "ü\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xbc\nb\n"
    write_json(tmp_path / "a.json", {"name": "ü", "n": [1, 2.5, None]})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"name": "ü", "n": [1, 2.5, None]}
    for bad in (float("nan"), {1, 2}):
        with pytest.raises((ValueError, TypeError)):
            write_json(tmp_path / "a.json", bad)
    assert names(tmp_path) == ["a.json", "a.txt"]


def test_places_that_are_no_file_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for path, fault in [
        (tmp_path / "missing" / "a.txt", "does not exist"),
        (tmp_path / "file" / "a.txt", "not a folder"),
        (tmp_path, "is a folder"),
        (tmp_path / ("x" * 300), "too long|cannot be written"),
    ]:
        with pytest.raises(InputError, match=fault):
            write_text(path, "x")
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_device_or_pipe_is_not_replaced(tmp_path):
    """As root, `-o /dev/null` would otherwise put a plain file in that device's place."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="device or a pipe"):
        write_text(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo() and names(tmp_path) == ["pipe"]


@pytest.mark.parametrize(
    ("code", "fault"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "only be read"), (errno.EACCES, "permission")],
)
def test_errors_while_writing_become_one_line(tmp_path, code, fault):
    with pytest.raises(InputError, match=fault) as caught, atomic_path(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(code, os.strerror(code))
    assert str(tmp_path / "a") in str(caught.value) and "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_errors_on_another_file_are_not_blamed_on_the_output(tmp_path):
    with pytest.raises(PermissionError), atomic_path(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / "input"))


def test_a_full_disk_whose_errno_a_library_hides(tmp_path, monkeypatch):
    import shutil

    def fail():
        with atomic_path(tmp_path / "a"):
            raise RuntimeError("PytorchStreamWriter failed writing file")

    with pytest.raises(RuntimeError):
        fail()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(InputError, match="disk is full"):
        fail()


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits")
def test_a_limit_of_the_kernel_on_the_file_size(tmp_path):
    """A real write that fails half way, on any machine and without privileges."""
    code = (
        "import resource, sys\nfrom voiceface.errors import InputError\n"
        "from voiceface.media.files import write_bytes\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_bytes(sys.argv[1], b'x' * 5000)\n"
        "except InputError as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    assert "larger than this disk or account allows" in run.stdout and names(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A real disk of 64 KB, where this account may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this account may not mount a disk")
    yield disk
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], capture_output=True)
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full(tiny_disk):
    write_bytes(tiny_disk / "a", b"old" * 1000)
    with pytest.raises(InputError, match="disk is full"):
        write_bytes(tiny_disk / "a", b"x" * 200_000)
    assert (tiny_disk / "a").read_bytes() == b"old" * 1000 and names(tiny_disk) == ["a"]


def test_a_disk_that_is_really_read_only(tiny_disk):
    if subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], capture_output=True).returncode:
        pytest.skip("cannot remount")
    with pytest.raises(InputError, match="only be read"):
        write_bytes(tiny_disk / "a", b"x")


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_folder_without_permission(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    folder.chmod(0o555)
    with pytest.raises(InputError, match="permission"):
        write_bytes(folder / "a", b"x")


def test_sources_are_told_apart_before_they_are_decoded(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "some.wav").write_bytes(b"x")
    with open(tmp_path / "some.wav", "rb") as closed:
        pass
    for source, fault in [
        (tmp_path / "none.wav", "does not exist"),
        (tmp_path / "some.wav" / "x", "cannot be opened|does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.wav", "is empty"),
        ("nul\0l", "cannot be opened"),
        (io.BytesIO(), "is empty"),
        (io.StringIO("x"), "open as text"),
        (closed, "is closed"),
        (b"RIFF", "no path and no file object"),
        (None, "no path and no file object"),
    ]:
        with pytest.raises(InputError, match=fault) as caught:
            check_readable(source)
        assert "\n" not in str(caught.value) and "; " in str(caught.value)
    file = io.BytesIO(b"abc")
    file.seek(2)
    check_readable(file)
    assert file.tell() == 0


@pytest.mark.parametrize("numbered", [True, False])
def test_what_is_read_is_not_written_over(tmp_path, monkeypatch, numbered):
    (tmp_path / "a.wav").write_bytes(b"sound")
    (tmp_path / "b.wav").write_bytes(b"other")
    outputs = ["a.wav", f"../{tmp_path.name}/a.wav"]
    if os.name == "posix":  # links need rights on Windows
        (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
        outputs.append("link.wav")
    if not numbered:
        stat = Path.stat
        plain = SimpleNamespace(st_dev=1, st_ino=0)
        monkeypatch.setattr(Path, "stat", lambda path: stat(path) and plain)
    check_inputs_kept(
        [tmp_path / "b.wav", tmp_path / "new.wav"], [tmp_path / "a.wav", None, tmp_path / "gone.wav"]
    )
    for output in outputs:
        with pytest.raises(InputError, match="is read here, and would be written over"):
            check_inputs_kept([tmp_path / output], [str(tmp_path / "a.wav")])

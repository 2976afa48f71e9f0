"""One writer at a time, and nothing left behind by one that was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voiceface.errors import InputError
from voiceface.media.writer_lock import writer_lock

HOLD = """
import sys, time
from pathlib import Path
from voiceface.media.writer_lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_releases_the_lock(tmp_path):
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=paths
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError) as caught, writer_lock(tmp_path):
            pass
        text = f"{tmp_path}: is being written by another process; wait for it or stop it"
        assert str(caught.value) == text
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with writer_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), writer_lock(tmp_path):
        raise ZeroDivisionError
    with writer_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"), writer_lock(tmp_path / "file" / "x.npz"):
        pass

"""Files of embeddings from a stranger: read in bounds, or refused in one line."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from cli_fixtures import call
from voiceface.errors import InputError
from voiceface.evaluation.embedding_files import read_named_embeddings
from voiceface.media import read_npz as room
from voiceface.pipelines.embed import read_embeddings

NAMES = np.array(["a", "b"])
ROWS = np.eye(2, 4, dtype=np.float32)


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def header(descr, shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def write(path, method=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data if isinstance(data, bytes) else npy(data))


def patched(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def wrong_method(path):
    write(path, zipfile.ZIP_STORED, names=NAMES, embeddings=ROWS)
    patched(path, b"PK\x03\x04\x14\x00\x00\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x00\x63\x00")
    patched(
        path, b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63\x00"
    )


def encrypted(path):
    write(path, zipfile.ZIP_STORED, names=NAMES, embeddings=ROWS)
    patched(path, b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00")
    patched(path, b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")


def torn_stream(path):
    write(path, names=NAMES, embeddings=np.random.default_rng(0).standard_normal((2, 5000)))
    data = bytearray(path.read_bytes())
    data[2000:2100] = bytes(100)
    path.write_bytes(data)


LIES = {
    "another compression": wrong_method,
    "a password": encrypted,
    "a torn stream": torn_stream,
    "objects": lambda p: write(p, names=np.array([{}, "b"], object), embeddings=ROWS),
    "a header of anything": lambda p: write(p, names=b"\x93NUMPY\x01\x00\x06\x00{1:2}\n", embeddings=ROWS),
    "a header without an end": lambda p: write(p, names=b"\x93NUMPY\x01\x00\x05\x00((((\n", embeddings=ROWS),
    "text for numbers": lambda p: write(p, names=NAMES, embeddings=np.array([["x"] * 4] * 2)),
    "numbers for names": lambda p: write(p, names=np.arange(2), embeddings=ROWS),
    "half a row": lambda p: write(p, names=NAMES, embeddings=npy(ROWS)[:-8]),
    "more than is there": lambda p: write(p, names=NAMES, embeddings=header("<f4", (10**12, 4)) + b"0000"),
    "a negative length": lambda p: write(p, names=NAMES, embeddings=header("<f4", (-2, -4)) + bytes(32)),
    "no code point": lambda p: write(p, names=header("<U1", (2,)) + b"\xff" * 8, embeddings=ROWS),
    "no utf-8": lambda p: write(p, names=np.array([b"\xff", b"b"]), embeddings=ROWS),
    "NaN": lambda p: write(p, names=NAMES, embeddings=ROWS * np.nan),
    "beyond float32": lambda p: write(p, names=NAMES, embeddings=ROWS.astype(float) * 1e300),
    "a row of zeros": lambda p: write(p, names=NAMES, embeddings=ROWS * [[1], [0]]),
    "no row": lambda p: write(p, names=NAMES[:0], embeddings=ROWS[:0]),
    "rows of no width": lambda p: write(p, names=NAMES, embeddings=ROWS[:, :0]),
    "one name": lambda p: write(p, names=NAMES[:1], embeddings=ROWS),
    "a truth of another length": lambda p: write(p, names=NAMES, embeddings=ROWS, found=np.array([True])),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_one_line(tmp_path, lie):
    path = tmp_path / "e.npz"
    LIES[lie](path)
    with pytest.raises(InputError, match=r"e\.npz: \w"):
        read_embeddings(path)
    call("evaluate", "verification", "--voices", path, "--faces", path).refused("e.npz")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_ALWAYS", 1_000_000)
    path = tmp_path / "bomb.npz"
    write(
        path,
        names=np.array([f"{k}" for k in range(100_000)]),
        embeddings=np.zeros((100_000, 200), np.float32),
    )
    tracemalloc.start()
    with pytest.raises(InputError, match="would be 8.* bytes once it is unpacked"):
        read_embeddings(path)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_header_that_fills_the_memory_is_not_read(tmp_path):
    path = tmp_path / "a.npz"
    size = 50_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("embeddings.npy", b"\x93NUMPY\x02\0" + size.to_bytes(4, "little") + b" " * size)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"is no readable \.npz"):
        read_embeddings(path)
    assert tracemalloc.get_traced_memory()[1] < size / 10
    tracemalloc.stop()


def test_what_was_not_asked_for_is_not_read(tmp_path):
    path = tmp_path / "e.npz"
    write(
        path, names=NAMES, embeddings=ROWS, gender=np.array(["f", "m"]), big=np.zeros(30_000_000, np.float32)
    )
    tracemalloc.start()
    assert read_embeddings(path).keys() == {"names", "embeddings", "gender"}
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_row_without_a_face_may_hold_anything(tmp_path):
    path = tmp_path / "e.npz"
    write(path, names=NAMES, embeddings=ROWS * [[1], [np.nan]], found=np.array([True, False]))
    assert read_embeddings(path)["found"].tolist() == [True, False]


def test_names_as_bytes_are_text(tmp_path):
    path = tmp_path / "e.npz"
    write(path, names=np.array(["é".encode(), b"b"]), embeddings=ROWS)
    assert read_embeddings(path)["names"].tolist() == ["é", "b"]


def test_a_name_that_fills_a_screen_is_shortened(tmp_path):
    path = tmp_path / "e.npz"
    write(path, names=np.array(["é" * 9000] * 2), embeddings=ROWS)
    with pytest.raises(InputError) as refusal:
        read_named_embeddings(path)
    assert len(str(refusal.value)) < 500

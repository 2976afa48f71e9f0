"""Seeds that code makes, and what a random number changes in them."""

import json
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus_media import ARGUMENTS, blank, synthetic_voice, talking, written
from draw_face import draw_face
from voiceface.media.sound import save_sound
from voiceface.records import Person

SOUNDS = {"wav": "pcm_s16le", "flac": "flac", "mp3": "mp3", "ogg": "libopus", "m4a": "aac", "webm": "libopus",
          "mka": "mp2", "au": "pcm_s16be", "aiff": "pcm_s16be", "wma": "wmav2", "ts": "mp2"}  # fmt: skip
PICTURES = ("png", "jpg", "gif", "webp", "bmp", "tif", "ppm", "jp2", "tga", "avif")
INTEGERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
WORDS = [
    *(b"", b"nan", b"-inf", b"1e999", b"null", b"[]", b"{}", b"-1", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b'"', b",", b";", b"\t", b"\n", b"\r", b"../" * 9, b"/etc/passwd", b"\xe9", "é".encode(), b"9" * 400),
    *(b"[" * 5000, b"x" * 70000, b"%s%n", b"ffconcat version 1.0\n", b"\xed\xa0\x80"),
]
VALUES: list[Any] = [
    *(None, True, "", "x" * 3000, "nan", -1, 0, 10**30, 1e308, float("nan"), -float("inf"), [], {}, [[]] * 3),
    *({"a": None}, "\ud800", "../../x", "a\nb", 2**63, [1, None]),
]


def sounds(folder: Path) -> None:
    """A second of voice in every container that has one."""
    wave = (synthetic_voice(1, 0.6) * 30000).astype(np.int16)
    for suffix, codec in SOUNDS.items():
        rate = 48000 if codec == "libopus" else 16000
        with av.open(str(folder / f"a.{suffix}"), "w") as out:
            stream = out.add_stream(codec, rate=rate, layout="mono")
            stream.bit_rate = 32000
            frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            for part in (*av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size or 0)
                         .resample(frame), None):  # fmt: skip
                out.mux(stream.encode(part))


def movies(folder: Path) -> None:
    """Short talking movies."""
    for suffix in ("mp4", "mov", "mkv", "avi"):
        if suffix in ("mp4", "mov"):
            talking(folder / f"a.{suffix}", 1, 0.5, size=64)
            continue
        with av.open(str(folder / f"a.{suffix}"), "w") as out:
            stream = out.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p")
            for _ in range(5):
                out.mux(
                    stream.encode(av.VideoFrame.from_ndarray(np.asarray(draw_face(1, 64)), format="rgb24"))
                )
            out.mux(stream.encode(None))


def pictures(folder: Path) -> None:
    """A drawn face in every format that Pillow writes."""
    for suffix in PICTURES:
        draw_face(2, 48).save(folder / f"a.{suffix}")


def tables(folder: Path) -> None:
    """Sheets and lists as people write them, each in a folder with what it names."""
    head = "voice,face,person,gender\n"
    rows = "".join(f"v{k}.wav,f{k}.png,P{k},{'fm'[k % 2]}\n" for k in range(5))
    texts = {
        "pairs.csv": (head + rows).encode(),
        "semicolons.csv": (head + rows).replace(",", ";").encode("utf-8-sig"),
        "scores.csv": ("voice,face,label,score\n" + "a,b,1,0.5\nc,d,0,-0.25\n" * 4).encode(),
        "list.txt": ("1 id1/a/1.wav id2/b/1.jpg\n0 id1/a/2.wav id3/c/1.jpg\n" * 3).encode(),
    }
    for name, text in texts.items():
        place = folder / name.partition(".")[0]
        place.mkdir()
        (place / name).write_bytes(text)
        for k in range(5):
            (place / f"v{k}.wav").write_bytes(b"x")  # read by nobody, altered by nobody
            (place / f"f{k}.png").write_bytes(b"x")


def arrays(folder: Path) -> None:
    """Embeddings of voices and of faces."""
    rng = np.random.default_rng(0)
    for side in ("voices", "faces"):
        who = np.array([f"p{k % 4}" for k in range(12)])
        names = np.array([f"{side}{k}" for k in range(12)])
        np.savez(folder / f"{side}.npz", names=names, people=who, embeddings=rng.standard_normal((12, 4)))


def corpus(folder: Path) -> None:
    """A corpus of voices, a face and a clip."""
    from voiceface.media.picture import encode_jpeg

    points = [float(k) for k in range(10)]
    picture = encode_jpeg(draw_face(1, 32))
    voices = [(blank("voices", id=f"v{n}", person=f"p{n % 2}"), {"samples": bytes(200)}) for n in range(3)]
    face = blank("faces", id="f0", person="p0", landmarks=points, frame_box=[0.0] * 4)
    clip = blank("clips", id="c0", person="p1", landmarks=points, sizes=[len(picture)])
    parts = [{"voices": voices, "faces": [(face, {"pictures": picture})],
              "clips": [(clip, {"pictures": picture, "samples": bytes(20)})]}]  # fmt: skip
    written(folder / "corpus", [Person(id="p0"), Person(id="p1")], parts, arguments=ARGUMENTS)


def weights(folder: Path) -> None:
    """The shipped weights of every pipeline that is small."""
    from voiceface.pipelines.weights import shipped_weights

    for name in ("matcher", "voice-student", "talker"):
        shutil.copytree(shipped_weights()[name], folder / name)


def gallery(folder: Path) -> None:
    """A gallery of rows, without the matcher that made them."""
    from types import SimpleNamespace

    from voiceface.pipelines.gallery import Gallery, Item

    made: object = SimpleNamespace(name="made", fingerprint="f" * 64, dim=4)
    rows = np.eye(4, dtype=np.float32)
    voice = folder / "a.wav"
    save_sound(voice, synthetic_voice(1, 0.1))
    room = Gallery.open(folder / "gallery", matcher=made, create=True)  # type: ignore[arg-type]
    room.add_rows(
        rows, [Item(path=voice, kind="voice", person=f"p{k}", attributes={"town": "x"}) for k in range(4)]
    )
    voice.unlink()


def altered(folder: Path, draw: random.Random, others: list[bytes]) -> str:
    """Alter one file of a folder in one to three ways; its name."""
    path = draw.choice(
        sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 1)
    )
    for _ in range(draw.choice((1, 1, 2, 3))):
        try:
            if draw.random() < 0.6 and path.suffix in _INSIDE:
                _INSIDE[path.suffix](path, draw)
                continue
        except Exception:  # noqa: S110, BLE001  an earlier change left nothing to change inside
            pass
        path.write_bytes(_bytes(path.read_bytes(), draw, others))
    return str(path.relative_to(folder))


def _bytes(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    near = (
        (lambda: draw.randrange(min(len(data), 400) + 1))
        if draw.random() < 0.6
        else (lambda: draw.randrange(len(data) + 1))
    )
    at, how = near(), draw.randrange(8)
    stop = min(len(data), at + draw.choice((1, 2, 4, 16, 300)))
    if how == 0:
        return data[:at] + bytes(byte ^ (1 << draw.randrange(8)) for byte in data[at:stop]) + data[stop:]
    if how == 1:
        width = draw.choice((1, 2, 4, 8))
        number = (draw.choice(INTEGERS) & (256**width - 1)).to_bytes(width, draw.choice(("little", "big")))
        return data[:at] + number + data[at + width :]
    if how == 2:
        return data[:at] + data[stop:]
    if how == 3:
        return data[:at] + data[at:stop] * draw.choice((2, 3, 50)) + data[stop:]
    if how == 4:
        return data[: draw.randrange(len(data) + 1)]
    if how == 5:
        return data[:at] + draw.choice(WORDS) + data[draw.choice((at, stop)) :]
    if how == 6:
        other = draw.choice(others)
        cut = draw.randrange(len(other) + 1)
        return draw.choice((data[:at] + other[cut:], data[:at] + other[cut : cut + 300] + data[stop:]))
    return data[:at] + draw.randbytes(stop - at) + data[stop:]


def _node(value: object, draw: random.Random) -> object:
    """A JSON value with something in it replaced, removed or added."""
    if isinstance(value, (dict, list)) and value and draw.random() < 0.85:
        key = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
        how = draw.random()
        if how < 0.1:
            value.pop(key)
        elif how < 0.2 and isinstance(value, dict):
            value[draw.choice(("extra", "", "é", "__class__"))] = draw.choice(VALUES)
        else:
            value[key] = _node(value[key], draw)
        return value
    if isinstance(value, (int, float)) and draw.random() < 0.4:
        return draw.choice((-value, value * 1000, value + 1, value / 2))
    return draw.choice(VALUES)


def _inside_json(path: Path, draw: random.Random) -> None:
    path.write_text(json.dumps(_node(json.loads(path.read_text("utf-8")), draw)), encoding="utf-8")


def _inside_safetensors(path: Path, draw: random.Random) -> None:
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    head = json.dumps(_node(json.loads(data[8 : 8 + size]), draw)).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data[8 + size :])


def _inside_parquet(path: Path, draw: random.Random) -> None:
    table = pq.read_table(path)
    at = draw.randrange(table.num_columns)
    field, values = table.schema.field(at), table.column(at).to_pylist()
    row = draw.randrange(len(values))
    values[row] = _node(values[row], draw)
    try:
        column = pa.array(values, field.type)
    except Exception:  # noqa: BLE001  another type, then
        column, field = pa.array([str(v) for v in values]), pa.field(field.name, pa.string())
    found = table.set_column(at, field, column).replace_schema_metadata(table.schema.metadata)
    pq.write_table(found if draw.random() < 0.8 else found.drop_columns([field.name]), path)


def _inside_npz(path: Path, draw: random.Random) -> None:
    held = dict(np.load(path))
    name = draw.choice(list(held))
    array = held[name]
    held[name] = draw.choice(_ARRAYS)(array)
    if draw.random() < 0.15:
        del held[name]
    np.savez(path, **held)


_ARRAYS: list[Callable[[Any], Any]] = [
    lambda array: array[:0],
    lambda array: array[:-1],
    lambda array: array.T,
    lambda array: array[None],
    lambda array: array[::-1],
    lambda array: np.repeat(array, 2, 0),
    lambda array: array * np.nan,
    lambda array: array * 0,
    lambda array: array * 1e300,
    lambda array: array.astype("S"),
    lambda array: array.astype(object),
    lambda array: array.astype(complex),
    lambda array: array.astype(">f8"),
    lambda array: np.array(1.0),
    lambda array: np.zeros((12, 0)),
    lambda array: np.zeros(12, "U0"),
    lambda array: np.zeros(12, "M8[s]"),
    lambda array: np.arange(12),
    lambda array: np.array(["é" * 9000] * 12),
    lambda array: np.array(["a\nb\0c"] * 12),
]

_INSIDE = {
    ".json": _inside_json,
    ".safetensors": _inside_safetensors,
    ".parquet": _inside_parquet,
    ".npz": _inside_npz,
}

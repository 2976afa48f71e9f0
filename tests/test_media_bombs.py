"""Small files that announce what would cost gigabytes or hours: refused at once."""

import gzip
import io
import struct
import time
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from voiceface.errors import InputError
from voiceface.media import check_mov_header as header
from voiceface.media import container, open_picture
from voiceface.media.bounded_reader import BoundedReader
from voiceface.media.movie import frames, movie_facts
from voiceface.media.origin import read_origin
from voiceface.media.picture import load_picture, picture_size
from voiceface.media.sound import load_sound, sound_seconds

MANY = 6_000_000


def box(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def words(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


def table(kind, *numbers):
    """A box with version and flags 0."""
    return box(kind, words(0, *numbers))


def track(sizes, times=(1, 9, 1), handler=b"vide", edits=b""):
    """A track whose samples lie in one chunk."""
    name = {b"vide": b"mp4v", b"soun": b"sowt"}[handler]
    sample = box(
        name, bytes(6), struct.pack(">H", 1), bytes(8), struct.pack(">HHHHI", 1, 16, 0, 0, 8000 << 16)
    )
    stored = box(
        b"stbl",
        box(b"stsd", words(0, 1), sample),
        table(b"stts", *times),
        table(b"stsz", *sizes),
        table(b"stsc", 1, 1, sizes[1], 1),
        table(b"stco", 1, 1000),
    )
    media = box(
        b"mdia",
        table(b"mdhd", 0, 0, 1000, 1000, 0),
        box(b"hdlr", words(0, 0), handler, bytes(13)),
        box(b"minf", stored),
    )
    return box(b"trak", box(b"tkhd", words(7, 0, 0, 1), bytes(68)), edits, media)


def movie(*tracks, after=b"", name=b"moov"):
    head = box(b"mvhd", words(0, 0, 0, 1000, 1000, 0x10000), bytes(76))
    return box(b"ftyp", b"qt  ", bytes(4)) + box(name, head, *tracks) + after + box(b"mdat", bytes(2000))


def fragment(samples, flags=0):
    return box(b"moof", box(b"traf", box(b"tfhd", words(0, 1)), box(b"trun", words(flags, samples))))


def packed(header, told=None):
    data = words(told or len(header)) + zlib.compress(header)
    return movie()[:16] + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", data)))


def edits(number):
    return box(b"edts", table(b"elst", number, *(1000, 0, 0x10000) * number))


def listed(number):
    return (0, number, *[1] * number)


CLAIMS = {
    "samples of one size": movie(track((1, MANY))),
    "in several tracks": movie(*[track((1, MANY // 3))] * 3),
    "as sound": movie(track((1, MANY), (1, MANY, 2), b"soun")),
    "in a box named otherwise": movie(track((1, MANY)), name=b"hoov"),
    "behind an unknown box": box(b"abcd") + movie(track((1, MANY))),
    "in fragments": movie(after=fragment(MANY // 2) + fragment(MANY // 2)),
    "in a packed header": packed(box(b"moov", track((1, MANY)))),
    "in a packed header of 320 MB": packed(box(b"moov", bytes(99)), told=320_000_000),
    "as edits": movie(track(listed(9000), edits=edits(9000))),
    "as a header of 300 MB": (None, 300_000_000),
    "as a thousand parts": box(b"ftyp") * 1001,
}
HARMLESS = {
    "many samples of plain sound": movie(track((1, MANY), (1, MANY, 1), b"soun")),
    "some samples of one size": movie(track((1, MANY // 2))),
    "listed samples": movie(track(listed(9000), edits=edits(2))),
    "many edits of few samples": movie(track(listed(90), edits=edits(900))),
    "fragments that list": movie(after=fragment(MANY, flags=0x200)),
    "a packed header": packed(movie(track((1, 9)))[16:-2008]),
    "no movie": b"RIFF" + bytes(99),
    "a box that ends before it begins": words(1) + b"moov" + bytes(3),
}


class Sparse(io.BytesIO):
    """A movie whose header is long and empty."""

    def seek(self, offset, whence=0):
        return 300_000_100 if whence == 2 else super().seek(offset, whence)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_movie_that_announces_more_than_it_holds_is_refused_before_it_costs_anything(claim, monkeypatch):
    monkeypatch.setattr(header, "_MOST_BOXES", 1000)
    data = CLAIMS[claim]
    file = io.BytesIO(data) if isinstance(data, bytes) else Sparse(words(data[1]) + b"moov" + bytes(99))
    began = time.monotonic()
    for read in (movie_facts, sound_seconds):
        with pytest.raises(InputError, match=r"announces|header of|edits of|parts; convert it anew"):
            read(file)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("told", HARMLESS)
def test_what_other_movies_announce_passes(told):
    file = io.BytesIO(HARMLESS[told])
    header.check_mov_header(BoundedReader(file, "x"))
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("kind", "codec", "flags"),
    [
        ("mov", "pcm_s16le", ""),
        ("mov", "pcm_s24le", ""),
        ("mov", "pcm_alaw", ""),
        ("mov", "adpcm_ima_qt", ""),
        ("mov", "aac", ""),
        ("mov", "pcm_s16le", "frag_keyframe+empty_moov"),
        ("mp4", "aac", "frag_keyframe+empty_moov+default_base_moof"),
    ],
)
def test_sound_in_a_movie_is_read_however_many_samples_its_header_names(kind, codec, flags, monkeypatch):
    monkeypatch.setattr(header, "_MOST_SAMPLES", 100)
    file = io.BytesIO()
    with av.open(file, "w", format=kind, options={"movflags": flags} if flags else {}) as out:
        stream = out.add_stream(codec, rate=48000, layout="mono")
        size = stream.codec_context.frame_size or 4096
        resampler = av.AudioResampler(stream.codec_context.format, "mono", 48000, frame_size=size)
        frame = av.AudioFrame.from_ndarray(np.ones((1, 48000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(part))
    assert sound_seconds(file) == pytest.approx(1, abs=0.1)


def riff(rate, samples=2000):
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    head = b"WAVEfmt " + form + b"data" + struct.pack("<I", 2 * samples)
    return b"RIFF" + struct.pack("<I", len(head) + 2 * samples) + head + bytes(2 * samples)


@pytest.mark.parametrize("rate", [1, 100, 999, 1_000_000, 2_000_000_000])
def test_a_wav_of_absurdly_few_or_many_samples_a_second_is_refused(rate):
    for read in (load_sound, sound_seconds):
        with pytest.raises(InputError, match=f"says to have {rate:,} samples a second; give sound of"):
            read(io.BytesIO(riff(rate)))


def test_a_wav_of_few_samples_a_second_is_read():
    assert len(load_sound(io.BytesIO(riff(1000)))) == 32000


def matroska(codec, packets, **told):
    """Packets (seconds, data) of one stream."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream(codec, **told)
        for seconds, data in packets:
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1000), True
            packet.pts = packet.dts = round(seconds * 1000)
            out.mux(packet)
    return file.getvalue()


def test_a_sound_with_gaps_that_add_up_to_days_is_refused():
    gaps = matroska("pcm_s16le", [(590 * k, bytes(160)) for k in range(200)], rate=8000, layout="mono")
    began = time.monotonic()
    with pytest.raises(InputError, match="is over 24 hours long; cut it"):
        load_sound(io.BytesIO(gaps))
    assert len(load_sound(io.BytesIO(gaps), start=589.0, stop=592.0)) == 48000
    assert time.monotonic() - began < 5


def test_so_is_one_whose_header_does_not_say_so(monkeypatch):
    monkeypatch.setattr(container, "_STATES_END", set())
    monkeypatch.setattr(container, "LONGEST_HOURS", 0.5)
    gaps = matroska("pcm_s16le", [(590 * k, bytes(160)) for k in range(9)], rate=8000, layout="mono")
    with pytest.raises(InputError, match="hours long"):
        load_sound(io.BytesIO(gaps))


def jpeg(side):
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, "JPEG")
    return file.getvalue()


def test_a_still_of_days_is_refused():
    data = matroska("mjpeg", [(0, jpeg(64)), (100_000, jpeg(64))], width=64, height=64, pix_fmt="yuvj420p")
    with pytest.raises(InputError, match="is over 24 hours long"):
        list(frames(io.BytesIO(data), fps=25))


def test_frames_that_grow_behind_the_first_one_are_not_decoded(monkeypatch):
    monkeypatch.setattr(container, "_MOST", {"max_pixels": "10000"})
    pictures = [(k / 10, jpeg(side)) for k, side in enumerate((64, 640, 64))]
    data = matroska("mjpeg", pictures, width=64, height=64, pix_fmt="yuvj420p")
    assert [picture.shape for _, picture in frames(io.BytesIO(data))] == [(64, 64, 3)] * 2


def png(width, height):
    """A PNG of one colour: 80 MB of pixels in 80 kB."""
    chunks = []
    rows = zlib.compress(bytes(height * (1 + width)))
    for kind, data in ((b"IHDR", words(width, height) + b"\x08\0\0\0\0"), (b"IDAT", rows), (b"IEND", b"")):
        chunks.append(words(len(data)) + kind + data + words(zlib.crc32(kind + data)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_the_origin_of_a_huge_picture_is_not_looked_for(monkeypatch):
    monkeypatch.setattr(open_picture, "MOST_PIXELS", 1_000_000)
    assert read_origin(io.BytesIO(png(1000, 1000))) is None
    for read in (read_origin, load_picture):
        with pytest.raises(InputError, match="has 1001 x 1000 pixels, more than"):
            read(io.BytesIO(png(1001, 1000)))


def fits():
    """An astronomer's picture, packed with gzip: unpacked at once, whatever its size."""
    first = {"SIMPLE": "T", "BITPIX": 8, "NAXIS": 0}
    packed = {"BITPIX": 8, "NAXIS": 2, "NAXIS1": 8, "NAXIS2": 8}
    second = {"XTENSION": "'BINTABLE'", **packed, "ZIMAGE": "T", "ZCMPTYPE": "'GZIP_1  '"}
    second |= {f"Z{name}": value for name, value in packed.items()}
    heads = b""
    for cards in (first, second):
        lines = [f"{name:8}= {value!s:>20}".ljust(80) for name, value in cards.items()]
        heads += "".join([*lines, "END"]).ljust(2880).encode()
    return heads + gzip.compress(bytes(9))


def saved(kind):
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, kind)
    return file.getvalue()


def test_programs_bombs_and_icons_are_no_pictures(monkeypatch):
    """What Pillow would run Ghostscript on, unpack without a limit, or find larger than it says."""
    monkeypatch.setattr("subprocess.check_call", lambda *args, **kwargs: pytest.fail("a program was run"))
    monkeypatch.setattr(gzip, "decompress", lambda data: pytest.fail("a bomb was unpacked"))
    for data in (saved("EPS"), b"\xc5\xd0\xd3\xc6" + bytes(99), fits(), saved("ICO"), saved("ICNS")):
        for read in (load_picture, picture_size, read_origin):
            with pytest.raises(InputError, match=r"is no picture|PostScript"):
                read(io.BytesIO(data))


def test_every_format_that_people_have_is_read():
    for kind in ("AVIF", *open_picture._FORMATS):
        if kind != "PSD":  # Pillow does not write it
            assert np.asarray(load_picture(io.BytesIO(saved(kind)))).shape == (16, 16, 3)
            assert read_origin(io.BytesIO(saved(kind))) is None

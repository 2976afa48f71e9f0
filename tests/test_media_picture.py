import io
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from voiceface.errors import InputError, MissingPartError
from voiceface.media.picture import decode_jpeg, encode_jpeg, load_picture, save_png

SHARED = Path(__file__).parents[2] / "shared" / "data"


def scene(width=60, height=40):
    """Four corners of different colours, so that every turn and flip shows."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (250, 20, 20)
    picture[: height // 2, width // 2 :] = (20, 250, 20)
    picture[height // 2 :, : width // 2] = (20, 20, 250)
    picture[height // 2 :, width // 2 :] = (240, 240, 240)
    return picture


def close(picture, expected, within=6):
    assert picture.mode == "RGB"
    assert np.abs(np.asarray(picture).astype(int) - expected.astype(int)).max() <= within


@pytest.mark.parametrize("kind", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_whatever_exif_says(tmp_path, orientation, kind):
    truth = Image.fromarray(scene(64, 32))
    # The stored picture is the inverse of the turn that the tag asks for (EXIF 2.3, orientation).
    stored = {
        1: lambda p: p,
        2: ImageOps.mirror,
        3: lambda p: p.rotate(180),
        4: ImageOps.flip,
        5: lambda p: ImageOps.mirror(p.rotate(270, expand=True)),
        6: lambda p: p.rotate(90, expand=True),
        7: lambda p: ImageOps.mirror(p.rotate(90, expand=True)),
        8: lambda p: p.rotate(270, expand=True),
    }[orientation](truth)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    stored.save(path, exif=exif, quality=100, **({"subsampling": 0} if kind == "jpg" else {}))
    picture = load_picture(path)
    assert picture.size == (64, 32)
    corners = np.asarray(picture).astype(int)[8::16, 16::32]
    assert np.abs(corners - scene(64, 32).astype(int)[8::16, 16::32]).max() <= 12
    assert load_picture(path, long_side=16).size == (16, 8)
    assert load_picture(load_picture(path)).size == (64, 32)  # turned once, not twice


def test_modes(tmp_path):
    rgb = scene()
    gray = rgb[..., 0]
    cases = {
        "gray.png": (Image.fromarray(gray), np.repeat(gray[..., None], 3, 2)),
        "bits.png": (Image.fromarray(gray > 128), np.repeat((gray > 128)[..., None] * 255, 3, 2)),
        "palette.png": (Image.fromarray(rgb).convert("P", palette=Image.Palette.ADAPTIVE), rgb),
        "gray.gif": (Image.fromarray(gray), np.repeat(gray[..., None], 3, 2)),
        "deep.png": (Image.fromarray(gray.astype(np.uint16) * 257), np.repeat(gray[..., None], 3, 2)),
        "deep.tiff": (Image.fromarray(gray.astype(np.uint16) * 257), np.repeat(gray[..., None], 3, 2)),
        "float.tiff": (Image.fromarray(gray.astype(np.float32) / 255), np.repeat(gray[..., None], 3, 2)),
        "wide.tiff": (Image.fromarray(gray.astype(np.int32)), np.repeat(gray[..., None], 3, 2)),
        "cmyk.tiff": (Image.fromarray(rgb).convert("CMYK"), rgb),
        "cmyk.jpg": (Image.fromarray(rgb).convert("CMYK"), rgb),
        "plain.bmp": (Image.fromarray(rgb), rgb),
        "ycbcr.tiff": (Image.fromarray(rgb).convert("YCbCr"), rgb),
    }
    for name, (image, expected) in cases.items():
        image.save(tmp_path / name, **({"quality": 100, "subsampling": 0} if name.endswith("jpg") else {}))
        close(load_picture(tmp_path / name), expected, within=8)
        with open(tmp_path / name, "rb") as file:
            close(load_picture(file), expected, within=8)
            assert not file.closed
        close(load_picture(image), expected, within=8)


def test_a_deep_picture_uses_its_full_scale(tmp_path):
    """PNG's 16 bits stay 16 bits even where all values are small: dark, not black and not blown up."""
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "dark.png")
    assert load_picture(tmp_path / "dark.png").getpixel((0, 0)) == (1, 1, 1)


def test_transparency_shows_gray(tmp_path):
    rgba = np.dstack([scene(), np.full((40, 60), 255, np.uint8)])
    rgba[:20, :, 3], rgba[20:30, :, 3] = 0, 128
    expected = scene().astype(float)
    share = rgba[..., 3:] / 255
    expected = expected * share + 128 * (1 - share)
    gray_alpha = Image.fromarray(rgba).convert("LA")
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png", transparency=0)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    Image.fromarray(rgba).save(tmp_path / "a.webp", lossless=True, exact=True)
    close(load_picture(tmp_path / "a.png"), expected, 1)
    close(load_picture(tmp_path / "a.webp"), expected, 1)
    close(load_picture(rgba), expected, 1)
    close(load_picture(Image.fromarray(rgba).convert("RGBa")), expected, 2)
    assert load_picture(gray_alpha).getpixel((5, 5)) == (128, 128, 128)
    assert load_picture(gray_alpha.convert("La")).getpixel((5, 5)) == (128, 128, 128)
    loaded = load_picture(tmp_path / "palette.png")
    assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(128, 128, 128), (0, 0, 255)]


def test_one_pixel_an_animation_and_scaling(tmp_path):
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "one.png")
    assert load_picture(tmp_path / "one.png", long_side=50).getpixel((0, 0)) == (9, 8, 7)
    Image.new("RGB", (3000, 2)).save(tmp_path / "line.png")
    assert load_picture(tmp_path / "line.png", long_side=100).size == (100, 1)
    stills = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    for name in ("a.gif", "a.webp", "a.png", "a.tiff"):
        stills[0].save(tmp_path / name, save_all=True, append_images=stills[1:])
        red, _, blue = load_picture(tmp_path / name).getpixel((4, 4))
        assert red > 240 and blue < 15
    smooth = np.linspace(0, 255, 800, dtype=np.uint8)[None, :, None].repeat(600, 0).repeat(3, 2)
    Image.fromarray(smooth).save(tmp_path / "big.jpg", quality=95)
    small = np.asarray(load_picture(tmp_path / "big.jpg", long_side=100))
    assert small.shape == (75, 100, 3)
    assert np.abs(small[30, :, 0] - smooth[0].reshape(100, 8, 3).mean(1)[:, 0]).max() < 4


def test_nothing_but_pixels_is_passed_on(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    Image.fromarray(scene()).save(
        tmp_path / "a.jpg", exif=exif, comment=b"secret place", icc_profile=b"x" * 99
    )
    picture = load_picture(tmp_path / "a.jpg")
    assert picture.info == {} and not picture.getexif()
    assert b"secret" not in encode_jpeg(picture) and b"maker" not in encode_jpeg(picture)


def run_in_memory_of_its_own(code: str, *arguments: str) -> list[str]:
    """Run in a fresh process and add the megabytes that its peak grew by after the imports."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read from Linux")  # getrusage begins at the parent's peak
    frame = (
        "import sys\nfrom voiceface.media.picture import *\n"
        "top = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) // 1024\n"
        "before = top()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", frame + code + "\nprint(top() - before)", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def resized_header(data: bytes, marker: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header claims another size."""
    at = data.index(marker) + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


def enormous_jpeg(side: int) -> bytes:
    """A whole RGB JPEG of ``side`` x ``side`` pixels, put together from eight rows of blocks of a strip."""
    strip = np.random.default_rng(0).integers(0, 60, (128, side, 3), np.uint8) + np.uint8([150, 90, 20])
    buffer = io.BytesIO()
    Image.fromarray(strip).save(buffer, "JPEG", quality=30, subsampling=2, restart_marker_rows=1)
    data = resized_header(buffer.getvalue(), b"\xff\xc0", side, side)
    begin = data.index(b"\xff\xda")
    begin += 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
    rows, rest = [], data[begin:-2]
    for k in range(7):
        row, rest = rest.split(bytes([0xFF, 0xD0 + k]))
        rows.append(row)
    rows.append(rest)
    scan = b"".join(rows[k % 8] + bytes([0xFF, 0xD0 + k % 8]) for k in range(side // 16))
    return data[:begin] + scan[:-2] + b"\xff\xd9"


def test_an_enormous_jpeg_is_read_small(tmp_path):
    """20,000 x 20,000 pixels would be 1.2 GB as RGB."""
    (tmp_path / "big.jpg").write_bytes(enormous_jpeg(20000))
    code = "p = load_picture(sys.argv[1], long_side=1280)\nprint(*p.size, *p.resize((1, 1)).getpixel((0, 0)))"
    width, height, red, green, blue, grown = map(
        int, run_in_memory_of_its_own(code, str(tmp_path / "big.jpg"))
    )
    assert (width, height) == (1280, 1280) and grown < 150
    assert np.abs(np.array([red, green, blue]) - [180, 120, 50]).max() < 8
    code = "p = load_picture(sys.argv[1])\nprint(*p.size)"
    width, height, grown = map(int, run_in_memory_of_its_own(code, str(tmp_path / "big.jpg")))
    assert (width, height) == (5000, 5000) and grown < 400


def test_other_enormous_pictures_are_refused_by_their_header(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "JPEG", progressive=True)
    (tmp_path / "progressive.jpg").write_bytes(resized_header(buffer.getvalue(), b"\xff\xc2", 20000, 20000))
    Image.fromarray(scene()).save(tmp_path / "small.png")
    png = (tmp_path / "small.png").read_bytes()
    for name, side in (("large.png", 10000), ("big.png", 20000)):
        header = b"IHDR" + side.to_bytes(4, "big") * 2 + png[24:29]
        (tmp_path / name).write_bytes(png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:])
    Image.fromarray(scene()).save(tmp_path / "small.bmp")
    bmp = bytearray((tmp_path / "small.bmp").read_bytes())
    bmp[18:26] = (20000).to_bytes(4, "little") * 2
    (tmp_path / "big.bmp").write_bytes(bmp)
    for name in ("progressive.jpg", "large.png", "big.png", "big.bmp"):
        with pytest.raises(InputError, match="0000 pixels|too many pixels") as caught:
            load_picture(tmp_path / name, long_side=100)
        assert name in str(caught.value) and "scale it down" in str(caught.value)


def bad_files(folder):
    def made(name, data):
        (folder / name).write_bytes(data)
        return folder / name

    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    yield made("empty.jpg", b""), "is empty"
    yield made("text.jpg", b"no picture\n" * 100), "is no picture"
    yield made("random.png", rng.bytes(5000)), "is no picture"
    for kind in ("jpg", "png", "webp", "gif", "tiff", "bmp"):
        noise.save(folder / f"whole.{kind}")
        whole = (folder / f"whole.{kind}").read_bytes()
        yield made(f"half.{kind}", whole[: len(whole) // 2]), "is a damaged|is no picture"
        yield made(f"head.{kind}", whole[:12]), "is a damaged|is no picture"
    png = bytearray((folder / "whole.png").read_bytes())
    png[len(png) // 2 : len(png) // 2 + 50] = bytes(50)
    yield made("torn.png", png), "is a damaged"
    yield (
        made("program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"),
        "PostScript",
    )
    yield folder, "is a folder"
    yield folder / "missing.jpg", "does not exist"


def test_bad_files_give_one_line_with_file_fault_and_remedy(tmp_path, capfd):
    for path, fault in bad_files(tmp_path):
        with pytest.raises(InputError, match=fault) as caught:
            load_picture(path)
        text = str(caught.value)
        assert text.startswith(f"{path}: ") and "; " in text and "\n" not in text
        if path.is_file() and path.stat().st_size:
            with pytest.raises(InputError, match=fault):
                load_picture(io.BytesIO(path.read_bytes()))
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_damaged_metadata_is_no_reason_to_refuse(tmp_path):
    Image.fromarray(scene()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*garbage that is no directory")
    assert load_picture(tmp_path / "a.jpg").size == (60, 40)


def test_arrays():
    rgb = scene()
    for array in (rgb, rgb / 255, (rgb / 255).astype(np.float32), rgb.astype(np.uint16) * 257):
        close(load_picture(array), rgb, 0)
    close(load_picture(rgb[..., :1]), rgb[..., :1].repeat(3, 2), 0)
    close(load_picture(rgb[..., 0] > 99), (rgb[..., :1] > 99).repeat(3, 2) * np.uint8(255), 0)
    close(load_picture(rgb[::-1, ::-1]), rgb[::-1, ::-1], 0)  # not contiguous
    before = rgb.copy()
    load_picture(rgb).putpixel((0, 0), (1, 2, 3))
    np.testing.assert_array_equal(rgb, before)
    for array, fault in [
        (np.zeros((3, 40, 60), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros(9, np.uint8), "shape"),
        (np.full((2, 2), np.nan), "NaN"),
        (rgb.astype(float), "out of"),
        (rgb.astype(int), "int64"),
    ]:
        with pytest.raises(InputError, match=fault):
            load_picture(array)
    with pytest.raises(InputError, match="long_side"):
        load_picture(rgb, long_side=0)


def test_saving_png_keeps_pixels_and_texts(tmp_path):
    texts = {"recipe": "talker", "Beschreibung": "weiß – 声 ☃\nzweite Zeile", "seed": "0"}
    for image in (scene(), Image.fromarray(scene()), Image.fromarray(scene()).convert("RGBA")):
        save_png(tmp_path / "a.PNG", image, metadata=texts)
        with Image.open(tmp_path / "a.PNG") as again:
            again.load()
            assert again.text == texts and again.format == "PNG"
            np.testing.assert_array_equal(np.asarray(again.convert("RGB")), scene())
    for path, metadata, fault in [
        (tmp_path / "a.jpg", {}, "does not end in .png"),
        (tmp_path / "a.png", {"": "x"}, "entry"),
        (tmp_path / "a.png", {"k" * 80: "x"}, "entry"),
        (tmp_path / "a.png", {"声": "x"}, "entry"),
        (tmp_path / "no" / "a.png", {}, "does not exist"),
    ]:
        with pytest.raises(InputError, match=fault):
            save_png(path, scene(), metadata=metadata)
    assert os.listdir(tmp_path) == ["a.PNG"]


def test_jpeg_bytes_round_trip():
    smooth = np.asarray(Image.fromarray(scene(64, 64)).resize((256, 256), Image.Resampling.BICUBIC))
    data = encode_jpeg(smooth)
    assert data[:3] == b"\xff\xd8\xff" and encode_jpeg(Image.fromarray(smooth)) == data
    assert np.abs(np.asarray(decode_jpeg(data)).astype(int) - smooth).mean() < 2
    assert len(encode_jpeg(smooth, quality=50)) < len(data)
    for bad in (b"", b"xx", data[: len(data) // 2]):
        with pytest.raises(InputError):
            decode_jpeg(bad)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not here")
def test_real_faces():
    for path in sorted((SHARED / "pairs" / "faces").iterdir())[::60]:
        picture = load_picture(path)
        assert picture.size == (224, 224) and np.asarray(picture).std() > 5


def test_heic_pictures_are_read_and_without_their_package_it_is_named(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    source = Image.linear_gradient("L").resize((120, 90)).convert("RGB")
    pillow_heif.from_pillow(source).save(tmp_path / "a.heic", quality=95)
    read = load_picture(tmp_path / "a.heic")
    assert read.size == (120, 90)
    assert np.abs(np.asarray(read, float) - np.asarray(source, float)).mean() < 3
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for given in (tmp_path / "a.heic", io.BytesIO((tmp_path / "a.heic").read_bytes())):
        with pytest.raises(MissingPartError, match=r"format HEIC, and pillow-heif is not.*voiceface\[heif\]"):
            load_picture(given)

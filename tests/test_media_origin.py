"""A drawn picture says in its file what it is, however it is saved, and nothing else claims to be one."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from voiceface.errors import InputError
from voiceface.media.origin import SOURCE_TYPE, GeneratedImage, Origin, read_origin
from voiceface.media.picture import save_png

ORIGIN = Origin(model="imaginer <ä&b>", fingerprint="ab12cd", seed=-7, draw=3, note="little speech")
PIXELS = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)


@pytest.fixture
def drawn():
    return GeneratedImage.of(Image.fromarray(PIXELS), ORIGIN)


def test_a_png_tells_everything_again(drawn, tmp_path):
    save_png(tmp_path / "a.png", PIXELS, origin=ORIGIN, metadata={"Title": "one"})
    save_png(tmp_path / "b.png", drawn)
    drawn.save(tmp_path / "c.png")
    for name in "abc":
        path = tmp_path / f"{name}.png"
        assert (
            read_origin(path)
            == read_origin(str(path))
            == read_origin(io.BytesIO(path.read_bytes()))
            == ORIGIN
        )
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image), PIXELS)
            assert image.text["synthetic"] == "true" and "not a photograph" in image.text["Comment"]
            assert image.text["Software"].startswith("voiceface ") and image.text["seed"] == "-7"
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["Title"] == "one"


def test_the_xmp_packet_lies_where_the_png_specification_wants_it(drawn, tmp_path):
    from xml.etree import ElementTree

    drawn.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    at = data.index(b"iTXt")
    length = int.from_bytes(data[at - 4 : at], "big")
    body = data[at + 4 : at + 4 + length]
    assert body.startswith(b"XML:com.adobe.xmp\0\0\0\0\0"), "keyword, not compressed, no language"
    packet = ElementTree.fromstring(
        body.split(b"\0\0\0\0\0", 1)[1].decode().split("?>", 1)[1].split("<?xpacket")[0]
    )
    kinds = [node.text for node in packet.iter() if node.tag.endswith("}DigitalSourceType")]
    assert kinds == [SOURCE_TYPE] and SOURCE_TYPE.endswith("/trainedAlgorithmicMedia")


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_other_formats_keep_it_in_their_xmp(drawn, tmp_path, suffix):
    drawn.save(tmp_path / f"a.{suffix}")
    found = read_origin(tmp_path / f"a.{suffix}")
    assert (found.model, found.fingerprint, found.seed, found.draw) == ("imaginer <ä&b>", "ab12cd", -7, 3)


def test_what_pillow_makes_of_it_still_knows(drawn, tmp_path):
    for one in (drawn.resize((5, 5)), drawn.crop((0, 0, 4, 4)), pickle.loads(pickle.dumps(drawn))):
        assert read_origin(one) == ORIGIN
        save_png(tmp_path / "a.png", one)
        assert read_origin(tmp_path / "a.png") == ORIGIN


def test_other_pictures_claim_nothing(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "plain.png")
    save_png(tmp_path / "told.png", PIXELS, metadata={"synthetic": "maybe", "Source": "camera"})
    save_png(tmp_path / "half.png", PIXELS, metadata={"synthetic": "true", "model": "x"})
    assert [read_origin(tmp_path / f"{name}.png") for name in ("plain", "told", "half")] == [None] * 3


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match=r"a\.png: is no picture"):
        read_origin(tmp_path / "a.png")
    with pytest.raises(InputError, match="does not exist"):
        read_origin(tmp_path / "gone.png")

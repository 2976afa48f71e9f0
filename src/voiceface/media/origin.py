"""Where a generated picture comes from, written into the file itself: it is no photograph."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, unescape

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from voiceface.media.files import check_readable, source_name
from voiceface.media.open_file import open_file
from voiceface.media.open_picture import check_pixels, open_picture

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for "made by a model that learnt from data" (IPTC Photo Metadata, Digital Source Type)."""
IMAGE_NOTICE = "Synthetic image drawn from a voice; not a photograph of a real person."
VIDEO_NOTICE = "Synthetic video: a model drew a talking face from a sound; nobody was filmed saying this."
_XMP_KEY = "XML:com.adobe.xmp"  # PNG specification, third edition, 11.3.3.4
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<Iptc4xmpExt:DigitalSourceType>{kind}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>{software}</xmp:CreatorTool>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What generated a picture. It says nothing of the recording: neither its name nor the speaker."""

    model: str
    """The weights' name."""
    fingerprint: str
    """Of the weights, hexadecimal."""
    seed: int
    draw: int = 0
    """Which of the seed's pictures."""
    note: str = ""
    """What else must be known: the typical face, little speech."""
    software: str = ""
    """Package and version; filled in where empty."""

    def __post_init__(self) -> None:
        """Fill in the software."""
        if not self.software:
            object.__setattr__(self, "software", _software())

    def text_entries(self) -> dict[str, str]:
        """The PNG text entries, keyed as the PNG specification suggests where it has a word."""
        entries = {
            "Software": self.software,
            "Source": "synthetic",
            "Comment": IMAGE_NOTICE,
            "synthetic": "true",
            "model": self.model,
            "model-fingerprint": self.fingerprint,
            "seed": str(self.seed),
            "draw": str(self.draw),
        }
        return entries | ({"note": self.note} if self.note else {})

    def movie_metadata(self, *, given_face: bool = False) -> dict[str, str]:
        """A movie's metadata: the same, in words of its own; ``given_face`` where a picture was animated."""
        how = " The face is from a picture that was given." if given_face else ""
        entries = {name.lower(): text for name, text in self.text_entries().items()}
        return entries | {"comment": VIDEO_NOTICE + how, "digital-source-type": SOURCE_TYPE}

    def xmp(self) -> str:
        """The XMP packet with IPTC's digital source type, which picture programs and platforms look for."""
        description = (
            f"{IMAGE_NOTICE} Model {self.model} {self.fingerprint}, seed {self.seed}, draw {self.draw}."
        )
        return _XMP.format(kind=SOURCE_TYPE, software=escape(self.software), description=escape(description))

    def png_info(self) -> PngInfo:
        """All of it as Pillow writes it into a PNG."""
        info = PngInfo()
        for key, text in self.text_entries().items():
            info.add_text(key, text)
        info.add_itxt(_XMP_KEY, self.xmp())
        return info


class GeneratedImage(Image.Image):
    """A Pillow image that keeps its origin when it is saved: text and XMP in a PNG, XMP in JPEG and WebP.

    What Pillow makes of it (``resize``, ``crop``) is a plain image, whose ``info`` still holds the entries
    and which `voiceface.media.picture.save_png` writes with them.
    """

    @classmethod
    def of(cls, image: Image.Image, origin: Origin) -> GeneratedImage:
        """A copy of ``image`` that came about as ``origin`` says."""
        made = image.copy()
        made.__class__ = cls
        assert isinstance(made, cls)
        entries: dict[Any, Any] = {"xmp": origin.xmp().encode()}
        made.info = entries | origin.text_entries()
        return made

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002, ANN401
        """As Pillow's, with the origin unless ``pnginfo`` or ``xmp`` say otherwise."""
        origin = read_origin(self)
        if origin is not None:
            params = {"pnginfo": origin.png_info(), "xmp": origin.xmp().encode()} | params
        super().save(fp, format, **params)


def read_origin(source: Any) -> Origin | None:  # noqa: ANN401  a path, a file object or a Pillow image
    """What a picture says of its origin; None where it says nothing that we wrote.

    Raises:
        InputError: it is missing, no picture, damaged or too large.
    """
    if isinstance(source, Image.Image):
        return _origin_of(source.info)
    check_readable(source)
    name = source_name(source)
    with contextlib.ExitStack() as stack:
        file = source if hasattr(source, "read") else stack.enter_context(open_file(source))
        image = stack.enter_context(open_picture(file, name))
        if image.format == "PNG":  # its text entries may stand behind the pixels
            check_pixels(image, name)
            image.load()
        return _origin_of({**image.info, **getattr(image, "text", {})})


def _origin_of(info: dict[Any, Any]) -> Origin | None:
    try:
        if info["synthetic"] != "true":
            return None
        return Origin(
            model=str(info["model"]),
            fingerprint=str(info["model-fingerprint"]),
            seed=int(info["seed"]),
            draw=int(info["draw"]),
            note=str(info.get("note", "")),
            software=str(info["Software"]),
        )
    except (KeyError, ValueError):
        return _origin_of_xmp(info.get("xmp", b""))


def _origin_of_xmp(packet: bytes | str) -> Origin | None:
    """From the packet's description, which is all that a JPEG or WebP keeps."""
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet
    if SOURCE_TYPE not in text:
        return None
    named = re.search(r"Model (.+) ([0-9a-f]+), seed (-?\d+), draw (\d+)\.", text)
    tool = re.search(r"<xmp:CreatorTool>(.*?)</xmp:CreatorTool>", text)
    if named is None or tool is None:
        return None
    model, fingerprint, seed, draw = named.groups()
    return Origin(
        model=unescape(model),
        fingerprint=fingerprint,
        seed=int(seed),
        draw=int(draw),
        software=unescape(tool.group(1)),
    )


def _software() -> str:
    try:
        return f"voiceface {importlib.metadata.version('voiceface')}"
    except importlib.metadata.PackageNotFoundError:
        return "voiceface (not installed)"

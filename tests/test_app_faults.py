"""A server with the shipped models: hostile media by the API and the page, then a run through the page."""

import io
import re
import struct
import wave
import zlib

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from app_server import started
from browser_page import CHROMIUM
from draw_face import draw_face
from generating_models import speech_like_wave
from voiceface.media.movie import movie_facts
from voiceface.media.origin import read_origin


def wav(samples, rate=16000):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((20000 * samples).astype("<i2").tobytes())
    return buffer.getvalue()


def image(width, height, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.new("L", (width, height), 90).save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(side=40_000):
    """A PNG of few kilobytes that has 1.6 gigapixels."""
    row = zlib.compress(bytes(side // 8 + 1) * 200, 9)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", row), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def claiming(sound):
    """A WAV file whose header claims 4 GB; what is there is silent."""
    return sound[:4] + b"\xf0\xff\xff\xff" + sound[8:40] + b"\xf0\xff\xff\xff" + sound[44:]


SPEECH = wav(speech_like_wave(1))
SILENCE = wav(np.zeros(32000))
PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
FACE = io.BytesIO()
draw_face(3, 256).save(FACE, "JPEG")
SOUNDS = {
    "empty.wav": (b"", "is empty"),
    "text.wav": (b"hello world\n" * 50, "is not media"),
    "0 s.wav": (SPEECH[:44], "contains no sound"),
    "0.1 s.wav": (wav(speech_like_wave(1, seconds=0.1)), "is 0.1"),
    "cut.wav": (SPEECH[:20000], "is cut short"),
    "silent.wav": (SILENCE, "contains no detectable speech"),
    "claims 4 GB.wav": (claiming(SILENCE), "contains no detectable speech"),
    "long.wav": (wav(np.zeros(16000 * 301)), "is 301 s long"),
    "1 Hz.wav": (wav(np.zeros(9), rate=1), "samples a second"),
    "picture.wav": (FACE.getvalue(), "is no sound file"),
    "playlist.m3u8": (PLAYLIST, "is not media"),
    "| rm -rf x": (b"hello" * 99, "is not media"),
    "pipe:0": (b"hello" * 99, "is not media"),
    "list.ffconcat": (b"ffconcat version 1.0\nfile /etc/passwd\n", "is no sound file"),
    "<b>.wav": (b"hello" * 99, "is not media"),
}
PICTURES = {
    "empty.jpg": (b"", "is empty"),
    "text.jpg": (b"hello", "is no picture"),
    "cut.jpg": (FACE.getvalue()[:3000], "is a damaged picture"),
    "sound.jpg": (SPEECH, "is no picture"),
    "bomb.png": (bomb(), "too many pixels"),
    "60 megapixels.png": (image(10_000, 6_000), "has 10000 x 6000 pixels"),
    "wall.png": (image(64, 64), "shows no face"),
    "8 pixels.png": (image(8, 8), "shows no face"),
    "thin.png": (image(1, 40_000), "shows no face"),
    "moving.gif": (
        image(64, 64, "GIF", save_all=True, append_images=[Image.new("L", (64, 64))] * 99),
        "shows",
    ),
    "drawing.svg": (
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>',
        "is no pict",
    ),
    "program.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n", "is a PostScript program"),
}
QUICK_SOUNDS = ("empty.wav", "text.wav", "0 s.wav", "cut.wav", "silent.wav", "| rm -rf x", "<b>.wav")
QUICK_PICTURES = ("empty.jpg", "cut.jpg", "bomb.png", "wall.png")
"""What is also given to the page, which passes everything on in the same way."""


@pytest.fixture(scope="module")
def url():
    with started() as process:
        yield process.stdout.readline().strip()
    assert "Traceback" not in process.errors


def test_hostile_media_by_the_api_cost_one_line_each_and_no_worker(url):
    sent = [("imagine", {"voice": (name, data)}, name, fault) for name, (data, fault) in SOUNDS.items()]
    for name, (data, fault) in PICTURES.items():
        sent.append(("verify", {"voice": ("a.wav", SPEECH), "face": (name, data)}, name, fault))
    for address, files, name, fault in sent:
        answer = httpx.post(f"{url}v1/{address}", files=files, timeout=60)
        assert answer.status_code == 422, (name, answer.text)
        line = answer.json()["error"]
        assert line.startswith(f"{name}: ") and fault in line and "\n" not in line, line
        assert "--" not in line, line  # an option of a command is no remedy here
    good = {"voice": ("a.wav", SPEECH), "face": ("a.jpg", FACE.getvalue())}
    assert httpx.post(f"{url}v1/verify", files=good, timeout=60).status_code == 200
    assert "voiceface_workers_replaced_total 0\n" in httpx.get(f"{url}metrics").text


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_page_tells_hostile_media_and_goes_from_a_recording_to_a_clip(url, tmp_path):
    from playwright.sync_api import expect, sync_playwright

    (tmp_path / "speech.wav").write_bytes(wav(np.repeat(speech_like_wave(1), 3), rate=48000))
    flags = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream"]
    flags.append(f"--use-file-for-fake-audio-capture={tmp_path / 'speech.wav'}")
    with sync_playwright() as driver, driver.chromium.launch(executable_path=CHROMIUM, args=flags) as browser:
        page = browser.new_context(permissions=["microphone"]).new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page.goto(url)
        asked = []
        page.on("request", lambda one: asked.append(one.url))
        told = page.locator("[role=alert]:visible")
        for name in QUICK_SOUNDS:
            data, fault = SOUNDS[name]
            file = {"name": name, "mimeType": "audio/wav", "buffer": data}
            page.set_input_files("#voice-file", file)
            page.get_by_role("button", name="Imagine faces").click()
            expect(told).to_contain_text(re.compile(f"^{re.escape(name)}: .*{re.escape(fault)}"))
            page.get_by_role("button", name="Use another voice").click()
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_role("button", name=re.compile(r"Stop \([2-9]")).click()
        page.get_by_label("Faces", exact=True).fill("1")
        page.get_by_role("button", name="Imagine faces").click()
        with page.expect_download() as saving:
            page.get_by_role("link", name="Download imagined face 1").click()
        assert read_origin(saving.value.path()).model == "imaginer"
        page.get_by_role("tab", name="Match").click()
        page.get_by_label("One voice, one face").check()
        for name in QUICK_PICTURES:
            data, fault = PICTURES[name]
            file = {"name": name, "mimeType": "image/png", "buffer": data}
            page.set_input_files("#match-picture input", file)
            page.get_by_role("button", name="Compare").click()
            expect(told).to_contain_text(re.compile(f"^{re.escape(name)}: .*{re.escape(fault)}"))
        page.get_by_role("tab", name="Talk").click()
        page.locator("#clip select").select_option("256")
        page.get_by_role("button", name="Make the clip").click()
        with page.expect_download() as saving:
            page.get_by_role("link", name="Download the clip").click()
        facts = movie_facts(saving.value.path())
        assert facts.metadata["synthetic"] == "true" and "nobody was filmed" in facts.metadata["comment"]
        assert all(one.startswith((url, f"blob:{url}")) for one in asked)

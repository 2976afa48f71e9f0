"""The page in a real Chromium: every flow, on a phone, by keyboard, dark, and never a request elsewhere."""

import io
import json
import os
import re
import shutil
import wave

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("playwright")
from playwright.sync_api import expect, sync_playwright

from app_engine import fake_workers
from app_server import listening
from voiceface.app.protection import Access
from voiceface.media.origin import read_origin

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
expect.set_options(timeout=20_000)
SHOTS = os.environ.get("VOICEFACE_SCREENSHOTS", "")
"""A folder for screenshots, where somebody wants to look."""


def sound(seconds=2.0, rate=16000):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        tone = 8000 * np.sin(np.arange(round(seconds * rate)) * 0.1)
        file.writeframes(tone.astype("<i2").tobytes())
    return buffer.getvalue()


PLAY = "v => new Promise(done => { v.onended = () => done(v.videoWidth); v.muted = true; v.play() })"
STOP = re.compile(r"Stop \([1-9]")
VOICE = {"name": "a voice.wav", "mimeType": "audio/wav", "buffer": sound()}


def pictures(count):
    from PIL import Image

    found = []
    for k in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), (40 * k, 90, 120)).save(buffer, "PNG")
        found.append({"name": f"{k}<b>.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    return found


@pytest.fixture(scope="module")
def port():
    with listening(fake_workers(queue=2), gallery=True, corpus=True) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    microphone = tmp_path_factory.mktemp("microphone") / "mic.wav"
    microphone.write_bytes(sound(rate=48000))
    flags = [
        "--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]  # fmt: skip
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, port, request):
    """Opens the page; at the end nothing was asked of another host, and nothing was complained of."""
    contexts, asked, complaints = [], [], []

    def begin(width=1280, *, address="", allow=("microphone",), dark=False):
        context = browser.new_context(
            viewport={"width": width, "height": 850},
            color_scheme="dark" if dark else "light",
            is_mobile=width < 600,
            permissions=list(allow),
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda one: asked.append(one.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda one: complaints.append(one.text) if one.type in ("error", "warning") else None
        )
        page.goto(address or f"http://127.0.0.1:{port}/")
        contexts.append(context)
        return page

    yield begin
    for number, context in enumerate(contexts):
        if SHOTS:
            context.pages[0].screenshot(path=f"{SHOTS}/{request.node.name}-{number}.png", full_page=True)
        context.close()
    outside = [url for url in asked if not url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:"))]
    assert asked and outside == []
    assert complaints == [one for one in complaints if "status of" in one]  # answers that a test asked for


def give_voice(page, voice=VOICE):
    page.set_input_files("#voice-file", voice)
    expect(page.locator("#voice-name")).to_have_text(voice["name"])


def test_a_recording_becomes_faces_and_a_clip(open_page):
    page = open_page()
    expect(page.get_by_role("button", name="Imagine faces")).to_be_disabled()
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("button", name=STOP).click()
    expect(page.locator("#voice-name")).to_contain_text("Recorded, ")
    page.get_by_role("button", name="Imagine faces").click()
    faces = page.get_by_role("img", name="Imagined face")
    expect(faces).to_have_count(6)
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download imagined face 3").click()
    origin = read_origin(saving.value.path())
    assert (origin.seed, origin.draw, saving.value.suggested_filename) == (0, 2, "imagined-seed0-3.png")
    page.get_by_role("button", name="Imagine others").click()
    expect(page.get_by_text("Random seed 1")).to_be_visible()
    page.get_by_role("button", name="Let imagined face 2 talk").click()
    expect(page.locator("#clip-face")).to_contain_text("imagined-seed1-2.png")
    page.get_by_role("button", name="Make the clip").click()
    video = page.locator("video")
    expect(video).to_be_visible()
    assert video.evaluate(PLAY) == 64
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download the clip").click()
    assert saving.value.suggested_filename == "clip.mp4"


def test_pictures_are_ranked_for_the_voice_and_voices_for_a_picture(open_page):
    page = open_page()
    give_voice(page)
    page.get_by_role("tab", name="Match").click()
    page.set_input_files("#match-pictures input", pictures(4))
    page.get_by_role("button", name="Take out 1<b>.png").click()
    page.get_by_role("button", name="Rank the faces").click()
    rows = page.locator("#match .ranking li")
    expect(rows).to_have_count(2)  # the fake engine cannot use the last
    expect(rows.first).to_contain_text("0<b>.png")  # a name is text, whatever it holds
    expect(rows.first).to_contain_text("90 %")
    expect(page.locator("#match .warning")).to_contain_text("3<b>.png: shows no face")
    page.get_by_label("Voices for a face").check()
    page.get_by_role("button", name="Rank").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_have_text(
        "Choose a picture that shows the face."
    )
    page.set_input_files("#match-picture input", pictures(1))
    page.set_input_files("#match-recordings input", [VOICE | {"name": "other.wav"}])
    page.get_by_role("button", name="Rank").click()
    expect(page.get_by_text("Best voice first")).to_be_visible()
    expect(rows.first).to_contain_text("a voice.wav")
    page.get_by_label("One voice, one face").check()
    expect(page.locator("#match .result")).to_be_empty()  # it was of the other comparison
    page.get_by_role("button", name="Compare").click()
    expect(rows).to_have_text(["Voice and face are one person’s64 %"])
    page.get_by_role("button", name="Use another voice").click()
    expect(page.locator("#match .result")).to_be_empty()  # it was of the other voice


def test_the_gallery_is_searched_added_to_and_removed_from(open_page):
    page = open_page()
    give_voice(page)
    page.get_by_role("tab", name="Gallery").click()
    expect(page.locator("#gallery-size")).to_contain_text("3 items (voices and faces) of 2 people")
    page.get_by_role("button", name="Search").click()
    found = page.locator("#gallery .ranking li")
    expect(found).to_have_text(["1Ann<i>Picture a.jpg75 %", "2BobPicture b.jpg25 %"])
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()  # it must be filled in
    page.get_by_label("Name", exact=True).fill("Cy <b>")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#gallery-add [role=alert]")).to_contain_text("Choose pictures or recordings")
    page.set_input_files("#gallery-pictures input", pictures(2))
    page.get_by_label("The voice above is this person’s").check()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#gallery-add .result")).to_have_text("3 items of Cy <b> added.")
    people = page.locator("#gallery-list li")
    expect(people).to_contain_text(["Ann<i>2 items", "Bob / 11 item", "Cy <b>3 items"])
    page.get_by_label("Find a name").fill("Bob")
    expect(people).to_have_count(1)
    page.get_by_role("button", name="Remove Bob / 1").click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Remove Bob / 1").click()
    page.get_by_role("button", name="Remove for good").click()
    expect(page.locator("#gallery-told")).to_have_text(
        "Bob / 1 and 1 item are removed, from the server’s disk too."
    )
    expect(page.locator("#gallery-size")).to_contain_text("5 items (voices and faces) of 2 people")
    expect(found).to_have_count(0)  # they may name who was removed


def test_the_report_of_the_corpus_is_shown_and_downloaded(open_page):
    page = open_page()
    page.get_by_role("tab", name="Corpus").click()
    expect(page.get_by_role("heading", name="people <i>")).to_be_visible()
    expect(page.locator("#corpus")).to_contain_text("not finished")
    rows = page.get_by_role("table", name="Who is in it").get_by_role("row")
    expect(rows.last).to_have_text("All231,23402 min1 min")
    expect(page.locator("#corpus .findings").first).to_have_text("Error: person b: is in two splits; mend it")
    page.get_by_text("3 files rejected").click()
    expect(page.locator("#corpus details")).to_contain_text("a<b>.wav is empty")
    expect(page.locator("#corpus details")).to_contain_text("and 2 more")
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download the report").click()
    assert json.loads(saving.value.path().read_text())["faces"] == 1234
    page.get_by_role("button", name="Read it again").click()
    expect(page.get_by_role("heading", name="people <i>")).to_be_visible()


def test_a_clip_shows_its_progress_and_can_be_cancelled(open_page):
    page = open_page()
    give_voice(page, VOICE | {"buffer": b"steps 1000"})
    page.get_by_role("tab", name="Talk").click()
    page.get_by_role("button", name="Make the clip").click()
    expect(page.locator("#clip .status")).to_contain_text("of 1000")
    with page.expect_request(lambda one: one.method == "DELETE"):
        page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#clip .status")).to_be_empty()
    expect(page.get_by_role("button", name="Make the clip")).to_be_enabled()


def test_a_clip_that_fails_says_why(open_page):
    page = open_page()
    give_voice(page, VOICE | {"buffer": b"bad"})
    page.get_by_role("tab", name="Talk").click()
    page.get_by_role("button", name="Make the clip").click()
    told = page.locator("#clip [role=alert]")
    expect(told).to_have_text("a voice.wav: contains no sound. To do: record it again.")


def test_errors_are_told_where_they_belong(open_page):
    page = open_page()
    give_voice(page, VOICE | {"buffer": b"bad"})
    page.get_by_role("button", name="Imagine faces").click()
    told = page.locator("#imagine [role=alert]")
    expect(told).to_have_text("a voice.wav: contains no sound. To do: record it again.")
    page.get_by_role("button", name="Use another voice").click()
    give_voice(page)
    page.get_by_role("button", name="Imagine faces").click()
    expect(page.get_by_role("img", name="Imagined face")).to_have_count(6)
    expect(told).to_have_count(0)


def test_a_microphone_that_is_refused_is_told(open_page):
    page = open_page(allow=())
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("#voice-error")).to_contain_text("may not use the microphone")


def test_by_keyboard_alone(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the voice")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name=STOP).wait_for()
    page.keyboard.press("Space")
    expect(page.locator("#voice-chosen")).to_be_visible()
    tab = page.get_by_role("tab", name="Imagine")
    for _ in range(12):
        page.keyboard.press("Tab")
        if tab.evaluate("one => one === document.activeElement"):
            break
    for key, name in (
        ("ArrowRight", "Talk"),
        ("End", "Corpus"),
        ("ArrowRight", "Imagine"),
        ("ArrowLeft", "Corpus"),
    ):
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Imagine faces")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="Imagined face")).to_have_count(6)


NAMELESS = """[...document.querySelectorAll("button, input, select, a, img, video, audio, progress")]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length))
  .filter((one) => !one.hasAttribute("alt"))
  .map((one) => one.outerHTML)"""
"""Elements that a screen reader has no name for; a picture beside its name has an empty one."""
SMALL = """[...document.querySelectorAll("button, .button, select, .field input, .check")]
  .filter((one) => one.checkVisibility())
  .filter((one) => one.getBoundingClientRect().height < 32)
  .map((one) => one.outerHTML)"""
"""Elements that a finger misses."""
PALE = r"""[...document.querySelectorAll("p, label, button:not(:disabled), h1, h2, li, span, legend")]
  .filter((one) => one.checkVisibility())
  .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((one) => {
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const bright = (colour) => [0.2126, 0.7152, 0.0722]
      .reduce((sum, weight, k) => sum + weight * linear(numbers(colour)[k] / 255), 0);
    const clear = (of) => numbers(getComputedStyle(of).backgroundColor)[3] === 0;
    const ground = (of) => (clear(of) ? ground(of.parentElement) : of);
    const colours = [getComputedStyle(one).color, getComputedStyle(ground(one)).backgroundColor];
    const [dark, light] = colours.map(bright).sort();
    return [(light + 0.05) / (dark + 0.05), one.textContent];
  })
  .filter(([contrast]) => contrast < 4.5)"""
"""Texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_it_fits_every_screen_and_every_element_has_a_name(open_page, width, dark):
    page = open_page(width, dark=dark)
    give_voice(page)
    page.get_by_role("button", name="Imagine faces").click()
    expect(page.get_by_role("img", name="Imagined face")).to_have_count(6)
    shown = {"Gallery": "#gallery-list li", "Corpus": "#corpus table"}
    for name in ("Imagine", "Talk", "Match", "Gallery", "Corpus"):
        page.get_by_role("tab", name=name).click()
        expect(page.locator(shown.get(name, "h1")).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert (
            page.evaluate("(bar => bar.scrollWidth - bar.clientWidth)(document.querySelector('.tabs'))") == 0
        )
        assert page.evaluate(NAMELESS) == page.evaluate(SMALL) == []
        assert page.evaluate(PALE) == []
    heights = page.evaluate("[...document.images].map((one) => one.naturalWidth)")
    assert all(heights)


def test_a_token_is_taken_from_the_address_or_asked_for(open_page):
    workers = fake_workers()
    with listening(workers, access=Access(token="the-right-token-1")) as guarded:
        workers.wait_until_ready()
        page = open_page(address=f"http://127.0.0.1:{guarded}/")
        page.get_by_label("Token").fill("the-right-token-1")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("#models")).to_contain_text("fake-imaginer")
        expect(page.locator("#token")).to_be_hidden()
        page = open_page(address=f"http://127.0.0.1:{guarded}/#token=the-right-token-1")
        give_voice(page)
        page.get_by_role("button", name="Imagine faces").click()
        expect(page.get_by_role("img", name="Imagined face")).to_have_count(6)


def test_while_the_server_is_busy_the_page_waits_its_turn(open_page):
    workers = fake_workers(queue=0)
    with listening(workers) as busy:
        page = open_page(address=f"http://127.0.0.1:{busy}/")
        give_voice(page)
        place = workers.take_place()
        page.get_by_role("button", name="Imagine faces").click()
        expect(page.locator("#imagine .status")).to_contain_text("Waiting for the server, which is busy")
        place.free()
        expect(page.get_by_role("img", name="Imagined face")).to_have_count(6)

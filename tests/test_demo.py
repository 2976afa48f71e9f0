"""The demo: a page of what came out, with the user's files or without, and one line for every bad input."""

import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo_models import stand_ins
from generating_models import speech_like_wave
from voiceface.demo import __main__ as door
from voiceface.demo import rankings, run_demo
from voiceface.demo.demo_voice import DemoVoice
from voiceface.demo.replaced_folder import replaced_folder
from voiceface.errors import InputError, MissingPartError
from voiceface.media.origin import read_origin
from voiceface.media.sound import save_sound

HOSTILE = "<script>alert('1')&\"q\" .png"


class Elements(HTMLParser):
    """All elements of a page with their attributes, and its words."""

    def __init__(self, text):
        super().__init__()
        self.found, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if not (self.found and self.found[-1][0] == "style" and "{" in data):
            self.words += data

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self):
        return " ".join(self.words.split())


@pytest.fixture
def synthesised(monkeypatch):
    """Two voices without the synthesiser, the second three times as loud."""

    def voices(folder):
        found = []
        for number, gender in enumerate("fm", 1):
            path = folder / f"voice-{number}.wav"
            save_sound(path, (0.1 if number == 1 else 0.4) * speech_like_wave(number, seconds=1.0))
            found.append(
                DemoVoice(
                    name=f"Voice {number}",
                    told=gender,
                    sound=path,
                    source=path,
                    file=path.name,
                    gender=gender,
                )
            )
        return found

    monkeypatch.setattr(run_demo, "_synthesised", voices)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A voice, and pictures of a grey each, named so that a page or a shell could trip over them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rankings, "face_of", lambda path: np.asarray(Image.open(path).convert("RGB")))
    save_sound(tmp_path / "my voice's.wav", 0.3 * speech_like_wave(0, seconds=2.0))
    Path("faces").mkdir()
    for tone, name in ((20, HOSTILE), (90, "b c.png"), (240, "d.png")):
        Image.new("RGB", (40, 40), (tone,) * 3).save(Path("faces") / name)
    return tmp_path


def demo(out="demo-out", **given):
    return run_demo.run_demo(Path(out), models=stand_ins(), **given)


def page(out="demo-out"):
    return Elements((Path(out) / "index.html").read_text(encoding="utf-8"))


def test_without_files_every_voice_has_faces_and_ranks_them_all(synthesised, tmp_path):
    result = demo(tmp_path / "out")
    shown = page(tmp_path / "out")
    assert [len(row) for row in result.faces] == [6, 6]
    # The stand-ins agree on loudness: each voice puts its own six first.
    assert (result.ranking.own, result.ranking.own_by_chance) == (12, 6.0)
    told = "Of the 12 places among their first 6, 12 went to faces imagined for that very voice"
    assert told in shown.text and "more than guessing gives (6)" in shown.text
    assert shown.text.count("6 of 6 its own") == 2
    faces = sorted((tmp_path / "out").glob("imagined-*.png"))
    assert len(faces) == 12 and all(read_origin(face).model == "painter" for face in faces)
    assert Image.open(faces[0]).size == (256, 256)
    assert not list(tmp_path.glob(".*"))


def test_the_page_shows_all_that_is_there_and_asks_for_nothing_else(synthesised, tmp_path):
    demo(tmp_path / "out")
    shown = page(tmp_path / "out")
    named = {
        attributes[key]
        for _, attributes in shown.found
        for key in ("src", "href", "poster")
        if key in attributes and attributes[key] != "data:,"
    }
    assert named == {path.name for path in (tmp_path / "out").iterdir()} - {"index.html"}
    assert not shown.of("script") and not shown.of("link")[1:]
    raw = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "http" not in raw and "@import" not in raw and "url(" not in raw
    assert shown.text.count("What it does not") == 3 and shown.text.count("The faces are generated.") == 1


def test_who_does_not_see_the_page_is_told_what_it_shows(synthesised, tmp_path):
    demo(tmp_path / "out")
    shown = page(tmp_path / "out")
    assert all(image["alt"] for image in shown.of("img"))
    assert all(one["aria-label"] for tag in ("audio", "video") for one in shown.of(tag))
    alone = [image["alt"] for image in shown.of("img") if image["alt"].startswith("Imagined face")]
    assert alone[6:8] == ["Imagined face 1 of 6 for Voice 2", "Imagined face 2 of 6 for Voice 2"]
    assert shown.of("html") == [{"lang": "en"}]
    labels = {one["aria-labelledby"] for _, one in shown.found if "aria-labelledby" in one}
    assert labels <= {one["id"] for _, one in shown.found if "id" in one}


def test_the_users_files_are_imagined_ranked_and_kept_apart_from_the_markup(files):
    result = demo(voice="my voice's.wav", faces=["faces"])
    order = [path.name for path, _ in result.ranking.ranked]
    assert sorted(order) == sorted(["d.png", "b c.png", HOSTILE])
    shown = page()
    assert not shown.of("script") and f"faces/{HOSTILE}" in shown.text.replace("\\", "/")
    percentages = [float(p) for p in re.findall(r"width:([\d.]+)%", Path("demo-out/index.html").read_text())]
    assert percentages == sorted(percentages, reverse=True) and len(percentages) == 3
    assert "By guessing, each would come first one time in 3." in shown.text
    assert "Faces that could go with your voice" in shown.text and "share it only if they agree" in shown.text
    assert sorted(path.name for path in Path("demo-out").glob("picture*")) == [
        f"picture-{k}.png" for k in (1, 2, 3)
    ]


def test_a_voice_alone_has_faces_and_a_clip_and_no_ranking(files):
    assert demo(voice="my voice's.wav").ranking is None
    assert "ranked by" not in page().text.split("Try next")[0]


def test_clip_and_faces_are_of_the_same_sound_of_a_long_recording_its_beginning(files, monkeypatch):
    monkeypatch.setattr(run_demo, "SECONDS", 1.5)
    save_sound("long.wav", 0.3 * speech_like_wave(1, seconds=3.0))
    models = stand_ins()
    run_demo.run_demo(Path("demo-out"), voice="long.wav", models=models)
    (painted,), (said,) = models.imaginer.asked, models.talker.asked
    assert painted is said and len(said[0]) == run_demo.SECONDS * said[1]
    assert "the first 1.5 s of speech" in page().text
    save_sound("short.wav", 0.3 * speech_like_wave(1, seconds=1.5))
    demo(voice="short.wav")
    assert "the first" not in page().text.split("One of them talks")[0]


def test_pictures_without_a_face_are_left_out_with_the_reason(files):
    Image.new("RGB", (40, 40), "lime").save("faces/green.png")
    demo(voice="my voice's.wav", faces=["faces"])
    assert "green.png: shows no face" in page().text and "Of 3 pictures" in page().text


def test_more_pictures_than_a_page_holds_are_counted(files, monkeypatch):
    monkeypatch.setattr(run_demo, "MOST_SHOWN", 2)
    monkeypatch.setattr("voiceface.demo.page.MOST_SHOWN", 2)
    demo(voice="my voice's.wav", faces=["faces"])
    assert "and 1 more" in page().text and not Path("demo-out/picture-3.png").exists()


def bad_inputs(folder):
    """Names and what is given; the reason that must be told."""
    save_sound(folder / "silent.wav", np.zeros(32000, np.float32))
    save_sound(folder / "hiss.wav", 0.2 * np.random.default_rng(0).normal(size=48000).astype(np.float32))
    (folder / "notes.wav").write_text("not sound at all")
    (folder / "empty").mkdir()
    (folder / "green").mkdir()
    Image.new("RGB", (40, 40), "lime").save(folder / "green" / "a.png")
    good = "my voice's.wav"
    return {
        "missing voice": ("gone.wav", [], "gone.wav: does not exist"),
        "silent voice": ("silent.wav", [], "silent.wav: contains no detectable speech"),
        "hiss": ("hiss.wav", ["faces"], "hiss.wav: contains no detectable speech"),
        "no sound": ("notes.wav", [], "notes.wav: "),
        "a folder for a voice": ("faces", [], "faces: is a folder"),
        "faces alone": (None, ["faces"], "was given faces and no voice"),
        "missing face": (good, ["faces/d.png", "gone.png"], "gone.png: does not exist"),
        "folder without pictures": (good, ["empty"], "empty: contains no images"),
        "no face in any": (good, ["green"], "a.png: shows no face"),
        "nothing matches": (good, ["*.jpg"], "*.jpg: does not exist"),
        "a voice in the old demo": ("demo-out/voice-1.wav", [], "lies in the folder that the demo replaces"),
    }


BAD = (
    "missing voice",
    "silent voice",
    "hiss",
    "no sound",
    "a folder for a voice",
    "faces alone",
    "missing face",
)
BAD += ("folder without pictures", "no face in any", "nothing matches", "a voice in the old demo")


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_the_earlier_demo(files, name, capsys, monkeypatch):
    monkeypatch.setattr(run_demo.DemoModels, "load", stand_ins)
    Path("demo-out").mkdir()
    Path("demo-out/index.html").write_text("earlier")
    save_sound("demo-out/voice-1.wav", 0.3 * speech_like_wave(0))
    voice, faces, reason = bad_inputs(files)[name]
    before = sorted(files.iterdir())
    given = (["--voice", voice] if voice else []) + (["--faces", *faces] if faces else [])
    assert door.main(given) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and reason in told.replace("\\", "/") and "--force" not in told
    assert sorted(files.iterdir()) == before and Path("demo-out/index.html").read_text() == "earlier"


def test_an_earlier_demo_is_replaced_as_a_whole(files):
    demo(voice="my voice's.wav", faces=["faces"])
    demo(voice="my voice's.wav", faces=["faces/d.png"])
    assert not Path("demo-out/picture-2.png").exists() and Path("demo-out/picture-1.png").exists()
    assert "One picture cannot be ranked" in page().text
    assert not list(files.glob(".*"))


def test_a_fault_at_the_very_end_keeps_the_earlier_demo(files, monkeypatch):
    demo(voice="my voice's.wav")
    before = {path.name: path.read_bytes() for path in Path("demo-out").iterdir()}

    def full(path, result):
        raise InputError(path, "the disk is full")

    monkeypatch.setattr("voiceface.demo.page.write_page", full)
    with pytest.raises(InputError, match="disk is full"):
        demo(voice="my voice's.wav", faces=["faces"])
    assert {path.name: path.read_bytes() for path in Path("demo-out").iterdir()} == before
    assert not list(files.glob(".*"))


@pytest.mark.parametrize("names", [["index.html", "notes.txt"], ["voice-1.wav"], ["thesis"]])
def test_what_no_demo_wrote_is_never_replaced(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="holds what no demo wrote"), replaced_folder(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_put_there_meanwhile_is_never_replaced(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"thesis\.txt"), replaced_folder(out) as work:
        (work / "index.html").write_text("new")
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.txt"]


def test_a_file_in_the_way_is_one_line(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert door.main(["--out", str(tmp_path / "taken")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_leaves_nothing(files, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_demo.DemoModels, "load", stop)
    assert door.main(["--voice", "my voice's.wav"]) == 130
    assert "nothing was written" in capsys.readouterr().err and not list(files.glob("*demo-out*"))


def test_faces_that_the_detector_misses_are_not_counted(synthesised, tmp_path, monkeypatch):
    models = stand_ins()
    whole = models.matcher.embed_faces

    def missing(pictures, *, on_error):
        rows = whole(pictures)
        rows[7:10] = np.nan
        for index in range(7, 10):
            on_error(index, InputError("the picture", "shows no face"))
        return rows

    monkeypatch.setattr(models.matcher, "embed_faces", missing)
    result = run_demo.run_demo(tmp_path / "out", models=models)
    assert result.ranking.found == 9 and result.ranking.own_by_chance == pytest.approx(6 * 6 / 9 + 6 * 3 / 9)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_text_can_be_shown(files):
    name = os.fsdecode(b"\xff<i>.png")
    try:
        shutil.copy("faces/d.png", Path("faces") / name)
    except OSError:
        pytest.skip("this disk takes no such name")
    demo(voice="my voice's.wav", faces=[f"faces/{name}"])
    assert "\ufffd<i>.png" in page().text


def test_the_terminal_names_the_page_and_three_commands(files, monkeypatch, capsys):
    monkeypatch.setattr(run_demo.DemoModels, "load", stand_ins)
    assert door.main(["--voice", "my voice's.wav", "--faces", "faces"]) == 0
    told = capsys.readouterr().out
    assert str(Path("demo-out") / "index.html") in told and "never proof of identity" in " ".join(
        told.split()
    )
    assert told.split("Try next:")[1].count("\n      ") == 3
    percentages = [
        int(found) for found in re.findall(r"^ +\d+\. +(?:over |under )?(\d+) %", told, re.MULTILINE)
    ]
    assert len(percentages) == 3 and percentages == sorted(percentages, reverse=True)


def test_the_own_files_are_offered_first(synthesised, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_demo.DemoModels, "load", stand_ins)
    assert door.main(["--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    # `make demo` is offered by make, the module by itself.
    assert "your own files" in told.splitlines()[0]
    assert {"--voice", "VOICE="} & set(
        re.findall(r"--voice|VOICE=", told.split("Try next:")[1].splitlines()[2])
    )


def test_the_synthesised_voices_say_what_they_are(tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader")
    from voiceface.demo import synthesised_voices
    from voiceface.media.sound import load_sound

    monkeypatch.setattr(synthesised_voices, "PERSON_SEEDS", (8, 16))
    voices = synthesised_voices.synthesised_voices(tmp_path)
    assert [voice.gender for voice in voices] == ["f", "m"] and "woman of 24" in voices[0].told
    for voice in voices:
        data = voice.source.read_bytes()
        assert b"Not a person: synthetic-" in data and int.from_bytes(data[4:8], "little") == len(data) - 8
        wave = load_sound(voice.source)
        assert len(wave) == 16000 * synthesised_voices.SECONDS and np.abs(wave).max() > 0.03


def test_without_a_synthesiser_a_line_says_what_to_do(tmp_path, monkeypatch, capsys):
    def silent(*arguments, **options):
        raise MissingPartError(
            "espeakng-loader", "is not installed", 'run: pip install "voiceface[synthetic]"'
        )

    monkeypatch.setattr("voiceface.demo.synthesised_voices.speak", silent)
    assert door.main(["--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "voiceface[synthetic]" in told and not list(tmp_path.iterdir())


def test_a_browser_shows_it_without_a_request_or_a_complaint(synthesised, tmp_path):
    pytest.importorskip("fcntl")
    from browser_page import CHROMIUM, BrowserPage

    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    run_demo.run_demo(tmp_path / "out", models=stand_ins(playable=True))
    with BrowserPage((tmp_path / "out" / "index.html").as_uri(), width=390) as shown:
        played = shown.evaluate(
            "new Promise((done, fail) => { const v = document.querySelector('video'); v.muted = true;"
            " v.onended = () => done([v.currentTime, v.videoWidth]); v.play().catch(fail) })"
        )
        assert played[0] == pytest.approx(0.5, abs=0.1) and played[1] == 64
        assert shown.evaluate("Promise.all([...document.images].map(i => i.decode())).then(() => true)")
        assert shown.evaluate("document.documentElement.scrollWidth") == 390
        folder = (tmp_path / "out").as_uri()
        assert [url for url in shown.requests() if not url.startswith((folder, "data:"))] == []
        assert shown.complaints() == []


@pytest.mark.slow
def test_the_shipped_models_make_the_page(tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader")
    from voiceface.synthetic.drawing import draw
    from voiceface.synthetic.people import synthetic_person

    monkeypatch.chdir(tmp_path)
    assert door.main([]) == 0
    assert len(list(Path("demo-out").glob("imagined-*.png"))) == 24
    shutil.copy("demo-out/voice-2.wav", "voice.wav")
    for seed in (8, 16):
        draw(synthetic_person(seed), seed=0, size=320).save(f"face {seed}.png")
    assert door.main(["--voice", "voice.wav", "--faces", "*.png"]) == 0
    assert "Of 2 pictures" in page().text and "outside its training set" in page().text

"""`voiceface animate` on files and folders."""

import numpy as np
import pytest
from PIL import Image

from cli_fixtures import call
from draw_face import draw_face
from generating_models import speech_like_wave
from talking_models import fake_talker, write_talker_weights
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import save_sound
from voiceface.pipelines.talker import Talker


@pytest.fixture
def voices(tmp_path):
    folder = tmp_path / "voices"
    (folder / "deep").mkdir(parents=True)
    save_sound(folder / "a.wav", speech_like_wave(0, 1.6))
    save_sound(folder / "deep" / "b.wav", speech_like_wave(1, 1.6))
    (folder / "notes.txt").write_text("no voice")
    return folder


@pytest.fixture
def bright(monkeypatch):
    """A stand-in for the shipped weights."""
    made = fake_talker()
    monkeypatch.setattr(Talker, "load", classmethod(lambda cls, *arguments, **options: made))
    return made


def test_one_voice_one_clip_as_the_api_writes_it(voices, tmp_path):
    weights = write_talker_weights(tmp_path)
    draw_face(1, 200).save(tmp_path / "x.png")
    out = tmp_path / "clip.mp4"
    said = call(
        "animate", voices / "a.wav", "-o", out, "--weights", weights, "--seed", 4, "--size", 16,
        "--face", tmp_path / "x.png", "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    Talker.load(weights)(voices / "a.wav", tmp_path / "api.mp4", seed=4, face=tmp_path / "x.png", size=16)
    for (_, one), (_, other) in zip(frames(out), frames(tmp_path / "api.mp4"), strict=True):
        assert np.array_equal(one, other)
    (clip,) = said.json["clips"]
    assert clip == {
        "voice": str(voices / "a.wav"), "clip": str(out), "seconds": 1.6, "frames": 40, "fps": 25.0,
        "size": 16, "plausibility": clip["plausibility"], "note": clip["note"],
    }  # fmt: skip
    assert said.json["model"] == "talks" and said.json["seed"] == 4


def test_a_folder_is_walked_and_its_order_kept(voices, bright, tmp_path):
    (voices / "broken.wav").write_bytes(b"RIFF no sound")
    said = call("animate", voices, "-o", tmp_path / "out")
    assert said.code == 0
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.mp4"))
    assert found == ["a.mp4", "deep/b.mp4"]
    assert "skipped" in said.err and "broken.wav" in said.err
    assert "1 of 3 recordings could not be used" in said.out
    assert movie_facts(tmp_path / "out" / "deep" / "b.mp4").seconds == pytest.approx(1.6, abs=0.04)


def test_what_must_be_said_is_a_warning(bright, tmp_path):
    save_sound(tmp_path / "still.wav", np.zeros(16_000, np.float32))
    said = call("animate", tmp_path / "still.wav", "-o", tmp_path / "a.mp4")
    assert said.code == 0 and "still.wav: the recording is silent: a face at rest" in said.err
    both = np.hstack([np.asarray(draw_face(seed, 200)) for seed in (1, 2)])
    Image.fromarray(both).save(tmp_path / "two.png")
    said = call("animate", tmp_path / "still.wav", "--face", tmp_path / "two.png", "-o", tmp_path / "a.mp4")
    assert "of 2 faces in the picture the surest talks; crop it to choose another" in said.err


@pytest.mark.parametrize(
    ("tokens", "parts"),
    [
        (("-o", "OUT/a.mp4"), ("animate",)),
        (("VOICES/gone.wav", "-o", "OUT/a.mp4"), ("gone.wav", "does not exist")),
        (("VOICES", "-o", "OUT/a.mp4"), ("a.mp4", "names one file for 2 recordings")),
        (("VOICES/a.wav", "-o", "OUT/gone/a.mp4"), ("a.mp4", "folder")),
        (("VOICES/a.wav", "-o", "VOICES/notes.txt"), ("notes.txt", "is no movie", "name it notes.mp4")),
        (("VOICES/a.wav", "-o", "OUT/a.avi"), ("a.avi", "is no movie", "name it a.mp4")),
        (("VOICES/a.wav", "-o", "OUT/a.gif"), ("a.gif", "is no movie", "name it a.mp4")),
        (("VOICES/a.wav", "-o", "OUT/a.mpp"), ("a.mpp", "is no movie", "name it a.mp4")),
        (("VOICES/a.wav", "-o", "OUT/a.mp4", "--size", "2000"), ("--size", "16 to 1024")),
        (("VOICES/a.wav", "-o", "OUT/a.mp4", "--face", "OUT/gone.jpg"), ("gone.jpg",)),
        (("VOICES/notes.txt", "-o", "OUT/a.mp4"), ("notes.txt",)),
        (("VOICES/tiny.wav", "-o", "OUT/a.mp4"), ("tiny.wav", "0.02 s long")),
        (("VOICES/noise.wav", "-o", "OUT/a.mp4"), ("noise.wav", "no detectable speech")),
    ],
)
def test_what_cannot_be_done_is_one_line(voices, bright, tmp_path, tokens, parts):
    if "tiny" in str(tokens):
        save_sound(voices / "tiny.wav", speech_like_wave(0, 1.0)[4000:4320])
    if "noise" in str(tokens):
        random = np.random.default_rng(0)
        save_sound(voices / "noise.wav", (0.2 * random.normal(size=48_000)).astype(np.float32))
    places = {"VOICES": str(voices), "OUT": str(tmp_path)}
    given = [token.replace("VOICES", places["VOICES"]).replace("OUT", places["OUT"]) for token in tokens]
    call("animate", *given).refused(*parts)
    assert not list(tmp_path.glob("*.mp4"))


def test_a_recording_is_not_written_over(voices, bright, tmp_path):
    video = voices / "deep" / "c.mp4"
    bright(voices / "a.wav", video)
    (tmp_path / "link.mp4").hardlink_to(video)
    before = video.read_bytes()
    for name, *tokens in (
        (video, video, "-o", video),
        (video, voices, "-o", voices),
        (tmp_path / "link.mp4", video, "-o", tmp_path / "link.mp4"),
    ):
        call("animate", *tokens).refused(name, "is read here, and would be written over")
    assert video.read_bytes() == before and sorted(p.name for p in voices.rglob("*.mp4")) == ["c.mp4"]
    assert call("animate", voices / "a.wav", "-o", video).code == 0  # an older clip is replaced


def test_clips_of_two_talkers_make_a_page_on_which_people_compare_them(voices, tmp_path):
    weights = write_talker_weights(tmp_path)
    for name, seed in (("new", 1), ("old", 2)):
        said = call(
            "animate", voices, "-o", tmp_path / name, "--weights", weights, "--seed", seed, "--size", 16
        )
        assert said.code == 0, said.err
    page = tmp_path / "page.html"
    folders = ("--generated", tmp_path / "new", "--compare-with", tmp_path / "old")
    said = call("evaluate", "video", "--study", page, *folders)
    assert said.code == 0 and "2 pairs" in said.out, said.err
    assert page.stat().st_size > 2 * (tmp_path / "new" / "a.mp4").stat().st_size

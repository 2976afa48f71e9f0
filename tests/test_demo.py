"""The demo: made people ranked and kept with their origin, the user's files, and every way it can fail."""

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from voiceface import demo
from voiceface.errors import InputError, MissingPartError
from voiceface.media.origin import GeneratedImage, Origin, read_origin

SPEECH = "voiceface.synthetic.speech"


class ByNumber:
    """A matcher that sees the number in a file's name: it prefers the faces after the query's own."""

    name = "by-number"

    def __init__(self, shift=0):
        self.shift, self.asked = shift, []

    def rank(self, query, candidates, *, on_error=None):
        self.asked.append((query, tuple(candidates)))
        for place, face in enumerate(candidates):
            if "bad" in face and on_error is not None:
                on_error(place, InputError(face, "shows no face", "give another"))
        candidates = [face for face in candidates if "bad" not in face]
        number = int(Path(query).stem.split("-")[1])
        ranked = {
            face: 1 / (1 + (int(Path(face).stem.split("-")[1]) - number - self.shift) % 4)
            for face in candidates
        }
        return sorted(ranked.items(), key=lambda pair: -pair[1])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("espeakng_loader")
    out = tmp_path_factory.mktemp("demo") / "new" / "demo-out"
    matcher = ByNumber()
    return out, demo.rank_synthetic_people(out, matcher=matcher), matcher


def test_every_voice_is_ranked_against_every_face(made):
    out, places, matcher = made
    assert places == [(1, 4)] * 4
    faces = tuple(str(out / f"face-{i}.png") for i in range(1, 5))
    assert matcher.asked == [(str(out / f"voice-{i}.wav"), faces) for i in range(1, 5)]


def test_the_places_are_the_matchers(tmp_path, capsys):
    pytest.importorskip("espeakng_loader")
    assert demo.rank_synthetic_people(tmp_path, matcher=ByNumber(shift=1)) == [(4, 4)] * 4
    told = capsys.readouterr().out
    assert "Own face ranked first: 0 of 4 (by chance: 1 of 4)" in told
    assert "not people" in told and "not how well it works" in told
    assert "25.0%*" in told and "100.0%" in told
    assert str(tmp_path) in told


def test_what_is_written_says_what_it_is(made):
    out, _, _ = made
    names = [f"face-{i}.png" for i in range(1, 5)] + ["sheet.png"] + [f"voice-{i}.wav" for i in range(1, 5)]
    assert sorted(path.name for path in out.iterdir()) == names
    for i in range(1, 5):
        with Image.open(out / f"face-{i}.png") as image:
            assert image.size == (demo.IMAGE_SIZE, demo.IMAGE_SIZE)
            assert "not a person" in image.text["Comment"].lower() and image.text["Source"] == "synthetic"
        assert b"Not a person: synthetic-" in (out / f"voice-{i}.wav").read_bytes()


def test_the_voices_are_whole_wavs(made):
    from voiceface.media.sound import load_sound

    out, _, _ = made
    with wave.open(str(out / "voice-1.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 16000 * demo.SECONDS)
        plain = np.frombuffer(file.readframes(10**7), "<i2")
    assert np.abs(plain).max() > 1000
    assert np.array_equal(np.rint(load_sound(out / "voice-1.wav") * 32768), plain)
    whole = (out / "voice-1.wav").read_bytes()
    assert int.from_bytes(whole[4:8], "little") == len(whole) - 8


def test_the_faces_are_found_and_differ(made):
    from voiceface.face.detect import detect
    from voiceface.media.picture import load_picture

    pictures = [np.asarray(load_picture(made[0] / f"face-{i}.png")) for i in range(1, 5)]
    assert all(detect(picture) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_without_a_synthesiser_second_drawings_stand_in(tmp_path, monkeypatch, capsys):
    def silent(*arguments, **options):
        raise MissingPartError("espeakng-loader", "is not installed", "pip install espeakng-loader")

    monkeypatch.setattr(f"{SPEECH}.speak", silent)
    assert demo.rank_synthetic_people(tmp_path, matcher=ByNumber()) == [(1, 4)] * 4
    told = capsys.readouterr().out
    assert "pip install espeakng-loader" in told and "second drawing" in told
    first, again = (np.asarray(Image.open(tmp_path / f"{name}-1.png")) for name in ("face", "again"))
    assert not np.array_equal(first, again)
    assert not list(tmp_path.glob("*.wav"))


def test_the_users_files_are_ranked(capsys):
    demo.rank_user_files("v-2.wav", ["f-1.jpg", "f-2.jpg", "f-3.jpg"], matcher=ByNumber())
    lines = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if ".jpg" in line]
    assert lines == [["1.", "f-2.jpg"], ["2.", "f-3.jpg"], ["3.", "f-1.jpg"]]


def test_a_picture_that_cannot_be_used_is_left_out_and_told(capsys):
    demo.rank_user_files("v-2.wav", ["f-1.jpg", "bad.jpg"], matcher=ByNumber())
    told = capsys.readouterr().out
    assert "1. f-1.jpg" in told and " 2. " not in told and "skipped: bad.jpg: shows no face" in told
    with pytest.raises(InputError, match=r"bad\.jpg: shows no face"):
        demo.rank_user_files("v-2.wav", ["bad.jpg"], matcher=ByNumber())


@pytest.mark.parametrize(("voice", "faces"), [("a.wav", None), (None, ["a.jpg"]), (None, None)])
def test_a_voice_and_faces_go_together(voice, faces):
    with pytest.raises(InputError, match="needs both"):
        demo.rank_user_files(voice, faces, matcher=ByNumber())


def test_half_of_the_input_is_one_line(capsys):
    assert demo.main(["--voice", "a.wav"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "VOICE=" in told


def test_an_unwritable_folder_is_one_line(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert demo.main(["--out", str(tmp_path / "taken")]) == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "taken" in told.err and "another folder" in told.err


def run_demo(*arguments, folder):
    source = str(Path(demo.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {source!r}); from voiceface.demo import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_real_matcher_ranks_them_end_to_end(made, tmp_path):
    faces = [str(made[0] / f"face-{i}.png") for i in range(1, 5)]
    done = run_demo("--voice", str(made[0] / "voice-1.wav"), "--faces", *faces, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = [line.split() for line in done.stdout.splitlines() if "face-" in line]
    assert sorted(line[1] for line in shown) == faces
    percentages = [float(line[2].rstrip("%")) for line in shown]
    assert percentages == sorted(percentages, reverse=True) and 0 <= percentages[-1] <= percentages[0] <= 100
    assert "never proof" in done.stdout


def test_a_file_that_is_not_there_is_one_line(made, tmp_path):
    done = run_demo("--voice", "gone.wav", "--faces", str(made[0] / "face-1.png"), folder=tmp_path)
    assert done.returncode == 1 and "gone.wav" in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


class Brush:
    """An Imaginer that draws flat squares, and refuses what its name says."""

    name = "brush"

    def __call__(self, voice, *, n):
        if "bad" in voice:
            raise InputError(voice, "holds no speech", "give another")
        grey = sum(voice.encode()) % 200
        origin = Origin(model="brush", fingerprint="ab", seed=0)
        return [GeneratedImage.of(Image.new("RGB", (16, 16), (grey, grey, 10 * k)), origin) for k in range(n)]


def test_faces_are_imagined_for_every_voice_and_say_what_they_are(tmp_path, capsys):
    page = demo.imagine(["v-1.wav", "bad.wav", "v-2.wav"], tmp_path / "new", imaginer=Brush())
    names = [f"imagined-{v}-{k}.png" for v in (1, 3) for k in range(1, demo.FACES_PER_VOICE + 1)] + [
        "imagined.png"
    ]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    assert all(read_origin(path).model == "brush" for path in (tmp_path / "new").iterdir())
    assert page == tmp_path / "new" / "imagined.png" and "8 faces" in read_origin(page).note
    with Image.open(page) as image:
        assert image.width == demo.FACES_PER_VOICE * 16 and image.height > 2 * 16
    told = capsys.readouterr().out
    assert "brush" in told and "skipped: bad.wav" in told and "nobody's" in told


def test_without_weights_or_voices_a_line_says_so(tmp_path, capsys, monkeypatch):
    assert demo.imagine([], tmp_path, imaginer=Brush()) is None

    def none():
        raise MissingPartError("imaginer", "no weights that draw faces came with this package")

    monkeypatch.setattr(demo, "_load_imaginer", none)
    assert demo.imagine(["v-1.wav"], tmp_path) is None
    told = capsys.readouterr().out
    assert told.count("No faces generated") == 2 and "no weights" in told
    assert not list(tmp_path.iterdir())


def test_one_of_them_talks(tmp_path, capsys, monkeypatch):
    asked = []

    class Mime:
        name = "mime"

        def __call__(self, voice, out):
            asked.append((voice, out))
            if "bad" in voice:
                raise InputError(voice, "holds no speech", "give another")

    clip = demo.talk(["v-1.wav", "v-2.wav"], tmp_path / "new", talker=Mime())
    assert clip == tmp_path / "new" / "talking.mp4" and asked == [("v-1.wav", clip)]
    assert demo.talk(["bad.wav"], tmp_path, talker=Mime()) is None
    assert demo.talk([], tmp_path, talker=Mime()) is None

    def none():
        raise MissingPartError("talker", "no weights that talk came with this package")

    monkeypatch.setattr(demo, "_load_talker", none)
    assert demo.talk(["v-1.wav"], tmp_path) is None
    told = capsys.readouterr().out
    assert "Nobody was filmed" in told and told.count("No talking face") == 3 and "bad.wav" in told


def test_the_readme_shows_what_the_demo_prints():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert demo.SYNTHETIC_NOTICE in readme

"""The Talker on untrained faces: what the file contains, and what is refused."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import voiceface as vf
from draw_face import draw_face
from generating_models import fake_imaginer, speech_like_wave
from talking_models import SIDE, fake_talker, write_talker_weights
from voiceface.corpus.face_landmarks import shipped_mesh_network
from voiceface.errors import InputError, MissingPartError
from voiceface.face.align import align, template_points
from voiceface.face.find_face import find_face
from voiceface.face.mesh import find_mesh
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import load_sound, save_sound
from voiceface.media.write_movie import write_movie
from voiceface.pipelines import talker as pipeline
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.pipeline import BEST
from voiceface.pipelines.voice_recording import NotSpeechError, read_voice_recording
from voiceface.records import SAMPLE_RATE as RATE


def pictures(path):
    return np.stack([picture for _, picture in frames(path)])


@pytest.fixture
def voice(tmp_path):
    save_sound(tmp_path / "v.wav", speech_like_wave(1, 3.1))
    return tmp_path / "v.wav"


def test_a_clip_is_as_long_as_its_sound_and_says_that_it_is_synthetic(voice, tmp_path):
    said = []
    done = fake_talker()(voice, tmp_path / "a.mp4", seed=7, progress=lambda *n: said.append(n))
    facts = movie_facts(tmp_path / "a.mp4")
    # 3.1 s are 77.5 frames.
    assert facts.fps == 25 and abs(facts.seconds - 3.1) <= 0.04 and facts.has_sound
    assert done.frames == len(pictures(done.path)) == 78 and done.seconds == 78 / 25
    assert abs(len(load_sound(done.path)) / RATE - done.seconds) <= 0.04
    told = facts.metadata
    assert told["synthetic"] == "true" and "nobody was filmed" in told["comment"] and told["seed"] == "7"
    assert told["digital-source-type"].endswith("trainedAlgorithmicMedia") and told["model"] == "bright"
    assert str(voice.stem) not in told.values() and done.note == "" and done.plausibility == 1
    shown = r'<video controls width="32" src="data:video/mp4;base64,([^"]+)"></video>'
    held = re.fullmatch(shown, done._repr_html_())
    assert base64.b64decode(held[1]) == done.path.read_bytes()  # a notebook shows it
    assert said[-1] == (78, 78) and [n for n, _ in said] == list(range(1, 79))


def test_picture_and_sound_belong_together(tmp_path):
    wave = 0.5 * speech_like_wave(1, 6.0)
    click = int(4.5 * RATE)
    wave[click : click + 200] = 0.9
    done = fake_talker()((wave, RATE), tmp_path / "a.mp4")
    bright = pictures(done.path).mean(axis=(1, 2, 3))
    assert bright.argmax() == 112, "4.5 s are 112.5 frames"
    heard = load_sound(done.path)
    assert abs(np.abs(heard).argmax() - click - 100) < 0.012 * RATE
    lag = np.correlate(heard[: 6 * RATE : 4], wave[::4], "same").argmax() - 3 * RATE // 4
    assert abs(lag) < 0.01 * RATE / 4


def test_the_voice_keeps_the_sound_it_had_above_8_khz(tmp_path):
    t = np.arange(3 * 48_000) / 48_000
    speech = np.interp(t, np.arange(3 * RATE) / RATE, speech_like_wave(1, 3.0))
    hiss = 0.1 * np.sin(2 * np.pi * 10_000 * t)
    done = fake_talker()(((speech + hiss).astype(np.float32), 48_000), tmp_path / "a.mp4")
    spectrum = np.abs(np.fft.rfft(load_sound(done.path, rate=48_000)[:96_000]))
    assert spectrum[19_800:20_200].max() > 20 * np.median(spectrum[22_000:28_000])


@pytest.mark.parametrize("kind", ["file object", "array", "video"])
def test_any_source_gives_the_same_frames(voice, tmp_path, kind):
    expected = pictures(fake_talker()(voice, tmp_path / "a.mp4").path)
    if kind == "video":
        grey = [np.full((16, 16, 3), 90, np.uint8)] * 78
        write_movie(tmp_path / "v.mp4", grey, fps=25, wave=speech_like_wave(1, 3.1))
        found = pictures(fake_talker()(tmp_path / "v.mp4", tmp_path / "b.mp4").path)
        assert len(found) == 78 and np.abs(found.astype(int) - expected[:78]).mean() < 12
        return
    source = (speech_like_wave(1, 3.1), RATE)
    if kind == "file object":
        source = io.BytesIO(voice.read_bytes())
        source.seek(100)
    found = pictures(fake_talker()(source, tmp_path / "b.mp4").path)
    assert len(found) == 78 and np.abs(found.astype(int) - expected).mean() < 1


def test_the_speaker_is_set_once_and_another_seed_gives_another_face(voice, tmp_path):
    talker = fake_talker()
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        talker(voice, tmp_path / f"{name}.mp4", seed=seed)
    first, again, other = talker._model.speakers
    expected = fake_imaginer()(voice, seed=1)[0].resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    assert np.array_equal(first.face, np.asarray(expected)) and np.array_equal(first.face, again.face)
    assert not np.array_equal(first.face, other.face) and (first.seed, other.seed) == (1, 2)
    own = fake_talker(still=False)
    own(voice, tmp_path / "d.mp4")
    assert own._model.speakers[0].face is None
    with pytest.raises(InputError, match="generates the face from the voice"):
        own(voice, tmp_path / "e.mp4", face=draw_face(1, 200))


def test_generated_faces_of_another_template_are_aligned_anew(voice, tmp_path):
    """The eyes are where the talker's template has them, and shrink as its window is wider."""
    talker = fake_talker(template="head")
    talker(voice, tmp_path / "a.mp4", seed=1)
    generated = np.asarray(fake_imaginer()(voice, seed=1)[0])
    points = template_points("dlib", len(generated)) - 0.5
    expected = align(generated, points, size=SIDE, template="head", border="edge")
    assert np.array_equal(talker._model.speakers[0].face, expected)


def test_a_picture_is_animated_aligned_as_the_weights_need_it(voice, tmp_path):
    draw_face(1, 240).save(tmp_path / "x.png")
    talker = fake_talker()
    done = talker(voice, tmp_path / "a.mp4", face=tmp_path / "x.png")
    (speaker,) = talker._model.speakers
    assert speaker.face.shape == (SIDE, SIDE, 3) and done.note == ""
    # Cut as in dlib's template: the whole picture's skin fills it.
    assert (
        np.abs(speaker.face[12:20, 12:20].mean((0, 1)) - np.asarray(draw_face(1, 240))[120, 120]).max() < 60
    )
    assert "picture that was given" in movie_facts(done.path).metadata["comment"]
    both = Image.new("RGB", (480, 240), (110, 110, 110))
    both.paste(draw_face(1, 240), (0, 0))
    both.paste(draw_face(5, 140), (300, 50))
    done = talker(voice, tmp_path / "b.mp4", face=both)
    assert "of 2 faces in the picture the surest talks" in done.note
    assert movie_facts(done.path).metadata["note"] == done.note


def test_of_an_animated_gif_the_first_picture_talks_and_a_video_is_no_picture(voice, tmp_path):
    first, later = (draw_face(seed, 240).quantize() for seed in (1, 5))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[later], duration=100)
    first.save(tmp_path / "first.png")
    made = []
    for name in ("a.gif", "first.png"):
        talker = fake_talker()
        talker(voice, tmp_path / "a.mp4", face=tmp_path / name)
        made.append(talker._model.speakers[0].face)
    assert np.array_equal(*made)
    with pytest.raises(InputError, match=r"a\.mp4: is no picture; give a JPEG or PNG"):
        fake_talker()(voice, tmp_path / "b.mp4", face=tmp_path / "a.mp4")
    assert not (tmp_path / "b.mp4").exists()


def test_a_picture_without_a_face_is_named(voice, tmp_path):
    Image.new("RGB", (64, 64), (90, 120, 60)).save(tmp_path / "wall.png")
    with pytest.raises(InputError, match=r"wall\.png: shows no face"):
        fake_talker()(voice, tmp_path / "a.mp4", face=tmp_path / "wall.png")
    with pytest.raises(InputError, match=r"gone\.png"):
        fake_talker()(voice, tmp_path / "a.mp4", face=tmp_path / "gone.png")
    assert not (tmp_path / "a.mp4").exists()


def test_what_is_no_speech_is_refused_and_silence_rests(tmp_path):
    talker = fake_talker()
    noise = (0.2 * np.random.default_rng(0).normal(size=3 * RATE)).astype(np.float32)
    save_sound(tmp_path / "noise.wav", noise)
    with pytest.raises(NotSpeechError, match=r"noise\.wav: contains no detectable speech"):
        talker(tmp_path / "noise.wav", tmp_path / "a.mp4")
    forced = talker(tmp_path / "noise.wav", tmp_path / "a.mp4", force=True)
    assert forced.frames == 75 and "hardly a voice" in forced.note
    silent = talker((np.zeros(2 * RATE, np.float32), RATE), tmp_path / "b.mp4")
    assert silent.frames == 50 and "silent: a face at rest" in silent.note
    assert movie_facts(silent.path).metadata["note"] == silent.note
    save_sound(tmp_path / "tiny.wav", speech_like_wave(1, 1.0)[4000:4320])
    with pytest.raises(InputError, match=r"tiny\.wav: is 0\.02 s long"):
        talker(tmp_path / "tiny.wav", tmp_path / "c.mp4")
    grey = [np.full((16, 16, 3), 90, np.uint8)] * 20
    write_movie(tmp_path / "mute.mp4", grey, fps=25)
    with pytest.raises(InputError, match=r"mute\.mp4"):
        talker(tmp_path / "mute.mp4", tmp_path / "c.mp4")
    assert not (tmp_path / "c.mp4").exists()


def test_a_long_recording_is_generated_in_pieces(tmp_path, monkeypatch):
    talker, held = fake_talker(), []
    write = pipeline.write_movie

    def watched(path, pictures, **options):
        def passing():
            for picture in pictures:
                held.append(talker._model.faces[-1].samples)
                yield picture

        write(path, passing(), **options)

    monkeypatch.setattr(pipeline, "write_movie", watched)
    done = talker((np.tile(speech_like_wave(1, 5.0), 3), RATE), tmp_path / "a.mp4")
    assert done.frames == 375 and talker._model.faces[-1].most < 2.1 * RATE
    # When a frame is written, at most two seconds of sound beyond it have been read.
    ahead = np.array(held) / RATE - np.arange(375) / 25
    assert ahead.max() <= 2.01


@pytest.mark.parametrize("size", [16, 32, 50])
def test_videos_of_other_sizes(voice, tmp_path, size):
    done = fake_talker()(voice, tmp_path / "a.mp4", size=size)
    facts = movie_facts(done.path)
    assert (facts.width, facts.height, done.size) == (size, size, size)
    assert pictures(done.path).std() > 5


def test_smaller_frames_are_means():
    block = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    expected = block.reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    assert np.abs(pipeline.resize_frames(block, 4) - expected).max() <= 0.5


def test_unusable_input_is_refused_with_its_reason(voice, tmp_path, monkeypatch):
    talker = fake_talker()
    with pytest.raises(InputError, match="size: is 4"):
        talker(voice, tmp_path / "a.mp4", size=4)
    with pytest.raises(InputError, match="name it a.mp4"):
        talker(voice, tmp_path / "a.avi")
    with pytest.raises(InputError, match=r"gone\.wav"):
        talker(tmp_path / "gone.wav", tmp_path / "a.mp4")
    with pytest.raises(InputError, match="would be written over"):
        talker(voice, voice)
    with pytest.raises(InputError, match="does not talk"):
        pipeline.Talker.load("matcher")
    with pytest.raises(InputError, match="device"):
        pipeline.Talker.load("matcher", device="nowhere")
    monkeypatch.setitem(BEST, "talker", ("gone",))
    with pytest.raises(MissingPartError, match="no weights for the talker"):
        pipeline.Talker.load()


def test_weights_from_disk_talk(voice, tmp_path):
    talker = vf.Talker.load(write_talker_weights(tmp_path))
    assert talker.name == "talks" and talker.animates
    done = talker(voice, tmp_path / "a.mp4", face=draw_face(1, 240), seed=3)
    assert done.frames == 78 and pictures(done.path).std() > 10


@pytest.fixture
def word(tmp_path):
    """Less than a second of speech: an animated photograph costs seconds for each second."""
    save_sound(tmp_path / "v.wav", speech_like_wave(1, 0.8))
    return tmp_path / "v.wav"


@pytest.fixture(scope="module")
def photograph():
    """A generated face within a wider picture."""
    face = Imaginer.load()((speech_like_wave(1, 2.0), RATE), force=True)[0].convert("RGB")
    picture = Image.new("RGB", (501, 333), (60, 90, 120))
    picture.paste(face, (200, 40))
    return picture


def test_a_photograph_stays_whole_and_its_mouth_moves(word, photograph, tmp_path):
    done = vf.Talker.load()(word, tmp_path / "a.mp4", face=photograph)
    facts = movie_facts(done.path)
    assert (facts.width, facts.height, done.size) == (500, 332, 500) and done.frames == 20
    found = pictures(done.path).astype(int)
    wide = np.asarray(photograph.resize((500, 332), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(found[:, :, :150] - wide[None, :, :150]).mean() < 4
    moved = found.std(axis=0).mean(axis=2)
    assert moved[200:270, 290:360].mean() > 3 * moved[:, :150].mean()


def test_a_photograph_is_reduced_to_the_size_asked_for(word, photograph, tmp_path):
    done = vf.Talker.load()(word, tmp_path / "a.mp4", face=photograph, size=400)
    facts = movie_facts(done.path)
    assert (facts.width, facts.height) == (400, 266) and done.size == 400


def test_a_small_face_in_a_large_photograph_gets_more_pixels_and_a_tiny_one_is_named(
    word, photograph, tmp_path
):
    large = Image.new("RGB", (1500, 1000), (90, 100, 110))
    large.paste(photograph, (400, 300))
    large.save(tmp_path / "large.png")
    talk = vf.Talker.load()
    done = talk(word, tmp_path / "a.mp4", face=tmp_path / "large.png")
    found = find_face(tmp_path / "large.png").landmarks
    eyes = np.hypot(*(found[:2].mean(0) - found[2:4].mean(0)))
    assert done.size == pytest.approx(1280 * 32 / eyes, abs=2) and 512 < done.size < 1024
    few = r"large.png: shows a face of .* pixels between the eyes; "
    with pytest.raises(InputError, match=few + "give a larger size or crop it to the face"):
        talk(word, tmp_path / "b.mp4", face=tmp_path / "large.png", size=300)
    with pytest.raises(InputError, match=few + "give a larger size or crop it to the face"):
        talk(word, tmp_path / "b.mp4", face=tmp_path / "large.png", size=64)  # where no mesh is found
    huge = Image.new("RGB", (4000, 3000), (90, 100, 110))
    huge.paste(photograph, (400, 300))
    huge.save(tmp_path / "large.png")
    with pytest.raises(InputError, match=few + "crop it to the face$"):
        talk(word, tmp_path / "b.mp4", face=tmp_path / "large.png")
    with pytest.raises(InputError, match="the generated picture: shows a face of .*; give a larger size$"):
        talk(word, tmp_path / "b.mp4", size=32)


def test_a_face_without_its_mouth_does_not_talk(word, photograph, tmp_path):
    mesh = find_mesh(np.asarray(photograph), find_face(photograph).landmarks, shipped_mesh_network())
    mouth = float(mesh.points[[61, 291]].mean(0)[1])
    talk = vf.Talker.load()
    with pytest.raises(InputError, match="the picture: cuts off the mouth; give a picture of the whole face"):
        talk(word, tmp_path / "a.mp4", face=photograph.crop((0, 0, photograph.width, int(mouth))))
    chin = float(mesh.points[152, 1])
    assert talk(word, tmp_path / "a.mp4", face=photograph.crop((0, 0, photograph.width, int(chin)))).frames


def test_the_imagined_face_talks_at_any_size(voice, tmp_path):
    done = vf.Talker.load()(voice, tmp_path / "a.mp4", size=128, seed=2)
    facts = movie_facts(done.path)
    assert (facts.width, facts.height) == (128, 128) and done.frames == 78


def test_a_larger_face_is_generated_at_its_size_and_not_enlarged(voice):
    asked = []

    class Asked:
        template = "portrait"

        def __call__(self, recording, *, size, **options):
            asked.append(size)
            return [Image.new("RGB", (size, size))]

    talk = vf.Talker.load()
    talk._imaginer = Asked()
    for size in (None, 512):
        assert talk._shown(read_voice_recording(voice), None, 0, size).long_side == (size or 256)
    assert asked == [256, 512]

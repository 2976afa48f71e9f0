"""The Imaginer on a model that has learned nothing, and once on weights from disk."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import voiceface as vf
from generating_models import SIDE, fake_imaginer, loaded_canvas, speech_like_wave, write_imaginer_weights
from voiceface.errors import InputError, MissingPartError
from voiceface.media.origin import read_origin
from voiceface.media.sound import save_sound
from voiceface.models.generator_input import GeneratorInput
from voiceface.pipelines import imaginer as pipeline
from voiceface.pipelines.imaginer import Imaginer
from voiceface.pipelines.pipeline import BEST
from voiceface.pipelines.voice_recording import NotSpeechError, read_voice_recording

RATE = 16000


def pixels(faces):
    return [np.asarray(face) for face in faces]


def noise(seconds=3.0, seed=0):
    return (0.2 * np.random.default_rng(seed).normal(size=round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    for number in range(3):
        save_sound(folder / f"v{number}.wav", (0.3 + 0.3 * number) * speech_like_wave(number))
    save_sound(folder / "noise.wav", noise())
    (folder / "broken.wav").write_bytes(b"RIFF no sound")
    return folder


def test_the_same_seed_generates_the_same_faces_and_another_does_not(files):
    draw = fake_imaginer()
    first, again, other = (pixels(draw(files / "v0.wav", n=3, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert len({face.tobytes() for face in first}) == 3
    assert first[0].shape == (SIDE, SIDE, 3) and draw(files / "v0.wav")[0].mode == "RGB"


def test_detail_is_computed_in_bf16_where_that_is_faster_and_nothing_else_is_asked_for(monkeypatch):
    monkeypatch.setattr(pipeline, "computes_in_bf16", lambda kind: kind == "cpu")
    chosen = {
        name: Imaginer(loaded_canvas(), precision=name)._model.detail_in_bf16
        for name in ("auto", "32", "bf16")
    }
    # With bf16 all is autocast already.
    assert chosen == {"auto": True, "32": False, "bf16": False}
    monkeypatch.setattr(pipeline, "computes_in_bf16", lambda kind: False)
    assert not fake_imaginer()._model.detail_in_bf16


def test_a_notebook_shows_the_faces_in_a_row_with_their_origin(files):
    draw = fake_imaginer()
    faces = draw(files / "v0.wav", n=3, seed=1)
    shown = re.findall(
        r'<img alt="Generated face" width="16" src="data:image/png;base64,([^"]+)">', faces._repr_html_()
    )
    for face, data in zip(faces, shown, strict=True):
        held = Image.open(io.BytesIO(base64.b64decode(data)))
        assert np.array_equal(np.asarray(held), np.asarray(face)) and read_origin(held) == read_origin(face)
    some = draw.many([files / "v0.wav", files / "broken.wav"], on_error=lambda index, error: None)
    assert isinstance(some, list) and some._repr_html_().count("<img") == 1 and "–" in some._repr_html_()


def test_a_size_changes_the_pixels_and_not_the_face(files):
    draw = fake_imaginer()
    own, large = draw(files / "v0.wav", seed=3)[0], draw(files / "v0.wav", seed=3, size=2 * SIDE)[0]
    assert large.size == (2 * SIDE, 2 * SIDE) and read_origin(large) == read_origin(own)
    back = np.asarray(large.resize(own.size)).astype(float)
    assert np.abs(back - np.asarray(own)).mean() < 0.3 * np.asarray(own).std()
    with pytest.raises(InputError, match="size: is 8 pixels; give 16 to 1024"):
        draw(files / "v0.wav", size=8)


@pytest.mark.parametrize("typical", [True, False])
def test_many_gives_what_single_calls_give(files, typical):
    draw = fake_imaginer()
    voices = [files / f"v{number}.wav" for number in (2, 0, 1)]
    together = draw.many(voices, seed=5, typical=typical)
    assert draw._model.calls == [3]
    for voice, face in zip(voices, together, strict=True):
        alone = draw(voice, seed=5, typical=typical)[0]
        assert np.abs(np.asarray(face).astype(int) - np.asarray(alone)).max() <= 1
    assert len({np.asarray(face).tobytes() for face in together}) == 3


def test_more_voices_than_a_block_stay_in_order(files, monkeypatch):
    monkeypatch.setattr(pipeline, "_BLOCK", 2)
    draw = fake_imaginer()
    heard = [read_voice_recording(files / f"v{number}.wav") for number in range(3)]
    faces = pixels(draw.many([heard[k % 3] for k in range(5)], seed=1))
    assert draw._model.calls == [2, 2, 1]
    assert np.array_equal(faces[0], faces[3]) and np.array_equal(faces[1], faces[4])
    assert not np.array_equal(faces[0], faces[1])


def test_the_typical_face_is_less_noisy_and_says_so(files):
    draw = fake_imaginer()
    typical, other = draw(files / "v0.wav", typical=True)[0], draw(files / "v0.wav")[0]
    rough = [np.abs(np.diff(np.asarray(face).astype(float), axis=1)).mean() for face in (typical, other)]
    assert rough[0] < 0.5 * rough[1]
    assert "typical" in read_origin(typical).note
    with pytest.raises(InputError, match="one typical face"):
        draw(files / "v0.wav", n=2, typical=True)


def test_glasses_are_added_and_named_or_refused(files):
    draw = fake_imaginer()
    for ask in (
        lambda: draw(files / "v0.wav", glasses=True),
        lambda: draw.many([files / "v0.wav"], glasses=True),
    ):
        with pytest.raises(InputError, match="adds no glasses"):
            ask()
    draw._model.adds_glasses = True
    asked = []
    generate = draw._model.generate
    draw._model.generate = lambda inputs, **options: asked.extend(inputs) or generate(inputs, **options)
    worn, bare = draw(files / "v0.wav", glasses=True)[0], draw(files / "v0.wav")[0]
    draw.many([files / "v0.wav"], glasses=True)
    assert [one.glasses for one in asked] == [True, False, True]
    assert "glasses" in read_origin(worn).note and "glasses" not in read_origin(bare).note


def test_every_face_carries_its_origin(files, tmp_path):
    draw = fake_imaginer()
    faces = draw(files / "v1.wav", n=2, seed=9)
    faces[1].save(tmp_path / "face.png")
    found = read_origin(tmp_path / "face.png")
    assert (found.model, found.seed, found.draw) == ("canvas", 9, 1)
    assert draw.fingerprint.startswith(found.fingerprint) and len(found.fingerprint) == 16
    assert "v1" not in (tmp_path / "face.png").read_bytes().decode("latin-1"), "whose voice it is stays out"


def test_what_is_no_speech_is_refused_by_name_unless_forced(files):
    draw = fake_imaginer()
    with pytest.raises(NotSpeechError, match=r"noise\.wav: contains no detectable speech.*voiced"):
        draw(files / "noise.wav")
    with pytest.raises(NotSpeechError, match="the recording"):
        draw((np.zeros(RATE, np.float32), RATE))
    face = draw(files / "noise.wav", force=True)[0]
    assert "plausibility 0.00" in read_origin(face).note


def test_plausibility_grows_with_speech(files):
    draw = fake_imaginer()
    found = [
        draw.plausibility((wave, RATE))
        for wave in (noise(), speech_like_wave(1, 0.35), speech_like_wave(1, 0.8), speech_like_wave(1))
    ]
    assert found[0] == 0 and found[-1] == 1
    assert 0 < found[1] < found[2] < 1
    assert draw.plausibility(files / "v0.wav") == 1


def test_of_a_long_recording_the_parts_with_speech_are_used():
    long = np.concatenate([noise(25.0), *[speech_like_wave(1, 9.0)] * 6, noise(5.0)])
    heard = read_voice_recording((long, RATE))
    assert len(heard.wave) == 30 * RATE
    assert heard.plausibility == 1
    assert np.array_equal(heard.wave[:RATE], long[20 * RATE : 21 * RATE]), "from the first block with speech"
    tail = np.concatenate([speech_like_wave(2, 10.0), np.zeros(40, np.float32)])
    assert read_voice_recording((tail, RATE)).plausibility == 1


def test_one_bad_recording_leaves_the_others(files):
    draw = fake_imaginer(least=RATE)
    save_sound(files / "short.wav", speech_like_wave(1, 0.8))
    save_sound(files / "tiny.wav", speech_like_wave(1, 0.1))
    names = ["v0.wav", "broken.wav", "noise.wav", "short.wav", "v1.wav", "gone.wav", "tiny.wav"]
    errors = {}
    faces = draw.many(
        [files / name for name in names], on_error=lambda index, error: errors.update({index: str(error)})
    )
    assert [face is not None for face in faces] == [True, False, False, False, True, False, False]
    assert sorted(errors) == [1, 2, 3, 5, 6]
    assert all(names[index] in text for index, text in errors.items())
    assert "0.10 s long" in errors[6] and "too short for these weights" in errors[3]
    with pytest.raises(InputError, match=r"broken\.wav"):
        draw.many([files / "v0.wav", files / "broken.wav"])
    with pytest.raises(InputError, match="expected"):
        draw.many(str(files / "v0.wav"))


def test_names_are_generated_from_where_the_weights_know_them(files):
    draw = fake_imaginer(people=["ann", "bob"])
    assert not draw.takes_voices and fake_imaginer().takes_voices
    ann, bob = (np.asarray(draw(person=name)[0]) for name in ("ann", "bob"))
    assert not np.array_equal(ann, bob)
    with pytest.raises(InputError, match="did you mean 'ann'"):
        draw(person="anna")
    with pytest.raises(InputError, match="a name"):
        draw()
    with pytest.raises(InputError, match="generates from a voice"):
        fake_imaginer()(person="ann")


@pytest.mark.parametrize("n", [0, -1])
def test_no_faces_are_refused(files, n):
    with pytest.raises(InputError, match="n: is"):
        fake_imaginer()(files / "v0.wav", n=n)


def test_weights_from_disk_generate_and_load_nothing_of_the_training(files, tmp_path):
    weights = write_imaginer_weights(tmp_path)
    draw = vf.Imaginer.load(weights)
    assert draw.name == "made"
    (tmp_path / "run").mkdir()
    assert vf.Imaginer.load(weights.rename(tmp_path / "run" / "weights")).name == "imaginer"
    weights = tmp_path / "run"
    faces = pixels(draw(files / "v0.wav", n=2, seed=3))
    assert faces[0].std() > 5 and not np.array_equal(*faces)
    other = pixels(vf.Imaginer.load(weights, precision="bf16")(files / "v0.wav", n=2, seed=3))
    assert np.abs(faces[0].astype(int) - other[0]).mean() < 12
    code = (
        "import sys, voiceface as vf; "
        f"vf.Imaginer.load({str(weights)!r})({str(files / 'v0.wav')!r}); "
        "print([m for m in ('lightning_fabric', 'lightning', 'tensorboard', 'torchmetrics', 'scipy',"
        " 'sklearn', 'dlib', '_dlib_pybind11') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_weights_that_generate_nothing_are_refused():
    with pytest.raises(InputError, match="generates no faces"):
        Imaginer.load("matcher")
    with pytest.raises(InputError, match="precision"):
        Imaginer(loaded_canvas(), precision="8")
    with pytest.raises(InputError, match="device"):
        Imaginer.load("matcher", device="nowhere")


def test_without_shipped_weights_it_is_said(monkeypatch):
    monkeypatch.setitem(BEST, "imaginer", ("gone",))
    with pytest.raises(MissingPartError, match="no weights for the imaginer"):
        Imaginer.load()


def test_another_voice_encoder_than_the_trained_one_is_refused_by_both_names(files, tmp_path, monkeypatch):
    """Its embeddings would be read as if they were the trained encoder's: a face of nobody's voice."""
    from voiceface.models import pretrained

    weights = write_imaginer_weights(tmp_path)
    load = pretrained.load_voice_encoder

    def other(name, *, device="cpu"):
        encoder = load(name, device=device)
        encoder.fingerprint = "0123456789abcdef"
        return encoder

    monkeypatch.setattr(pretrained, "load_voice_encoder", other)
    imaginer = vf.Imaginer.load(weights)
    trained = json.loads((weights / "run.json").read_text())["facts"]["voice_fingerprint"]
    with pytest.raises(InputError, match=f"(?s)0123456789ab.*{trained[:12]}") as caught:
        imaginer(files / "v0.wav")
    assert "\n" not in str(caught.value)


def test_the_voice_encoder_is_loaded_once_and_on_the_models_device(files, tmp_path, monkeypatch):
    from voiceface.models import pretrained

    loads = []
    load = pretrained.load_voice_encoder
    monkeypatch.setattr(
        pretrained,
        "load_voice_encoder",
        lambda name, *, device: loads.append((name, device)) or load(name, device=device),
    )
    imaginer = vf.Imaginer.load(write_imaginer_weights(tmp_path))
    assert loads == []
    for _ in range(3):
        imaginer(files / "v0.wav")
    imaginer.many([files / "v1.wav", files / "v2.wav"])
    assert loads == [("student", "cpu")]
    assert not any("encoder" in name for name in imaginer._model.state_dict())
    # A device that holds no numbers shows where the encoder goes when the model is moved.
    encoder = load("student", device="cpu")
    monkeypatch.setattr(
        pretrained, "load_voice_encoder", lambda name, *, device: loads.append((name, device)) or encoder
    )
    moved = imaginer._model.to("meta").conditions([GeneratorInput(wave=np.zeros(16_000, np.float32))])
    assert loads[1:] == [("student", "meta")] and moved.device.type == "meta"


def test_no_recipe_runs_from_a_loaded_imaginer_to_its_face(files, tmp_path):
    imaginer = vf.Imaginer.load(write_imaginer_weights(tmp_path))
    root = str(Path(vf.__file__).parent)
    ran = set()

    def note(frame, event, arg):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            ran.add(Path(frame.f_code.co_filename).relative_to(root).parts[0])

    sys.setprofile(note)
    try:
        imaginer(files / "v0.wav", typical=True)
        imaginer.many([files / "v1.wav"])
    finally:
        sys.setprofile(None)
    assert "models" in ran and not ran & {"recipes", "training"}

"""The Speech2Video recipe trained in seconds, and its talking face: the same frames however sound is cut."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from corpus_media import synthetic_voice
from voiceface.audio.mel import mel_bank
from voiceface.errors import InputError
from voiceface.evaluation.talking_clips import UNKNOWN, animate_stills, cached_frames, select_test_clips
from voiceface.models.context_stream import BlockStream
from voiceface.models.mel_speech_encoder import log_mels
from voiceface.models.model import Model
from voiceface.models.speech2video_talking import Speech2VideoTalkingFace
from voiceface.models.speech_encoder import contexts_per_frame
from voiceface.models.talking_face import Speaker, frame_count
from voiceface.papers import si
from voiceface.pipelines.weights import load_model, run_of
from voiceface.recipes import si_speech2video
from voiceface.recipes._weights import open_weights
from voiceface.training.loop import train


def pieces(wave, cuts):
    return np.split(wave, cuts)


def test_blocks_are_the_same_however_the_sound_is_cut():
    def compute(piece, state):
        rows = piece[80:-80].reshape(-1, 160).sum(1, keepdim=True)
        total = rows.cumsum(0) + (0 if state is None else state)
        return total, total[-1]

    wave = torch.randn(16_000 * 2 + 77)
    whole = torch.nn.functional.pad(wave, (0, -len(wave) % 160)).reshape(-1, 160).sum(1).cumsum(0)
    first = None
    for cuts in ([], [1], [159, 160, 16_000, 20_000], list(range(500, 32_000, 500))):
        stream = BlockStream(compute, left=80, right=80, block=30)
        made = [stream.feed(part) for part in torch.tensor_split(wave, cuts)] + [stream.close()]
        found = torch.cat([part for part in made if len(part)])
        assert found.shape == (201, 1)
        torch.testing.assert_close(found[:, 0], whole, rtol=1e-3, atol=1e-2)
        first = found if first is None else first
        assert torch.equal(found, first)


@pytest.mark.parametrize("fps", [25.0, 30.0, 29.97])
@pytest.mark.parametrize("samples", [100, 6_000, 40_001])
def test_a_talking_face_gives_the_frames_of_the_whole_recording(fps, samples):
    """The frames show their contexts as pixels, so that every one can be read back."""

    def generate(context):
        assert len(context) == 8
        return (context[:, None, None, :] * torch.ones(1, 2, 2, 1)).round().to(torch.uint8)

    levels = torch.arange(samples, dtype=torch.float32) / samples * 250

    def compute(piece, state):
        return piece.reshape(-1, 160)[:, :1], None

    expected = contexts_per_frame(levels[::160, None], fps=fps, frames=frame_count(samples, fps), around=1)
    for cuts in ([], [50], list(range(0, samples, 1_000)), [samples - 1]):
        face = Speech2VideoTalkingFace(
            BlockStream(compute, left=0, right=0, block=20), generate, size=2, fps=fps, around=1
        )
        parts = [face.feed(part) for part in pieces(levels.numpy(), cuts)]
        found = np.concatenate([*parts, face.close()])
        np.testing.assert_array_equal(found[:, 0, 0], expected.round().to(torch.uint8).numpy())
        assert len(face._contexts) <= 2 * 20 + 1 and len(face._pooled) < 20  # bounded


def test_log_mels_of_a_slow_loop():
    wave = torch.from_numpy(synthetic_voice(1, 0.1)).double()
    found = log_mels(wave)
    assert found.shape == (8, 40)
    spectrum = torch.fft.rfft(wave[480:880] * torch.hann_window(400, dtype=torch.float64)).abs() ** 2
    expected = torch.log(spectrum @ mel_bank(bands=40, fft=400, rate=16_000) + 1e-5)
    torch.testing.assert_close(found[3], expected)


@pytest.fixture(scope="module")
def corpus(tiny_corpus):
    return tiny_corpus(people=3, voices=1, faces=1, clips=2)


@pytest.fixture(scope="module")
def weights(corpus, tmp_path_factory):
    return train(si_speech2video.smoke(), corpus, tmp_path_factory.mktemp("si") / "run", progress=False)


@pytest.fixture(scope="module")
def trained(weights):
    return load_model(weights)


def test_the_trained_face_talks_the_same_however_sound_arrives(trained):
    wave = synthetic_voice(3, 2.3)
    speaker = Speaker(wave=wave)
    made = []
    for cuts in ([], [7, 9_000, 9_001], list(range(1_000, 36_000, 1_000))):
        face = trained.model.talk(speaker)
        parts = [face.feed(part) for part in pieces(wave, cuts)]
        made.append(np.concatenate([*parts, face.close()]))
    assert made[0].shape == (frame_count(len(wave), 25.0), 32, 32, 3)
    assert (made[0] == made[1]).all() and (made[0] == made[2]).all()
    assert made[0].std(0).max() > 0  # it moves
    with pytest.raises(InputError, match="generates it from the voice"):
        trained.model.talk(Speaker(wave=wave, face=np.zeros((32, 32, 3), np.uint8)))
    with pytest.raises(InputError, match="silent"):
        trained.model.talk(Speaker(wave=0 * wave))


def test_weights_with_the_options_of_an_older_version_load(weights, trained, tmp_path):
    folder = shutil.copytree(weights, tmp_path / "older")
    card = json.loads((folder / "run.json").read_text())
    for older, name in si_speech2video.RENAMED.items():
        card["arguments"][older] = card["arguments"].pop(name)
    (folder / "run.json").write_text(json.dumps(card))
    loaded = load_model(folder)
    assert loaded.model.fingerprint() == trained.model.fingerprint()
    card["arguments"]["nobody"] = 1
    (folder / "run.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="does not fit the recipe"):
        load_model(folder)


def test_ablations_leave_turns_out_and_the_expert_comes_with_the_package(trained):
    run = si_speech2video.recipe(identity=0.0, sync=0.0)
    assert sorted(run.optimisers) == ["frames", "generator"]
    rates = {name: one.lr for name, one in si_speech2video.recipe().optimisers.items()}
    assert rates == {"identity": 3e-4, "frames": 1e-4, "sync": 1e-5, "generator": 3e-4}
    assert open_weights("sync-expert", recipe="sync_expert")[1]["recipe"] == "sync_expert"
    with pytest.raises(InputError, match="no weights folder|no such folder"):
        open_weights("nobody", recipe="sync_expert")
    with pytest.raises(InputError, match="holds weights of sync_expert; give weights of si_distill"):
        open_weights("sync-expert", recipe="si_distill")


def test_table_1_of_ours_and_real_clips_and_generated_clips_are_cached(
    corpus, weights, tmp_path, monkeypatch
):
    monkeypatch.setattr(si, "_RESAMPLES", 20)
    made = si.tables(corpus, tmp_path, weights=str(weights), clips=4)
    (table, sync) = made
    assert table.title == "Table 1, unknown voices" and set(table.rows) == {"ground truth", "speech2video"}
    assert "without --animator" in str(table)
    ours = dict(zip(table.columns, table.rows["speech2video"], strict=True))
    assert 0 <= ours["SSIM"].value < 0.9 and 3 < ours["PSNR"].value < 30
    assert table.rows["ground truth"][0] is None  # not beside itself
    assert sync.rows["real, as recorded"][0].value > 0
    (folder,) = (tmp_path / "generated").iterdir()
    files = sorted(folder.iterdir())
    assert len(files) == 2 and (tmp_path / "clips.png").is_file()
    before = [file.stat().st_mtime_ns for file in files]
    files[0].write_bytes(b"cut off")
    again = si.tables(corpus, tmp_path, weights=str(weights), clips=4)
    assert [str(one) for one in again] == [str(one) for one in made]
    after = [file.stat().st_mtime_ns for file in files]
    assert after[0] != before[0] and after[1] == before[1]


def test_test_clips_are_of_unknown_people_and_the_control_gives_them_other_peoples_sound(
    corpus, trained, tmp_path
):
    split = run_of(trained).split(corpus)
    clips = select_test_clips(corpus, split, size=32, template="dlib", most=9, wrong_sound=False)
    assert {clip.group for clip in clips} == {UNKNOWN}
    owners = corpus.person_of("clips")
    assert not {clip.person for clip in clips} & set(owners[split.train.clips])
    assert all((clip.driving_sound == clip.wave).all() for clip in clips)
    wrong = select_test_clips(corpus, split, size=32, template="dlib", most=9, wrong_sound=True)
    assert all(len(c.driving_sound) == len(c.wave) and (c.driving_sound != c.wave).any() for c in wrong)
    # A stand-in animator that holds the face it is given still: the frames say which one that was.
    still = SimpleNamespace(name="still", card={}, model=StillModel())
    for name, face in (("own", lambda clip: clip.own_still), ("other", lambda clip: clip.other_still)):
        frames = cached_frames(animate_stills(still, face, template="dlib", seed=0), clips, tmp_path / name)
        for clip in clips:
            assert (frames[clip.name] == face(clip)(32, "dlib")).all() and abs(
                len(frames[clip.name]) - len(clip.real)
            ) <= 1


class StillModel(Model):
    face_size, face_template, animates = 32, "dlib", True

    def talk(self, speaker):
        return MotionlessFace(speaker)


class MotionlessFace:
    def __init__(self, speaker):
        self.face, self.samples = speaker.face, 0

    def feed(self, wave):
        self.samples += len(wave)
        return self.face[None][:0]

    def close(self):
        return np.repeat(self.face[None], frame_count(self.samples, 25.0), 0)

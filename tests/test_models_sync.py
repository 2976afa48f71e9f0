"""The sync expert from clips to rows, SyncNet's cepstra and weights, and the recipe's data and split."""

from collections import Counter

import numpy as np
import pytest
import torch

from corpus_media import blank, synthetic_voice, written
from draw_face import draw_face
from test_nn_sync_towers import published_state
from voiceface.audio.mel import mel_bank
from voiceface.audio.sync_features import sync_mel, sync_windows, syncnet_cepstra
from voiceface.corpus.clip_splits import split_clips
from voiceface.corpus.corpus import Corpus
from voiceface.errors import InputError
from voiceface.evaluation.find_sync_expert import find_sync_expert
from voiceface.face.align import template_points
from voiceface.face.mouth import crop_mouths_by_template
from voiceface.metrics.sync_confidence import sync
from voiceface.models.sync_expert import SyncExpert, SyncModel, crop_mouths, embed_mouths, load_syncnet
from voiceface.nn.syncnet import SyncNet
from voiceface.protocols.sync_expert_trials import sync_trials
from voiceface.recipes import matcher, sync_expert
from voiceface.records import Person
from voiceface.training.weights import write_weights

FACTS = {"mean": [0.0] * 40, "deviation": [1.0] * 40}


def small(seed=0, **sizes):
    torch.manual_seed(seed)
    return SyncModel(**FACTS, **({"width": 4, "dim": 8} | sizes))


def test_log_mels_of_a_slow_loop():
    wave = torch.from_numpy(synthetic_voice(3, 0.6)).double()
    found = sync_mel(wave, frames=15)
    assert found.shape == (60, 40)
    level = wave / wave.square().mean().sqrt()
    padded = torch.cat([torch.zeros(200), level, torch.zeros(400)])
    bank = mel_bank(bands=40, fft=400, rate=16000)
    for k in (0, 7, 59):
        frame = padded[160 * k : 160 * k + 400] * torch.hann_window(400, dtype=torch.float64)
        power = torch.fft.rfft(frame).abs() ** 2
        torch.testing.assert_close(found[k], torch.log(power @ bank + 1e-5))
    torch.testing.assert_close(sync_mel(wave * 0.1, frames=15), found)
    assert sync_mel(wave[:1600], frames=15).shape == (60, 40)  # silence where there is no sound
    windows = sync_windows(found)
    assert windows.shape == (11, 40, 20)
    torch.testing.assert_close(windows[3], found[12:32].T)


def slow_cepstra(samples):
    """python_speech_features' mfcc(samples, 16000), written out: one frame, one filter at a time."""
    emphasised = np.append(samples[0], samples[1:] - 0.97 * samples[:-1])
    count = 1 + int(np.ceil((len(samples) - 400) / 160)) if len(samples) > 400 else 1
    emphasised = np.append(emphasised, np.zeros(count * 160 + 400))
    points = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    edges = np.floor(513 * 700 * (10 ** (points / 2595) - 1) / 16000).astype(int)
    found = []
    for t in range(count):
        power = np.abs(np.fft.rfft(emphasised[160 * t : 160 * t + 400], 512)) ** 2 / 512
        mels = []
        for j in range(26):
            value = 0.0
            for i in range(edges[j], edges[j + 1]):
                value += power[i] * (i - edges[j]) / (edges[j + 1] - edges[j])
            for i in range(edges[j + 1], edges[j + 2]):
                value += power[i] * (edges[j + 2] - i) / (edges[j + 2] - edges[j + 1])
            mels.append(np.log(value))
        row = []
        for n in range(13):
            total = sum(m * np.cos(np.pi * n * (2 * k + 1) / 52) for k, m in enumerate(mels))
            row.append(total * np.sqrt((1 if n == 0 else 2) / 26) * (1 + 11 * np.sin(np.pi * n / 22)))
        found.append([np.log(power.sum()), *row[1:]])
    return np.array(found)


def test_cepstra_are_those_of_a_slow_loop():
    wave = synthetic_voice(4, 0.11)
    found = syncnet_cepstra(torch.from_numpy(wave))
    expected = slow_cepstra(np.round(wave.astype(np.float64) * 32768))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-6)
    assert syncnet_cepstra(torch.zeros(500)).isfinite().all()


def test_rows_of_a_clip_are_those_of_its_windows_alone():
    model = small().eval()
    random = np.random.default_rng(0)
    seen = random.integers(0, 255, (12, 48, 48)).astype(np.uint8)
    wave = synthetic_voice(1, 12 / 25)
    mouth, sound = embed_mouths(model, seen, wave)
    assert mouth.shape == sound.shape == (8, 8)
    with torch.no_grad():
        alone = model.mouth(torch.from_numpy(seen[3:8]).float()[None])[0]
        mels = sync_mel(torch.from_numpy(wave), frames=12)
        heard = model.sound(mels[12:32].T[None])[0]
    np.testing.assert_allclose(mouth[3], alone, atol=1e-5)
    np.testing.assert_allclose(sound[3], heard, atol=1e-5)
    # A batch of clips gives the same as each alone.
    both = torch.from_numpy(np.stack([seen, seen[::-1]]))
    with torch.no_grad():
        np.testing.assert_allclose(model.mouth_embeddings(both)[0], mouth, atol=1e-5)
    with pytest.raises(InputError, match="4 frames"):
        embed_mouths(model, seen[:4], wave)


def test_mouths_for_a_training_loss_are_the_pictures_mouths_and_give_gradients():
    face = np.asarray(draw_face(2, 90))
    given = torch.tensor(face).permute(2, 0, 1)[None].float().requires_grad_()
    cut = crop_mouths(given, size=48)
    np.testing.assert_allclose(cut[0].detach(), crop_mouths_by_template(face[None], size=48)[0], atol=1.1)
    cut.sum().backward()
    assert given.grad[..., 42:, 21:69].abs().min() > 0 and given.grad[..., :41, :].abs().max() == 0


def test_published_weights_load_by_name_and_shape(tmp_path):
    torch.manual_seed(0)
    state = {
        name: torch.zeros(shape, dtype=torch.long)
        if name.endswith("tracked")
        else 0.02 * torch.randn(shape) + (1.0 if name.endswith("running_var") else 0.0)
        for name, shape in published_state().items()
    }
    path = tmp_path / "syncnet_v2.model"
    torch.save({n: t for n, t in state.items() if not n.endswith("tracked")}, path)  # of an older torch
    expert = find_sync_expert(path)
    assert expert.name == load_syncnet(path).name
    torch.testing.assert_close(
        expert.network.state_dict()["netcnnlip.18.weight"], state["netcnnlip.18.weight"]
    )
    faces = np.stack([np.asarray(draw_face(1, 64))] * 6)
    mouth, sound = expert.embed(faces, template_points("dlib", 64), synthetic_voice(1, 0.24))
    assert mouth.shape == sound.shape == (2, 1024)
    # The sound's second window, by hand.
    cepstra = syncnet_cepstra(torch.from_numpy(np.pad(synthetic_voice(1, 0.24), (0, 400)))).float()
    network = SyncNet()
    network.load_state_dict(state)
    with torch.no_grad():
        expected = network.eval().sound(cepstra[4:24].T[None, None])
    np.testing.assert_allclose(sound[1], expected[0], rtol=1e-4, atol=1e-5)


def test_files_that_are_not_syncnets(tmp_path):
    path = tmp_path / "x.model"
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="weights file|damaged"):
        load_syncnet(path)
    torch.save({"netcnnaud.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(InputError, match="lacks the tensor"):
        load_syncnet(path)
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="no tensors by name"):
        load_syncnet(path)
    with pytest.raises(InputError, match="cannot be read|No such"):
        load_syncnet(tmp_path / "none")


def test_weights_of_another_recipe_are_no_expert(tmp_path):
    run = sync_expert.recipe(width=4, dim=8)
    card = {"recipe": "sync_expert", "arguments": dict(run.arguments), "facts": FACTS}
    write_weights(tmp_path / "w", small().weights(), card)
    assert isinstance(find_sync_expert(tmp_path / "w"), SyncExpert)
    other = matcher.recipe(dim=4, heads=1, hidden=4)
    facts = {"voice_width": 8, "voice_fingerprint": "x"}
    card = {"recipe": "matcher", "arguments": dict(other.arguments), "facts": facts}
    write_weights(tmp_path / "m", other.build(facts).weights(), card)
    with pytest.raises(InputError, match="no sync expert"):
        find_sync_expert(tmp_path / "m")


def clips_of(folder, counts):
    """A corpus of clip rows without media."""
    people = [Person(id=name) for name in counts]
    rows = [
        (blank("clips", id=f"{name}@{k:03}", person=name, source=f"{name}/{k}", fps=25.0), {})
        for name, count in counts.items()
        for k in range(count)
    ]
    written(folder, people, [{"clips": rows}])
    return Corpus.open(folder)


def test_a_person_of_many_clips_is_in_every_part_and_others_go_whole(tmp_path):
    corpus = clips_of(tmp_path / "c", {"s1": 40, **{f"p{k:02}": 3 for k in range(20)}})
    split = split_clips(corpus, seed=0, validation=0.1, test=0.15)
    parts = [getattr(split, name) for name in ("train", "validation", "test")]
    assert sorted(np.concatenate([p.clips for p in parts]).tolist()) == list(range(100))
    owners = [Counter(corpus.column("clips", "person")[p.clips].tolist()) for p in parts]
    assert [own["s1"] for own in owners] == [30, 4, 6]
    others = [{name for name in own if name != "s1"} for own in owners]
    assert [len(names) for names in others] == [15, 2, 3]
    assert not others[0] & others[1] and not others[0] & others[2] and not others[1] & others[2]
    without = split_clips(corpus, seed=0, validation=0.1, test=0.15, leave_out="s1, p03")
    kept = np.concatenate([getattr(without, name).clips for name in ("train", "validation", "test")])
    owners = corpus.column("clips", "person")[kept].tolist()
    assert len(kept) == 57 and not {"s1", "p03"} & set(owners)
    with pytest.raises(InputError, match="'s2'"):
        split_clips(corpus, seed=0, validation=0.1, test=0.15, leave_out="s2")
    with pytest.raises(InputError, match="nothing to train"):
        split_clips(corpus, seed=0, validation=0.9, test=0.1)
    with pytest.raises(InputError, match="no talking clips"):
        split_clips(clips_of(tmp_path / "e", {"s1": 0}), seed=0, validation=0.1, test=0.1)


def test_trials_of_an_expert_that_is_right_and_of_one_that_knows_nothing():
    random = np.random.default_rng(0)
    rows = [random.normal(size=(45, 6)) for _ in range(12)]
    people = [f"p{k % 4}" for k in range(12)]
    right = sync_trials([(r, r) for r in rows], people=people, resamples=100)
    told = {name: {e.name: e for e in row} for name, row in right.rows.items()}
    for name in ("as recorded", "moved by 5 frames"):
        exact = told[name]["offset exact"]
        assert exact.value == 1 and exact.low < 1 and exact.chance == pytest.approx(1 / 31)
    assert told["as recorded"]["confidence at 0"].value == told["as recorded"]["confidence"].value > 2
    assert abs(told["moved by 5 frames"]["confidence at 0"].value) < 0.5
    assert told["another clip's sound"]["confidence"].value < 1
    blind = sync_trials(
        [(r, random.normal(size=(45, 6))) for r in [*rows, np.zeros((20, 6))]],
        people=[*people, "p9"],
        resamples=0,
    )
    assert blind.rows["as recorded"][2].value < 0.3 and blind.excluded == {"too short": 1}
    one = sync_trials([(r, r) for r in rows], people=["a"] * 12, resamples=50)
    assert one.notes == ("intervals over clips of one person",) and one.rows["as recorded"][0].low > 2
    assert (one.rows["as recorded"][0].people, one.rows["as recorded"][0].n) == (1, 12)
    with pytest.raises(InputError, match="none of 1"):
        sync_trials([(rows[0][:20], rows[0][:20])], people=["a"])
    with pytest.raises(InputError, match="name one a clip"):
        sync_trials([(rows[0], rows[0])], people=["a", "b"])


def learnable(clips=6, frames=40):
    """Mouths whose brightness below is the sound's loudness: sync that can be learnt at once."""
    seen, heard = [], []
    for seed in range(clips):
        random = np.random.default_rng(seed)
        level = np.repeat(random.uniform(0, 1, frames // 2 + 1), 2)[:frames]
        mouth = np.full((frames, 64, 64), 150.0) + random.normal(size=(frames, 64, 64)) * 4
        mouth[:, 34:50, 20:44] -= 110 * level[:, None, None]
        wave = random.normal(size=frames * 640) * np.repeat(0.01 + level, 640)
        seen.append(torch.from_numpy(np.clip(mouth, 0, 255).astype(np.uint8)))
        heard.append(sync_mel(torch.from_numpy(wave).float(), frames=frames))
    return seen, heard


def test_it_learns_and_finds_offsets():
    data = object.__new__(sync_expert.SegmentBatches)
    data.clips, data.frames, data.augment, data.seed = 4, 20, 0.5, 0
    data.mouths, data.mels = learnable()
    mean = torch.cat(data.mels).mean(0)
    torch.manual_seed(0)
    model = SyncModel(mean=mean.tolist(), deviation=[2.0] * 40, width=6, dim=16)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for step in range(20):
        loss = model.error(data.batch(step), None)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])
    seen, heard = learnable(clips=9)
    model.eval()
    with torch.no_grad():
        mouth = model.mouth_embeddings(seen[8][:, 8:56, 8:56])
        sound = model.sound_embeddings(heard[8])
    assert sync(sound, mouth).offset == 0
    assert sync(sound[5:], mouth[:-5]).offset == 5
    assert sync(sound[:-5], mouth[5:]).offset == -5


def test_batches_are_a_function_of_the_step():
    data = object.__new__(sync_expert.SegmentBatches)
    data.clips, data.frames, data.augment, data.seed = 8, 20, 1.0, 0
    data.mouths, data.mels = learnable()
    one, same, other = data.batch(3), data.batch(3), data.batch(4)
    assert one["mouths"].shape == (8, 20, 48, 48) and one["mels"].shape == (8, 80, 40)
    assert torch.equal(one["mouths"], same["mouths"]) and torch.equal(one["mels"], same["mels"])
    assert not torch.equal(one["mouths"], other["mouths"])
    data.augment = 0.0
    plain = data.batch(3)
    assert any(torch.equal(plain["mels"][0], mels[k : k + 80]) for mels in data.mels for k in range(0, 84, 4))

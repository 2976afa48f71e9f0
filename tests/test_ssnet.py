"""SSNet: the published network's sizes, its losses against slow loops, its smoke, its control."""

import numpy as np
import pytest
import torch

from voiceface.models.selection_embeddings import embed_selection
from voiceface.models.single_stream import SingleStream, spectrogram_image
from voiceface.nn.inception_resnet import InceptionResNetV1
from voiceface.nn.loss.centre import RunningCentres, batch_centre_loss
from voiceface.recipes import nawaz_ssnet
from voiceface.recipes.nawaz_ssnet import MixedBatches
from voiceface.synthetic.tiny_corpus import tiny_corpus


def test_maps_have_the_published_sizes():
    network = InceptionResNetV1(width=1 / 32).eval()
    with torch.no_grad():
        maps = network.maps(torch.zeros(1, 3, 299, 299))
    sides = {name: found.shape[-1] for name, found in maps.items()}
    assert sides == {"stem": 35, "a": 35, "reduce_a": 17, "b": 17, "reduce_b": 8, "c": 8}


def test_channels_and_parameters_are_the_published_ones():
    with torch.device("meta"):
        network = InceptionResNetV1(dim=512)
        maps = network.maps(torch.zeros(1, 3, 299, 299))
    assert [maps[name].shape[1] for name in ("stem", "a", "reduce_a", "b", "reduce_b", "c")] == [
        256, 256, 896, 896, 1792, 1792,
    ]  # fmt: skip
    by_hand = 0

    def unit(c, d, k):
        return c * d * k + 2 * d

    by_hand += unit(3, 32, 9) + unit(32, 32, 9) + unit(32, 64, 9) + unit(64, 80, 1)
    by_hand += unit(80, 192, 9) + unit(192, 256, 9)
    by_hand += 5 * (3 * unit(256, 32, 1) + 3 * unit(32, 32, 9) + 96 * 256 + 256)
    by_hand += unit(256, 384, 9) + unit(256, 192, 1) + unit(192, 192, 9) + unit(192, 256, 9)
    by_hand += 10 * (2 * unit(896, 128, 1) + 2 * unit(128, 128, 7) + 256 * 896 + 896)
    by_hand += 3 * unit(896, 256, 1) + unit(256, 384, 9) + 3 * unit(256, 256, 9)
    by_hand += 5 * (2 * unit(1792, 192, 1) + 2 * unit(192, 192, 3) + 384 * 1792 + 1792)
    by_hand += 1792 * 512 + 512
    assert sum(p.numel() for p in network.parameters()) == by_hand


def test_the_batch_centre_loss_is_its_slow_loop():
    random = torch.Generator().manual_seed(0)
    features = torch.randn(12, 5, generator=random, dtype=torch.float64, requires_grad=True)
    people = torch.tensor([7, 7, 3, 3, 3, 9, 1, 1, 1, 1, 7, 40])
    slow = torch.zeros((), dtype=torch.float64)
    for person in set(people.tolist()):
        own = [features[k] for k in range(12) if people[k] == person]
        centre = sum(own) / len(own)
        for one in own:
            slow = slow + ((one - centre) ** 2).sum()
    fast = batch_centre_loss(features, people)
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(*(torch.autograd.grad(loss, features)[0] for loss in (fast, slow)))


def test_running_centres_follow_as_printed():
    centres = RunningCentres(classes=3, dim=2, rate=0.5)
    features = torch.tensor([[2.0, 0.0], [4.0, 0.0], [0.0, 6.0]])
    people = torch.tensor([1, 1, 2])
    assert centres(features, people).item() == 4 + 16 + 36
    centres.follow(features, people)
    torch.testing.assert_close(centres.centres, torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.5]]))
    assert not list(centres.parameters())


def test_a_spectrogram_is_neither_scaled_nor_shifted():
    wave = torch.randn(1, 48_000, generator=torch.Generator().manual_seed(0))
    once, twice = (spectrogram_image(factor * wave, size=64) for factor in (1, 2))
    assert once.shape == (1, 3, 64, 64)
    torch.testing.assert_close(2 * once, twice)
    assert torch.equal(once[:, 0], once[:, 2])


@pytest.mark.parametrize("centres", ["batch", "running"])
def test_the_pull_brings_a_persons_features_together(centres):
    torch.manual_seed(0)
    kept = {}
    for pull in (0.0, 2.0):
        torch.manual_seed(1)
        model = SingleStream(
            classes=3, backbone="small", size=32, width=0.2, dim=8, pull=pull, centres=centres
        )
        batch = {
            "faces": torch.randint(0, 256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(2)),
            "waves": torch.randn(6, 48_000, generator=torch.Generator().manual_seed(3)) * 0.1,
            "face_people": torch.tensor([0, 0, 1, 1, 2, 2]),
            "voice_people": torch.tensor([0, 0, 1, 1, 2, 2]),
        }
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)
        for _ in range(25):
            optimiser.zero_grad()
            told = model.error(batch, None)
            told["loss"].backward()
            optimiser.step()
            model.after_step()
        features = model.network(
            torch.cat([model.face_pictures(batch["faces"]), model.voice_pictures(batch["waves"])])
        )
        people = torch.tensor([0, 0, 1, 1, 2, 2] * 2)
        kept[pull] = float(batch_centre_loss(features, people))
    assert kept[2.0] < 0.5 * kept[0.0]


@pytest.fixture(scope="module")
def corpus():
    pytest.importorskip("espeakng_loader")
    return tiny_corpus()


def test_rows_are_of_length_one_and_of_every_item(corpus):
    run = nawaz_ssnet.smoke()
    split = run.split(corpus)
    facts = run.facts(split.train)
    voices, faces = embed_selection(run.build(facts).eval(), split.validation)
    assert voices.shape == (len(split.validation.voices), 8)
    assert faces.shape == (len(split.validation.faces), 8)
    np.testing.assert_allclose(np.linalg.norm(faces, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(voices, axis=1), 1, rtol=1e-5)


def test_batches_hold_both_kinds_of_everybody_and_wrong_labels_nobodys_own(corpus):
    selection = nawaz_ssnet.smoke().split(corpus).train
    right, wrong = (
        MixedBatches(selection, grouped=True, people=50, items=4, size=16, seed=3, wrong_labels=on)
        for on in (False, True)
    )
    batch = right.batch(5)
    assert set(batch["face_people"].tolist()) == set(batch["voice_people"].tolist())
    assert len(batch["faces"]) + len(batch["waves"]) == 4 * len(right.names)
    assert all(torch.equal(a, b) for a, b in zip(batch.values(), right.batch(5).values(), strict=True))
    owners = corpus.column("faces", "person").astype(str)
    for number, name in enumerate(right.names):
        assert set(owners[right.indices["faces"][number]]) == {name}
        assert name not in set(owners[wrong.indices["faces"][number]])


def test_a_batch_of_anybody_is_so_many_different_items_each_as_likely_as_any_other(corpus):
    selection = nawaz_ssnet.smoke().split(corpus).train
    how = {"people": 3, "size": 16, "seed": 3, "wrong_labels": False}
    data = MixedBatches(selection, grouped=False, items=2, **how)
    random = np.random.default_rng(0)
    seen = {"faces": [], "voices": []}
    for _ in range(600):
        drawn = data._sample_items(random)
        items = [(kind, *item) for kind, some in drawn.items() for item in some]
        assert len(items) == len(set(items)) == 6
        for kind, person, place in items:
            assert place in data.indices[kind][person]
            seen[kind].append(place)
    everybody = {"faces": selection.faces, "voices": selection.voices}
    for kind, rows in everybody.items():
        found = np.bincount(seen[kind], minlength=rows.max() + 1)[rows]
        expected = 600 * 6 / (len(selection.faces) + len(selection.voices))
        assert np.all(np.abs(found - expected) < 5 * expected**0.5)
    assert nawaz_ssnet.recipe(size=16, batch="people").data(selection, {}).grouped
    assert not nawaz_ssnet.recipe(size=16).data(selection, {}).grouped
    batch = data.batch(5)
    assert len(batch["faces"]) + len(batch["waves"]) == 6
    more = MixedBatches(selection, grouped=False, items=100, **how).batch(0)
    assert len(more["faces"]) == len(selection.faces) and len(more["waves"]) == len(selection.voices)


@pytest.mark.parametrize("empty", ["faces", "voices"])
def test_a_batch_that_happens_to_hold_one_kind_trains(corpus, empty):
    run = nawaz_ssnet.smoke()
    selection = run.split(corpus).train
    facts = run.facts(selection)
    data = run.data(selection, facts)
    data.all = [item for item in data.all if item[0] != empty]
    batch = data.batch(0)
    assert len(batch["faces" if empty == "faces" else "waves"]) == 0
    loss = run.build(facts).error(batch, {})["loss"]
    loss.backward()
    assert torch.isfinite(loss)

"""Rows of a corpus: made once, in its order, found again, and made again if what is kept is damaged."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voiceface.errors import InputError
from voiceface.models import corpus_embeddings as place
from voiceface.models.corpus_embeddings import voice_embeddings
from voiceface.training.encoder_pairs import PairedEmbeddings


class Counting:
    """An encoder whose row is the recording's length, and which counts what it is asked."""

    name, dim, fingerprint = "counting", 1, "f" * 64

    def __init__(self):
        self.asked = 0

    def embed(self, waves):
        self.asked += len(waves)
        return np.array([[len(wave)] for wave in waves], np.float32)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "_HELD", {})
    return SimpleNamespace(
        path=tmp_path, fingerprint="c" * 64, voices=range(150), wave=lambda k: np.zeros(k + 1, np.int16)
    )


def test_rows_are_made_once_in_order_and_kept(corpus):
    encoder = Counting()
    for _ in range(2):
        assert voice_embeddings(corpus, encoder)[:, 0].tolist() == list(range(1, 151))
    assert encoder.asked == 150
    assert len(list((corpus.path / "views").iterdir())) == 1


@pytest.mark.parametrize("other", ["fingerprint", "corpus"])
def test_another_encoder_or_corpus_has_its_own(corpus, other):
    encoder = Counting()
    voice_embeddings(corpus, encoder)
    if other == "corpus":
        corpus.fingerprint = "d" * 64
    else:
        encoder.fingerprint = "e" * 64
    voice_embeddings(corpus, encoder)
    assert encoder.asked == 300


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: b"rows" * 200])
def test_what_is_damaged_is_made_again(corpus, damage):
    encoder = Counting()
    voice_embeddings(corpus, encoder)
    (path,) = (corpus.path / "views").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert voice_embeddings(corpus, encoder)[:, 0].tolist() == list(range(1, 151))
    assert encoder.asked == 300


def test_a_corpus_that_cannot_be_written_to_is_embedded_once_a_training(corpus, monkeypatch):
    def refused(path):
        raise InputError(path, "no permission to write here")

    monkeypatch.setattr(place, "atomic_path", refused)
    encoder = Counting()
    for _ in range(3):
        assert voice_embeddings(corpus, encoder)[:, 0].tolist() == list(range(1, 151))
    assert encoder.asked == 150


def test_batches_pair_people_with_their_own_and_every_process_takes_the_whole():
    voices, faces = torch.arange(12.0)[:, None], 100 + torch.arange(8.0)[:, None]
    items = [(np.arange(3 * k, 3 * k + 3), np.arange(2 * k, 2 * k + 2)) for k in range(4)]
    data = PairedEmbeddings((voices, faces), items, batch_size=3, heads=5, seed=1)
    seen = set()
    for step in range(20):
        batch = data.batch(step)
        assert batch["voices"].shape == batch["faces"].shape == (5, 3, 1) and batch["people"].shape == (5, 3)
        owner = batch["voices"][..., 0] // 3, (batch["faces"][..., 0] - 100) // 2
        assert torch.equal(owner[0].long(), batch["people"]) and torch.equal(owner[1].long(), batch["people"])
        assert all(len(set(head.tolist())) == 3 for head in batch["people"])
        seen |= set(batch["voices"].flatten().tolist())
        for rank in range(2):
            assert all(torch.equal(batch[k], v) for k, v in data.batch(step, rank, 2).items())
    assert seen == set(range(12))
    assert not torch.equal(data.batch(0)["people"], data.batch(1)["people"])
    assert (
        len(PairedEmbeddings((voices, faces), items, batch_size=99, heads=1, seed=0).batch(0)["people"][0])
        == 4
    )

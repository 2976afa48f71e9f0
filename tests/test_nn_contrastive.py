"""InfoNCE against the formula written as loops, and its gradient against finite differences."""

import math

import pytest
import torch
import torch.nn.functional as F

from voiceface.nn.loss.contrastive import info_nce


def rows(*shape, seed=0):
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(made, dim=-1)


def slow(voices, faces, people, temperature):
    """One voice, one face at a time: minus the log of the own pair's share among the pairs that count."""
    total = 0.0
    count = len(people)
    for i in range(count):
        for probe, gallery in ((voices, faces), (faces, voices)):
            weights = [
                math.exp(sum(a * b for a, b in zip(probe[i], gallery[j], strict=True)) / temperature)
                for j in range(count)
                if j == i or people[j] != people[i]
            ]
            own = math.exp(sum(a * b for a, b in zip(probe[i], gallery[i], strict=True)) / temperature)
            total += -math.log(own / sum(weights))
    return total / (2 * count)


@pytest.mark.parametrize("people", [[0, 1, 2, 3, 4], [0, 0, 1, 1, 1], [7, 3, 7, 3, 9]])
def test_it_is_the_slow_loop(people):
    voices, faces = rows(5, 6, seed=1), rows(5, 6, seed=2)
    for temperature in (0.1, 1.0):
        found = info_nce(voices, faces, people=torch.tensor(people), temperature=temperature)
        wanted = slow(voices.tolist(), faces.tolist(), people, temperature)
        assert found.item() == pytest.approx(wanted, rel=1e-12)


def test_several_batches_at_once_are_the_mean_of_each():
    voices, faces = rows(3, 5, 6, seed=3), rows(3, 5, 6, seed=4)
    people = torch.tensor([[0, 1, 2, 3, 4], [0, 0, 1, 2, 2], [4, 3, 4, 3, 4]])
    together = info_nce(voices, faces, people=people, temperature=0.2)
    alone = [
        slow(v.tolist(), f.tolist(), p.tolist(), 0.2) for v, f, p in zip(voices, faces, people, strict=True)
    ]
    assert together.item() == pytest.approx(sum(alone) / 3, rel=1e-12)


def test_pairs_of_one_person_neither_push_nor_count():
    voices, faces = rows(4, 6, seed=5), rows(4, 6, seed=6).requires_grad_()
    people = torch.tensor([0, 0, 1, 2])
    before = info_nce(voices, faces, people=people, temperature=0.1)
    # Voices 0 and 1 are one person's: what face 1 looks like is nothing to voice 0.
    info = torch.autograd.grad(
        torch.logsumexp((voices @ faces.mT / 0.1)[0, [0, 2, 3]], 0) - (voices[0] @ faces[0]) / 0.1, faces
    )[0]
    assert not info[1].any()
    swapped = info_nce(
        voices[[1, 0, 2, 3]], faces[[1, 0, 2, 3]], people=people[[1, 0, 2, 3]], temperature=0.1
    )
    assert swapped.item() == pytest.approx(before.item(), rel=1e-12)
    apart = info_nce(voices, faces, people=torch.arange(4), temperature=0.1)
    assert before < apart  # with fewer to be told from, the own is easier to find


def test_everybody_one_person_is_no_problem_and_no_lesson():
    voices = rows(4, 6, seed=7).requires_grad_()
    loss = info_nce(voices, rows(4, 6, seed=8), people=torch.zeros(4, dtype=torch.long), temperature=0.1)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert torch.autograd.grad(loss, voices)[0].abs().max() < 1e-12


def test_its_gradient_is_that_of_finite_differences():
    voices, faces = rows(2, 5, 4, seed=9).requires_grad_(), rows(2, 5, 4, seed=10).requires_grad_()
    people = torch.tensor([[0, 1, 1, 2, 3], [0, 1, 2, 3, 4]])

    def loss(v, f):
        return info_nce(v, f, people=people, temperature=0.3)

    assert torch.autograd.gradcheck(loss, (voices, faces))


def test_chance_is_the_log_of_the_gallery():
    alike = torch.ones(8, 3) / 3**0.5
    loss = info_nce(alike, alike, people=torch.arange(8), temperature=0.07)
    assert loss.item() == pytest.approx(math.log(8), rel=1e-5)

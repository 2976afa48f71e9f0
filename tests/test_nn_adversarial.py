"""Adversarial losses against loops over single scores, and the way their gradients push."""

import math

import pytest
import torch

from voiceface.nn.loss.adversarial import (
    auxiliary_discriminator,
    auxiliary_generator,
    cross_entropy_discriminator,
    cross_entropy_generator,
    least_squares_discriminator,
    least_squares_generator,
    wasserstein_critic,
    wasserstein_generator,
)

REAL = [0.3, -1.2, 2.5]
FAKE = [0.9, -0.4, 1.1, -3.0]
WRONG = [0.2, 1.7]


def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def log_sigmoid(score):
    return -math.log(1 + math.exp(-score))


def slow_least_squares(real, fake):
    return 0.5 * mean([(s - 1) ** 2 for s in real]) + 0.5 * mean([(s - 0) ** 2 for s in fake])


def slow_wasserstein(real, fake):
    return -(mean(real) - mean(fake))


def slow_cross_entropy(real, fake):
    return -mean([log_sigmoid(s) for s in real]) - mean([log_sigmoid(-s) for s in fake])


PAIRS = {
    "least squares": (least_squares_discriminator, least_squares_generator, slow_least_squares),
    "wasserstein": (wasserstein_critic, wasserstein_generator, slow_wasserstein),
    "cross-entropy": (cross_entropy_discriminator, cross_entropy_generator, slow_cross_entropy),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_judges_loss_is_that_of_a_loop(name):
    judge, _, slow = PAIRS[name]
    assert judge(torch.tensor(REAL), torch.tensor(FAKE)).item() == pytest.approx(slow(REAL, FAKE), abs=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_mismatched_pictures_share_the_fakes_half(name):
    judge, _, slow = PAIRS[name]
    told = judge(torch.tensor(REAL), torch.tensor(FAKE), torch.tensor(WRONG)).item()
    assert told == pytest.approx((slow(REAL, FAKE) + slow(REAL, WRONG)) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "slow"),
    [
        (least_squares_generator, lambda fake: mean([0.5 * (s - 1) ** 2 for s in fake])),
        (wasserstein_generator, lambda fake: -mean(fake)),
        (cross_entropy_generator, lambda fake: -mean([log_sigmoid(s) for s in fake])),
    ],
)
def test_a_generators_loss_is_that_of_a_loop(loss, slow):
    assert loss(torch.tensor(FAKE)).item() == pytest.approx(slow(FAKE), abs=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_they_pull_opposite_ways(name):
    judge, generator, _ = PAIRS[name]
    real, fake, wrong = (torch.tensor([0.5, 0.4], requires_grad=True) for _ in range(3))
    judge(real, fake, wrong).backward()
    assert (real.grad < 0).all() and (fake.grad > 0).all() and (wrong.grad > 0).all()
    fake.grad = None
    generator(fake).backward()
    assert (fake.grad < 0).all()


def slow_class(rows, wanted):
    losses = []
    for row, right in zip(rows, wanted, strict=True):
        whole = sum(math.exp(value) for value in row)
        losses.append(-math.log(math.exp(row[right]) / whole))
    return mean(losses)


def test_the_auxiliary_classes_are_those_of_a_loop():
    torch.manual_seed(0)
    real, fake, people = torch.randn(3, 5), torch.randn(2, 5), torch.tensor([0, 3, 1])
    judged = (slow_class(real.tolist(), [0, 3, 1]) + slow_class(fake.tolist(), [4, 4])) / 2
    assert auxiliary_discriminator(real, fake, people).item() == pytest.approx(judged, abs=1e-6)
    asked = auxiliary_generator(fake, torch.tensor([2, 0])).item()
    assert asked == pytest.approx(slow_class(fake.tolist(), [2, 0]), abs=1e-6)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2, 1)])
def test_any_shape_of_scores_serves(shape):
    scores = torch.tensor(FAKE)
    for judge, generator, _ in PAIRS.values():
        assert judge(scores.view(shape), scores.view(shape)).item() == pytest.approx(
            judge(scores, scores).item()
        )
        assert generator(scores.view(shape)).shape == ()


def test_large_scores_do_not_overflow():
    large = torch.tensor([1e4, -1e4])
    for value in (cross_entropy_discriminator(large, large), cross_entropy_generator(large)):
        assert torch.isfinite(value)

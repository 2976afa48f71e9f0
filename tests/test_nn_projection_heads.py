"""Several heads in one product are several separate perceptrons."""

import torch
import torch.nn.functional as F
from torch import nn

from voiceface.nn.projection_heads import Heads


def heads(count=3, **changes):
    torch.manual_seed(0)
    made = Heads(**({"width": 5, "hidden": 7, "dim": 4, "count": count, "dropout": 0.0} | changes))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made


def alone(made, k):
    """Head ``k`` as two layers of torch's own."""
    first, second = nn.Linear(5, 7), nn.Linear(7, 4)
    with torch.no_grad():
        first.weight.copy_(made.into[k].T)
        first.bias.copy_(made.into_bias[k, 0])
        second.weight.copy_(made.out[k].T)
        second.bias.copy_(made.out_bias[k, 0])
    return nn.Sequential(first, nn.ReLU(), second)


def test_a_batch_of_heads_is_a_loop_over_perceptrons():
    made = heads()
    rows, own = torch.randn(6, 5), torch.randn(3, 6, 5)
    for k in range(3):
        torch.testing.assert_close(made(rows)[k], alone(made, k)(rows))
        torch.testing.assert_close(made(own)[k], alone(made, k)(own[k]))


def test_the_gradient_of_a_head_is_its_own():
    made = heads()
    made(torch.randn(6, 5))[1].square().sum().backward()
    for parameter in made.parameters():
        assert not parameter.grad[[0, 2]].any() and parameter.grad[1].any()


def test_heads_begin_by_adding_nothing_yet_can_learn():
    torch.manual_seed(1)
    made = Heads(width=5, hidden=7, dim=4, count=2, dropout=0.5)
    found = made(torch.randn(6, 5))
    assert not found.any()
    F.mse_loss(found, torch.ones_like(found)).backward()
    assert made.out.grad.any()  # the next step changes them
    assert made.into.min() >= -(5**-0.5) and made.into.max() <= 5**-0.5
    assert not torch.equal(made.into[0], made.into[1])


def test_dropout_works_while_learning_only():
    made = heads(dropout=0.5)
    rows = torch.randn(6, 5)
    assert not torch.equal(made(rows), made(rows))
    made.eval()
    assert torch.equal(made(rows), made(rows))
    torch.testing.assert_close(made(rows)[2], alone(made, 2)(rows))


def test_no_heads_answer_nothing():
    assert heads(count=0)(torch.randn(6, 5)).shape == (0, 6, 4)

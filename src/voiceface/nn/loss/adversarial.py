"""Losses of discriminators and generators as pure functions of the discriminator's scores.

Each objective is a pair of losses. A discriminator that reads a condition may also get *mismatched* ones,
real pictures with another person's condition (Reed et al. 2016, algorithm 1), which share the fakes' half
of its loss.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def least_squares_discriminator(real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
    """Half the squared distance of real scores to 1 and of fake ones to 0, each averaged.

    Source: Mao et al. 2017, Least Squares GAN, equation 2 with a = 0 and b = 1 (Roldán 2018, equation 2).

    Args:
        real: scores of real pictures, any shape.
        fake: scores of generated ones.
        mismatched: scores of real pictures with a wrong condition, which count as fake.

    >>> least_squares_discriminator(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).item()
    0.5
    """
    false = _half(fake.square().mean(), None if mismatched is None else mismatched.square().mean())
    return ((real - 1).square().mean() + false) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """Half the mean squared distance of generated pictures' scores to 1, the real ones' (c = b).

    Source: Mao et al. 2017, equation 2.

    >>> least_squares_generator(torch.tensor([1.0, 0.0])).item()
    0.25
    """
    return (fake - 1).square().mean() / 2


def wasserstein_critic(real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
    """Minus the estimated Wasserstein distance: the mean score of fakes less that of real pictures.

    It is an estimate only while the critic is Lipschitz, which clipping its weights ensures.

    Source: Arjovsky et al. 2017, Wasserstein GAN, algorithm 1 (Roldán 2018, equation 4).

    Args:
        real: scores of real pictures, any shape.
        fake: scores of generated ones.
        mismatched: scores of real pictures with a wrong condition, which count as fake.

    >>> wasserstein_critic(torch.tensor([3.0]), torch.tensor([1.0])).item()
    -2.0
    """
    return _half(fake.mean(), None if mismatched is None else mismatched.mean()) - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """Minus the mean score of generated pictures.

    Source: Arjovsky et al. 2017, algorithm 1.

    >>> wasserstein_generator(torch.tensor([1.0, 2.0])).item()
    -1.5
    """
    return -fake.mean()


def cross_entropy_discriminator(real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
    """Minus the log-likelihood of the right source, real and fake averaged each and added.

    Source: Goodfellow et al. 2014, equation 1; with ``mismatched`` Reed et al. 2016, algorithm 1.

    Args:
        real: log odds (no sigmoid) of real pictures, any shape.
        fake: log odds of generated ones.
        mismatched: log odds of real pictures with a wrong condition, which count as fake.

    >>> round(cross_entropy_discriminator(torch.zeros(2), torch.zeros(3)).item(), 4)
    1.3863
    """
    wrong = None if mismatched is None else F.softplus(mismatched).mean()
    return F.softplus(-real).mean() + _half(F.softplus(fake).mean(), wrong)


def cross_entropy_generator(fake: Tensor) -> Tensor:
    """Minus the log-likelihood that generated pictures are taken for real: the form that does not saturate.

    Source: Goodfellow et al. 2014, section 3.

    >>> round(cross_entropy_generator(torch.zeros(2)).item(), 4)
    0.6931
    """
    return F.softplus(-fake).mean()


def auxiliary_discriminator(real: Tensor, fake: Tensor, people: Tensor) -> Tensor:
    """Cross-entropy of N + 1 classes: a real picture is its person's, a generated one is the last class.

    Source: Odena et al. 2016, AC-GAN, L_C, with the class for fakes of Roldán 2018, figure 7.

    Args:
        real: logits of real pictures, ``(n, people + 1)``.
        fake: logits of generated ones, ``(m, people + 1)``.
        people: index of the person of each real picture, ``(n,)``.

    >>> round(auxiliary_discriminator(torch.zeros(2, 4), torch.zeros(1, 4), torch.tensor([0, 2])).item(), 4)
    1.3863
    """
    nobody = torch.full((len(fake),), fake.shape[1] - 1, device=fake.device)
    return (F.cross_entropy(real.float(), people) + F.cross_entropy(fake.float(), nobody)) / 2


def auxiliary_generator(fake: Tensor, people: Tensor) -> Tensor:
    """Cross-entropy of generated pictures with the person each should show.

    Source: Odena et al. 2016, L_C.

    Args:
        fake: logits, ``(n, people + 1)``, the last class meaning "generated".
        people: index of that person, ``(n,)``.

    >>> round(auxiliary_generator(torch.zeros(2, 4), torch.tensor([0, 2])).item(), 4)
    1.3863
    """
    return F.cross_entropy(fake.float(), people)


def _half(fake: Tensor, mismatched: Tensor | None) -> Tensor:
    """The fakes' half of a discriminator's loss, shared with the mismatched pairs if there are any."""
    return fake if mismatched is None else (fake + mismatched) / 2

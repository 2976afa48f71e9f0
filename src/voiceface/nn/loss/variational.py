"""The two terms of a variational bound with normal distributions, one value an item."""

from __future__ import annotations

from torch import Tensor


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence (n,) of independent normals from the standard normal one, in nats.

    Source: Kingma and Welling 2014, appendix B; the second term of Agarwal et al. 2019, equation 2.

    Args:
        mean: (n, latent).
        log_variance: natural logarithms of the variances, (n, latent).

    >>> import torch
    >>> kl_to_standard_normal(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
    tensor([2.])
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def gaussian_error(generated: Tensor, target: Tensor) -> Tensor:
    """Minus the log likelihood (n,) of pictures under normal pixels of variance 1, less its constant.

    Source: the first term of Agarwal et al. 2019, equation 2.

    Args:
        generated: means, (n, ...).
        target: pictures of the same shape.

    >>> import torch
    >>> gaussian_error(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([2.])
    """
    return 0.5 * (generated - target).square().flatten(1).sum(1)

"""The evidence lower bound of a variational autoencoder: log p(x) >= E_q log p(x | z) - KL(q(z | x) || p(z)). Kingma and Welling
2014 (arXiv 1312.6114), eq. 3. All values are in nats, summed over pixels or latent dimensions, one for each sample."""

import math

import torch
from torch import Tensor

NEAR_ONE = 1 - 1e-6
"""Means of Bernoulli pixels are held this far inside (-1, 1): in float32 tanh reaches 1, where the logarithm does not exist."""


def gaussian_nll(x: Tensor, mean: Tensor, deviation: float = 1.0) -> Tensor:
    """-log N(x; mean, deviation^2 I), summed over a sample's pixels: (B,).

    Its part that depends on the mean is half the squared error over deviation^2 (Kingma and Welling 2014, appendix C.2, with one
    fixed variance).

    Args:
        x: (B, C, H, W), any range; as all images here, [-1, 1].
        mean: of the same shape.
        deviation: of each pixel, in the images' unit, above 0.
    """
    constant = math.log(deviation) + 0.5 * math.log(2 * math.pi)
    return (0.5 * ((x - mean) / deviation).square() + constant).flatten(1).sum(1)


def bernoulli_nll(x: Tensor, mean: Tensor) -> Tensor:
    """The cross-entropy of pixels with p, each in [0, 1], summed over a sample's pixels: (B,). Kingma and Welling 2014, eq. 11.

    -log p(x | z) where pixels are 0 or 1. For greys between them it is what most VAEs of MNIST minimise, and no density: its
    integral over [0, 1] is not 1 (Loaiza-Ganem and Cunningham 2019, arXiv 1907.06845).

    Args:
        x: (B, C, H, W) in [-1, 1]; the pixel's value is (x + 1) / 2.
        mean: of the same shape, in [-1, 1]; p is (mean + 1) / 2, so a tanh at a decoder's end is a sigmoid of twice its input.
    """
    mean = mean.clamp(-NEAR_ONE, NEAR_ONE)
    return -0.5 * ((1 + x) * torch.log1p(mean) + (1 - x) * torch.log1p(-mean) - 2 * math.log(2)).flatten(1).sum(1)


def kl_from_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, I)), summed over latent dimensions: (B, z_dim) each to (B,). Kingma and Welling 2014,
    appendix B."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def reparameterised(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """mean + deviation * noise: a draw of N(mean, exp(log_variance)) from standard normal noise, differentiable in both. Kingma
    and Welling 2014, section 2.4."""
    return mean + (0.5 * log_variance).exp() * noise

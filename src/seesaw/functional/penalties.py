"""Penalties on gradients: one value a sample, differentiable once more."""

import torch
from torch import Tensor

from seesaw.types import Pyramid


def squared_gradient_norm(logits: Tensor, images: Pyramid) -> Tensor:
    """||d D(x) / d x||^2 of each sample (B,), summed over pixels, channels and scales.

    Mescheder et al. 2018, eq. 9: R1 is gamma/2 times its mean over reals. `logits` (B,) must depend on `images`, which
    require a gradient. Samples that D couples (BatchNorm, minibatch stddev) enter each other's gradients.
    """
    gradients = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return torch.stack([g.float().square().flatten(1).sum(1) for g in gradients]).sum(0)


def path_lengths(images: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """||J_w^T y|| of each sample (B,), y = noise / sqrt(H W), noise standard normal like images (B, C, H, W).

    Karras et al. 2020 (StyleGAN2), eq. 4. w is (B, d), or (B, layers, d): then the mean over layers of the squared norms.
    """
    y = noise / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return gradient.float().square().sum(-1).reshape(len(w), -1).mean(1).sqrt()

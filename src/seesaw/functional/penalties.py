"""Penalties on gradients: one value a logit, differentiable once more. Squares are summed in float32 at least.

D gives one logit a sample; where it judges packs of neighbouring images (balance=pac) it gives one a pack, and then the
gradient's norm is taken over the whole pack, which is what D takes. Of K logits a sample, (B, K), the gradient is that of
their mean.
"""

import torch
from torch import Tensor

from seesaw.functional.dtype import at_least_float32
from seesaw.types import Pyramid


def squared_gradient_norm(logits: Tensor, images: Pyramid) -> Tensor:
    """||d D(x) / d x||^2 of each logit (B,), summed over pixels, channels and scales.

    Mescheder et al. 2018, eqs. 9 and 10: gamma/2 times its mean is R1 over reals, R2 over fakes. `logits` (B,) must depend
    on `images`, which require a gradient. Samples that D couples (BatchNorm, minibatch stddev) enter each other's gradients.
    """
    gradients = torch.autograd.grad(of_samples(logits).sum(), images, create_graph=True)
    return torch.stack([by_logit(g, logits).square().sum(1) for g in gradients]).sum(0)


def of_samples(logits: Tensor) -> Tensor:
    """(B,), or of several logits a sample (B, K) their means: (B,)."""
    return logits if logits.ndim == 1 else logits.flatten(1).mean(1)


def by_logit(gradient: Tensor, logits: Tensor) -> Tensor:
    """(B m, C, H, W) to (B, m C H W) in float32 at least: what belongs to each of the B logits."""
    return at_least_float32(gradient).reshape(len(logits), -1)


def gradient_norms(logits: Tensor, images: Pyramid) -> list[Tensor]:
    """||d D(x) / d x|| of each logit (B,), scale by scale, coarse to fine.

    `logits` (B,) must depend on `images`, which require a gradient. The root is safe at a gradient of 0.
    """
    gradients = torch.autograd.grad(of_samples(logits).sum(), images, create_graph=True)
    return [torch.linalg.vector_norm(by_logit(g, logits), dim=1) for g in gradients]


def gradient_penalty(norms: list[Tensor], target: float = 1.0, one_sided: bool = False) -> Tensor:
    """((||g|| - target) / target)^2 of each sample (B,), the mean over scales; one-sided: 0 where ||g|| <= target.

    Gulrajani et al. 2017, eq. 3, at points between reals and fakes; the target and its scaling: the code of Karras et al. 2018
    (750 on CIFAR-10, else 1); the mean over several scales: the code of Karnewar and Wang 2020.
    """
    away = [(norm - target) / target for norm in norms]
    if one_sided:
        away = [a.relu() for a in away]
    return torch.stack([a.square() for a in away]).mean(0)


def interpolated(real: Pyramid, fake: Pyramid, mix: Tensor) -> Pyramid:
    """Points between reals and fakes, leaves that require a gradient: `mix` (B,) of the fake, the same at every scale."""
    pairs = [(at_least_float32(r.detach()), at_least_float32(f.detach())) for r, f in zip(real, fake, strict=True)]
    return [torch.lerp(r, f, mix[:, None, None, None].to(r)).requires_grad_() for r, f in pairs]


def path_lengths(images: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """||J_w^T y|| of each sample (B,), y = noise / sqrt(H W), noise standard normal like images (B, C, H, W).

    Karras et al. 2020 (StyleGAN2), eq. 4. w is (B, d), or (B, layers, d): then the mean over layers of the squared norms.
    """
    y = noise / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return at_least_float32(gradient).square().sum(-1).reshape(len(w), -1).mean(1).sqrt()


def perturbed(images: Pyramid, sigma: float) -> Pyramid:
    """x + sigma e at every scale, e standard normal, in float32 at least; drawn from torch's default generators."""
    wide = [at_least_float32(x.detach()) for x in images]
    return [x + sigma * torch.randn_like(x) for x in wide]


def squared_slope(logits: Tensor, perturbed_logits: Tensor, sigma: float) -> Tensor:
    """((D(x + sigma e) - D(x)) / sigma)^2 of each logit (B,): over draws its mean tends to ||d D(x) / d x||^2 with sigma to 0.

    With e standard normal its mean is ||g||^2 + sigma^2 ((tr H)^2 + 2 tr H^2) / 4 where D is quadratic, with gradient g and
    Hessian H, and where D is linear its variance over draws is 2 ||g||^4.
    """
    return ((perturbed_logits - logits) / sigma).square()

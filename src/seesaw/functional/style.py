"""The losses of neural style transfer, pure. Images are (B, 3, H, W) in [-1, 1]; features (B, N, H', W'): N channels over
M = H' W' places.

Each loss gives one value. Gatys et al. 2016 is "Image Style Transfer Using Convolutional Neural Networks" (CVPR 2016), whose
equations are sums over one image; here they are means, so that weights keep their meaning when the size changes. What a mean
is of theirs stands at each function.
"""

import torch
from torch import Tensor

from seesaw.functional.eigen import eigh
from seesaw.util import LUMA

LEAST_EIGENVALUE = 1e-8


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference: 2 / (N M) times the L_content of Gatys et al. 2016, eq. 1, of one image."""
    return (features - target).square().mean()


def content_loss_gatys2016(features: Tensor, target: Tensor) -> Tensor:
    """Half the sum of squared differences, over the images: Gatys et al. 2016, eq. 1. Grows with the image."""
    return (features - target).square().sum() / 2


def gram(features: Tensor) -> Tensor:
    """Correlations of the channels, averaged over places: (B, N, N), symmetric. M times it is Gatys et al. 2016, eq. 3."""
    flat = features.flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def gram_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of Gram matrices, `target` being `gram` of the style's features (any size): for features of as
    many places 4 times the E_l of Gatys et al. 2016, eq. 4."""
    return (gram(features) - target).square().mean()


def moments(features: Tensor, epsilon: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Mean (B, N) and covariance (B, N, N), with epsilon on its diagonal, of the features as M samples of N dimensions.

    Without epsilon a covariance of fewer places than channels is singular, and the gradient of its root infinite.
    """
    flat = features.flatten(2)
    mean = flat.mean(-1)
    centred = flat - mean.unsqueeze(-1)
    ridge = epsilon * torch.eye(flat.shape[1], dtype=flat.dtype, device=flat.device)
    return mean, centred @ centred.mT / flat.shape[-1] + ridge


def matrix_sqrt(covariance: Tensor) -> Tensor:
    """The symmetric square root of symmetric positive matrices (…, N, N)."""
    values, vectors = eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt().unsqueeze(-2)) @ vectors.mT


def wasserstein2(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_root: Tensor) -> Tensor:
    """Squared Wasserstein-2 distance of two Gaussians, (B,): |m - m'|^2 + tr(C + C' - 2 (C'^1/2 C C'^1/2)^1/2), with the root
    of the second covariance given as `matrix_sqrt` makes it (Dowson and Landau 1982; Olkin and Pukelsheim 1982).

    The trace of the root comes from eigenvalues, whose gradient is exact. With the ridge of `moments` in both they are at least
    its square, so what lies below is rounding, and has no gradient.
    """
    between = other_root @ covariance @ other_root
    values = torch.linalg.eigvalsh((between + between.mT) / 2)
    roots = values.clamp_min(LEAST_EIGENVALUE).sqrt().sum(-1)
    traces = covariance.diagonal(dim1=-2, dim2=-1).sum(-1) + other_root.square().sum((-2, -1))
    return (mean - other_mean).square().sum(-1) + traces - 2 * roots


def wasserstein_loss(features: Tensor, mean: Tensor, root: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Squared Wasserstein-2 distance of the features' Gaussian to the style's, a channel (`wasserstein2` / N), averaged over
    images."""
    return wasserstein2(*moments(features, epsilon), mean, root).mean() / features.shape[1]


def variation_loss(images: Tensor) -> Tensor:
    """Mean squared difference of each value and its right neighbour, plus the same downwards; 0 of a constant image."""
    across = (images[..., :, 1:] - images[..., :, :-1]).square().mean()
    down = (images[..., 1:, :] - images[..., :-1, :]).square().mean()
    return across + down


def luminance(images: Tensor) -> Tensor:
    """Grey of the same lightness, (B, 3, H, W): YIQ's Y in each channel."""
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)


def match_luminance(style: Tensor, content: Tensor) -> Tensor:
    """The style's luminance with mean and standard deviation of the content's (Gatys et al. 2016, "Preserving Color in Neural
    Artistic Style Transfer", arXiv 1606.05897): (B, 3, H, W) grey, which may leave [-1, 1]."""
    ours, theirs = luminance(style), luminance(content)
    scale = theirs.std() / ours.std().clamp_min(1e-6)
    return scale * (ours - ours.mean()) + theirs.mean()


def with_colours_of(images: Tensor, content: Tensor) -> Tensor:
    """The luminance of `images` with the hue and saturation (YIQ's I and Q) of `content`, of one size; arXiv 1606.05897.

    I and Q are linear in the differences of R, G, B, so adding one number to all three changes Y alone.
    """
    return (luminance(images) - luminance(content) + content).clamp(-1, 1)

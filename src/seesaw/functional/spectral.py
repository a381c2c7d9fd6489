"""Spectral normalisation (Miyato et al. 2018): a layer's weight divided by its largest singular value."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm


class SpectralNorm(_SpectralNorm):
    """torch's parametrisation, which fails under CUDA's autocast (mv gives half precision there, vdot refuses it), in the
    weight's own precision.

    W / sigma, sigma = u^T W v, u and v constants for the gradient: Miyato et al. 2018, eq. 8 and algorithm 1. One power
    iteration in each forward in training mode, also with frozen weights; u and v are buffers, so a resumed run goes on with
    the same numbers. A convolution counts as the matrix (out, in k k), as in the paper: a bound up to a constant.
    """

    def forward(self, weight: Tensor) -> Tensor:
        kind = weight.device.type
        with torch.autocast("cpu" if kind == "meta" else kind, enabled=False):  # where shapes alone are tried there is none
            return super().forward(weight)


def normalise(net: nn.Module, layers: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.Linear)) -> None:
    """Give every layer of these kinds a SpectralNorm: 15 power iterations from random vectors. The weights must have their
    initial values already.
    """
    for layer in [m for m in net.modules() if isinstance(m, layers)]:
        weight: Tensor = layer.weight  # type: ignore[assignment]
        parametrize.register_parametrization(layer, "weight", SpectralNorm(weight.detach()))


def is_bounded(net: nn.Module) -> bool:
    """Whether spectral normalisation bounds the net's slope: every matrix of weights has it, and no BatchNorm undoes it."""
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules()):
        return False
    bounded = {
        id(m.parametrizations.weight.original)  # type: ignore[union-attr]
        for m in net.modules()
        if parametrize.is_parametrized(m, "weight") and isinstance(m.parametrizations.weight[0], SpectralNorm)  # type: ignore[index,union-attr]
    }
    return all(id(p) in bounded for p in net.parameters() if p.ndim > 1)

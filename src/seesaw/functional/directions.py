"""Directions in a generator's latents that change its images most, found from its weights or its activations."""

import torch
from torch import Tensor

from seesaw.functional.eigen import eigh
from seesaw.functional.latents import unit


def closed_form(weights: list[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Closed-form factorisation (SeFa): the directions n of length 1 that maximise |A n|^2, A the stacked weights of the affine
    layers that take the latent. They are the eigenvectors of A^T A with the largest eigenvalues.

    Args:
        weights: of each layer, (out, D), with the scale that is applied to them.
        count: how many directions, at most D.

    Returns:
        Directions (count, D), each with its largest number positive, and their eigenvalues (count,), falling.

    Source: Shen and Zhou 2021 (arXiv 2007.06600), equations 3 to 5.
    """
    a = torch.cat([w.double() for w in weights])
    values, vectors = eigh(a.T @ a)
    return unit(vectors.flip(1).T[:count]).float(), values.flip(0)[:count].float()


def principal(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Principal components of x (N, D): directions (count, D) of length 1, and the variance along each (count,), falling."""
    centred = x.double() - x.double().mean(0)
    values, vectors = eigh(centred.T @ centred / (len(x) - 1))
    return unit(vectors.flip(1).T[:count]).float(), values.flip(0)[:count].clamp_min(0).float()


def from_activations(z: Tensor, activations: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Directions in z whose effect on a layer are its principal components (GANSpace).

    The activations y of the layer are projected onto their principal components, x = V^T (y - mean), and the directions u are the
    least-squares solution of z = x U. Where the layer is linear, they are its right singular vectors. Deviation: each u is
    brought to length 1.

    Args:
        z: latents (N, D).
        activations: of a layer for them, (N, F).
        count: how many, at most D and F.

    Returns:
        Directions (count, D), and the variance of the activations along each (count,), falling.

    Source: Härkönen et al. 2020 (arXiv 2004.02546), section 2.2, equation 2.
    """
    flat = activations.flatten(1).double()
    centred = flat - flat.mean(0)
    if len(flat) < flat.shape[1]:  # the smaller of the two Gram matrices; both have the same eigenvalues above 0
        values, vectors = eigh(centred @ centred.T)
        x = vectors.flip(1)[:, :count] * values.flip(0)[:count].clamp_min(0).sqrt()
    else:
        values, vectors = eigh(centred.T @ centred)
        x = centred @ vectors.flip(1)[:, :count]
    found = torch.linalg.lstsq(x, z.double() - z.double().mean(0)).solution
    return unit(found).float(), (values.flip(0)[:count].clamp_min(0) / (len(z) - 1)).float()

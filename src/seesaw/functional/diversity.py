"""How different samples are from one another, and how sure a classifier is of them."""

import torch
from torch import Tensor

from seesaw.functional.eigen import eigvalsh


def vendi(features: Tensor) -> float:
    """The Vendi score of features (n, d): exp of the entropy of the eigenvalues of K / n, K the cosine similarities (Friedman and
    Dieng 2023, arXiv 2210.02410, eq. 2): the effective number of different samples, from 1 to min(n, d). A row of zeros is
    like no other and adds nothing.

    Raises:
        ValueError: there is no sample.
    """
    n, d = features.shape
    if n < 1:
        raise ValueError("the Vendi score takes at least one sample")
    x = features.double()
    x = x / x.norm(dim=1, keepdim=True).clamp_min(1e-300)
    values = eigvalsh((x.T @ x if d <= n else x @ x.T) / n).clamp_min(0)
    return torch.special.entr(values).sum().exp().item()


def inception_score(probabilities: Tensor) -> float:
    """exp of the mean KL of p(y|x) from p(y), for probabilities (n, K): Salimans et al. 2016 (arXiv 1606.03498, section 4).
    From 1 to K. Over all samples together: the mean over ten splits, which tables have, is lower."""
    p = probabilities.double()
    each = torch.special.xlogy(p, p) - torch.special.xlogy(p, p.mean(0))
    return each.sum(1).mean().exp().item()

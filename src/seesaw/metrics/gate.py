"""Which samples count as images of the set: a classifier alone is sure of noise too, so their features must look real as well."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SURE = 0.9
"""The least probability of the most probable class."""

QUANTILE = 0.99
"""Share of the reals whose distance to their class is within the limit."""

SHRINKAGE = 0.1
"""Weight of the isotropic part of each class's covariance."""

FOLDS = 10
"""Each real is measured by the Gaussians of the others: these are fitted to nine tenths at a time."""

LEAST = 60
"""Reals a class that the gate takes: with fewer the limit is too wide."""

SAME = 1e-4
"""Sums of features that differ by less may be those of one image."""

RULE = (
    f"valid: probability above {SURE:g} and Mahalanobis distance to the class below the {QUANTILE:g} quantile of the "
    f"reals (shrinkage {SHRINKAGE:g}, {FOLDS} folds)"
)
"""The gate in words, for the protocol: values by another gate do not compare."""


@dataclass(frozen=True)
class ClassGaussians:
    """A Gaussian for each class: means (K, d) and inverse covariances (K, d, d), float64; nan where a class has no image."""

    means: Tensor
    precisions: Tensor

    def distance(self, features: Tensor, classes: Tensor) -> Tensor:
        """Mahalanobis distance (n,) of features (n, d) to their classes, int64 (n,); infinite where a class has no image."""
        found = torch.full((len(features),), float("inf"), dtype=torch.float64)
        for k in classes.unique().tolist():
            rest = features[classes == k].double() - self.means[k]
            found[classes == k] = ((rest @ self.precisions[k]) * rest).sum(1).clamp_min(0).sqrt()
        return found.nan_to_num(nan=float("inf"), posinf=float("inf"))


def fit_classes(features: Tensor, classes: Tensor, count: int) -> ClassGaussians:
    """Gaussians of the classes 0 ... count - 1, from features (n, d) and classes, int64 (n,).

    Each covariance is (1 - s) S_k + s v I, with S_k that of the class, s = 0.1, and v the mean variance within the classes: so
    a class of few images has an inverse too.
    """
    x, d = features.double(), features.shape[1]
    means = torch.stack([x[classes == k].mean(0) for k in range(count)])
    variance = (x - means[classes]).square().mean().clamp_min(1e-6) if len(x) else torch.tensor(1.0)
    precisions = torch.full((count, d, d), float("nan"), dtype=torch.float64)
    for k in classes.unique().tolist():
        rest = x[classes == k] - means[k]
        cov = rest.T @ rest / max(len(rest) - 1, 1)
        shrunk = (1 - SHRINKAGE) * cov + SHRINKAGE * variance * torch.eye(d, dtype=torch.float64)
        precisions[k] = torch.linalg.inv(shrunk)
    return ClassGaussians(means, precisions)


@dataclass(frozen=True)
class Gate:
    """An image is valid when p(k | x) > 0.9 for its most probable class k, and its features f satisfy

        sqrt((f - m_k)' C_k^-1 (f - m_k)) <= limit,

    where m_k and C_k (shrunk, see `fit_classes`) are of the reals that the classifier puts into class k, and the limit is the
    0.99 quantile of the reals' own distances, each by Gaussians that were fitted without it (Lee et al. 2018, arXiv 1807.03888,
    whose covariance is one for all classes). Where an image is several that are classified on their own, as stacked digits
    are, each of them must be valid.

    It takes some 60 different reals a class (`LEAST`): with few of them the limit is too wide, and noise may pass.

    Args:
        gaussians: of the reals' classes.
        limit: the largest distance.
        accepted: share of the reals that are valid by Gaussians that were fitted without them.
        each: different reals a class, on average.
    """

    gaussians: ClassGaussians
    limit: float
    accepted: float
    each: float

    def valid(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Bool (n,) for features (n, d) and probabilities (n, K), or (n, parts * d) and (n, parts, K)."""
        parts, p = apart(features, probabilities)
        sure, classes = p.max(1)
        return together((sure > SURE) & (self.gaussians.distance(parts, classes) <= self.limit), len(features))


def gate_of(features: Tensor, classify: Callable[[Tensor], Tensor]) -> Gate:
    """The gate of the reals by their features (n, d), or (n, parts * d).

    Args:
        features: on the CPU.
        classify: features to class probabilities, as `seesaw.metrics.extractors.base.Classifies.probabilities`.
    """
    parts, p = apart(features, classify(features).cpu())
    sure, classes = p.max(1)
    same = copies(parts)
    fold = same % FOLDS
    distance = torch.empty(len(parts), dtype=torch.float64)
    for k in fold.unique().tolist():
        others = fit_classes(parts[fold != k], classes[fold != k], p.shape[1])
        distance[fold == k] = others.distance(parts[fold == k], classes[fold == k])
    known = distance[distance.isfinite()].sort().values  # a class of one real has no others
    limit = known[min(int(QUANTILE * len(known)), len(known) - 1)].item() if len(known) else 0.0
    valid = together((sure > SURE) & (distance <= limit), len(features))
    each = int(same.max() + 1) / p.shape[1]
    return Gate(fit_classes(parts, classes, p.shape[1]), limit, valid.double().mean().item(), each)


def copies(parts: Tensor) -> Tensor:
    """int64 (n,), equal for rows of features (n, d) of equal images, also when these differ by rounding; counted from 0. Copies
    belong in one fold: a stacked set has each digit many times, and a Gaussian of its copies would call it near."""
    order = parts.double().sum(1).sort()
    groups = (order.values.diff(prepend=order.values[:1]) > SAME).cumsum(0)
    return torch.empty_like(groups).scatter_(0, order.indices, groups)


def apart(features: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Features (n * parts, d) and probabilities (n * parts, K), one row for each image that is classified on its own."""
    p = probabilities.reshape(-1, probabilities.shape[-1])
    return features.reshape(len(p), -1), p


def together(each: Tensor, n: int) -> Tensor:
    """Bool (n * parts,) to (n,): whether all parts of a sample are."""
    return each.reshape(n, -1).all(1)

"""Which samples count as images of the set. A classifier is sure of noise too, so what is asked is whether the samples look real:
by its last features, by those of its first layers, which see texture and sharpness, and by a detector of outliers beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from seesaw.metrics.extractors.base import DetectsOutliers

QUANTILE = 0.99
"""Share of the reals whose distance to their class is within the limit."""

MARGIN = 8.0
"""Times that limit in the view of the first layers: they see traces of a generator that no person sees, which lie at several
times the reals' limit, as noise does at far more."""

SHRINKAGE = 0.1
"""Weight of the isotropic part of each class's covariance."""

FOLDS = 10
"""Each real is measured by the Gaussians of the others: these are fitted to nine tenths at a time."""

LEAST = 60
"""Reals a class that the gate takes: with fewer the limit is too wide."""

SAME = 1e-4
"""Sums of features that differ by less may be those of one image."""

MARGIN_SCORED = 1.25
"""Times the limit of the last features where a detector of outliers stands beside them: alone they refuse many samples that a
person reads."""


def rule(extractor: object) -> str:
    """The gate of this extractor's samples in words, for the protocol: values by another gate do not compare."""
    times = detector = ""
    if isinstance(extractor, DetectsOutliers):
        times, detector = f"{MARGIN_SCORED:g} times ", f"; no outlier by the detector {extractor.detector_hash()}"
    return (
        f"valid: Mahalanobis distance to the class below {times}the {QUANTILE:g} quantile of the reals, of the last features, "
        f"and below {MARGIN:g} times that of the first layers' means and deviations (shrinkage {SHRINKAGE:g}, {FOLDS} folds)"
    ) + detector


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
class View:
    """The Gaussians of the reals' classes in one kind of features, and the largest distance to them.

    Args:
        gaussians: of the features, each less `centre` and over `scale`.
        limit: the largest distance.
        centre, scale: (d,).
    """

    gaussians: ClassGaussians
    limit: float
    centre: Tensor
    scale: Tensor

    def near(self, features: Tensor, classes: Tensor) -> Tensor:
        """Bool (n,) for features (n, d) and the classes of their images, int64 (n,)."""
        return self.gaussians.distance((features - self.centre) / self.scale, classes) <= self.limit


@dataclass(frozen=True)
class Gate:
    """An image is valid when its features f satisfy

        sqrt((f - m_k)' C_k^-1 (f - m_k)) <= limit

    in each view, where k is the classifier's class, m_k and C_k (shrunk, see `fit_classes`) are of the reals that it puts into
    class k, and the limit is the 0.99 quantile of the reals' own distances, each by Gaussians that were fitted without it, in
    the second view `MARGIN` times that. The views are the classifier's last features, and the means and deviations of its first
    layers' channels over the image (Lee et al. 2018, arXiv 1807.03888, sections 2.1 and 2.3: several layers; their covariance
    is one for all classes, and they weight the layers by a regression where all of ours must agree). Where an image is several
    that are classified on their own, as stacked digits are, each of them must be valid.

    Both views pass a fifth of digits that are blurred or mixed of two. So where the extractor has a detector of outliers
    (`seesaw.metrics.extractors.outliers.OutlierDetector`) that must not call the image one, and the limit of the last features,
    which refuse many samples that a person reads, is `MARGIN_SCORED` times as wide. docs/results.md has the shares by kind.

    It takes some 60 different reals a class (`LEAST`): with few of them the limit is too wide, and noise may pass the views.
    The last features alone did worse: of uniform noise most passed for garments; the distance to the third nearest real in
    their place did not mend it.

    Args:
        views: of the features, and of the look where the extractor has one.
        accepted: share of the reals that are valid by Gaussians that were fitted without them.
        each: different reals a class, on average.
        scored: whether the last column of each look is the score of a detector of outliers, which must not be above 0.
    """

    views: tuple[View, ...]
    accepted: float
    each: float
    scored: bool = False

    def valid(self, features: Tensor, probabilities: Tensor, look: Tensor | None = None) -> Tensor:
        """Bool (n,) for features (n, d), probabilities (n, K) and look (n, m), or (n, parts * d), (n, parts, K) and
        (n, parts * m)."""
        kinds, score, classes = _asked(features, probabilities, look, self.scored)
        near = [view.near(kind, classes) for view, kind in zip(self.views, kinds, strict=True)]
        return together(torch.stack([score <= 0, *near]).all(0), len(features))


def gate_of(
    features: Tensor, classify: Callable[[Tensor], Tensor], look: Tensor | None = None, scored: bool = False
) -> Gate:
    """The gate of the reals by their features (n, d), or (n, parts * d), and look (n, m), or (n, parts * m).

    Args:
        features: on the CPU.
        classify: features to class probabilities, as `seesaw.metrics.extractors.base.Classifies.probabilities`.
        look: on the CPU; None of an extractor that has none.
        scored: whether the last column of each look is a detector's score (`seesaw.metrics.extractors.base.DetectsOutliers`).
    """
    probabilities = classify(features).cpu()
    kinds, score, classes = _asked(features, probabilities, look, scored)
    same = copies(kinds[0])
    count, fold = probabilities.shape[-1], same % FOLDS
    margin = MARGIN_SCORED if scored else 1.0
    found = [_view(kinds[0], torch.zeros_like(kinds[0][0]), torch.ones_like(kinds[0][0]), classes, fold, count, margin)]
    for kind in kinds[1:]:
        centre, scale = kind.mean(0), kind.std(0, unbiased=False).clamp_min(1e-6)
        found.append(_view(kind, centre, scale, classes, fold, count, MARGIN))
    valid = together(torch.stack([score <= 0, *(near for _, near in found)]).all(0), len(features))
    return Gate(tuple(view for view, _ in found), valid.double().mean().item(), int(same.max() + 1) / count, scored)


def _asked(
    features: Tensor, probabilities: Tensor, look: Tensor | None, scored: bool
) -> tuple[list[Tensor], Tensor, Tensor]:
    """What the views see, one row for each image that is classified on its own; the detector's score of each, 0 without one;
    and the class of each."""
    parts, p = apart(features, probabilities)
    seen = [parts] if look is None else [parts, apart(look, probabilities)[0]]
    score = torch.zeros(len(parts))
    if scored:
        score, seen[1] = seen[1][:, -1], seen[1][:, :-1]
    return seen, score, p.max(1).indices


def _view(
    features: Tensor, centre: Tensor, scale: Tensor, classes: Tensor, fold: Tensor, count: int, margin: float
) -> tuple[View, Tensor]:
    """The view of features (n, d), its limit `margin` times the quantile, and which of them are near by Gaussians that were
    fitted without them, bool (n,)."""
    x = (features - centre) / scale
    distance = torch.empty(len(x), dtype=torch.float64)
    for k in fold.unique().tolist():
        others = fit_classes(x[fold != k], classes[fold != k], count)
        distance[fold == k] = others.distance(x[fold == k], classes[fold == k])
    known = distance[distance.isfinite()].sort().values  # a class of one real has no others
    limit = margin * known[min(int(QUANTILE * len(known)), len(known) - 1)].item() if len(known) else 0.0
    return View(fit_classes(x, classes, count), limit, centre, scale), distance <= limit


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

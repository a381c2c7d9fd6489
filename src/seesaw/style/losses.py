"""The terms of the loss. Each takes its target once a scale, and then gives one value for the features of the canvas."""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from seesaw.functional.style import (
    content_loss,
    content_loss_gatys2016,
    gram,
    gram_loss,
    matrix_sqrt,
    moments,
    variation_loss,
    wasserstein_loss,
)

Unit = Literal["relative", "absolute"]
LEAST = 1e-8
"""The smallest size of a target that a relative loss divides by: a black image has features of 0."""


class LayerLoss(ABC):
    """A loss a layer, summed with the layers' shares, times `weight`.

    Args:
        weight: of this term in the whole loss; 0 leaves it at 0.
        unit: `relative` divides each layer's loss by the size of its target (a deviation from the papers), so that layers
            of every width and scale count alike and weights mean the same for every network; `absolute` takes the formulas as
            they are.
    """

    def __init__(self, weight: float, unit: Unit = "relative") -> None:
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight must be at least 0, not {weight}")
        self.weight, self.unit = weight, unit
        self.targets: dict[str, tuple[Tensor, ...]] = {}
        self.factors: dict[str, Tensor | float] = {}

    @torch.no_grad()
    def aim(self, features: dict[str, Tensor], shares: dict[str, float]) -> None:
        """Take the image with these features as the target, and these layers with their shares."""
        self.targets = {layer: self.target(features[layer]) for layer in shares}
        sizes = {layer: self.size(features[layer], *self.targets[layer]).clamp_min(LEAST) for layer in shares}
        relative = self.unit == "relative"
        self.factors = {k: self.weight * share / (sizes[k] if relative else 1.0) for k, share in shares.items()}

    def __call__(self, features: dict[str, Tensor]) -> Tensor:
        parts = [factor * self.layer(features[k], *self.targets[k]) for k, factor in self.factors.items()]
        return torch.stack(parts).sum()

    @abstractmethod
    def target(self, features: Tensor) -> tuple[Tensor, ...]:
        """What a layer's loss compares with."""

    @abstractmethod
    def size(self, features: Tensor, *target: Tensor) -> Tensor:
        """The size of a target in the units of the layer's loss."""

    @abstractmethod
    def layer(self, features: Tensor, *target: Tensor) -> Tensor:
        """The loss of one layer."""


class Content(LayerLoss):
    """Mean squared differences of features; relative: to their variance. `summed`: half the sum over the image, as Gatys et
    al. 2016 have it (eq. 1), which grows with the image and goes with unit=absolute."""

    def __init__(self, weight: float, unit: Unit = "relative", summed: bool = False) -> None:
        super().__init__(weight, unit)
        if summed and unit == "relative":
            raise ValueError("summed=true is a sum over the image; it goes with unit=absolute")
        self.summed = summed

    def target(self, features: Tensor) -> tuple[Tensor, ...]:
        return (features,)

    def size(self, features: Tensor, *target: Tensor) -> Tensor:
        return features.var()

    def layer(self, features: Tensor, *target: Tensor) -> Tensor:
        return (content_loss_gatys2016 if self.summed else content_loss)(features, *target)


class Gram(LayerLoss):
    """Mean squared differences of Gram matrices (Gatys et al. 2016, eq. 4, times 4); relative: to the mean square of the style's
    matrix."""

    def target(self, features: Tensor) -> tuple[Tensor, ...]:
        return (gram(features),)

    def size(self, features: Tensor, *target: Tensor) -> Tensor:
        return target[0].square().mean()

    def layer(self, features: Tensor, *target: Tensor) -> Tensor:
        return gram_loss(features, *target)


class Wasserstein(LayerLoss):
    """Squared Wasserstein-2 distances of Gaussians a channel, as style-transfer-pytorch uses them; relative: to the style's mean
    square, so that 1 is the distance to a layer of zeros."""

    def target(self, features: Tensor) -> tuple[Tensor, ...]:
        mean, covariance = moments(features)
        return mean, matrix_sqrt(covariance)

    def size(self, features: Tensor, *target: Tensor) -> Tensor:
        return features.square().mean()

    def layer(self, features: Tensor, *target: Tensor) -> Tensor:
        mean, root = target
        return wasserstein_loss(features, mean, root)


class Variation:
    """`weight` times the mean squared difference of neighbouring pixels: what takes the grain off."""

    def __init__(self, weight: float) -> None:
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight must be at least 0, not {weight}")
        self.weight = weight

    def __call__(self, images: Tensor) -> Tensor:
        return self.weight * variation_loss(images)

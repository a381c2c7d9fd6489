"""Which layers of which network count for content and for style."""

from collections.abc import Collection
from typing import Protocol

from torch import Tensor


class Network(Protocol):
    """A frozen network: images (B, 3, H, W) in [-1, 1] and names of layers to their features (B, N, H', W')."""

    def __call__(self, images: Tensor, layers: Collection[str]) -> dict[str, Tensor]: ...

    def check(self, layers: Collection[str]) -> None:
        """Raise ValueError for a name that is no layer."""


class Features:
    """A network with the weight of each layer in the content loss and in the style loss. A weight of 0 leaves a layer out.

    Weights count relative to each other: they are divided by their sum.

    Raises:
        ValueError: a name is no layer of the network, a weight is negative, or no layer is left.
    """

    def __init__(self, network: Network, content: dict[str, float], style: dict[str, float]) -> None:
        self.network = network
        self.content, self.style = shares("content", content), shares("style", style)
        network.check({**content, **style})

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """The features of all layers that matter."""
        return self.network(images, {**self.content, **self.style})


def shares(name: str, weights: dict[str, float]) -> dict[str, float]:
    """The weights above 0, divided by their sum."""
    if min(weights.values(), default=0) < 0 or not any(weights.values()):
        raise ValueError(f"{name} must hold weights of layers, none below 0 and one above, not {weights}")
    total = sum(weights.values())
    return {layer: weight / total for layer, weight in weights.items() if weight > 0}

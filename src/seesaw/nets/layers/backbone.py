"""Frozen networks whose inner features one looks at."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A network as a walk over its layers. Nothing behind the last layer that is asked for is computed.

    The layer `image` is the images themselves. Subclasses name the others in `inner`, in the order in which `walk` gives them.
    """

    inner: tuple[str, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """All names there are."""
        return ("image", *self.inner)

    @abstractmethod
    def walk(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and features (B, N, H', W') of each inner layer in turn, for images (B, 3, H, W) in [-1, 1]."""

    def forward(self, images: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """The features of the named layers, and the images.

        Raises:
            ValueError: there is no such layer.
        """
        self.check(layers)
        wanted, found = set(layers), {"image": images}
        walk = self.walk(images)
        while not wanted <= found.keys():
            name, features = next(walk)
            if name in wanted:
                found[name] = features
        return found

    def check(self, layers: Collection[str]) -> None:
        """Raise ValueError for a name that is no layer."""
        for name in layers:
            if name not in self.layers:
                raise ValueError(f"{type(self).__name__} has no layer {name!r}; it has {', '.join(self.layers)}")

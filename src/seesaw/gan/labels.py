"""The labels of a batch's fakes: those of its reals, or labels that are drawn evenly."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from seesaw.functional.ranks import world_size
from seesaw.types import UserError

FakeLabels = Callable[[Tensor | None, int, int], Tensor | None]
"""This rank's labels of reals, int64 (B,) or None, a key that all ranks share, and the rank, to the labels of as many fakes."""


def labels_of_reals(y: Tensor | None, seed: int, rank: int) -> Tensor | None:
    """Each fake has the label of the real in its place: classes come as often as in the data (R3GAN's code)."""
    return y


class EvenLabels:
    """Every class is equally likely, whatever the data have (Odena et al. 2017: c ~ p_c; Miyato and Koyama 2018 in their code).

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def __call__(self, y: Tensor | None, seed: int, rank: int) -> Tensor | None:
        """The rows of this rank, of labels for the global batch that depend on the key alone."""
        if y is None:
            return None
        generator = torch.Generator(y.device).manual_seed(seed)
        drawn = torch.randint(self.classes, (len(y) * world_size(),), generator=generator, device=y.device)
        return drawn[rank * len(y) : (rank + 1) * len(y)]


def make_fake_labels(option: Literal["data", "even"], classes: int) -> FakeLabels:
    """What draws the labels of fakes.

    Raises:
        ValueError: the option has another name.
        UserError: `even`, and the model has no classes.
    """
    if option not in ("data", "even"):
        raise ValueError(f"fake_labels is {option!r}; it must be data or even")
    if option == "data":
        return labels_of_reals
    if not classes:
        raise UserError(
            "model.fake_labels=even draws labels for G, and this model takes none: train it with data.labels=true, or "
            "leave model.fake_labels out"
        )
    return EvenLabels(classes)

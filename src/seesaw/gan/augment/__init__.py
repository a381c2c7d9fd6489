"""Augmentation of what D sees: pyramid to pyramid, differentiable, on reals and fakes, in both players' steps."""

from torch import nn

from seesaw.types import Pyramid


class Identity(nn.Module):
    """No augmentation."""

    def forward(self, images: Pyramid) -> Pyramid:
        return images

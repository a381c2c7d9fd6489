"""A class-conditional model: the label is embedded beside the latent in G, and projected on D's features (Miyato and Koyama
2018)."""

import torch
from torch import Tensor, nn

from seesaw.types import Fake, Pyramid


class Generator(nn.Module):
    """(B, z_dim) and labels (B,) to images. `classes` above 0 declares that it takes labels."""

    def __init__(self, resolution: int, channels: int, classes: int, z_dim: int = 8, width: int = 32) -> None:
        super().__init__()
        self.z_dim, self.classes, self.shape = z_dim, classes, (channels, resolution, resolution)
        self.label = nn.Embedding(max(classes, 1), z_dim)
        out = channels * resolution * resolution
        self.layers = nn.Sequential(
            nn.Linear(2 * z_dim, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, out)
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        label = torch.zeros_like(z) if y is None else self.label(y)
        return Fake([self.layers(torch.cat([z, label], 1)).tanh().unflatten(1, self.shape)])


class Discriminator(nn.Module):
    """Images and labels to logits (B,)."""

    def __init__(self, resolution: int, channels: int, classes: int, width: int = 32) -> None:
        super().__init__()
        inputs = channels * resolution * resolution
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.LeakyReLU(0.2))
        self.head, self.label = nn.Linear(width, 1), nn.Embedding(max(classes, 1), width)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        h = self.features(images[-1])
        projected = 0.0 if y is None else (self.label(y) * h).sum(1)
        return self.head(h).squeeze(1) + projected

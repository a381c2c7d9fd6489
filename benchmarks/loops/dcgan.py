"""The classic DCGAN loop: Radford et al. 2015 with the sizes of pytorch/examples and the habits of its users.

Sigmoid and binary cross-entropy, one backward for the reals and one for the fakes, four numbers read by `.item()` in each step,
D not frozen in G's step, G's step on the fakes of D's step.
"""

import itertools
import math

import torch
from loops.plain import Loop, adam, to_float
from torch import Tensor, nn


def widths(resolution: int, width: int) -> list[int]:
    """Of the hidden layers, fine to coarse: at 64 px w, 2w, 4w, 8w."""
    return [width * 2**k for k in range(int(math.log2(resolution)) - 2)]


def generator(z_dim: int, resolution: int, width: int, channels: int) -> nn.Module:
    """At 64 px: z -> 8w at 4 px -> 4w -> 2w -> w -> channels."""
    sizes = widths(resolution, width)[::-1]
    layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, sizes[0], 4, 1, 0, bias=False)]
    for before, after in zip(sizes, [*sizes[1:], channels], strict=True):
        layers += [nn.BatchNorm2d(before), nn.ReLU(True), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
    return nn.Sequential(*layers, nn.Tanh())


def discriminator(resolution: int, width: int, channels: int) -> nn.Module:
    """The mirror image, to a probability."""
    sizes = [channels, *widths(resolution, width)]
    layers: list[nn.Module] = []
    for k, (before, after) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(after)] if k else []
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid())


class Classic(Loop):
    """DCGAN, at 64 px that of pytorch/examples. `read` are the numbers that the loop prints."""

    def __init__(self, resolution: int = 64, width: int = 64, channels: int = 3, z_dim: int = 100) -> None:
        G, D = generator(z_dim, resolution, width, channels), discriminator(resolution, width, channels)
        super().__init__(G, D, z_dim, adam({"G": G, "D": D}, 2e-4, (0.5, 0.999)))
        self.criterion = nn.BCELoss()
        self.read: tuple[float, ...] = ()

    def step(self, real: Tensor) -> None:
        images = to_float(real)
        n = len(images)
        self.D.zero_grad()
        label = torch.full((n,), 1.0)
        output = self.D(images).view(-1)
        on_real = self.criterion(output, label)
        on_real.backward()
        d_real = output.mean().item()
        fake = self.G(self.latents(n)[:, :, None, None])
        label.fill_(0.0)
        output = self.D(fake.detach()).view(-1)
        on_fake = self.criterion(output, label)
        on_fake.backward()
        d_fake = output.mean().item()
        total = on_real + on_fake
        self.optimizers["D"].step()

        self.G.zero_grad()
        label.fill_(1.0)
        output = self.D(fake).view(-1)
        loss = self.criterion(output, label)
        loss.backward()
        d_after = output.mean().item()
        self.optimizers["G"].step()
        self.read = (total.item(), loss.item(), d_real, d_fake, d_after)

"""ProGAN (Karras et al. 2018) at its last scale and MSG-GAN (Karnewar and Wang 2020), layer by layer as the papers have them.

The steps run G again in G's phase, on D's latents, and keep D's gradients on there; penalties and logits have forwards of
their own, as in the papers' code.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from loops.plain import Average, Loop, adam, to_float
from torch import Tensor, nn


class EqualConv(nn.Module):
    """Weights N(0, 1), times gain / sqrt(fan_in) in each forward."""

    def __init__(self, before: int, after: int, kernel: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.randn(after, before, kernel, kernel)),
            nn.Parameter(torch.zeros(after)),
        )
        self.scale, self.padding = gain / math.sqrt(before * kernel**2), kernel // 2 if kernel % 2 else 0

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class EqualDense(nn.Module):
    def __init__(self, before: int, after: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(after, before)), nn.Parameter(torch.zeros(after))
        self.scale = gain / math.sqrt(before)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias)


class First(nn.Module):
    """Latents to 4x4: a dense layer with a bias a channel."""

    def __init__(self, z_dim: int, width: int, gain: float) -> None:
        super().__init__()
        self.bias, self.weight = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.randn(16 * width, z_dim))
        self.scale = gain / math.sqrt(z_dim)

    def forward(self, z: Tensor) -> Tensor:
        return F.linear(z, self.weight * self.scale).view(len(z), -1, 4, 4) + self.bias.view(1, -1, 1, 1)


class PixelNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)


class Stddev(nn.Module):
    """One more channel: the spread over groups of `group` samples, or over the batch."""

    def __init__(self, group: int | None) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        group = min(self.group or n, n)
        y = x.view(group, n // group, c, h, w)
        y = y - y.mean(0, keepdim=True)
        y = torch.sqrt(torch.mean(y**2, dim=0) + 1e-8)
        y = torch.mean(y, dim=[1, 2, 3], keepdim=True)
        return torch.cat([x, y.repeat(group, 1, h, w)], 1)


def conv3(before: int, after: int) -> list[nn.Module]:
    return [EqualConv(before, after, 3), nn.LeakyReLU(0.2)]


def up(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Upsample(scale_factor=2), *conv3(width, width), PixelNorm(), *conv3(width, width), PixelNorm()
    )


class ProGenerator(nn.Module):
    """All scales have the width of the paper's CIFAR-10 net, 128. Only the last one's colours are used here."""

    def __init__(self, scales: int, width: int) -> None:
        super().__init__()
        first = [PixelNorm(), First(width, width, math.sqrt(2) / 4), nn.LeakyReLU(0.2), PixelNorm()]
        self.first = nn.Sequential(*first, *conv3(width, width), PixelNorm())
        self.blocks = nn.ModuleList(up(width) for _ in range(scales - 1))
        self.to_rgb = nn.ModuleList(EqualConv(width, 3, 1, gain=1.0) for _ in range(scales))

    def forward(self, z: Tensor) -> list[Tensor]:
        x = self.first(z)
        for block in self.blocks:
            x = block(x)
        return [self.to_rgb[-1](x)]


class ProDiscriminator(nn.Module):
    def __init__(self, scales: int, width: int, group: int = 4) -> None:
        super().__init__()
        self.from_rgb = nn.ModuleList(nn.Sequential(EqualConv(3, width, 1), nn.LeakyReLU(0.2)) for _ in range(scales))
        down = (nn.Sequential(*conv3(width, width), *conv3(width, width), nn.AvgPool2d(2)) for _ in range(scales - 1))
        self.blocks = nn.ModuleList(down)
        end = [Stddev(group), *conv3(width + 1, width), nn.Flatten(), EqualDense(16 * width, width), nn.LeakyReLU(0.2)]
        self.last = nn.Sequential(*end, EqualDense(width, 1, gain=1.0))

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        x = self.from_rgb[-1](images[-1])
        for block in reversed(self.blocks):  # they are kept coarse to fine
            x = block(x)
        return self.last(x).view(-1)


class MsgGenerator(nn.Module):
    def __init__(self, scales: int, width: int) -> None:
        super().__init__()
        first = [PixelNorm(), First(width, width, math.sqrt(2)), nn.LeakyReLU(0.2), *conv3(width, width), PixelNorm()]
        self.blocks = nn.ModuleList([nn.Sequential(*first), *(up(width) for _ in range(scales - 1))])
        self.to_rgb = nn.ModuleList(EqualConv(width, 3, 1) for _ in range(scales))

    def forward(self, z: Tensor) -> list[Tensor]:
        x, images = z, []
        for block, to_rgb in zip(self.blocks, self.to_rgb, strict=True):
            x = block(x)
            images.append(to_rgb(x))
        return images


class MsgDiscriminator(nn.Module):
    """lin_cat: half the trunk beside a 1x1 convolution of each scale's colours; one stddev layer, over the batch."""

    def __init__(self, scales: int, width: int) -> None:
        super().__init__()
        self.from_rgb = EqualConv(3, width, 1)
        self.combines = nn.ModuleList(EqualConv(3, width // 2, 1) for _ in range(scales - 1))
        down = (
            nn.Sequential(*conv3(width, width), *conv3(width, width // 2), nn.AvgPool2d(2)) for _ in range(scales - 1)
        )
        self.blocks = nn.ModuleList(down)
        end = [*conv3(width + 1, width), EqualConv(width, width, 4), nn.LeakyReLU(0.2), EqualConv(width, 1, 1)]
        self.last = nn.Sequential(Stddev(None), *end)

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        x = self.from_rgb(images[-1])
        for k in reversed(range(len(self.blocks))):
            x = torch.cat([self.combines[k](images[k]), self.blocks[k](x)], 1)
        return self.last(x).view(-1)


class ProGANLoop(Loop):
    """WGAN-GP with drift, or the logistic loss with R1 ("r1"), whose penalty has a forward of its own."""

    def __init__(self, width: int = 128, resolution: int = 32, penalty: str = "wgan_gp", target: float = 750.0) -> None:
        scales = int(math.log2(resolution)) - 1
        G, D = ProGenerator(scales, width), ProDiscriminator(scales, width)
        super().__init__(G, D, width, adam({"G": G, "D": D}, 1e-3, (0.0, 0.99)))
        self.penalty, self.target, self.average = penalty, target, Average(G)

    def step(self, real: Tensor) -> None:
        images = to_float(real)
        n = len(images)
        z = self.latents(n)
        self.D.zero_grad()
        fake = [x.detach() for x in self.G(z)]
        if self.penalty == "r1":
            loss = F.softplus(-self.D([images])).mean() + F.softplus(self.D(fake)).mean()
            loss = loss + self.r1(images)
        else:
            on_real = self.D([images])
            loss = (
                self.D(fake).mean()
                - on_real.mean()
                + 1e-3 * (on_real**2).mean()
                + self.gradient_penalty(images, fake[0])
            )
        loss.backward()
        self.optimizers["D"].step()

        self.G.zero_grad()
        logits = self.D(self.G(z))
        loss = F.softplus(-logits).mean() if self.penalty == "r1" else -logits.mean()
        loss.backward()
        self.optimizers["G"].step()
        self.average.update()

    def gradient_penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        mix = self.mix(len(real)).view(-1, 1, 1, 1)
        between = (real + mix * (fake - real)).requires_grad_()
        (gradient,) = torch.autograd.grad(self.D([between]).sum(), between, create_graph=True)
        norm = gradient.view(len(real), -1).norm(2, dim=1)
        return 10 / self.target**2 * ((norm - self.target) ** 2).mean()

    def r1(self, real: Tensor, gamma: float = 10.0) -> Tensor:
        real = real.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.D([real]).sum(), real, create_graph=True)
        return gamma / 2 * gradient.view(len(real), -1).square().sum(1).mean()


class MSGGANLoop(Loop):
    """The relativistic average hinge loss, all scales, D's logits of the reals computed again in G's step."""

    def __init__(self, width: int = 128, resolution: int = 32) -> None:
        scales = int(math.log2(resolution)) - 1
        G, D = MsgGenerator(scales, width), MsgDiscriminator(scales, width)
        super().__init__(G, D, width, adam({"G": G, "D": D}, 3e-3, (0.0, 0.99)))
        self.average = Average(G)

    def step(self, real: Tensor) -> None:
        pyramid = [to_float(real)]
        while pyramid[0].shape[-1] > 4:
            pyramid.insert(0, F.avg_pool2d(pyramid[0], 2))
        z = self.latents(len(real))
        fake = [x.detach() for x in self.G(z)]
        self.D.zero_grad()
        on_real, on_fake = self.D(pyramid), self.D(fake)
        self.hinge(on_real - on_fake.mean(), on_fake - on_real.mean()).backward()
        self.optimizers["D"].step()

        fake = self.G(z)
        self.G.zero_grad()
        on_real, on_fake = self.D(pyramid), self.D(fake)
        self.hinge(on_fake - on_real.mean(), on_real - on_fake.mean()).backward()
        self.optimizers["G"].step()
        self.average.update()

    @staticmethod
    def hinge(above: Tensor, below: Tensor) -> Tensor:
        return torch.relu(1 - above).mean() + torch.relu(1 + below).mean()

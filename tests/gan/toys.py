"""Toy nets and tasks of five shapes: plain, growing, multi-scale, style-based with lazy phases, gated."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from seesaw.gan.balance import TTUR, SkipD
from seesaw.gan.growth import Growing, Staged
from seesaw.gan.module import GAN
from seesaw.gan.phases import Phase
from seesaw.gan.schedules import Linear
from seesaw.gan.terms import R1, CrossEntropyD, HingeD, HingeG, NonSaturatingG, PathLength
from seesaw.gan.views import AllScales, GrowingView
from seesaw.types import Batch, Fake, Pyramid

C = 6


def conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)


class PlainG(nn.Module):
    z_dim = 5

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.start = nn.Linear(5, C * 16)
        self.norm = nn.BatchNorm2d(C) if norm else nn.Identity()
        self.conv = conv(C, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        h = self.norm(self.start(z).unflatten(1, (C, 4, 4)))
        return Fake([self.conv(F.leaky_relu(F.interpolate(h, scale_factor=2)))])


class PlainD(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv, self.end, self.dropout = conv(1, C), nn.Linear(C * 64, 1), nn.Dropout(dropout)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        return self.end(self.dropout(F.leaky_relu(self.conv(images[-1])).flatten(1))).squeeze(1)


class GrowingG(Staged):
    """4 px at depth 0, 8 px at depth 1."""

    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.start, self.block = nn.Linear(5, C * 16), conv(C, C)
        self.rgb = nn.ModuleList([conv(C, 1), conv(C, 1)])

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        h = F.leaky_relu(self.start(z).unflatten(1, (C, 4, 4)))
        if self.depth == 0:
            return Fake([self.rgb[0](h)])
        low = F.interpolate(self.rgb[0](h), scale_factor=2)
        high = self.rgb[1](F.leaky_relu(self.block(F.interpolate(h, scale_factor=2))))
        return Fake([torch.lerp(low, high, self.alpha)])


class GrowingD(Staged):
    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.block, self.end = nn.ModuleList([conv(1, C), conv(1, C)]), conv(C, C), nn.Linear(C * 16, 1)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        x = images[-1]
        if self.depth == 0:
            h = self.rgb[0](x)
        else:
            high = F.avg_pool2d(self.block(F.leaky_relu(self.rgb[1](x))), 2)
            h = torch.lerp(self.rgb[0](F.avg_pool2d(x, 2)), high, self.alpha)
        return self.end(F.leaky_relu(h).flatten(1)).squeeze(1)


class ScalesG(nn.Module):
    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.start, self.block, self.rgb = nn.Linear(5, C * 16), conv(C, C), nn.ModuleList([conv(C, 1), conv(C, 1)])

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        h = F.leaky_relu(self.start(z).unflatten(1, (C, 4, 4)))
        return Fake([self.rgb[0](h), self.rgb[1](F.leaky_relu(self.block(F.interpolate(h, scale_factor=2))))])


class ScalesD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.end = nn.ModuleList([conv(1, C), conv(1, C)]), nn.Linear(2 * C * 16, 1)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Tensor:
        coarse, fine = (F.leaky_relu(layer(x)) for layer, x in zip(self.rgb, images, strict=True))
        return self.end(torch.cat([coarse, F.avg_pool2d(fine, 2)], 1).flatten(1)).squeeze(1)


class StyleG(nn.Module):
    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.mapping, self.const, self.affine = nn.Linear(5, 7), nn.Parameter(torch.randn(1, C, 8, 8)), nn.Linear(7, C)
        self.rgb = conv(C, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        w = F.leaky_relu(self.mapping(z))
        return Fake([self.rgb(torch.tanh(self.const * (1 + self.affine(w))[:, :, None, None]))], w)


ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.99), fused=True)


def game(d: Any = None, g: Any = None) -> dict[str, Phase]:
    return {
        "D": Phase("D", {"adversarial": d or CrossEntropyD()}),
        "G": Phase("G", {"adversarial": g or NonSaturatingG()}),
    }


def task(name: str, **options: Any) -> GAN:
    """A GAN of the named shape, with the same initial weights at every call."""
    torch.manual_seed(0)
    options = {"optimizers": {"G": ADAM, "D": ADAM}, "seed": 3, "log_kimg": 0.032, "ema_half_life": 100.0} | options
    if name == "plain":
        return GAN(PlainG(), PlainD(), game(HingeD(), HingeG()), **options)
    if name == "noisy":  # BatchNorm, dropout, a schedule: all that could upset a resume
        schedule = {"lr": Linear(1.0, 0.1, kimg=1.0)}
        return GAN(PlainG(norm=True), PlainD(dropout=0.3), game(), schedule=schedule, **options)
    if name == "gated":
        balance = {"skip_d": SkipD(rest_above=0.02, wake_below=0.01, half_life=8.0, longest_rest=3), "ttur": TTUR()}
        phases = game()
        phases["D"] = Phase("D", {"adversarial": CrossEntropyD(), "r1": R1(0.1)})  # r1 is left out while D rests
        return GAN(PlainG(), PlainD(), phases, balance=balance, **options)
    if name == "growing":
        return GAN(GrowingG(), GrowingD(), game(), view=GrowingView(), growth=Growing(64, 40, 8), **options)
    if name == "scales":
        return GAN(ScalesG(), ScalesD(), game(), view=AllScales(), **options)
    assert name == "style"
    phases = {
        "G": Phase("G", {"adversarial": NonSaturatingG()}),
        "G_path": Phase("G", {"path_length": PathLength()}, every=4, gain=4.0, share=0.5),
        "D": Phase("D", {"adversarial": CrossEntropyD()}),
        "D_r1": Phase("D", {"r1": R1(1.0)}, every=16, gain=16.0),
    }
    return GAN(StyleG(), PlainD(), phases, **options)


TASKS = ("plain", "noisy", "gated", "growing", "scales", "style")
REALS = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


class Stream(IterableDataset[Batch]):
    """Batches of 8 from a fixed ring of reals, starting at any image."""

    def __init__(self, start: int, batches: int, size: int = 8, reals: Tensor = REALS) -> None:
        self.start, self.batches, self.size, self.reals = start, batches, size, reals

    def __iter__(self) -> Iterator[Batch]:
        for k in range(self.batches):
            rows = (torch.arange(self.size) + self.start + k * self.size) % len(self.reals)
            yield Batch(self.reals[rows])


def fit(
    gan: GAN,
    batches: int,
    ckpt: str | None = None,
    start: int = 0,
    precision: Any = "32-true",
    size: int = 8,
    reals: Tensor = REALS,
) -> pl.Trainer:
    """Train for so many batches on the CPU, from a checkpoint if one is given."""
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        precision=precision,
        callbacks=[EndAfter(start + batches * size)],
    )
    trainer.fit(gan, DataLoader(Stream(start, batches, size, reals), batch_size=None), ckpt_path=ckpt)
    return trainer


class EndAfter(pl.Callback):
    def __init__(self, images: int) -> None:
        self.images = images

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        trainer.should_stop = pl_module.images_shown >= self.images

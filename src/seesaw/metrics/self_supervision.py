"""A small network that learns on the reals alone, by predicting how an image was turned, and the test of its distance.

Gidaris et al. 2018 (arXiv 1803.07728): each image is seen turned by 0, 90, 180 and 270 degrees, and the network names which.
What it must look at for that, shapes and what lies where, are the features. Deviations: a network of 100,000 weights in the place
of AlexNet, and random squares, mirroring, brightness and contrast, so that it learns from some hundred images. Never blur and
never noise, or the features would learn to overlook just what a distance should see.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seesaw.functional.distances import kernel_distance
from seesaw.functional.pixels import to_8_bit
from seesaw.metrics.reference import Reals

RESOLUTION = 32
STEPS, BATCH, LEARNING_RATE = 240, 24, 2e-3
"""Of the training, which takes as long for any number of images: less than a minute of a core (docs/own_images.md)."""

MOST = 5_000
"""At most so many reals are learned from, evenly spaced; the test takes the first `TESTED` of a shuffle of these."""

TESTED, LEAST = 1_000, 64
"""At most and at least so many reals for the test of the distance."""

HALVINGS = 16
"""Random halvings of the reals over which the test takes means."""

MODES, REMOVED = 8, (0, 2, 4, 6)
"""Clusters of the reals, and how many are removed one after the other."""


def to_input(images: Tensor) -> Tensor:
    """uint8 (B, C, H, W) to float32 (B, C, 32, 32) in [-1, 1], grey repeated to C = 3; bilinear, antialiased where it shrinks."""
    x = images.to(torch.float32) / 127.5 - 1
    if x.shape[-2:] != (RESOLUTION, RESOLUTION):
        x = F.interpolate(x, size=(RESOLUTION, RESOLUTION), mode="bilinear", align_corners=False, antialias=True)
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


def _block(inputs: int, outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))


class RotationNet(nn.Module):
    """Four rotations from float (B, channels, 32, 32) in [-1, 1]."""

    dim = 64

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(_block(channels, 24), _block(24, 40), _block(40, 64), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(64 * 4 * 4, self.dim, bias=False), nn.BatchNorm1d(self.dim))
        self.head = nn.Linear(self.dim, 4)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, 32, 32) in [-1, 1] to (B, 64), not negative: the layer before the logits, after its ReLU."""
        return self.hidden(self.body(x)).relu()

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, 32, 32) in [-1, 1] to logits (B, 4)."""
        return self.head(self.features(x))


def learn(x: Tensor, seed: int = 0, steps: int = STEPS) -> RotationNet:
    """Train on x (N, C, 32, 32) in [-1, 1] by AdamW with a cosine decay. On one thread, so that the weights depend on nothing but
    x and the processor; no global random generator moves."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net, draw = RotationNet(x.shape[1]), torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        y = torch.arange(4).repeat_interleave(BATCH)
        for _ in range(steps):
            rows = torch.randint(len(x), (BATCH,), generator=draw)
            seen = varied(x[rows], draw)
            turned = torch.cat([seen.rot90(k, (2, 3)) for k in range(4)])
            loss = F.cross_entropy(net(turned), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are then of one order on every machine with the same processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def varied(x: Tensor, draw: torch.Generator) -> Tensor:
    """A square of three quarters to all of each image (B, C, H, H), at a random place, half of them mirrored, contrast and
    brightness changed by up to a quarter."""
    b = len(x)
    size, move, gain, shift = (torch.rand(b, n, generator=draw) for n in (1, 2, 1, 1))
    scale = 0.75 + 0.25 * size
    sign = torch.randint(2, (b, 1), generator=draw) * 2.0 - 1
    theta = torch.zeros(b, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = (scale * sign)[:, 0], scale[:, 0]
    theta[:, :, 2] = (move * 2 - 1) * (1 - scale)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    out = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    return out * (0.75 + 0.5 * gain)[..., None, None] + (shift * 0.5 - 0.25)[..., None, None]


class Verdict(NamedTuple):
    """The kernel distances of the test, each to one half of the reals: of the other half, of that one blurred, of noise, and of
    that one without 0, 2, 4, 6 of 8 clusters."""

    half: float
    blurred: float
    noise: float
    without: tuple[float, ...]

    @property
    def label(self) -> str:
        """All distances in a line."""
        removed = ", ".join(map(str, REMOVED[1:]))
        row = ", ".join(f"{value:.3g}" for value in self.without[1:])
        parts = f"half of the reals {self.half:.3g}, blurred {self.blurred:.3g}, noise {self.noise:.3g}"
        return f"{parts}; without {removed} of {MODES} clusters {row}"

    @property
    def objection(self) -> str:
        """Why the distance is of no use; empty where it is accepted."""
        values = ", ".join(f"{value:.3g}" for value in (self.half, self.blurred, self.noise))
        if not self.half < self.blurred < self.noise:
            return f"half of the reals, blurred reals and noise lie at {values}, which does not rise"
        if any(b <= a for a, b in zip(self.without, self.without[1:], strict=False)):
            row = ", ".join(f"{value:.3g}" for value in self.without)
            return f"without {', '.join(map(str, REMOVED))} of {MODES} clusters the reals lie at {row}, which does not rise"
        return ""


def judge(net: RotationNet, images: Tensor, seed: int = 0) -> Verdict:
    """Test the kernel distance of the network's features on reals, uint8 (N, C, H, W) with N of at least `LEAST`: means over
    `HALVINGS` random halvings, since one of some hundred images moves the distance as much as a missing cluster does."""
    draw = torch.Generator().manual_seed(seed)
    images = images[torch.randperm(len(images), generator=draw)[:TESTED]]
    noise = torch.randint(256, images.shape, generator=draw, dtype=torch.uint8)
    here, soft, loud = (features(net, x) for x in (images, blurred(images), noise))
    cluster, rows = clusters(images, seed), []
    for _ in range(HALVINGS):
        one, other = torch.randperm(len(images), generator=draw).tensor_split(2)
        left = [here[other[cluster[other] >= k]] for k in REMOVED]
        if min(map(len, left)) < 2:
            left = left[:1] * len(REMOVED)  # nothing can be measured of one image, and equal values do not rise
        rows.append([kernel_distance(here[one], x) for x in (soft[other], loud[other], *left)])
    blur, noisy, *without = torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
    return Verdict(without[0], blur, noisy, tuple(without))


@torch.no_grad()
def features(net: RotationNet, images: Tensor, batch: int = 256) -> Tensor:
    """uint8 (N, C, H, W) to (N, 64)."""
    return torch.cat([net.features(to_input(part)) for part in images.split(batch)])


def blurred(images: Tensor) -> Tensor:
    """uint8 (N, C, H, H) reduced to a quarter of the pixels a side, and bilinearly enlarged again."""
    small = F.avg_pool2d(images.float(), max(images.shape[-1] // 16, 2))
    return F.interpolate(small, images.shape[-2:], mode="bilinear", align_corners=False).round().to(torch.uint8)


def clusters(images: Tensor, seed: int) -> Tensor:
    """The cluster of each image, int64 (N,) below `MODES`, by k-means of 4x4 thumbnails: not by the features that are tested.
    Numbered along the first principal direction of the centres, so that removing them in turn moves what is left one way."""
    from sklearn.cluster import KMeans

    small = F.adaptive_avg_pool2d(images.float(), 4).flatten(1)
    found = KMeans(MODES, n_init=4, random_state=seed).fit(small.numpy())
    centres = torch.from_numpy(found.cluster_centers_)
    direction = torch.linalg.svd(centres - centres.mean(0), full_matrices=False).Vh[0]
    order = (centres @ direction).argsort().argsort()
    return order[torch.from_numpy(found.labels_).long()]


def spread(reals: Reals) -> Tensor:
    """At most `MOST` of the reals, evenly spaced: uint8 (N, C, H, W) on the CPU, of 16 bits the upper 8."""
    n = len(reals)
    return to_8_bit(reals.gather(torch.linspace(0, n - 1, min(n, MOST), dtype=torch.float64).long()).cpu())

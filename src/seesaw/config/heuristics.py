"""Numbers that a configuration computes, as in `${stylegan2_auto.gamma:${data.resolution},${batch_size}}`.

The rules of `--cfg=auto` in the code of Karras et al. 2020 ("Training GANs with limited data"), for one GPU. Of an image that is
no square the side is the root of its pixels.
"""

import math

from omegaconf import OmegaConf

from seesaw.functional.resolution import Resolution, size_of


def side(resolution: Resolution) -> float:
    """In pixels; 32 for what is no resolution, which the checks report."""
    try:
        return math.prod(size_of(resolution)) ** 0.5
    except ValueError:
        return 32.0


def images(batch: object) -> int:
    """The batch size; 1 for what is none, which the checks report."""
    return max(batch, 1) if isinstance(batch, int) else 1


def batch_size(resolution: Resolution) -> int:
    """32, and 4096 pixels of side in all: 16 images at 256 px, 4 at 1024."""
    return max(min(int(4096 // side(resolution)), 32), 1)


def gamma(resolution: Resolution, batch: object) -> float:
    """R1's gamma: 0.0002 resolution^2 / batch."""
    return 0.0002 * side(resolution) ** 2 / images(batch)


def learning_rate(resolution: Resolution) -> float:
    """Of both players."""
    return 2e-3 if side(resolution) >= 1024 else 2.5e-3


def base(resolution: Resolution) -> int:
    """Widths: half of the paper's below 512 px."""
    return 16384 if side(resolution) >= 512 else 8192


def half_life(batch: object) -> float:
    """Of G's average, in images: 10,000 at batch 32."""
    return images(batch) * 10_000 / 32


def register() -> None:
    """Make them known to OmegaConf as `stylegan2_auto.NAME`."""
    for rule in (batch_size, gamma, learning_rate, base, half_life):
        OmegaConf.register_new_resolver(f"stylegan2_auto.{rule.__name__}", rule, replace=True)

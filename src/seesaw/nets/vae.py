"""The encoder of a variational autoencoder (Kingma and Welling 2014), with the layers of DCGAN's discriminator (Radford et al.
2015): convolutions of stride 2 with BatchNorm and leaky ReLU, and in the place of the logit the moments of q(z | x). Its decoder
is a generator of another file, such as DCGAN's.
"""

import math
from typing import Literal

from torch import Tensor, nn

from seesaw.functional.dtype import at_least_float32
from seesaw.functional.resolution import Resolution, scales_of
from seesaw.nets.layers import check_positive, normal_init
from seesaw.nets.layers.labels import ClassLatent

SIDES = (16, 256)
"""Pixels of the images' sides, the least and the most."""

LOG_VARIANCES = (-30.0, 20.0)
"""Log variances are held between these: outside, a single wild step would overflow the exponential."""


class Encoder(nn.Module):
    """resolution -> ... -> base grid (4x4) -> mean and log variance of q(z | x), a diagonal normal distribution.

    Widths as in `seesaw.nets.dcgan`: `width` channels at half the resolution, twice as many at a quarter, up to `max_width`.

    Args:
        resolution: from 16 to 256, see `seesaw.functional.resolution`. channels: of the images.
        z_dim: of the latents.
        width, max_width: see above.
        kernel: of the convolutions, 4 or 5.
        norm: "none" leaves BatchNorm out, so that no sample sees another.
        classes: number of classes; the label, one-hot, stands beside the last features (Sohn et al. 2015, a conditional VAE).
    """

    def __init__(
        self,
        resolution: Resolution,
        channels: int,
        z_dim: int = 100,
        width: int = 64,
        max_width: int = 1024,
        kernel: Literal[4, 5] = 4,
        norm: Literal["batch", "none"] = "batch",
        classes: int = 0,
    ) -> None:
        super().__init__()
        scales = scales_of(resolution, *SIDES)
        check_positive(channels=channels, z_dim=z_dim, width=width, max_width=max_width)
        if norm not in ("batch", "none"):
            raise ValueError(f"norm is {norm!r}; it must be batch or none")
        self.z_dim, self.classes = z_dim, classes
        sizes = [min(width * 2**k, max_width) for k in range(scales.doublings)]
        layers: list[nn.Module] = []
        for k, (before, after) in enumerate(zip([channels, *sizes], sizes, strict=False)):
            layers.append(nn.Conv2d(before, after, kernel, 2, (kernel - 1) // 2, bias=False))
            if k > 0 and norm == "batch":
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.label = ClassLatent(sizes[-1] * math.prod(scales.base), classes)
        self.moments = nn.Linear(self.label.out, 2 * z_dim)
        normal_init(self)

    def forward(self, images: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) in [-1, 1] and labels (B,) to mean and log variance, (B, z_dim) each, at least float32."""
        moments = at_least_float32(self.moments(self.label(self.layers(images), y)))
        mean, log_variance = moments.chunk(2, 1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

"""How alike pairs of samples look."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seesaw.functional.pixels import to_8_bit
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import FIXED, Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reals, Reference

NEXT = 4
"""Other images with which each is paired."""

SIDE = 32
"""Pixels a side at which pairs are compared."""

KERNEL, WEIGHTS = 7, (0.0448, 0.2856, 0.3001)
"""Of the window, and of the scales: the first three of Wang et al. 2003, over their sum."""


class MsSsim(Metric):
    """Mean multi-scale structural similarity of pairs of samples (Odena et al. 2017, section 4.2, within no class), logged as
    ms_ssim, and that of pairs of reals, ms_ssim_reals: 1 for one image repeated; samples well above reals have lost variety.

    Of 64 samples of fixed latents, and of 64 reals, evenly spaced; each is paired with the next four. Deviations: 3 scales and a
    window of 7 pixels, of images that are averaged or enlarged to 32 x 32, so that the cost is one for all sets. nan where no
    images are given.
    """

    sees_images = True
    beside = True
    higher_is_better = {"ms_ssim": False, "ms_ssim_reals": False}  # noqa: RUF012 - never written to
    role = {"ms_ssim": "ms_ssim", "ms_ssim_reals": "ms_ssim_reals"}  # noqa: RUF012

    def bind(self, reals: Reals, extractor: Extractor) -> None:
        """Take a few of the reals."""
        rows = torch.linspace(0, len(reals) - 1, min(len(reals), FIXED), dtype=torch.float64).long()
        self.of_reals = of_pairs(to_8_bit(reals.gather(rows).cpu()))

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        ours = float("nan") if fakes.images is None else of_pairs(fakes.images)
        return {"ms_ssim": ours, "ms_ssim_reals": self.of_reals}

    def protocol(self, n: int, kept: int) -> str:
        return f"MS-SSIM of {FIXED * NEXT} pairs of {FIXED} at {SIDE} px, {len(WEIGHTS)} scales"


def of_pairs(images: Tensor) -> float:
    """The mean over pairs of uint8 images (n, C, H, W); nan for fewer than two."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as similarity

    if len(images) < 2:
        return float("nan")
    x = small(images)
    pairs = torch.tensor([(k, (k + step) % len(x)) for step in range(1, min(NEXT, len(x) - 1) + 1) for k in range(len(x))])
    one, other = pairs.T
    weights = tuple(weight / sum(WEIGHTS) for weight in WEIGHTS)
    found = similarity(
        x[one], x[other], gaussian_kernel=False, kernel_size=KERNEL, betas=weights, data_range=1.0, reduction="none",
        normalize="relu",
    )  # fmt: skip
    assert isinstance(found, Tensor)
    return found.double().mean().item()


def small(images: Tensor) -> Tensor:
    """uint8 (n, C, H, W) to float32 in [0, 1], 32 px high and wide."""
    return F.interpolate(images.float() / 255, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)

"""The scatter plot of points."""

import torch

from seesaw.functional.mixtures import draw, grid
from seesaw.run.scatter import FAKE, REAL, scatter


def near(picture: torch.Tensor, colour: str, tolerance: int = 60) -> int:
    """Pixels about a colour."""
    rgb = torch.tensor([int(colour[k : k + 2], 16) for k in (1, 3, 5)])[:, None, None]
    return int(((picture.int() - rgb).abs().amax(0) < tolerance).sum())


def test_generated_points_are_seen_over_the_real_ones() -> None:
    reals = draw(grid(), 0.05, 2500, 0)[0][:, :, None, None]
    fakes = torch.rand(2500, 2, 1, 1) * 8 - 4
    picture = scatter(fakes, reals)
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 600, 600)
    assert near(picture, FAKE) > 4 * near(scatter(fakes[:1], reals), FAKE)
    assert near(scatter(fakes[:1], reals), REAL) > 300


def test_outliers_do_not_squeeze_the_frame() -> None:
    reals = draw(grid(), 0.05, 2500, 0)[0][:, :, None, None]
    with_outliers = scatter(torch.cat([reals[:50], torch.full((3, 2, 1, 1), 1e6)]), reals)
    without = scatter(reals[:53], reals)
    changed = (with_outliers.int() - without.int()).abs().amax(0) > 30
    assert changed[60:].float().mean() < 0.01  # below the title, which tells the number
    assert changed[:60].any()

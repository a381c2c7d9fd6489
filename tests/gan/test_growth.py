"""The stages of a growing model, and what follows from them: batch sizes, resolutions, when Adam is cleared."""

import pytest
import torch
from toys import fit, task

from seesaw.gan.growth import FullGrown, Growing
from seesaw.gan.views import AllScales, GrowingView
from seesaw.types import Stage


@pytest.mark.parametrize(
    ("images", "depth", "alpha"),
    [
        (0, 0, 1.0), (599, 0, 1.0), (600, 1, 0.0), (900, 1, 0.5), (1200, 1, 1.0), (1799, 1, 1.0), (1800, 2, 0.0),
        (2399, 2, 599 / 600), (2400, 2, 1.0), (10**7, 2, 1.0),
    ],
)  # fmt: skip
def test_stages_of_the_published_schedule(images: int, depth: int, alpha: float) -> None:
    """600 to stabilise, then per scale 600 of fading and 600 to stabilise; in images here, in kimg there."""
    growing = Growing(fade=600, stabilise=600, resolution=16)
    stage = growing.stage(images)
    assert stage.depth == depth
    assert stage.alpha == pytest.approx(alpha, abs=1e-12)
    assert growing.last_change == 1800


def test_batch_and_resolution_follow_the_stage() -> None:
    growing = Growing(fade=10, stabilise=10, resolution=32, batch_sizes={4: 128, 32: 64})
    assert [growing.level(n) for n in (0, 9, 10, 30, 50, 999)] == [4, 4, 8, 16, 32, 32]
    assert [growing.batch_size(n, 100) for n in (0, 10, 30, 50, 999)] == [100, 100, 100, 64, 64]
    assert Growing(fade=10, stabilise=10, resolution=32).batch_size(50, 100) == 100


def test_without_growth_the_set_decides() -> None:
    full = FullGrown()
    assert (full.level(10**6), full.batch_size(10**6, 100), full.last_change) == (None, 100, 0)


@pytest.mark.parametrize("sizes", [{}, {8: 16}, {4: 0}, {4: 8, 16: -1}])
def test_sizes_that_leave_a_scale_without_batch_are_refused(sizes: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="batch_sizes must give 4 px a size, and all sizes must be at least 1"):
        Growing(1, 1, 8, sizes)


@pytest.mark.parametrize("wrong", [{"resolution": 17}, {"resolution": 2}, {"fade": 0}, {"stabilise": -1}])
def test_a_growth_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"resolution is .*times a power of two|fade >= 1"):
        Growing(**({"fade": 1, "stabilise": 1, "resolution": 8} | wrong))


def test_adam_is_cleared_at_both_ends_of_a_fade() -> None:
    """Karras et al. 2018's code: at images 40 (the fade begins) and 104 (it ends)."""
    gan = task("growing")
    steps: dict[int, int] = {}
    end_batch = gan.end_batch

    def watched(images: int) -> None:
        (optimizer, _) = (o.optimizer for o in gan.optimizers())
        counts = {int(s["step"]) for s in optimizer.state.values()}
        steps[gan.images_shown] = max(counts)
        end_batch(images)

    gan.end_batch = watched  # type: ignore[method-assign]
    fit(gan, 16)
    assert [steps[n] for n in (0, 32, 40, 48, 96, 104, 112)] == [1, 5, 1, 2, 8, 1, 2]


def test_other_shapes_grow_from_their_base_grid() -> None:
    """96x160 is 3x5 five times doubled; a batch is that of the longer side."""
    growing = Growing(2, 1, "96x160", {4: 64, 8: 32, 32: 16, 128: 8})
    assert growing.deepest == 5
    starts = [0, *growing.changes]
    assert [growing.level(shown) for shown in starts] == [3, 6, 12, 24, 48, 96]
    assert [growing.batch_size(shown, 1000) for shown in starts] == [64, 32, 32, 16, 16, 8]  # 5, 10, 20, 40, 80, 160 px
    assert Growing(2, 1, 48, {4: 64, 8: 32}).batch_size(0, 1000) == 64  # 3 px


def test_the_view_of_other_shapes_has_the_sizes_of_the_growth() -> None:
    reals = torch.rand(2, 5, 96, 160)
    pyramid = AllScales()(reals)
    assert [tuple(x.shape[2:]) for x in pyramid] == [(3, 5), (6, 10), (12, 20), (24, 40), (48, 80), (96, 160)]
    torch.testing.assert_close(pyramid[0], reals.reshape(2, 5, 3, 32, 5, 32).mean((3, 5)))
    view = GrowingView()
    for depth in range(6):
        view.set_stage(Stage(depth, 1.0))
        for level in range(depth, 6):  # reals at the stage's level, or larger
            torch.testing.assert_close(view(pyramid[level])[0], pyramid[depth])

"""ADA's pipe: how often each part fires, what it may do, one draw for a pyramid, and that it does not leak."""

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from host_reads import counting
from photograph import photograph
from torch import Tensor

from seesaw.errors import UserError
from seesaw.gan.augment import ADA, DiffAugment
from seesaw.gan.views import AllScales

NONE = {"blit": 0.0, "geom": 0.0, "color": 0.0}
N = 4000


def only(p: float, **parts: float) -> ADA:
    return ADA(p=p, **(NONE | parts))


def unchanged(part: ADA, images: Tensor) -> float:
    """The share of images that come out as they went in, to rounding."""
    torch.manual_seed(0)
    found = part([images])[0]
    return ((found - images).abs().flatten(1).amax(1) < 1e-6).float().mean().item()


SHARES = {  # of images in which nothing has fired, or what has fired was drawn to change nothing
    "blit": lambda p: (1 - p / 2) * (1 - 3 * p / 4) * (1 - p * (1 - (1 / 2) ** 2)),
    "geom": lambda p: (1 - p) ** 4,  # the two rotations together are one
    "color": lambda p: (1 - p) ** 4 * (1 - p / 2),
    "filter": lambda p: (1 - p) ** 4,
    "noise": lambda p: 1 - p,
    "cutout": lambda p: 1 - p,
}
"""Of 8 px a whole shift is U(-1, 1), rounded: 0 half of the time."""


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize(("p", "multiplier"), [(0.2, 1.0), (0.8, 0.5)])
def test_each_operation_fires_with_its_probability(name: str, p: float, multiplier: float) -> None:
    images = torch.rand(N, 3, 8, 8) * 2 - 1
    expected = SHARES[name](p * multiplier)
    spread = math.sqrt(expected * (1 - expected) / N)
    assert unchanged(only(p, **{name: multiplier}), images) == pytest.approx(expected, abs=4 * spread)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_at_probability_0_images_stay_to_the_bit_but_for_colours_rounding(channels: int) -> None:
    images = torch.rand(5, channels, 8, 12) * 2 - 1
    whole = ADA(p=0.0, filter=1, noise=1, cutout=1)
    torch.testing.assert_close(whole([images])[0], images)
    assert torch.equal(only(0.0, blit=1, geom=1, noise=1, cutout=1)([images])[0], images)


def test_the_strengths_are_those_of_the_paper() -> None:
    """Standard deviations and ranges, read from what comes out at p = 1."""
    torch.manual_seed(0)
    grey = torch.full((N, 1, 16, 16), 0.5)
    noise = only(1.0, noise=1)([grey])[0] - grey
    assert noise.square().mean().sqrt() == pytest.approx(0.1, rel=0.06)
    assert noise.flatten(1).std(1).mean() == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.06)
    cut = only(1.0, cutout=1)([grey])[0] == 0
    assert cut.float().mean() == pytest.approx((7 / 16) ** 2, rel=0.06)  # half a side, less the 1/16 that hangs over
    assert cut.flatten(1).sum(1).max() == 64
    mean = only(1.0, color=1)([torch.zeros(N, 1, 2, 2)])[0][
        :, 0, 0, 0
    ]  # brightness N(0, 0.04) times contrast, flipped or not
    spread = 0.2 * math.exp((math.log(2) * 0.5) ** 2)  # E c^2 = exp(2 s^2) of c = exp(s N)
    assert mean.std() == pytest.approx(spread, rel=0.06)
    assert (mean > 0).float().mean() == pytest.approx(0.5, abs=0.04)


def test_the_filter_keeps_the_power_of_an_image_of_power_1_over_f() -> None:
    """The gains as drawn, read from images of one frequency in each band's middle: sum over bands of power x gain^2 is 1."""
    torch.manual_seed(0)
    w = [0.0, 3 * math.pi / 16, 3 * math.pi / 8, math.pi]
    waves = torch.stack([torch.cos(k * torch.arange(65.0)).expand(9, 65) for k in w])
    torch.manual_seed(1)
    gains = []
    for wave in waves:
        torch.manual_seed(7)  # the same draws
        found = only(0.3, filter=1)([wave[None, None].repeat(200, 1, 1, 1)])[0]
        gains.append((found[:, 0, 4] * wave[4]).sum(1) / wave[4].square().sum())
    low = torch.stack(gains)[0]
    assert (
        low - 1
    ).abs().max() > 0.2  # the mean is 0-frequency, whose gain is that of the lowest band, along both axes
    assert low.min() > 0


def test_on_a_pyramid_the_geometry_is_one_draw() -> None:
    """Each scale of the result is the average of the next finer one, but for the resampling; with draws of its own it is not."""
    torch.manual_seed(0)
    image = photograph("china", 64, 64)
    smooth = F.interpolate(F.avg_pool2d(image[None], 8), scale_factor=8, mode="bicubic")
    scales = AllScales()(smooth.repeat(32, 1, 1, 1))[2:]
    for part in (only(1.0, geom=1), only(1.0, blit=1), only(1.0, cutout=1), DiffAugment()):
        found = part(scales)
        for coarse, fine in itertools.pairwise(found):
            apart = (coarse - F.avg_pool2d(fine, 2)).abs().mean()
            others = (coarse.roll(1, 0) - F.avg_pool2d(fine, 2)).abs().mean()
            assert apart < 0.04, type(part)
            assert apart < others / 5, type(part)
    colours = only(1.0, color=1, noise=1)(scales)
    for coarse, fine in itertools.pairwise(colours):
        torch.testing.assert_close(coarse, F.avg_pool2d(fine, 2), atol=1e-5, rtol=1e-5)


def test_the_octaves_of_a_pyramid_keep_their_places() -> None:
    """A wave of a middle octave gets the same gain at the finest scale and at half of it, where its octave is the next one."""
    wave = torch.cos(3 * math.pi / 16 * torch.arange(64.0)).expand(64, 64)
    fine = wave[None, None].repeat(64, 1, 1, 1)
    coarse = F.avg_pool2d(fine, 2)
    small, large = only(1.0, filter=1)([coarse, fine])
    assert (small.flatten(1).std(1) / coarse[0].std()).log2().std() > 0.5
    ratio = (small.flatten(1).std(1) / coarse[0].std()) / (large.flatten(1).std(1) / fine[0].std())
    assert (ratio.log2().abs() < 0.5).float().mean() > 0.8


def symmetries(image: Tensor) -> Tensor:
    """The eight of the square, (8, C, H, W): mirrored or not, then k quarter turns."""
    return torch.stack([(image.flip(-1) if m else image).rot90(k, (1, 2)) for m in (0, 1) for k in range(4)])


@pytest.mark.parametrize("p", [0.5, 0.8])
def test_it_does_not_leak_up_to_a_probability_of_08(p: float) -> None:
    """Reals in eight orientations with unequal shares: from what D sees at p = 0.8, the shares follow by inverting the
    transition matrix, which the paper's theory gives (section 3, appendix C). At p = 1 all eight are equally frequent."""
    torch.manual_seed(0)
    eight = symmetries(torch.arange(16.0).view(1, 4, 4))  # 4 px: a whole shift of at most 1/8 is none
    shares = torch.tensor([0.4, 0.05, 0.1, 0.0, 0.15, 0.2, 0.0, 0.1], dtype=torch.float64)
    drawn = torch.multinomial(shares, 60_000, replacement=True)

    def seen(p: float) -> Tensor:
        found = only(p, blit=1)([eight[drawn]])[0]
        which = (found.flatten(1)[:, None] == eight.flatten(1)).all(2).double()
        assert (which.sum(1) == 1).all()
        return which.mean(0)

    step = torch.zeros(8, 8, dtype=torch.float64)  # column: from, row: to
    for start in range(8):
        for mirror, turn in itertools.product((0, 1), range(4)):
            chance = (p / 2 if mirror else 1 - p / 2) * (p / 4 + (1 - p) * (turn == 0))
            base = eight[start].flip(-1) if mirror else eight[start]
            to = (base.rot90(turn, (1, 2)) == eight).flatten(1).all(1).long().argmax()
            step[to, start] += chance
    recovered = torch.linalg.solve(step, seen(p))
    assert (recovered - shares).abs().max() < 0.25 * (
        1 - p
    ) ** -2 / 60  # noise grows as the matrix nears a singular one
    assert (seen(1.0) - 1 / 8).abs().max() < 0.01


@pytest.mark.parametrize("part", [ADA(p=0.7, filter=1, noise=1, cutout=1), DiffAugment()], ids=["ada", "diffaugment"])
def test_images_are_differentiable_twice_each_by_itself(part: Any) -> None:
    def augmented(x: Tensor) -> Tensor:
        torch.manual_seed(3)
        return part([x])[0]

    x = torch.rand(3, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(augmented, x)
    assert torch.autograd.gradgradcheck(lambda x: augmented(x) ** 3, x, nondet_tol=1e-9)
    (slope,) = torch.autograd.grad(augmented(x)[1].sum(), x)
    assert slope[1].abs().sum() > 0
    assert slope[0].abs().sum() == slope[2].abs().sum() == 0


def test_types_and_shapes_stay_and_nothing_is_read() -> None:
    for part in (ADA(p=0.5, filter=1, noise=1, cutout=1), DiffAugment()):
        for dtype, channels in itertools.product((torch.bfloat16, torch.float64), (1, 3, 5)):
            images = [torch.rand(2, channels, s, 2 * s).to(dtype) for s in (4, 8)]
            with counting() as reads, torch.autocast("cpu", torch.bfloat16):
                found = part(images)
            assert reads.found == []
            assert [(x.shape, x.dtype) for x in found] == [(x.shape, x.dtype) for x in images]


def test_autocast_does_not_round_the_pixels() -> None:
    image = photograph("china", 32, 32)[None]
    torch.manual_seed(0)
    expected = ADA(p=1.0)([image])[0]
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ADA(p=1.0)([image])[0], expected)


def test_points_are_refused_in_one_sentence() -> None:
    for name, part in (("ada", ADA(p=0.5)), ("diffaugment", DiffAugment())):
        with pytest.raises(UserError, match=f"augment={name} transforms images, and these are points of the plane"):
            part([torch.randn(4, 2, 1, 1)])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"blit": 1.5}, "blit is 1.5; it must be at least 0 and at most 1"),
        (NONE, "all 0, so nothing is augmented"),
        ({"p": 1.1}, "p is 1.1; it must be at least 0 and at most 1"),
        ({"target": 1.0}, "target is 1.0; it must be above 0 and below 1"),
        ({"interval": 0}, "interval is 0; it must be at least 1"),
        ({"speed_kimg": 0}, "speed_kimg is 0; it must be above 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ADA(**options)

"""A discriminator with spectral normalisation in the training step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from host_reads import reads_in_training
from toy_nets import PlainD
from toys import assert_equal_states, fit, losses, plain

from seesaw.functional.spectral import normalise
from seesaw.gan.balance import SkipD
from seesaw.gan.losses import HingeD, HingeG
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1


def normed(**options: Any) -> GAN:
    """Hinge as in the paper, and R1 beside it: a double backward through the normalised weights."""
    torch.manual_seed(0)
    D = PlainD()
    normalise(D)
    return plain(D=D, loss=losses(HingeD(), HingeG()), penalty={"r1": R1(0.1)}, **options)


@pytest.mark.parametrize("skips", [False, True])
def test_a_resumed_run_is_bit_equal_and_its_vectors_are_saved(skips: bool, tmp_path: Path) -> None:
    def made() -> GAN:
        gate = SkipD(skip_above=0.02, resume_below=0.01, half_life=8.0, max_skips=3)
        return normed(balance={"skip_d": gate} if skips else {})

    whole, part, other = made(), made(), made()
    fit(whole, 12)
    fit(part, 5).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=40)
    assert (whole.meter.updates["D"] < 12) == skips
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert {"D.conv.parametrizations.weight.0._u", "D.end.parametrizations.weight.0._v"} <= set(saved)
    assert_equal_states(whole, other)


def test_the_average_of_g_is_not_normalised() -> None:
    gan = normed(ema_half_life=0.0)
    fit(gan, 3)
    assert gan.G_ema.state_dict().keys() == gan.G.state_dict().keys()
    for a, b in zip(gan.G_ema.parameters(), gan.G.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_reads_nothing_on_the_host_and_trains_under_bfloat16() -> None:
    assert reads_in_training(normed(), lambda gan: fit(gan, 4)) == []
    gan = normed()
    before = gan.D.conv.parametrizations.weight.original.detach().clone()
    fit(gan, 6, precision="bf16-mixed")
    assert all(torch.isfinite(p).all() for p in gan.parameters())
    assert not torch.equal(before, gan.D.conv.parametrizations.weight.original)


def test_the_slope_stays_bounded_where_the_weights_grow() -> None:
    gan = normed()
    with torch.no_grad():
        gan.D.conv.parametrizations.weight.original.mul_(100)
    fit(gan, 6)
    values = torch.linalg.svdvals(gan.D.conv.weight.detach().flatten(1))
    assert 0.9 < values[0].item() < 1.1

"""A discriminator with spectral normalisation in the training step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from host_reads import reads_in_training
from toys import ADAM, PlainD, PlainG, fit, game

from seesaw.functional.spectral import normalise
from seesaw.gan.balance import SkipD
from seesaw.gan.module import GAN
from seesaw.gan.phases import Phase
from seesaw.gan.terms import R1, HingeD, HingeG


def normed(**options: Any) -> GAN:
    """Hinge as in the paper, and R1 beside it: a double backward through the normalised weights."""
    torch.manual_seed(0)
    D = PlainD()
    normalise(D)
    phases = game(HingeD(), HingeG())
    phases["D"] = Phase("D", {"adversarial": HingeD(), "r1": R1(0.1)})
    return GAN(PlainG(), D, phases, {"G": ADAM, "D": ADAM}, seed=3, log_kimg=0.032, **options)


@pytest.mark.parametrize("rests", [False, True])
def test_a_resumed_run_is_bit_equal_and_its_vectors_are_saved(rests: bool, tmp_path: Path) -> None:
    def made() -> GAN:
        gate = SkipD(rest_above=0.02, wake_below=0.01, half_life=8.0, longest_rest=3)
        return normed(balance={"skip_d": gate} if rests else {})

    whole, part, other = made(), made(), made()
    fit(whole, 12)
    fit(part, 5).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=40)
    assert (whole.updates["D"] < 12) == rests
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert {"D.conv.parametrizations.weight.0._u", "D.end.parametrizations.weight.0._v"} <= set(saved)
    for key, value in whole.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other.state_dict()[key]), key


def test_the_average_of_g_knows_nothing_of_it() -> None:
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

"""Every family learns what its classes are: class 0 is dark and class 1 light, and so are the samples after a few batches."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from toys import fit, losses

from seesaw.gan.losses import WassersteinD, WassersteinG
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1, AuxiliaryD, AuxiliaryG, GradientPenalty
from seesaw.gan.views import AllScales
from seesaw.nets import biggan, dcgan, fastgan, mlp, msggan, progan, projected, r3gan, sngan, stylegan2
from seesaw.nets.efficientnet_lite import EfficientNetLite0

PROGRESSIVE = {"base": 64, "max_width": 16}
FAMILIES: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "mlp": (
        partial(mlp.Generator, 16, 1, z_dim=4, widths=[32]),
        partial(mlp.Discriminator, 16, 1, widths=[32]),
    ),
    "dcgan": (
        partial(dcgan.Generator, 16, 1, z_dim=4, width=8),
        partial(dcgan.Discriminator, 16, 1, width=8, norm="none"),
    ),
    "progan": (
        partial(progan.Generator, 16, 1, z_dim=4, **PROGRESSIVE),
        partial(progan.Discriminator, 16, 1, **PROGRESSIVE),
    ),
    "msggan": (
        partial(msggan.Generator, 16, 1, z_dim=4, **PROGRESSIVE),
        partial(msggan.Discriminator, 16, 1, **PROGRESSIVE),
    ),
    "sngan": (
        partial(sngan.Generator, 16, 1, z_dim=4, width=8, max_width=16),
        partial(sngan.Discriminator, 16, 1, width=8, max_width=16, flat=0),
    ),
    "biggan": (
        partial(biggan.Generator, 16, 1, z_dim=4, width=8),
        partial(biggan.Discriminator, 16, 1, width=8, flat=0),
    ),
    "r3gan": (
        partial(r3gan.Generator, 16, 1, z_dim=4, embedding=4, **PROGRESSIVE),
        partial(r3gan.Discriminator, 16, 1, **PROGRESSIVE),
    ),
    "projected": (
        partial(fastgan.Generator, 16, 1, z_dim=4, width=4, skip=4, embedding=4),
        lambda **options: projected.Discriminator(16, 1, EfficientNetLite0("zeros"), size=64, width=4, **options),
    ),
    "stylegan2": (
        partial(stylegan2.Generator, 16, 1, z_dim=4, w_dim=16, mapping=2, **PROGRESSIVE),
        partial(stylegan2.Discriminator, 16, 1, **PROGRESSIVE),
    ),
}


SLOWLY = pytest.mark.xfail(
    reason="under WGAN-GP the auxiliary classifier of MSG-GAN does not bring the classes apart in 700 batches"
)
CASES = [(f, "projection") for f in FAMILIES] + [(f, "auxiliary") for f in FAMILIES if f not in ("msggan", "projected")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "condition"),
    [
        *CASES,
        pytest.param("msggan", "auxiliary", marks=SLOWLY),
        pytest.param("projected", "auxiliary", marks=pytest.mark.xfail(reason="not apart after 250 batches")),
    ],
)
def test_samples_of_a_class_have_its_brightness(family: str, condition: str) -> None:
    y = torch.arange(64) % 2
    noise = torch.randint(0, 60, (64, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    reals = (noise + 195 * y[:, None, None, None]).to(torch.uint8)
    adam = {player: lambda weights: torch.optim.Adam(weights, lr=3e-3, betas=(0.0, 0.9)) for player in "GD"}
    terms: dict[str, Any] = (
        {"auxiliary_d": AuxiliaryD(), "auxiliary_g": AuxiliaryG()} if condition == "auxiliary" else {}
    )
    progressive = family in ("progan", "msggan")
    penalty: dict[str, Any] = {"gp": GradientPenalty()} if progressive else {"r1": R1(0.05)}
    penalty = {} if family == "projected" else penalty  # as its paper has it
    loss = losses(WassersteinD(), WassersteinG()) if progressive else losses()
    torch.manual_seed(0)
    G, D = FAMILIES[family][0](classes=2), FAMILIES[family][1](classes=2, condition=condition)
    view = AllScales() if family == "msggan" else None
    gan = GAN(G, D, loss, adam, penalty=penalty | terms, view=view, ema_half_life=200.0)
    soon = family == "projected" or (condition == "projection" and family != "dcgan")
    fit(gan, 250 if soon else 700, size=16, reals=reals, labels=y)
    dark, light = (torch.cat(list(gan.sample(64, seed=0, y=c))).float().mean().item() for c in (0, 1))
    assert dark < 90 < 165 < light, (dark, light)

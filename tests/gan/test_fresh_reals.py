"""Reals of its own for G's step: which phase sees which, a batch by hand, labels, what is refused."""

import copy
from typing import Any

import pytest
import torch
from torch.nn.functional import softplus
from toys import REALS, fit, losses, plain, task

from seesaw.gan.losses import RelativisticPairedD, RelativisticPairedG
from seesaw.gan.module import GAN
from seesaw.types import Batch, UserError
from seesaw.util import key


def relativistic(**options: Any) -> GAN:
    return plain(loss=losses(RelativisticPairedD(), RelativisticPairedG()), **options)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_batch_is_that_by_hand(fresh: bool) -> None:
    """D on the first eight reals, G beside the next eight, or beside D's; the eight are counted."""
    gan = relativistic(fresh_reals=fresh).double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D))
    if fresh:
        fit(gan, 1, precision="64-true", size=16, start=-8, reals=REALS[:16].roll(-8, 0))  # `fit` ends at 8 images shown
    else:
        fit(gan, 1, precision="64-true", reals=REALS[:16])
    x = REALS[:16].double() / 127.5 - 1
    for_d, for_g = [x[:8]], [x[8:] if fresh else x[:8]]
    z_d, z_g = (
        torch.randn(8, 5, generator=torch.Generator().manual_seed(key(3, 0, name, "z")), dtype=torch.float64)
        for name in "DG"
    )
    softplus(D([i.detach() for i in G(z_d).images]) - D(for_d)).mean().backward()
    opt_d.step()
    opt_g.zero_grad()
    softplus(D(for_g) - D(G(z_g).images)).mean().backward()
    opt_g.step()
    assert gan.images_shown == 8
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_labels_come_with_the_reals_of_each_player_and_the_fakes_have_them() -> None:
    gan = task("labelled", fresh_reals=True)
    reals, y = REALS[:16].float() / 127.5 - 1, torch.arange(16) % 3
    first, second = Batch(reals, y).sub_batches(2)
    game = gan.game(*first, {}, for_g=second)
    for player, own in (("D", first), ("G", second)):
        ((batch, share),) = game._micro_batches(gan.phases[player])
        assert share == 1
        assert torch.equal(batch._reals, own.real)
        assert torch.equal(batch.y, own.y)
        assert torch.equal(batch.y_fake, own.y)


def test_fakes_of_other_labels_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"fresh_reals gives G's step reals with labels of their own, and model\.share_fakes"
    ):
        task("labelled", fresh_reals=True, share_fakes=True)
    assert relativistic(fresh_reals=True, share_fakes=True).sub_batches == 2  # without labels nothing is at odds

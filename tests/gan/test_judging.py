"""D as it judges in training: BatchNorm by the batch, and nothing kept."""

import pytest
import torch
from torch import nn
from toys import task

from seesaw.functional.pixels import to_unit
from seesaw.gan.judging import evaluated, judging, parts
from seesaw.training.build import build
from seesaw.training.preflight import compose_checked


def test_logits_are_those_of_d_s_own_step() -> None:
    """The same as in training mode on the same batch, and not those by running averages, which mix reals and fakes."""
    gan, _ = build(compose_checked(["model=dcgan_small", "data.resolution=16", "logger=none", "trainer=cpu"]))
    reals = torch.randint(256, (48, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images = [to_unit(reals, torch.float32)]
    with torch.no_grad():
        with judging(gan.D):
            found = gan.D(images)
        with evaluated(gan.D):
            by_averages = gan.D(images)
        stepped = gan.D.train()(images)
    torch.testing.assert_close(found, stepped)
    assert (found - by_averages).abs().max() > 0.1
    assert gan.score_reals(reals)["logits"] == pytest.approx(stepped.mean().item())


def test_nothing_is_kept_and_modes_return_after_an_error() -> None:
    norm, dropout = nn.BatchNorm1d(3), nn.Dropout(0.5)
    net = nn.Sequential(norm.eval(), dropout.train(), nn.BatchNorm1d(3, track_running_stats=False))
    modes, state = [m.training for m in net.modules()], {k: v.clone() for k, v in net.state_dict().items()}
    with judging(net):
        assert net(5 + torch.randn(64, 3)).mean().abs() < 1e-5
        assert not dropout.training
    with pytest.raises(ValueError, match="2D or 3D"), judging(net):
        net(torch.zeros(1, 3, 4, 4))
    assert [m.training for m in net.modules()] == modes
    assert norm.track_running_stats
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in state.items())


def test_a_player_without_batch_norm_judges_in_evaluation_mode() -> None:
    gan, x = task("plain"), torch.zeros(2, 1, 8, 8)
    with judging(gan.D):
        assert not any(m.training for m in gan.D.modules())
        assert gan.D([x]).shape == (2,)


@pytest.mark.parametrize(("n", "pack", "most", "sizes"), [
    (257, 1, 256, [129, 128]), (8, 1, 8, [8]), (11, 2, 4, [4, 4, 2]), (3, 4, 8, []), (12, 4, 2, [4, 4, 4]),
])  # fmt: skip
def test_parts_are_whole_packs_of_nearly_equal_numbers(n: int, pack: int, most: int, sizes: list[int]) -> None:
    found = parts(n, pack, most)
    assert [len(rows) for rows in found] == sizes
    assert torch.cat([*found, torch.empty(0, dtype=torch.long)]).tolist() == list(range(n // pack * pack))

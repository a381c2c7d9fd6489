"""Instance noise: its size over time, its shape on a pyramid, that the sides draw their own."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from toys import assert_equal_states, fit, task

from seesaw.gan.balance import InstanceNoise
from seesaw.gan.module import GAN
from seesaw.gan.schedules import Linear


def test_falls_in_a_line() -> None:
    part = InstanceNoise(Linear(0.2, 0.0, kimg=2.0))
    trace = []
    for shown in (0, 500, 1000, 1900, 2000, 9000):
        part.advance(0, shown)
        trace.append(part.report()["balance/noise_std"])
    assert trace == pytest.approx([0.2, 0.15, 0.1, 0.01, 0.0, 0.0])
    images = [torch.ones(2, 1, 4, 4)]
    assert part(images) is images


def test_the_scales_share_one_noise() -> None:
    torch.manual_seed(0)
    images = [torch.zeros(64, 3, size, size) for size in (4, 8, 16)]
    noisy = InstanceNoise(std=0.1)(images)
    for coarse, fine in itertools.pairwise(noisy):
        torch.testing.assert_close(coarse, F.avg_pool2d(fine, 2))
    stds = [x.std().item() for x in noisy]
    assert stds == pytest.approx([0.025, 0.05, 0.1], rel=0.05)
    assert noisy[-1].mean().item() == pytest.approx(0, abs=0.003)
    assert InstanceNoise(std=0.1)([torch.zeros(5, 2, 1, 1)])[0].shape == (5, 2, 1, 1)


def test_d_sees_it_on_both_sides_and_in_both_steps_with_noise_of_its_own() -> None:
    def seen_by_d(gan: GAN) -> list[torch.Tensor]:
        seen: list[torch.Tensor] = []
        gan.D.register_forward_pre_hook(lambda net, given: seen.append(given[0][-1].detach().clone()))
        fit(gan, 1)
        return seen

    real, fake, fake_for_g = seen_by_d(task("plain", balance={"instance_noise": InstanceNoise(std=0.5)}))
    clean = seen_by_d(task("plain"))
    noise = [a - b for a, b in zip((real, fake), clean[:2], strict=True)]
    assert [n.std().item() for n in noise] == pytest.approx([0.5, 0.5], rel=0.1)
    assert abs(torch.corrcoef(torch.stack([n.flatten() for n in noise]))[0, 1].item()) < 0.15
    assert (fake_for_g - clean[2]).std().item() > 0.4


def test_a_resumed_run_is_bit_equal(tmp_path: Path) -> None:
    def gan() -> GAN:
        return task("scales", balance={"instance_noise": InstanceNoise(Linear(0.3, 0.0, kimg=0.06))})

    whole, part, other = gan(), gan(), gan()
    fit(whole, 10)
    fit(part, 3).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=24)
    assert_equal_states(whole, other)


@pytest.mark.parametrize("wrong", [-0.1, Linear(0.1, -0.1, kimg=1)])
def test_refuses(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"std is -0\.1; it must be at least 0"):
        InstanceNoise(wrong)

"""Packing: what D is given, what a step is, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from toy_nets import PlainD, conv
from toys import REALS, assert_equal_states, fit, plain, reports

from seesaw.gan.balance import InstanceNoise, Pac
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1
from seesaw.gan.schedules import Linear
from seesaw.types import UserError


def packed(m: int = 2, **options: object) -> GAN:
    torch.manual_seed(0)
    D = PlainD()
    D.conv = conv(m, 6)
    parts = {"pac": Pac(m), "noise": InstanceNoise(Linear(0.1, 0.0, kimg=0.05))}
    return plain(D=D, penalty={"r1": R1(0.1)}, balance=parts, **options)


def test_neighbours_stand_in_one_pack() -> None:
    images = [torch.arange(4.0 * 3 * s * s).reshape(4, 3, s, s) for s in (1, 2)]
    packed_images, y = Pac(2)(images, torch.tensor([0, 1, 2, 3]))
    assert y is not None
    assert y.tolist() == [[0, 1], [2, 3]]
    for packs, x in zip(packed_images, images, strict=True):
        expected = torch.stack([torch.cat([x[0], x[1]]), torch.cat([x[2], x[3]])])
        assert torch.equal(packs, expected)


@pytest.mark.parametrize("m", [2, 4])
def test_one_logit_a_pack_and_a_resume_is_bit_equal(m: int, tmp_path: Path) -> None:
    whole, part, other = packed(m), packed(m), packed(m)
    assert whole.game_setup.pack == m
    fit(whole, 10)
    fit(part, 3).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=24)
    step = whole.game(REALS[:8].float() / 127.5 - 1, None, {})
    ((seen, _),) = step._micro_batches(whole.phases["D"])
    assert seen.real_logits.shape == seen.fake_logits.shape == (8 // m,)
    assert {"train/D/accuracy", "train/loss/G", "train/D/r1"} <= set(reports(whole)[0])
    assert_equal_states(whole, other)


def test_refuses() -> None:
    with pytest.raises(UserError, match="packs 3 images, and a pass through D has 8"):
        fit(packed(3), 1)
    with pytest.raises(UserError, match="packs 2 images, and a pass through D has 3"):
        fit(packed(2, micro_batch=3), 1)
    with pytest.raises(ValueError, match="m is 0; it must be at least 1"):
        Pac(0)


@pytest.mark.parametrize("model", ["mlp", "dcgan_small", "progan_small", "msggan_small", "stylegan2_small"])
def test_every_family_widens_its_first_layer_by_itself(model: str, composed: Callable[..., dict[str, Any]]) -> None:
    packs: list[list[str]] = [[], ["balance=pac", "balance.pac.m=4"]]
    plain, four = (instantiate(composed(f"model={model}", *pack)["model"]["D"]) for pack in packs)
    before, after = dict(plain.named_parameters()), dict(four.named_parameters())
    wider = {name for name in before if before[name].shape != after[name].shape}
    assert wider, "nothing widened"
    for name in wider:
        assert "combine" in name or "rgb" in name or name == "layers.0.weight", name

"""Packing: what D is given, what a step is, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from toys import ADAM, PlainD, PlainG, conv, fit, game

from seesaw.gan.balance import InstanceNoise, Pac
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.module import GAN
from seesaw.gan.phases import Phase
from seesaw.gan.terms import R1, CrossEntropyD, GradientPenalty
from seesaw.types import Fake, UserError


def packed(m: int = 2, **options: object) -> GAN:
    torch.manual_seed(0)
    D = PlainD()
    D.conv = conv(m, 6)
    phases = game()
    phases["D"] = Phase("D", {"adversarial": CrossEntropyD(), "r1": R1(0.1)})
    parts = {"pac": Pac(m), "noise": InstanceNoise(0.1, kimg=0.05)}
    return GAN(PlainG(), D, phases, {"G": ADAM, "D": ADAM}, balance=parts, log_kimg=0.032, **options)


def test_neighbours_stand_in_one_pack() -> None:
    images = [torch.arange(4.0 * 3 * s * s).reshape(4, 3, s, s) for s in (1, 2)]
    for packs, x in zip(Pac(2)(images), images, strict=True):
        expected = torch.stack([torch.cat([x[0], x[1]]), torch.cat([x[2], x[3]])])
        assert torch.equal(packs, expected)


@pytest.mark.parametrize("m", [2, 4])
def test_one_logit_a_pack_and_a_resume_is_bit_equal(m: int, tmp_path: Path) -> None:
    whole, part, other, reports = packed(m), packed(m), packed(m), []
    whole.on_report = lambda shown, values: reports.append(values)
    fit(whole, 10)
    fit(part, 3).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=24)
    seen = whole.see(whole.phases["D"], torch.zeros(8, 1, 8, 8), torch.zeros(8, 5), None)
    assert seen.real_logits.shape == seen.fake_logits.shape == (8 // m,)
    assert {"D/accuracy", "loss/G", "D/r1"} <= set(reports[0])
    for key, value in whole.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other.state_dict()[key]), key


def test_refuses() -> None:
    with pytest.raises(UserError, match="packs 3 images, and a pass through D has 8"):
        fit(packed(3), 1)
    with pytest.raises(UserError, match="packs 2 images, and a pass through D has 3"):
        fit(packed(2, micro_batch=3), 1)
    with pytest.raises(ValueError, match="m is 0; it must be at least 1"):
        Pac(0)


def test_penalties_take_the_norm_over_a_pack() -> None:
    """D(pack) = <w, pack> has the gradient w everywhere: R1 is gamma/2 ||w||^2, the penalty weight (||w|| - 1)^2."""
    w = torch.randn(2, 4, 4, dtype=torch.float64)

    def D(images: list[torch.Tensor], y: None) -> torch.Tensor:
        return (images[-1] * w).flatten(1).sum(1)

    reals = torch.randn(6, 1, 4, 4, dtype=torch.float64)
    batch = AdversarialBatch(
        lambda z, y: Fake([-reals]), D, reals, torch.zeros(6, 3),
        view=lambda x: [x], augment=Pac(2), player="D", grad_of=frozenset({"real"}),
    )  # fmt: skip
    assert torch.allclose(R1(3.0)(batch), (1.5 * w.square().sum()).expand(3), rtol=1e-12)
    assert torch.allclose(GradientPenalty(10.0)(batch), (10 * (w.norm() - 1) ** 2).expand(3), rtol=1e-6)


@pytest.mark.parametrize("model", ["mlp", "dcgan_small", "progan_small", "msggan_small"])
def test_every_family_widens_its_first_layer_by_itself(model: str, composed: Callable[..., dict[str, Any]]) -> None:
    packs: list[list[str]] = [[], ["balance=pac", "balance.pac.m=4"]]
    plain, four = (instantiate(composed(f"model={model}", *pack)["model"]["D"]) for pack in packs)
    before, after = dict(plain.named_parameters()), dict(four.named_parameters())
    wider = {name for name in before if before[name].shape != after[name].shape}
    assert wider, "nothing widened"
    for name in wider:
        assert "combine" in name or "rgb" in name or name == "layers.0.weight", name

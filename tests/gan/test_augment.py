"""Augmentations as parts: time, D's logits and statistics reach them; their state is saved, averaged and reported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from host_reads import reads_in_training
from torch import Tensor
from toy_nets import PlainD, conv
from toys import REALS, Dimming, assert_equal_states, fit, plain, reports, rows, task

from seesaw.gan import module
from seesaw.gan.balance import InstanceNoise, Pac, SkipD
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.module import GAN
from seesaw.gan.parts import Augmentation, DiscriminatorWrapper, InputTransform
from seesaw.gan.penalties import R1
from seesaw.gan.phases import Phase
from seesaw.types import Pyramid


class Recording(Augmentation):
    """Changes nothing and notes every hook."""

    needs_statistics = True
    sees_batches = True

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[int, int]] = []
        self.logits: list[tuple[str, tuple[str, ...], int]] = []
        self.statistics: list[tuple[dict[str, float], int]] = []
        self.bound: list[str] = []
        self.calls = 0

    def bind(self, phases: Mapping[str, Phase]) -> None:
        self.bound = list(phases)

    def forward(self, images: Pyramid) -> Pyramid:
        self.calls += 1
        return images

    def advance(self, batches: int, images_shown: int) -> None:
        self.times.append((batches, images_shown))

    def see(self, phase: Phase, batch: AdversarialBatch) -> None:
        sides = tuple(side for side in ("real_logits", "fake_logits") if batch.has(side))
        self.logits.append((phase.name, sides, len(getattr(batch, sides[0])) if sides else 0))

    def observe(self, statistics: Mapping[str, float], images: int) -> None:
        self.statistics.append((dict(statistics), images))

    def report(self) -> dict[str, float]:
        return {"augment/calls": float(self.calls)}


def test_every_hook_is_called_at_its_time() -> None:
    part = Recording()
    gan = plain(augment={"recording": part})
    fit(gan, 5)
    assert part.bound == ["D", "G"]
    assert part.times == [(0, 0), (1, 8), (2, 16), (3, 24), (4, 32)]
    assert part.logits == [("D", ("real_logits", "fake_logits"), 8), ("G", ("fake_logits",), 8)] * 5
    assert part.calls == 3 * 5  # reals and fakes in D's step, fakes in G's
    assert [images for _, images in part.statistics] == [8] * 4  # the fifth batch is still in flight
    assert {"D/adversarial", "D/accuracy", "G/adversarial", "D/logits_real"} <= set(part.statistics[0][0])
    (values,) = reports(gan)
    assert values["train/augment/calls"] == 3 * 4  # at the end of the window of four batches
    means = [s["D/accuracy"] for s, _ in part.statistics[:4]]
    assert sum(means) / 4 == pytest.approx(values["train/D/accuracy"])


def test_micro_batches_and_skipped_phases_are_seen_too() -> None:
    part = Recording()
    gate = SkipD(skip_above=0.0, resume_below=0.0, half_life=1e-6, max_skips=2)
    gan = plain(augment={"recording": part}, balance={"skip_d": gate}, micro_batch=5)
    fit(gan, 9)
    assert gan.meter.updates["D"] < 9
    both = ("real_logits", "fake_logits")
    assert part.logits == [("D", both, 5), ("D", both, 3), ("G", both[1:], 5), ("G", both[1:], 3)] * 9


def test_parts_that_do_not_ask_are_not_called() -> None:
    part = Recording()
    part.needs_statistics = part.sees_batches = False  # type: ignore[misc]
    fit(plain(augment={"recording": part}), 5)
    assert part.logits == part.statistics == []
    assert len(part.times) == 5


def test_the_state_follows_d_and_is_reported() -> None:
    """p moves by `step` a batch in the direction of D's mean logit of the reals, as a loop over the logged batches finds."""
    part = Dimming(step=0.02)
    gan, means, places = plain(augment={"dimming": part}, log_kimg=0.008), [], []
    see = part.see

    def noted(phase: Phase, batch: AdversarialBatch) -> None:
        see(phase, batch)
        if phase.player == "D":
            means.append(batch.real_logits.detach().mean().item())
            places.append(part.p.item())

    part.see = noted  # type: ignore[method-assign]
    fit(gan, 12)
    p = 0.1
    for mean, place in zip(means, places, strict=True):
        assert place == pytest.approx(p, abs=1e-6)
        p = min(max(p + 0.02 * (1 if mean > 0 else -1), 0), 1)
    assert part.time == (11, 88)
    assert part.batches.item() == 12
    assert [shown for shown, _ in rows(gan)] == [8 * k for k in range(1, 12)]
    # The accuracy that it reports in a window is that of the batch before the last: statistics come late.
    accuracy = [values["train/D/accuracy"] for values in reports(gan)]
    assert [values["train/augment/accuracy"] for values in reports(gan)][2:] == pytest.approx(accuracy[:-2])


@pytest.mark.parametrize("cut", [3, 6])
@pytest.mark.parametrize("options", [{}, {"micro_batch": 3}, {"share_fakes": True}], ids=str)
def test_a_resumed_run_is_bit_equal_and_its_state_is_saved(cut: int, options: dict[str, Any], tmp_path: Path) -> None:
    whole, part, other = (task("augmented", **options) for _ in range(3))
    fit(whole, 11)
    fit(part, cut).save_checkpoint(tmp_path / "a.ckpt")
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    assert {"augment.dimming.p", "augment.dimming.logits", "augment.dimming._extra_state"} <= set(saved)
    assert saved["augment.dimming.logits"] != 0
    fit(other, 11 - cut, ckpt=str(tmp_path / "a.ckpt"), start=8 * cut)
    assert_equal_states(whole, other)
    assert whole.augment["dimming"].p != 0.1
    assert whole.augment["dimming"].get_extra_state() == other.augment["dimming"].get_extra_state()


def test_its_buffers_are_averaged_over_the_processes_after_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process is imitated whose buffers all hold 3."""
    gan = task("augmented")
    part = gan.augment["dimming"]
    averaged: list[list[Tensor]] = []

    def with_a_second_process(buffers: Any) -> None:
        averaged.append(list(buffers))
        for buffer in averaged[-1]:
            buffer.add_(3).div_(2)

    monkeypatch.setattr(module, "average_", with_a_second_process)
    fit(gan, 1)
    (buffers,) = averaged
    assert [id(b) for b in buffers] == [id(part.p), id(part.logits)]  # `batches` is an integer
    assert part.p.item() == pytest.approx((0.1 + 3) / 2)


class Marking(InputTransform):
    """Appends its name to a list."""

    def __init__(self, name: str, order: list[str]) -> None:
        super().__init__()
        self.mark, self.order = name, order

    def forward(self, images: Pyramid) -> Pyramid:
        self.order.append(self.mark)
        return images


class MarkingAugmentation(Augmentation):
    def __init__(self, name: str, order: list[str]) -> None:
        super().__init__()
        self.mark, self.order = name, order

    def forward(self, images: Pyramid) -> Pyramid:
        self.order.append(self.mark)
        return images


class MarkingWrapper(DiscriminatorWrapper):
    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self.order = order

    def forward(self, images: Pyramid, y: Tensor | None) -> tuple[Pyramid, Tensor | None]:
        self.order.append("wrapper")
        return images, y


def test_noise_then_the_augmentations_in_their_order_then_packing() -> None:
    """Whatever the order of the balance parts is."""
    order: list[str] = []
    balance = {"pac": MarkingWrapper(order), "one": Marking("noise 1", order), "two": Marking("noise 2", order)}
    augment = {"b": MarkingAugmentation("augment b", order), "a": MarkingAugmentation("augment a", order)}
    fit(plain(balance=balance, augment=augment), 1)
    assert order == ["noise 1", "noise 2", "augment b", "augment a", "wrapper"] * 3


class Halving(Augmentation):
    def forward(self, images: Pyramid) -> Pyramid:
        return [x / 2 for x in images]


def test_d_sees_packs_of_augmented_noisy_images() -> None:
    """By hand: (x + noise) / 2, then two neighbours stacked along the channels."""
    torch.manual_seed(0)
    D = PlainD()
    D.conv = conv(2, 6)
    parts = {"pac": Pac(2), "noise": InstanceNoise(0.5)}
    gan = plain(D=D, balance=parts, augment={"halving": Halving()})
    images = [torch.randn(8, 1, 8, 8)]
    torch.manual_seed(5)
    packs, _ = gan.into_discriminator(images, None)
    torch.manual_seed(5)
    expected = ((images[0] + 0.5 * torch.randn(8, 1, 8, 8)) / 2).reshape(4, 2, 8, 8)
    torch.testing.assert_close(packs[0], expected)
    fit(gan, 2)


def test_r1_takes_its_gradient_before_the_augmentation() -> None:
    """Halved images halve the gradient: by the chain rule R1 is a quarter of its value at the halved images."""
    gan = plain(augment={"halving": Halving()}, penalty={"r1": R1(2.0)}).double()
    fit(gan, 1, precision="64-true")
    reals = REALS[:8].double() / 127.5 - 1
    step = gan.game(reals, None, {})
    (batch, _) = next(step._micro_batches(gan.phases["D"]))
    found = gan.phases["D"].terms["r1"](batch)
    halved = (reals / 2).requires_grad_()
    (slope,) = torch.autograd.grad(gan.D([halved]).sum(), halved)
    torch.testing.assert_close(found.detach(), slope.square().sum((1, 2, 3)) / 4)


def test_reads_nothing_on_the_host() -> None:
    for gan in (task("augmented"), plain(augment={"a": Dimming(), "b": Halving()}, micro_batch=3)):
        assert reads_in_training(gan, lambda gan: fit(gan, 6)) == []


def test_an_augmentation_must_augment() -> None:
    with pytest.raises(TypeError, match="Augmentation augments nothing"):
        fit(plain(augment={"abstract": Augmentation()}), 1)


def test_two_runs_with_other_augmentations_draw_the_same_latents() -> None:
    """The generators are seeded again for each micro-batch, so what an augmentation draws moves no other draw."""

    def latents(gan: GAN) -> list[Tensor]:
        seen: list[Tensor] = []
        gan.G.register_forward_pre_hook(lambda net, given: seen.append(given[0].clone()))
        fit(gan, 3)
        return seen

    for a, b in zip(latents(plain()), latents(plain(augment={"dimming": Dimming()})), strict=True):
        assert torch.equal(a, b)

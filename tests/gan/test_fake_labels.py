"""Which labels fakes get: as the reals have them, or evenly, keyed and sliced as latents are; the auxiliary classifier's loss."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_nets import C, LabelledD, LabelledG, conv
from toys import LABELS, REALS, assert_equal_states, fit, plain, task

from seesaw.gan.balance import Pac
from seesaw.gan.labels import EvenLabels, labels_of_reals, make_fake_labels
from seesaw.gan.penalties import R1, AuxiliaryD, AuxiliaryG
from seesaw.types import Logits, Pyramid, UserError
from seesaw.util import key


class ClassifyingD(nn.Module):
    """One logit, and class logits for each image of a pack."""

    def __init__(self, pack: int = 1) -> None:
        super().__init__()
        self.pack, self.conv = pack, conv(pack, C)
        self.end, self.classes = nn.Linear(C, 1), nn.Linear(C, 3 * pack)

    def forward(self, images: Pyramid, y: Tensor | None = None) -> Logits:
        h = nn.functional.leaky_relu(self.conv(images[-1])).mean((2, 3))
        return Logits(self.end(h).squeeze(1), self.classes(h).unflatten(1, (self.pack, 3)))


def auxiliary(pack: int = 1, **options: Any) -> Any:
    torch.manual_seed(0)
    terms = {"r1": R1(0.1), "auxiliary_d": AuxiliaryD(0.7), "auxiliary_g": AuxiliaryG(0.4)}
    balance = {"pac": Pac(pack)} if pack > 1 else {}
    return plain(G=LabelledG(), D=ClassifyingD(pack), penalty=terms, balance=balance, **options)


def test_even_labels_are_even_whatever_the_data_have() -> None:
    y = EvenLabels(4)(torch.zeros(20_000, dtype=torch.int64), seed=5, rank=0)
    assert y is not None
    assert torch.bincount(y, minlength=4).tolist() == pytest.approx([5000] * 4, rel=0.05)
    assert EvenLabels(4)(None, 5, 0) is None
    assert labels_of_reals(LABELS, 5, 0) is LABELS


def test_ranks_draw_slices_of_the_same_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = EvenLabels(5)(torch.zeros(12, dtype=torch.int64), 7, 0)
    monkeypatch.setattr("seesaw.gan.labels.world_size", lambda: 3)
    parts = [EvenLabels(5)(torch.zeros(4, dtype=torch.int64), 7, rank) for rank in range(3)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("micro_batch", [None, 5])
def test_g_and_d_see_the_fakes_labels_and_the_reals_theirs(micro_batch: int | None) -> None:
    gan = task("labelled", fake_labels="even", micro_batch=micro_batch)
    of_g: list[Tensor] = []
    of_d: list[Tensor] = []
    gan.G.register_forward_pre_hook(lambda module, given: of_g.append(given[1]))
    gan.D.register_forward_pre_hook(lambda module, given: of_d.append(given[1]))
    fit(gan, 2)
    expected_g, expected_d = [], []
    for shown in (0, 8):
        reals = LABELS[shown : shown + 8].split(micro_batch or 8)
        for name in "DG":
            generator = torch.Generator().manual_seed(key(3, shown, name, "y"))
            fakes = torch.randint(3, (8,), generator=generator).split(micro_batch or 8)
            for real, fake in zip(reals, fakes, strict=True):
                expected_g.append(fake)
                expected_d += [real, fake] if name == "D" else [fake]
    assert [y.tolist() for y in of_g] == [y.tolist() for y in expected_g]
    assert [y.tolist() for y in of_d] == [y.tolist() for y in expected_d]


@pytest.mark.parametrize("options", [{}, {"share_fakes": True}, {"micro_batch": 5}])
def test_a_run_with_even_labels_that_is_cut_goes_on_bit_for_bit(options: dict[str, Any], tmp_path: Path) -> None:
    whole, part, other = (task("labelled", fake_labels="even", **options) for _ in range(3))
    fit(whole, 7)
    fit(part, 4).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 3, ckpt=str(tmp_path / "a.ckpt"), start=32)
    assert_equal_states(whole, other)


def test_shared_fakes_keep_their_labels() -> None:
    gan = task("labelled", fake_labels="even", share_fakes=True)
    of_d: list[Tensor] = []
    gan.D.register_forward_pre_hook(lambda module, given: of_d.append(given[1]))
    fit(gan, 1)
    assert torch.equal(of_d[1], of_d[2])  # the fakes of D's step, and of G's


@pytest.mark.parametrize("even", [False, True])
def test_two_batches_of_ac_gan_are_those_by_hand(even: bool) -> None:
    """Float64: torch's cross-entropy on reals and fakes in D's step, on fakes in G's (Odena et al. 2017)."""
    gan = auxiliary(fake_labels="even" if even else "data").double()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    fit(gan, 2, precision="64-true")
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D))
    softplus, entropy = nn.functional.softplus, nn.functional.cross_entropy
    for shown in (0, 8):
        x = (REALS[shown : shown + 8].double() / 127.5 - 1).requires_grad_()
        y = LABELS[shown : shown + 8]
        draws = {p: torch.Generator().manual_seed(key(3, shown, p, "z")) for p in "DG"}
        z = {p: torch.randn(8, 5, generator=draw, dtype=torch.float64) for p, draw in draws.items()}
        keyed = {p: torch.Generator().manual_seed(key(3, shown, p, "y")) for p in "DG"}
        y_fake = {p: torch.randint(3, (8,), generator=draw) if even else y for p, draw in keyed.items()}
        real, fake = D([x]), D(G(z["D"], y_fake["D"]).images)
        (slope,) = torch.autograd.grad(real.adversarial.sum(), x, create_graph=True)
        loss = (softplus(-real.adversarial) + softplus(fake.adversarial) + 0.05 * slope.square().sum((1, 2, 3))).mean()
        loss = loss + 0.7 * (entropy(real.classes[:, 0], y) + entropy(fake.classes[:, 0], y_fake["D"]))
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        fake = D(G(z["G"], y_fake["G"]).images)
        (softplus(-fake.adversarial).mean() + 0.4 * entropy(fake.classes[:, 0], y_fake["G"])).backward()
        opt_g.step()
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=name)


def test_ac_gan_under_packing_classifies_every_image_of_a_pack(tmp_path: Path) -> None:
    def packed() -> Any:
        return auxiliary(2, fake_labels="even")

    whole, part, other = packed(), packed(), packed()
    fit(whole, 7)
    fit(part, 4).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 3, ckpt=str(tmp_path / "a.ckpt"), start=32)
    assert_equal_states(whole, other)
    judged = Logits(torch.zeros(2), torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0)))
    y = torch.tensor([[0, 2], [1, 1]])
    assert judged.classes is not None
    expected = [-judged.classes.log_softmax(2)[k, place, y[k, place]] for k in range(2) for place in range(2)]
    torch.testing.assert_close(AuxiliaryG(1.0).value(judged, y, 0), torch.stack(expected))


def test_an_auxiliary_term_without_class_logits_is_refused() -> None:
    gan = plain(G=LabelledG(), D=LabelledD(), penalty={"auxiliary_d": AuxiliaryD()})
    with pytest.raises(UserError, match=r"this D gives none: give model\.D\.condition=auxiliary"):
        fit(gan, 1)
    with pytest.raises(ValueError, match="weight is -1"):
        AuxiliaryD(-1.0)


def test_even_labels_of_a_model_without_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"model\.fake_labels=even draws labels for G, and this model takes none"):
        task("plain", fake_labels="even")
    with pytest.raises(ValueError, match="fake_labels is 'odd'; it must be data or even"):
        make_fake_labels("odd", 3)  # type: ignore[arg-type]

"""A gradient test beside each speed option: what is called exact gives the plain loop's gradients, bf16 gives its figure.

The plain loops are those of the benchmark, written from the papers (benchmarks/loops): contiguous tensors, float32, a backward
a loss, D not frozen in G's step, a forward of its own for each penalty, G run anew. The other side is a real run from the
command line: channels last, D frozen in G's step, one backward a phase, losses on logits, R1 on the loss's own forward.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from loops.agreement import differences
from loops.dcgan import Classic
from loops.mlp import Tiny
from loops.plain import Loop
from loops.progressive import MSGGANLoop, ProGANLoop
from loops.rows import ROWS
from loops.seesaw_run import first_gradients
from torch import nn

pytestmark = pytest.mark.usefixtures("no_curves")

Make = Callable[[], Loop]

THIN = ["model.G.z_dim=16", "model.G.max_width=16", "model.D.max_width=16", "data.resolution=16", "batch_size=8"]
SMALL: dict[str, tuple[Make, list[str]]] = {
    "dcgan": (lambda: Classic(32, 16), ["data.resolution=32", "model.G.width=16", "model.D.width=16", "batch_size=32"]),
    "progan": (lambda: ProGANLoop(16, 16), THIN),
    "progan_r1": (lambda: ProGANLoop(16, 16, "r1"), THIN),
    "msggan": (lambda: MSGGANLoop(16, 16), THIN),
    "tiny": (Tiny, []),
}
BFLOAT16 = {
    "dcgan": (0.025, 0.094),
    "progan": (0.069, 0.136),
    "progan_r1": (0.051, 0.128),
    "msggan": (0.021, 0.053),
    "tiny": (0.0062, 0.0128),
}
"""By how much the gradients of D and of G differ, relative to their norm, when products are taken in bfloat16 (8 bits)."""


def differing(name: str, precision: str, folder: Path) -> dict[str, Any]:
    plain, overrides = SMALL[name]
    run = first_gradients([*ROWS[name].overrides, *overrides, f"precision={precision}"], folder, ROWS[name].batches)
    return differences(plain, run)


@pytest.mark.parametrize("name", SMALL)
def test_exact_options_give_the_plain_loops_gradients(name: str, tmp_path: Path) -> None:
    found = differing(name, "exact", tmp_path)
    assert 0 < found["D"] < 1e-3  # other kernels in another order: not one bit equal, and rounding alone
    assert 0 < found["G"] < 1e-3
    for player in "DG":  # beside the same loop in float64: neither of the two is the more exact one
        run, loop = (found[f"{player}: rounding"][whose] for whose in ("run", "loop"))
        assert loop / 4 < run < 4 * loop


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_gradients_differ_by_the_documented_fraction(name: str, tmp_path: Path) -> None:
    if not torch.cpu._is_avx512_bf16_supported():
        pytest.skip("precision=auto takes float32 on this processor")
    found = differing(name, "auto", tmp_path)
    for player, expected in zip("DG", BFLOAT16[name], strict=True):
        assert 0.4 * expected < found[player] < 2.5 * expected


def test_another_penalty_or_network_is_detected(tmp_path: Path) -> None:
    """Check of `differences` itself: another gamma changes the gradients of D alone, and another width is refused."""
    run = first_gradients([*ROWS["progan_r1"].overrides, *THIN, "precision=exact", "penalty.r1.gamma=11"], tmp_path, 1)
    found = differences(lambda: ProGANLoop(16, 16, "r1"), run)
    assert found["D"] > 1e-3 > found["G"]
    with pytest.raises(ValueError, match="other parameters"):
        differences(lambda: ProGANLoop(8, 16, "r1"), run)


def test_fused_adam_is_adam() -> None:
    """Five steps of both on the same gradients: the weights stay equal but for rounding."""
    torch.manual_seed(0)
    nets = [nn.Linear(30, 20), nn.Linear(30, 20)]
    nets[1].load_state_dict(nets[0].state_dict())
    start = nets[0].weight.detach().clone()
    options = {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-8}
    both = [
        torch.optim.Adam(net.parameters(), **options, fused=fused)
        for net, fused in zip(nets, (True, False), strict=True)
    ]
    for _ in range(5):
        x = torch.randn(16, 30)
        for net, adam in zip(nets, both, strict=True):
            adam.zero_grad()
            net(x).square().mean().backward()
            adam.step()
    moved = [net.weight.detach() - start for net in nets]
    assert moved[1].norm() > 1e-3
    assert ((moved[0] - moved[1]).norm() / moved[1].norm()).item() < 1e-4

"""n_critic against hand-written sequences of steps."""

from pathlib import Path

import pytest
import torch
from toys import fit, game, task

from seesaw.gan.balance import TTUR, NCritic, SkipD
from seesaw.gan.phases import Phase
from seesaw.gan.terms import CrossEntropyD, NonSaturatingG, PathLength


@pytest.mark.parametrize(("more", "sequence"), [("D", "DDDGDDDG"), ("G", "GGDGGGDG")])
def test_sequence_of_steps(more: str, sequence: str) -> None:
    """Phases stand D before G in a batch, so with n = 3: D, D, D G and G, G, D G."""
    part, phases, trace = NCritic(n=3, more=more), game(), ""
    part.bind(phases)
    for batch in range(6):
        part.advance(batch, 8 * batch)
        trace += "".join(name for name, phase in phases.items() if part.plays(phase))
    assert trace == sequence


@pytest.mark.parametrize(("more", "updates"), [("D", {"G": 3, "D": 10}), ("G", {"G": 10, "D": 3})])
def test_updates_rests_and_logs_of_a_run(more: str, updates: dict[str, int]) -> None:
    gan, reports = task("plain", balance={"n_critic": NCritic(n=3, more=more)}), []
    gan.on_report = lambda shown, values: reports.append(values)
    fit(gan, 10)
    assert gan.updates == updates
    assert [r["updates/G"] for r in reports] == ([1, 2] if more == "D" else [4, 8])
    rested = "G" if more == "D" else "D"
    assert [r[f"rests/{rested}"] for r in reports] == [3, 3]
    assert all("loss/G" in r and "loss/D" in r for r in reports)  # watched while it rests


def test_a_cut_inside_a_cycle_changes_nothing(tmp_path: Path) -> None:
    def gan() -> object:
        return task(
            "noisy", balance={"n_critic": NCritic(n=3), "ttur": TTUR(), "skip_d": SkipD(rest_above=0.0, wake_below=0.0)}
        )

    whole, part, other = gan(), gan(), gan()
    fit(whole, 11)
    fit(part, 4).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=32)
    assert other.updates == whole.updates
    assert whole.updates["G"] == 3
    assert whole.updates["D"] < 11  # skip_d acted too
    for key, value in whole.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other.state_dict()[key]), key


def test_refuses_what_has_no_meaning() -> None:
    with pytest.raises(ValueError, match="n is 0; it must be at least 1"):
        NCritic(n=0)
    with pytest.raises(ValueError, match="more must be G or D, not both"):
        NCritic(more="both")
    lazy = {
        "D": Phase("D", {"adversarial": CrossEntropyD()}),
        "G": Phase("G", {"adversarial": NonSaturatingG()}),
        "G_path": Phase("G", {"path_length": PathLength()}, every=4),
    }
    with pytest.raises(ValueError, match=r"G play in one of 2 batches, and phase G_path is due in one of 4"):
        NCritic(n=2).bind(lazy)
    NCritic(n=2, more="G").bind(lazy)

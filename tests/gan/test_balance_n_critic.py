"""n_critic against hand-written sequences of steps."""

from pathlib import Path

import pytest
from toys import assert_equal_states, fit, game, reports, task

from seesaw.gan.balance import TTUR, NCritic, SkipD
from seesaw.gan.penalties import PathLength


@pytest.mark.parametrize(("more", "sequence"), [("D", "DDDGDDDG"), ("G", "GGDGGGDG")])
def test_sequence_of_steps(more: str, sequence: str) -> None:
    """Phases stand D before G in a batch, so with n = 3: D, D, D G and G, G, D G."""
    part, phases, trace = NCritic(n=3, more=more), game(), ""
    part.bind(phases)
    for batch in range(6):
        part.advance(batch, 8 * batch)
        trace += "".join(name for name, phase in phases.items() if part.is_active(phase))
    assert trace == sequence


@pytest.mark.parametrize(("more", "updates"), [("D", {"G": 3, "D": 10}), ("G", {"G": 10, "D": 3})])
def test_updates_skipped_phases_and_logs_of_a_run(more: str, updates: dict[str, int]) -> None:
    gan = task("plain", balance={"n_critic": NCritic(n=3, more=more)})
    fit(gan, 10)
    assert gan.meter.updates == updates
    assert [r["train/updates/G"] for r in reports(gan)] == ([1, 2] if more == "D" else [4, 8])
    skipped = "G" if more == "D" else "D"
    assert [r[f"balance/skipped/{skipped}"] for r in reports(gan)] == [3, 3]
    assert all("train/loss/G" in r and "train/loss/D" in r for r in reports(gan))
    assert all(
        "train/G/adversarial" in r and "train/D/adversarial" in r for r in reports(gan)
    )  # evaluated while skipped


def test_a_cut_inside_a_cycle_changes_nothing(tmp_path: Path) -> None:
    def gan() -> object:
        return task(
            "noisy",
            balance={"n_critic": NCritic(n=3), "ttur": TTUR(), "skip_d": SkipD(skip_above=0.0, resume_below=0.0)},
        )

    whole, part, other = gan(), gan(), gan()
    fit(whole, 11)
    fit(part, 4).save_checkpoint(tmp_path / "a.ckpt")
    fit(other, 7, ckpt=str(tmp_path / "a.ckpt"), start=32)
    assert other.meter.updates == whole.meter.updates
    assert whole.meter.updates["G"] == 3
    assert whole.meter.updates["D"] < 11  # skip_d acted too
    assert_equal_states(whole, other)


def test_refuses_what_has_no_meaning() -> None:
    with pytest.raises(ValueError, match="n is 0; it must be at least 1"):
        NCritic(n=0)
    with pytest.raises(ValueError, match="more must be G or D, not both"):
        NCritic(more="both")
    lazy = game(path_length=PathLength())
    with pytest.raises(ValueError, match=r"G step in one of 2 batches, and phase G_reg4 is due in one of 4"):
        NCritic(n=2).bind(lazy)
    NCritic(n=2, more="G").bind(lazy)

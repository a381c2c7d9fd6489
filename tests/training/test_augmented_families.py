"""Every file of the group `augment` with every family by its real configuration, small: training, and a resume to the bit."""

from pathlib import Path

import pytest
import torch

from seesaw.cli.train import main
from seesaw.config.options import config_dir, groups

SMALL = [
    "data=digits", "data.resolution=16", "logger=none", "metrics=none", "precision=exact", "trainer=cpu", "batch_size=8",
    "log_kimg=0.016", "sample_kimg=10", "checkpoint_kimg=10", "model.G.z_dim=8",
    "schedule=constant",  # which does not depend on the length of a run
]  # fmt: skip
NARROW = [f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")]
FAMILIES = {
    "mlp": ["model.G.widths=[16]", "model.D.widths=[16]"],
    "dcgan_small": ["model.G.width=4", "model.D.width=4"],
    "progan": [*NARROW, "model.growth.fade=8", "model.growth.stabilise=8"],
    "msggan": NARROW,
    "sngan_small": ["model.G.width=4", "model.G.max_width=4", "model.D.width=4", "model.D.max_width=4"],
    "biggan": ["model.G.width=4", "model.D.width=4"],
    "r3gan_small": NARROW,
    "stylegan2_small": [*NARROW, "model.G.w_dim=8"],
}
ADAPTED = ("ada", "[diffaugment,ada]")
FAST = ["augment.ada.interval=1", "augment.ada.speed_kimg=0.05", "augment.ada.target=0.1"]
OPTIONS = [*(o for o in groups(config_dir())["augment"] if o != "none"), "[diffaugment,ada]"]


def trained(folder: Path, kimg: float, overrides: list[str]) -> dict[str, torch.Tensor]:
    """Train up to kimg, going on where the folder stands; the state."""
    assert main([*SMALL, *overrides, f"kimg={kimg}", f"run_dir={folder}", "resume=auto"]) == 0
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


@pytest.mark.slow
@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_augmentation_trains_with_every_family(family: str, option: str, channels: int, tmp_path: Path) -> None:
    overrides = [f"model={family}", *FAMILIES[family], f"augment={option}", f"data.channels={channels}"]
    if option in ADAPTED:
        overrides += FAST + (["loss=non_saturating", "penalty=r1"] if family in ("progan", "msggan", "r3gan_small") else [])
    if option == "ada_r3gan":
        overrides.append("augment.ada.p.kimg=0.05")
    whole = trained(tmp_path / "whole", 0.048, overrides)
    trained(tmp_path / "cut", 0.024, overrides)
    gone_on = trained(tmp_path / "cut", 0.048, overrides)
    assert whole.keys() == gone_on.keys()
    assert [name for name in whole if not torch.equal(whole[name], gone_on[name])] == []
    if option in ADAPTED:  # D may be unsure of reals throughout, so that p stays at 0
        assert 0 <= whole["augment.ada.now"] <= 1
        assert whole["augment.ada.r_t"] != 0
    elif "ada" in option:
        assert 0 < whole["augment.ada.now"] <= 1

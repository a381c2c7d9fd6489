"""ProGAN, MSG-GAN and StyleGAN2 by their real configurations, small: exact resume in mid-fade and at a change of scale, every
combine function and loss, one and three channels."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from saved_states import same

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main

SMALL = [
    "data=digits", "data.resolution=16", "logger=none", "metrics=none", "precision=exact", "trainer=cpu", "batch_size=8",
    "log_kimg=0.016", "sample_kimg=10", "checkpoint_kimg=10", "model.G.z_dim=8",
    *(f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")),
]  # fmt: skip
GROWING = [
    "model=progan",
    "model.growth.fade=32",
    "model.growth.stabilise=16",
]  # 8 px from image 16, faded at 48; 16 px from 64


def train(folder: Path, kimg: float, *overrides: str) -> dict[str, Any]:
    """Train up to kimg, going on where the folder stands; the checkpoint."""
    assert main([*SMALL, *overrides, f"kimg={kimg}", f"run_dir={folder}", "resume=auto"]) == 0
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["state_dict"][
        "meter.statistics._extra_state"
    ]  # it holds the speed; its figures are compared in metrics.csv
    return checkpoint


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv") as file:
        return [{k: v for k, v in row.items() if k != "train/images_per_sec"} for row in csv.DictReader(file)]


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(0.04, id="mid-fade"),
        pytest.param(0.016, id="change of scale", marks=SLOW),
        pytest.param(0.064, id="next change", marks=SLOW),
        pytest.param(0.08, id="next fade", marks=SLOW),
    ],
)
def test_a_growing_run_that_is_cut_goes_on_bit_for_bit(cut: float, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 0.128, *GROWING)
    train(tmp_path / "cut", cut, *GROWING)
    gone_on = train(tmp_path / "cut", 0.128, *GROWING)
    for key in ("state_dict", "optimizer_states", "progress"):
        assert same(whole[key], gone_on[key]), key
    expected, found = rows(tmp_path / "whole"), rows(tmp_path / "cut")
    early = [row for row in found if row["images"] == f"{1000 * cut:g}" and row not in expected]
    assert len(early) <= 1  # the shorter run has finished and logged its last window, which the longer one completes
    assert [row for row in found if row not in early] == expected


def test_a_growing_run_samples_each_scale(tmp_path: Path) -> None:
    from PIL import Image

    train(tmp_path, 0.128, *GROWING, "sample_kimg=0.032")
    pictures = sorted((tmp_path / "samples").glob("*.png"))
    assert len(pictures) >= 1
    assert all(Image.open(path).size == (530, 530) for path in pictures)  # 64 px a cell at every scale


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "loss", ["wasserstein penalty=wgan_gp", "relativistic_hinge penalty=none", "non_saturating penalty=r1"]
)
@pytest.mark.parametrize("model", ["progan", "msggan simple", "msggan lin_cat", "msggan cat_lin"])
def test_two_steps_resume_and_sample(model: str, loss: str, channels: int, tmp_path: Path) -> None:
    family, _, combine = model.partition(" ")
    named, _, penalty = loss.partition(" ")
    options = [f"model={family}", f"loss={named}", penalty, f"data.channels={channels}"]
    options += [f"model.D.combine={combine}"] if combine else ["model.growth.fade=8", "model.growth.stabilise=8"]
    whole = train(tmp_path / "whole", 0.032, *options)
    train(tmp_path / "cut", 0.016, *options)
    gone_on = train(tmp_path / "cut", 0.032, *options)
    assert same(whole["state_dict"], gone_on["state_dict"])
    assert same(whole["optimizer_states"], gone_on["optimizer_states"])
    assert any((tmp_path / "cut" / "samples").glob("*-scales.png")) == bool(combine)


LENGTHS = ["schedule.lr.kimg=0.096", "schedule.beta2.kimg=0.096", "+model.recipe.gamma.kimg=0.096"]
RESIDUAL = {  # narrow, with schedules of a length that does not depend on that of the run
    "sngan": ["model.G.width=4", "model.G.max_width=8", "model.D.width=4", "model.D.max_width=8", LENGTHS[0]],
    "biggan": ["model.G.width=8", "model.D.width=8"],
    "r3gan": ["augment.ada.p.kimg=0.05", "+model.ema_half_life.kimg=0.096", *LENGTHS],
}


@pytest.mark.slow
@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("labels", ["projection", "auxiliary", ""])
@pytest.mark.parametrize(
    "loss", ["", "wasserstein penalty=wgan_gp", "rpgan penalty=ar1_ar2", "non_saturating penalty=r1"]
)
@pytest.mark.parametrize("model", RESIDUAL)
def test_residual_families_resume_to_the_bit_and_sample(
    model: str, loss: str, labels: str, channels: int, tmp_path: Path
) -> None:
    """By their own loss, and by others; r3gan with its schedules, augmentation and reals of its own for G."""
    wide = (".max_width", ".base")
    options = [option for option in SMALL if model == "r3gan" or not any(key in option for key in wide)]
    options += [f"model={model}", *RESIDUAL[model], f"data.channels={channels}"]
    named, _, penalty = loss.partition(" ")
    chosen = penalty.removeprefix("penalty=") or ("r1_r2" if model == "r3gan" else "")
    options += [f"loss={named}"] if named else []
    options += ["data.labels=true", f"model.D.condition={labels}"] if labels else []
    both = [part for part in (chosen, "auxiliary" if labels == "auxiliary" else "") if part]
    options += [f"penalty=[{','.join(both)}]"] if both else []
    saved = []
    for folder, parts in (("whole", [0.096]), ("cut", [0.04, 0.096])):
        for kimg in parts:
            assert main([*options, f"kimg={kimg}", f"run_dir={tmp_path / folder}", "resume=auto"]) == 0
        checkpoint = torch.load(tmp_path / folder / "checkpoints" / "last.ckpt", weights_only=True)
        del checkpoint["state_dict"]["meter.statistics._extra_state"]
        saved.append(checkpoint)
    whole, gone_on = saved
    for part in ("state_dict", "optimizer_states", "progress"):
        assert same(whole[part], gone_on[part]), part
    assert any((tmp_path / "cut" / "samples").glob("*.png"))


STYLEGAN2 = [
    *((loss, "[r1,path_length]") for loss in ("non_saturating", "minimax", "hinge", "least_squares")),
    *((loss, "[r1,path_length]") for loss in ("relativistic_hinge", "rpgan")),
    ("wasserstein", "[wgan_gp,path_length]"),
    ("wasserstein", "wgan_lp"),
    *(("non_saturating", penalty) for penalty in ("r1_r2", "[r2,path_length]", "[r1,path_length,auxiliary]")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "labels"), [(1, False), (3, True)])
@pytest.mark.parametrize(("loss", "penalty"), STYLEGAN2)
def test_stylegan2_resumes_with_every_loss_and_penalty(
    loss: str, penalty: str, channels: int, labels: bool, tmp_path: Path
) -> None:
    """Two steps more than two are four, bit for bit; samples, truncated too. Lazy penalties are due in the first batch."""
    if "auxiliary" in penalty and not labels:
        pytest.skip("an auxiliary classifier takes labels")
    options = ["model=stylegan2_small", "model.G.w_dim=8", f"loss={loss}", f"penalty={penalty}", "schedule=constant"]
    options += [f"data.channels={channels}", f"data.labels={labels}"]
    options += ["model.D.condition=auxiliary"] if "auxiliary" in penalty else []
    whole = train(tmp_path / "whole", 0.032, *options)
    train(tmp_path / "cut", 0.016, *options)
    gone_on = train(tmp_path / "cut", 0.032, *options)
    for key in ("state_dict", "optimizer_states"):
        assert same(whole[key], gone_on[key]), key
    state = whole["state_dict"]
    assert torch.equal(state["G.w_avg"], state["G_ema.w_avg"])
    assert state["G.w_avg"].abs().sum() > 0
    pictures = []
    for psi in ([], ["--psi", "0.5"]):
        out = tmp_path / "x.png"
        assert seesaw(["sample", str(tmp_path / "cut"), "--count", "4", "--out", str(out), *psi]) == 0
        pictures.append(out.read_bytes())
    assert pictures[0] != pictures[1]


@pytest.mark.slow
def test_the_users_own_sweep_over_families_and_balances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`train.py -m model=dcgan,msggan balance=ttur,skip_d seed=… data=celeba`: each job a W&B run of its own. Full widths at
    16 px, a batch or two a job; skip_d has a meaning under MSG-GAN's Wasserstein loss too."""
    import trees

    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    root = trees.celeba(tmp_path / "celeba")
    sweep = ["-m", "model=dcgan,msggan", "balance=ttur,skip_d", "seed=1,2", "data=celeba", f"data.root={root}"]
    small = ["data.resolution=16", "batch_size=8", "kimg=0.016", "trainer=cpu", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    with pytest.warns(UserWarning, match="CelebA has 202,599"):
        assert main([*sweep, *small]) == 0
    runs = [path.name for path in (tmp_path / "sweep").glob("*/wandb/offline-run-*")]
    assert len(runs) == len(set(runs)) == 8
    for model in ("dcgan", "msggan"):
        assert sum(f"model-{model}-" in name for name in runs) == 4

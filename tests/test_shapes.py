"""Images that are no RGB squares, through whole runs: train, resume bit-equal, sample, evaluate, in every family."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from saved_states import same

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.errors import Notice
from seesaw.functional.resolution import scales_of
from seesaw.training.build import build
from seesaw.training.dry_run import check_step
from seesaw.training.preflight import compose_checked

TINY = ["logger=none", "precision=exact", "trainer=cpu", "batch_size=4", "log_kimg=0.008", "sample_kimg=10",
        "checkpoint_kimg=10", "schedule=constant"]  # fmt: skip
FAMILIES = {
    "mlp": ["model.G.widths=[8,8]", "model.D.widths=[8]"],
    "dcgan_small": ["model.G.width=2", "model.D.width=2"],
    "progan_small": ["model.growth.fade=4", "model.growth.stabilise=0", "model.G.base=64", "model.D.base=64"],
    "msggan_small": ["model.G.base=128", "model.D.base=128"],
    "sngan_small": ["model.G.width=2", "model.G.max_width=4", "model.D.width=2", "model.D.max_width=4"],
    "biggan": ["model.G.width=2", "model.D.width=2"],
    "r3gan_small": [f"model.{net}.{size}" for net in "GD" for size in ("base=128", "max_width=4")],
    "stylegan2_small": ["model.G.base=64", "model.D.base=64", "model.G.w_dim=8"],
}


def photographs(root: Path, n: int = 12, height: int = 120, width: int = 170) -> list[str]:
    """Noise as jpg, larger than 96x160, and the overrides that read it."""
    root.mkdir()
    rng = np.random.default_rng(0)
    for k in range(n):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(root / f"{k:02d}.jpg")
    return ["data=folder", f"data.root={root}", "data.resolution=96x160"]


def arrays(root: Path, n: int = 12) -> list[str]:
    """Five channels of floats, 32 x 48, and the overrides that read them."""
    root.mkdir()
    rng = np.random.default_rng(0)
    for k in range(n):
        np.save(root / f"{k:02d}.npy", rng.random((32, 48, 5), dtype=np.float32))
    return ["data=folder", f"data.root={root}", "data.resolution=32x48", "data.channels=5"]


def train(folder: Path, kimg: float, *overrides: str) -> dict[str, Any]:
    """Train up to kimg, going on where the folder stands; the checkpoint without its clock."""
    usual = [
        option for option in TINY if not any(own.startswith("logger=") for own in overrides) or option != "logger=none"
    ]
    assert main([*usual, *overrides, f"kimg={kimg}", f"run_dir={folder}", "resume=auto"]) == 0
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["state_dict"]["meter.statistics._extra_state"]
    return checkpoint


@pytest.mark.parametrize(("family", "shape"), [
    *((family, "5x48x80") for family in FAMILIES),
    ("mlp", "8x128x192"), ("dcgan_small", "3x96x160"), ("progan_small", "2x24x24"), ("msggan_small", "4x144x256"),
    ("stylegan2_small", "8x24x40"),
])  # fmt: skip
def test_every_phase_fits_at_every_scale(family: str, shape: str) -> None:
    """By shapes alone: G begins at the base grid, every scale doubles it, and D takes what G gives."""
    channels, _, resolution = shape.partition("x")
    size = [f"data.resolution={resolution}", f"data.channels={channels}", "data=folder", "data.root=."]
    config = compose_checked([f"model={family}", *FAMILIES[family], *size, "metrics=none", *TINY])
    model, data = build(config)
    lines = check_step(model, data, devices=1)
    scales = scales_of(resolution)
    sizes = [f"{channels}x{h}x{w}" for h, w in map(scales.at, range(scales.doublings + 1))]
    expected = {"progan_small": sizes[::-1][:1], "msggan_small": [" + ".join(sizes)]}.get(family, sizes[-1:])
    assert lines
    assert f"-> {expected[0]} -> D" in lines[-1]
    if family == "progan_small":
        grown = [line.partition("-> G -> ")[2].partition(" -> D")[0] for line in lines]
        assert list(dict.fromkeys(grown)) == sizes[1:]  # without a first stage the fade of the next begins at once
    assert config["data"]["resolution"] == config["model"]["G"]["resolution"]


@pytest.mark.usefixtures("no_curves")
def test_five_channels_train_resume_and_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """metrics=auto takes features learned on the set, which has too few images here; Inception refuses; the picture has the
    channels side by side."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    options = ["model=mlp", *FAMILIES["mlp"], *arrays(tmp_path / "set")]
    with pytest.warns(Notice, match="metrics=self_supervised measures nothing here, .*it has 12 images, and 64 are needed"):
        whole = train(tmp_path / "whole", 0.016, *options)
    train(tmp_path / "cut", 0.008, *options, "metrics=none")
    gone_on = train(tmp_path / "cut", 0.016, *options, "metrics=none")
    assert same(whole["state_dict"], gone_on["state_dict"])
    assert same(whole["optimizer_states"], gone_on["optimizer_states"])
    reals = Image.open(tmp_path / "whole" / "reals.png")
    assert (reals.mode, reals.size) == ("L", (242 * 2 + 2, 6 * 34 + 2))  # 12 images of 5 x 48 by 32 px, two in a row
    capsys.readouterr()
    assert seesaw(["evaluate", str(tmp_path / "whole"), "--fid", "auto"]) == 1
    assert (
        "inception takes images of 1 or 3 channels, and data.channels is 5: give metrics=none"
        in capsys.readouterr().err
    )
    assert main([*TINY, *options, "metrics=fid", f"run_dir={tmp_path / 'other'}", "kimg=0.008"]) == 1
    assert (
        "inception takes images of 1 or 3 channels, and data.channels is 5: give metrics=none"
        in capsys.readouterr().err
    )


@pytest.mark.usefixtures("no_curves")
def test_sixteen_bits_of_grey_from_files_to_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reals, metrics (of their upper 8 bits) and samples, whose picture has more than the 256 levels of 8 bits."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    rng = np.random.default_rng(0)
    for k in range(12):
        Image.fromarray(rng.integers(0, 65536, (16, 24), dtype=np.uint16)).save(tmp_path / "set" / f"{k}.png")
    options = [
        "data=folder",
        f"data.root={tmp_path / 'set'}",
        "data.resolution=16x24",
        "data.channels=1",
        "data.depth=16",
    ]
    train(
        tmp_path / "run",
        0.008,
        "model=mlp",
        *FAMILIES["mlp"],
        *options,
        "metrics=digits",
        "metrics.n=8",
        "logger=tensorboard",
    )
    assert seesaw(["sample", str(tmp_path / "run"), "--out", str(tmp_path / "x.png"), "--count", "16"]) == 0
    assert seesaw(["evaluate", str(tmp_path / "run")]) == 0
    for path in (tmp_path / "x.png", tmp_path / "run" / "reals.png", *(tmp_path / "run" / "samples").iterdir()):
        picture = Image.open(path)
        assert picture.mode == "I;16"
        assert len(np.unique(np.asarray(picture) % 257)) > 100


SETS = {"96x160": (photographs, (96, 160), "metrics=digits"), "five channels": (arrays, (32, 48), "metrics=none")}


@pytest.mark.slow
@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_resumes_samples_and_is_evaluated(
    family: str, which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    make, (height, width), metrics = SETS[which]
    options = [f"model={family}", *FAMILIES[family], *make(tmp_path / "set"), metrics, "evaluate_kimg=10"]
    whole = train(tmp_path / "whole", 0.032, *options)
    train(tmp_path / "cut", 0.016, *options)
    gone_on = train(tmp_path / "cut", 0.032, *options)
    for key in ("state_dict", "optimizer_states", "progress"):
        assert same(whole[key], gone_on[key]), key
    assert whole["config"]["data"]["resolution"] == f"{height}x{width}"
    assert seesaw(["sample", str(tmp_path / "whole"), "--out", str(tmp_path / "x.png"), "--count", "4"]) == 0
    across = 5 if which == "five channels" else 1  # channels side by side, doubled to 64 px and more
    factor = -(-64 // (width * across))
    columns = -(-2 * height // (width * across)) if across > 1 else 2
    assert Image.open(tmp_path / "x.png").size[0] == columns * (width * across * factor + 2) + 2
    capsys.readouterr()
    if which == "96x160":
        assert seesaw(["evaluate", str(tmp_path / "whole"), "--n", "8"]) == 0
        assert "12x3x96x160" in capsys.readouterr().out
    else:
        assert seesaw(["evaluate", str(tmp_path / "whole"), "--fid", "auto"]) == 1
        assert "inception takes images of 1 or 3 channels, and data.channels is 5" in capsys.readouterr().err

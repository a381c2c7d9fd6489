"""Untrained runs of each family, small, for the commands that look into their latents."""

from pathlib import Path

import pytest
from tiny_run import TINY, write_run

from seesaw.cli.main import main as seesaw
from seesaw.latents.model import Chosen, LatentModel, open_model
from seesaw.training.preflight import compose_checked

NARROW = tuple(f"model.{net}.{size}" for net in "GD" for size in ("max_width=16", "base=128"))

FAMILIES = {
    "dcgan": ("model=dcgan_small", "model.G.width=8", "model.D.width=4", "data.resolution=16"),
    "progan": ("model=progan_small", "model.G.z_dim=16", *NARROW, "data.resolution=8"),
    "msggan": ("model=msggan_small", "model.G.z_dim=16", *NARROW, "data.resolution=8"),
    "stylegan2": ("model=stylegan2_small", "model.G.w_dim=16", *NARROW, "data.resolution=8"),
    "r3gan": ("model=r3gan_small", "model.G.z_dim=16", *NARROW, "data.resolution=16"),
}
"""Overrides that make each family small."""

UNMEASURED = ("metrics=none", "logger=none", "trainer=cpu", "batch_size=4")


def family_run(folder: Path, family: str, *overrides: str) -> Path:
    """`write_run` of a family, of `mlp` with its metrics; returns the run folder as a path."""
    own = TINY if family == "mlp" else (*FAMILIES[family], *UNMEASURED)
    write_run(folder, compose_checked([*own, *overrides]))
    return folder


def opened(run: Path) -> LatentModel:
    return open_model(Chosen(run / "checkpoints/last.ckpt"))


def printed_by(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command printed; it must succeed."""
    capsys.readouterr()
    code = seesaw(arguments)
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def refused_by(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a command ended in exit code 1."""
    capsys.readouterr()
    assert seesaw(arguments) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1, err
    return err

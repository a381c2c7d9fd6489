"""Players of one's own that give a tensor or a list, take no labels, or give logits (B, 1): accepted in training, so everywhere
after it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import TINY, write_run

import seesaw
from seesaw.cli.main import main
from seesaw.training.inference import restore
from seesaw.training.preflight import compose_checked

PLAYERS = '''
from torch import nn

class Generator(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.z_dim, self.form, self.layer = 6, form, nn.Linear(6, 64)

    def forward(self, z):
        images = self.layer(z).tanh().unflatten(1, (1, 8, 8))
        return [images] if self.form == "list" else images

class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 1)

    def forward(self, images):
        return self.layer(images[-1].flatten(1))
'''


def own_run(folder: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A run of a generator that gives a tensor or a list; its checkpoint, and its package."""
    package = f"own_{form}"
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, package, raising=False)
    (folder / f"{package}.py").write_text(PLAYERS)
    config = compose_checked([*(word for word in TINY if word != "metrics.n=64"), "metrics=none"])
    config["model"]["G"] = {"_target_": f"{package}.Generator", "form": form}
    config["model"]["D"] = {"_target_": f"{package}.Discriminator"}
    return write_run(folder / "run", config | {"packages": [package]}), package


@pytest.mark.parametrize("form", ["tensor", "list"])
def test_they_are_loaded_as_training_has_them(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, package = own_run(tmp_path, form, monkeypatch)
    whole, run = restore(path, packages=[package]).model, seesaw.load(path, packages=[package])
    assert torch.equal(run.sample(5, seed=3), torch.cat(list(whole.sample(5, 3))))
    images = run.generator(run.latents(4)).images
    assert run.discriminator is not None
    assert torch.equal(run.discriminator(images), whole.D(images).detach())
    assert run.discriminator(images, None).shape == (4,)


@pytest.mark.parametrize("to", ["safetensors", "hub", "pt2"])
def test_they_are_exported_and_read_back(to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, package = own_run(tmp_path, "tensor", monkeypatch)
    out = tmp_path / ("hub" if to == "hub" else f"own.{to}")
    assert main(["export", str(path), "--to", to, "--package", package, "--out", str(out)]) == 0
    run = seesaw.load(path, packages=[package])
    if to == "pt2":
        found = torch.export.load(out).module()(run.latents(7))
        assert torch.allclose(found, run.images(run.latents(7)), atol=1e-6)
    else:
        assert torch.equal(seesaw.load(out, packages=[package]).sample(7), run.sample(7))


def test_every_command_on_a_checkpoint_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, package = own_run(tmp_path, "tensor", monkeypatch)
    own = [str(path), "--package", package, "--out"]
    assert main(["sample", *own, str(tmp_path / "a.npy"), "--count", "3"]) == 0
    assert np.load(tmp_path / "a.npy").shape == (3, 8, 8, 1)
    assert main(["interpolate", *own, str(tmp_path / "a.gif"), "--frames", "2"]) == 0
    assert main(["directions", *own, str(tmp_path / "d"), "--count", "1", "--images", "1"]) == 0
    picture = tmp_path / "target.png"
    assert main(["sample", *own, str(tmp_path / "one"), "--count", "1"]) == 0
    next((tmp_path / "one").glob("*.png")).rename(picture)
    assert main(["project", str(path), str(picture), "--package", package, "--out", str(tmp_path / "p"), "--steps", "2"]) == 0
    assert json.loads((tmp_path / "p/projection.json").read_text())["pictures"]


def test_a_network_that_is_no_generator_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, package = own_run(tmp_path, "tensor", monkeypatch)
    content = torch.load(path, weights_only=True)
    content["config"]["model"]["G"] = {"_target_": f"{package}.Discriminator"}
    torch.save(content, path)
    with pytest.raises(seesaw.UserError, match=r"model\.G: own_tensor\.Discriminator has no z_dim"):
        seesaw.load(path, packages=[package])

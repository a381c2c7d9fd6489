"""`seesaw.load`: the images of every family are those of `seesaw sample`, and nothing heavy is imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_models import MODELS, batch_norms, small_run
from tiny_run import change, tiny_run

import seesaw
from seesaw.cli.main import main
from seesaw.training.inference import restore
from seesaw.training.pictures import sheet

QUICK = ("dcgan_small", "progan_small", "mlp_points", "stylegan2_small", "vae_small")
CASES = [
    pytest.param(model, labels, marks=() if model in QUICK else pytest.mark.slow)
    for model in MODELS
    for labels in (False, True)
]


@pytest.mark.parametrize(("model", "labels"), CASES)
def test_samples_equal_those_of_the_whole_model_and_of_the_command(model: str, labels: bool, tmp_path: Path) -> None:
    """The whole model is restored by Hydra as a Lightning module, as training samples it."""
    path = small_run(tmp_path / "run", model, labels)
    whole = restore(path).model
    for raw in (False, True):
        run = seesaw.load(path, raw=raw)
        for seed in (0, 5):
            expected = torch.cat(list(whole.sample(6, seed, ema=not raw)))
            assert torch.equal(run.sample(6, seed), expected)
    assert not torch.equal(run.sample(6), seesaw.load(path).sample(6))  # G's average is another network
    if labels:
        expected = torch.cat(list(whole.sample(6, 1, y=2)))
        assert torch.equal(seesaw.load(path).sample(6, seed=1, label=2), expected)
    if not run.points:
        out = tmp_path / "x.png"
        assert main(["sample", str(path), "--count", "6", "--seed", "5", "--out", str(out)]) == 0
        with Image.open(out) as image:
            found = np.asarray(image)
        assert np.array_equal(found, sheet(seesaw.load(path).sample(6, 5), None).squeeze(0).numpy())


@pytest.mark.parametrize("model", [pytest.param(m, marks=() if m in QUICK else pytest.mark.slow) for m in MODELS])
def test_the_discriminator_judges_as_the_whole_model_does(model: str, tmp_path: Path) -> None:
    path = small_run(tmp_path / "run", model)
    whole, run = restore(path).model, seesaw.load(path)
    if model.startswith("vae"):
        assert run.discriminator is None
        return
    z = run.latents(4)
    with torch.no_grad():
        given, expected = run.generator(z), whole.G_ema
        assert len(given.images) == len(expected(z).images)
        found = run.discriminator(given.images)
        assert torch.equal(found, whole.D(given.images))
    assert not run.discriminator.training
    assert not any(p.requires_grad for net in (run.generator, run.discriminator) for p in net.parameters())


def test_batch_norm_is_estimated_for_the_averaged_weights_and_not_for_the_raw(tmp_path: Path) -> None:
    path = small_run(tmp_path / "run", "dcgan_small")
    averaged, raw, saved = seesaw.load(path), seesaw.load(path, raw=True), restore(path).model
    assert batch_norms(averaged.generator) == batch_norms(raw.generator) > 0

    def means(net: torch.nn.Module) -> torch.Tensor:
        return torch.cat([b.flatten() for name, b in net.named_buffers() if name.endswith("running_mean")])

    assert torch.equal(means(raw.generator), means(saved.G))
    assert not torch.allclose(means(averaged.generator), means(saved.G_ema), atol=1e-3)


def test_sixteen_bits_and_one_channel(tmp_path: Path) -> None:
    path = small_run(tmp_path / "run", "dcgan_small")
    whole = restore(path).model
    whole.depth = 16
    change(path, config__data__depth=16)
    run = seesaw.load(path)
    found = run.sample(3, seed=1)
    assert found.dtype == torch.uint16
    assert torch.equal(found, torch.cat(list(whole.sample(3, 1))))
    assert run.sample(3, seed=1, as_="numpy").dtype == np.uint16
    assert [image.mode for image in run.sample(3, as_="pil")] == ["I;16"] * 3


LIGHT = """
import sys
import seesaw
assert not {{"torch", "numpy", "pandas", "yaml"}} & set(sys.modules), "import seesaw"
run = seesaw.load({run!r}, which="last")
run.sample(2)
heavy = {{"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb", "torchmetrics", "torchvision", "matplotlib",
         "pandas", "sklearn", "scipy"}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("model", ["dcgan_small", "progan_small", "stylegan2_small", "vae_small"])
def test_neither_lightning_nor_hydra_is_imported(model: str, tmp_path: Path) -> None:
    small_run(tmp_path / "run", model)
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(run=str(tmp_path / "run"))], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_no_global_random_generator_moves(tmp_path: Path) -> None:
    tiny_run(tmp_path / "run")
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    seesaw.load(tmp_path / "run", "last").sample(4)
    assert torch.equal(torch.rand(3), expected)


def test_what_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(seesaw.UserError, match="there is no such run folder or checkpoint"):
        seesaw.load(tmp_path / "nothing")
    path = tiny_run(tmp_path / "run")
    assert seesaw.load(tmp_path / "run").path.name == "last.ckpt"  # the run measured nothing, so none is best
    change(path, config__model__G__widths=[16])
    with pytest.raises(seesaw.UserError, match="the weights do not fit the model of its configuration"):
        seesaw.load(path)
    change(path, config__model__G__widths=["many"])
    with pytest.raises(seesaw.UserError, match=r"model.G.widths.0: 'many' is not allowed; give an integer"):
        seesaw.load(path)
    change(path, config__model={"_target_": "seesaw.gan.module.GAN"})
    with pytest.raises(seesaw.UserError, match="its model has no generator"):
        seesaw.load(path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = tiny_run(tmp_path / "run")
    content = torch.load(path, weights_only=True)
    next(v for k, v in content["state_dict"].items() if k.startswith("G_ema")).fill_(float("nan"))
    torch.save(content, path)
    with pytest.raises(seesaw.UserError, match="the weights of G's average are not finite"):
        seesaw.load(path)
    assert seesaw.load(path, raw=True).sample(2).shape[0] == 2

"""`seesaw directions`: what it finds, what it measures, what it writes."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sampled_runs import FAMILIES, family_run, opened, printed_by, refused_by

from seesaw.functional.latents import random_directions
from seesaw.latents.directions import Found, Wanted, effect, find, first_activations


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        family_run(folder / "mlp", "mlp", "data.labels=true")
        for family in FAMILIES:
            family_run(folder / family, family)
        yield folder


def test_the_closed_form_takes_the_affine_weights_of_all_modulated_convolutions(here: Path) -> None:
    """Against numpy, from the names of the weights in the checkpoint."""
    state = torch.load(here / "stylegan2/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    names = [n for n in state if n.startswith("G_ema.") and n.endswith("conv.style.weight")]
    names += [n for n in state if n.startswith("G_ema.blocks") and n.endswith("up.style.weight")]
    assert len(names) == 3  # 4x4, and two at 8x8
    stacked = np.concatenate([state[n].double().numpy() for n in names]) / 16**0.5  # the constant of the learning rate
    values, vectors = np.linalg.eigh(stacked.T @ stacked)
    found = find(opened(here / "stylegan2"), Wanted(count=4))
    assert (found.space, found.directions.shape) == ("w", (4, 16))
    assert np.allclose(np.abs((found.directions.double().numpy() * vectors.T[::-1][:4]).sum(1)), 1, atol=1e-4)
    assert np.allclose(found.values, values[::-1][:4], rtol=1e-4)


def test_pca_of_a_stylegan2_is_that_of_its_w(here: Path) -> None:
    model = opened(here / "stylegan2")
    found = find(model, Wanted(count=3, method="pca"))
    w = model.w_samples(10_000).double().numpy()
    values, vectors = np.linalg.eigh(np.cov(w.T))
    assert np.allclose(np.abs((found.directions.double().numpy() * vectors.T[::-1][:3]).sum(1)), 1, atol=1e-3)
    assert np.allclose(found.values, values[::-1][:3], rtol=1e-3)
    assert found.step == pytest.approx(float(np.sqrt(np.diag(np.cov(w.T)).mean())), rel=1e-3)


@pytest.mark.parametrize("family", ["mlp", "dcgan", "progan", "msggan", "r3gan"])
def test_the_activations_are_those_of_the_first_layer(here: Path, family: str) -> None:
    model = opened(here / family)
    z = model.latents(150, 3)
    G = model.run.generator
    first = {
        "mlp": lambda: G.layers[0](G.latent(z, torch.zeros(150, dtype=torch.int64))),
        "dcgan": lambda: G.layers[0](z[:, :, None, None]),
        "progan": lambda: G.first[1].linear(G.first[0](z)),
        "msggan": lambda: G.blocks[0][1].linear(G.blocks[0][0](z)),
        "r3gan": lambda: G.linear(z),
    }[family]
    torch.testing.assert_close(first_activations(model, z), first().flatten(1), rtol=1e-4, atol=1e-5)
    assert all(not module._forward_hooks for module in G.modules())


def test_the_effect_is_the_change_of_the_pixels_a_step() -> None:
    """A linear generator has a known one: 255 values a unit along the first axis, half as many along the second, none else."""

    def render(z: torch.Tensor) -> torch.Tensor:
        levels = 100 + 20 * z[:, 0] + 10 * z[:, 1]
        return levels.round().to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)

    found = Found("z", "", torch.eye(3), torch.ones(3), 2.0, render, torch.zeros(8, 3))
    for axis, change in ((0, 40), (1, 20), (2, 0)):
        measured = effect(found, torch.eye(3)[axis])
        assert measured.mean == pytest.approx(change / 255, abs=1e-6)
        assert measured.spread == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_three_directions_are_measured_and_shown(here: Path, family: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed_by(["directions", str(here / family), "--count", "3", "--images", "2"], capsys)
    content = json.loads(Path("directions/directions.json").read_text())
    model = opened(here / family)
    found = find(model, Wanted(count=3))
    kept = np.load("directions/directions.npz", allow_pickle=False)
    assert np.allclose(kept["directions"], found.directions, atol=1e-5)
    assert np.allclose(np.linalg.norm(kept["directions"], axis=1), 1, atol=1e-5)
    chance = [effect(found, d).mean for d in random_directions(4, found.bases.shape[1], 1)]
    assert content["random"]["change"] == pytest.approx(np.mean(chance), rel=0.8)
    for k, row in enumerate(content["directions"]):
        again = effect(found, found.directions[k])
        assert (row["change"], row["change_std"]) == pytest.approx((again.mean, again.spread), rel=1e-3)
        assert row["times_random"] == pytest.approx(row["change"] / content["random"]["change"])
        assert f"{k + 1}: {row['change']:.4f} +- {row['change_std']:.4f} of the range a step" in text
    assert content["directions"][0]["value"] >= content["directions"][1]["value"] > 0
    assert content["space"] == ("w" if family == "stylegan2" else "z")
    assert content["latents"] == 64
    side = 66 if model.shape[1] <= 64 else 0
    with Image.open("directions/directions.png") as sheet:
        assert sheet.size == (112 + 7 * side + 2, 6 * side + 2)
        pixels = np.asarray(sheet.convert("L"))
    middle = model.images(found.bases[:1] if found.space == "z" else model.over_layers(found.bases[:1]))[0, 0].numpy()
    factor = 64 // len(middle)
    own = pixels[2:66, 112 + 2 + 3 * 66 :][:, :64][factor // 2 :: factor, factor // 2 :: factor]
    assert np.array_equal(own, middle)


def test_a_larger_step_changes_more(here: Path) -> None:
    found = find(opened(here / "dcgan"), Wanted(count=1))
    one, three = (effect(found._replace(step=step), found.directions[0]).mean for step in (1.0, 3.0))
    assert 1.3 * one < three < 3.3 * one


def test_mistakes_are_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mlp, dcgan = str(here / "mlp"), str(here / "dcgan")
    Path("full").mkdir()
    Path("full/a").write_text("mine")
    for arguments, words in (
        ([mlp, "--count", "0"], "--count is 0; it must be from 1 to 100"),
        ([dcgan, "--count", "7"], "--count is 7; z of this model has 6 directions"),
        ([str(here / "stylegan2"), "--count", "17"], "--count is 17; w of this model has 16 directions"),
        ([dcgan, "--method", "closed_form"], "--method closed_form is for StyleGAN2"),
        ([dcgan, "--psi", "0.5"], "this model has no intermediate latents w to truncate"),
        ([dcgan, "--psi", "5"], "--psi is 5.0; it must be from -2 to 2"),
        ([dcgan, "--images", "0"], "--images is 0; it must be from 1 to 16"),
        ([dcgan, "--reach", "-1"], "--reach is -1; it must be above 0"),
        ([dcgan, "--out", "full"], "--out full: the folder is not empty"),
        ([mlp, "--class", "ten"], "--class ten: there is no such class"),
        ([dcgan, "--which", "best"], "holds no best.ckpt; there is last.ckpt"),
    ):
        assert words in refused_by(["directions", *arguments], capsys), arguments
    assert not Path("directions").exists()

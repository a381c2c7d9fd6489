"""`init_from`: what a run takes of another one, what starts anew, and what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_run import TINY, change, tiny_run, write_run
from torch import Tensor

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.errors import Notice, UserError
from seesaw.gan.module import GAN
from seesaw.training.build import build
from seesaw.training.preflight import compose_checked
from seesaw.training.run_folder import read_status
from seesaw.training.transfer import start_from

PROGAN = ("model=progan", "model.G.base=64", "model.D.base=64", "model.G.max_width=8", "model.D.max_width=8",
          "model.G.z_dim=4", "metrics=none", "logger=none", "trainer=cpu", "batch_size=8", "kimg=0.032")  # fmt: skip
OWN = """
import torch
from torch import nn
from seesaw.types import Fake

class Generator(nn.Module):
    z_dim = 2
    def __init__(self, classes):
        super().__init__()
        self.classes, self.body = classes, nn.Linear(2 + classes, 64)
        self.rgb = nn.Linear(64, 64)
    def forward(self, z, y=None):
        if self.classes:
            z = torch.cat([z, nn.functional.one_hot(y, self.classes).to(z)], 1)
        return Fake([self.rgb(self.body(z)).unflatten(1, (1, 8, 8))])

class Discriminator(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body, self.head = nn.Linear(64, 8), nn.Linear(8, 1)
        if classes:
            self.embedding = nn.Embedding(classes, 8)
    def forward(self, images, y=None):
        h = self.body(images[-1].flatten(1))
        return self.head(h).squeeze(1) + (0 if y is None else (self.embedding(y) * h).sum(1))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEESAW_CACHE", raising=False)
    return tmp_path


def without(key: str) -> list[str]:
    return [override for override in TINY if override.partition("=")[0] != key]


def nets(model: Any) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if name.partition(".")[0] in ("G", "D", "G_ema")}


def saved(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True)["state_dict"])


def begun(init_from: Path, *overrides: str, **groups: Any) -> tuple[Any, Any]:
    """A model of these overrides that begins from there, and the report."""
    config = compose_checked([*overrides, f"init_from={init_from}"])
    config |= groups
    model, _ = build(config)
    return model, start_from(model, config)


def test_other_data_begin_with_bit_equal_weights_and_a_new_time(here: Path) -> None:
    source = saved(tiny_run(here / "run", "seed=4"))
    model, started = begun(here / "run", *TINY, "seed=5", "data.holdout=0.3")
    own = nets(model)
    assert own.keys() == {name for name in source if name.partition(".")[0] in ("G", "D", "G_ema")}
    assert all(torch.equal(value, source[name]) for name, value in own.items())
    assert started.anew == []
    assert (model.images_shown, started.source.images_shown) == (0, 64)
    assert started.message() == f"init_from: weights of {here}/run/checkpoints/last.ckpt at 0.064 kimg"


def test_a_run_records_where_it_began_and_does_not_read_it_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run(here / "old", "seed=4")
    run = [*without("metrics.n"), "metrics=none", "run_dir=new", "init_from=old", "model.freeze_d=1", "precision=exact"]
    assert main(run) == 0
    assert "init_from: weights of old/checkpoints/last.ckpt at 0.064 kimg" in capsys.readouterr().out
    entry = {"checkpoint": "old/checkpoints/last.ckpt", "images_shown": 64, "anew": []}
    assert read_status(here / "new")["init_from"] == entry
    assert yaml.safe_load((here / "new/config.yaml").read_text())["init_from"] == "old"
    before, after = saved(here / "old/checkpoints/last.ckpt"), saved(here / "new/checkpoints/last.ckpt")
    frozen = {"D.layers.0.weight", "D.layers.0.bias"}
    assert all(torch.equal(before[name], after[name]) == (name in frozen) for name in before if name.startswith("D."))
    (here / "old").rename(here / "moved")
    assert main([*run, "resume=auto", "kimg=0.128"]) == 0
    assert "init_from" not in capsys.readouterr().out
    assert read_status(here / "new")["init_from"] == entry
    assert main([*run, "run_dir=whole", "init_from=moved", "kimg=0.128"]) == 0
    left, right = saved(here / "new/checkpoints/last.ckpt"), saved(here / "whole/checkpoints/last.ckpt")
    assert all(torch.equal(left[name], right[name]) for name in left if isinstance(left[name], Tensor))
    assert seesaw(["sample", "new"]) == 0


@pytest.mark.parametrize(("small", "large", "first"), [("16", "32", 16), ("16x24", "32x48", 24)])
def test_a_larger_progan_takes_all_scales_and_starts_the_new_one_anew(
    here: Path, small: str, large: str, first: int
) -> None:
    config = compose_checked([*PROGAN, f"data.resolution={small}"])
    source = saved(write_run(here / "run", config))
    larger = compose_checked([*PROGAN, f"data.resolution={large}", "seed=9"])
    fresh = nets(build(larger)[0])
    model, started = begun(here / "run", *PROGAN, f"data.resolution={large}", "seed=9", f"model.growth.first={first}")
    own = nets(model)
    kept = {name for name in own if name in source and not name.endswith(("_extra_state", ".alpha"))}
    assert kept == {name for name in source if name.partition(".")[0] in ("G", "D", "G_ema")} - {
        name for name in source if name.endswith(("_extra_state", ".alpha"))
    }
    assert all(torch.equal(own[name], source[name]) for name in kept)
    assert all(torch.equal(own[name], fresh[name]) for name in own if name not in source)
    assert started.anew == [
        *("G.blocks.2.1.0", "G.blocks.2.3.0", "G.to_rgb.3"), *("D.from_rgb.3.0", "D.blocks.2.0.0", "D.blocks.2.1.0"),
    ]  # fmt: skip
    assert "start anew" in started.message()
    assert (model.growth.level(0), model.growth.level(10**9)) == (16, 32)  # heights


@pytest.mark.parametrize(("small", "large"), [("16", "32"), ("16x24", "32x48")])
def test_a_smaller_progan_leaves_the_finer_scales_out(here: Path, small: str, large: str) -> None:
    source = saved(write_run(here / "run", compose_checked([*PROGAN, f"data.resolution={large}"])))
    model, started = begun(here / "run", *PROGAN, f"data.resolution={small}")
    assert started.anew == []
    assert torch.equal(model.G.to_rgb[0].weight, source["G.to_rgb.0.weight"])


@pytest.fixture
def own_nets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(here))
    sys.modules.pop("own_nets", None)


def labelled(config: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The configuration with players that take these classes."""
    config["packages"] = ["own_nets"]
    config["data"] |= {"classes": len(names), "class_names": names, "labels": bool(names)}
    for player, name in (("G", "Generator"), ("D", "Discriminator")):
        config["model"][player] = {"_target_": f"own_nets.{name}", "classes": len(names)}
    return config


@pytest.mark.parametrize(
    ("before", "now", "anew"),
    [
        (["a", "b", "c"], ["a", "b", "c"], []),
        (["a", "b", "c"], ["x", "y", "z"], ["G.body", "D.embedding"]),
        (["a", "b", "c"], ["a", "b"], ["G.body", "D.embedding"]),
        ([], ["a", "b"], ["G.body", "D.embedding"]),
        (["a", "b"], [], ["G.body"]),
    ],
)
def test_layers_of_other_classes_start_anew_and_all_others_are_taken(
    here: Path, own_nets: None, before: list[str], now: list[str], anew: list[str]
) -> None:
    source = saved(write_run(here / "run", labelled(compose_checked([*TINY]), before)))
    config = labelled(compose_checked([*TINY, "seed=8", "init_from=run"]), now)
    model, _ = build(config)
    fresh = {name: value.clone() for name, value in nets(model).items()}
    state = torch.get_rng_state()
    started = start_from(model, config)
    assert torch.equal(state, torch.get_rng_state())
    assert started.anew == anew
    for name, value in nets(model).items():
        starts = name.replace("G_ema", "G").rpartition(".")[0] in anew and not name.endswith("bias")
        assert torch.equal(value, (fresh if starts else source)[name]), name


@pytest.mark.parametrize(
    ("model", "before", "after"),
    [("msggan_small", 32, 64), pytest.param("msggan_small", 64, 32, marks=pytest.mark.slow),
     pytest.param("stylegan2_small", 16, 32, marks=pytest.mark.slow)],
)  # fmt: skip
def test_the_layer_of_d_nearest_to_the_image_belongs_to_one_resolution(
    here: Path, model: str, before: int, after: int
) -> None:
    """Its width changes with the resolution in these nets, and no other layer's does."""
    usual = [f"model={model}", "data=digits", "metrics=none", "logger=none", "trainer=cpu"]
    source = saved(write_run(here / "run", compose_checked([*usual, f"data.resolution={before}", "seed=4"])))
    made, started = begun(here / "run", *usual, f"data.resolution={after}", "seed=5")
    own = nets(made)
    assert source["D.from_rgb.weight"].shape != own["D.from_rgb.weight"].shape
    assert "D.from_rgb" in started.anew
    taken = [name for name in own if isinstance(own[name], Tensor) and name in source and not name.startswith("D.from_rgb")]
    assert len(taken) > 20
    assert all(torch.equal(own[name], source[name]) for name in taken)


@pytest.mark.parametrize("model", ["mlp", pytest.param("r3gan_small", marks=pytest.mark.slow)])
def test_a_model_whose_layers_depend_on_the_resolution_names_it(here: Path, model: str) -> None:
    usual = [f"model={model}", "data=digits", "metrics=none", "logger=none", "trainer=cpu"]
    write_run(here / "run", compose_checked([*usual, "data.resolution=16"]))
    with pytest.raises(UserError, match=r"as that run had them, and data\.resolution=16 where, as here, more layers"):
        begun(here / "run", *usual, "data.resolution=32")


def test_a_layer_that_starts_anew_is_not_frozen(here: Path) -> None:
    write_run(here / "run", compose_checked([*PROGAN, "data.resolution=16"]))
    with pytest.raises(UserError, match=r"would freeze D\.from_rgb\.3\.0, which start anew"):
        begun(here / "run", *PROGAN, "data.resolution=32", "model.freeze_d=1")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.resolution=16"], r"G\.layers\.2\.weight is 64x8 there and 256x8 here"),
        (["data.channels=3"], "192x8 here"),
        (["model.G.widths=[16]"], r"8x100 there and 16x100 here.*give the model, its widths"),
        (["model.D.widths=[8,8]"], r"D\.layers\.2\.weight is 1x8 there and 8x8 here"),
        (["model.D.spectral_norm=true"], "is missing there"),
        (["model=progan_small"], "is missing there.*and [0-9]+ more"),
    ],
)
def test_weights_that_do_not_fit_are_one_sentence_and_change_nothing(
    here: Path, overrides: list[str], words: str
) -> None:
    tiny_run(here / "run")
    keys = {override.partition("=")[0] for override in overrides}
    usual = [item for item in TINY if item.partition("=")[0] not in keys and not ("model" in keys and "widths" in item)]
    config = compose_checked([*usual, *overrides, "init_from=run"])
    model, _ = build(config)
    before = {name: value.clone() for name, value in nets(model).items() if isinstance(value, Tensor)}
    with pytest.raises(UserError, match=words) as caught:
        start_from(model, config)
    assert str(caught.value).startswith("init_from=run: its weights do not fit: ")
    assert len(str(caught.value)) < 500
    assert all(torch.equal(value, nets(model)[name]) for name, value in before.items())


def test_hostile_checkpoints_are_refused(here: Path) -> None:
    path = tiny_run(here / "run")
    good = saved(path)
    one = next(name for name in good if name.startswith("G."))
    for value, words in (
        (good[one] * float("nan"), "is not finite"),
        (good[one].to_sparse(), "is no plain tensor"),
        (good[one].to(torch.complex64), "is no plain tensor"),
    ):
        change(path, state_dict=good | {one: value})
        with pytest.raises(UserError, match=words):
            begun(here / "run", *TINY)
    for state, words in ((["a"], "holds no weights"), ({}, "is not of a GAN"), ({one: 3}, "is not of a GAN")):
        change(path, state_dict=state)
        with pytest.raises(UserError, match=words):
            begun(here / "run", *TINY)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="not a checkpoint that can be read"):
        begun(here / "run", *TINY)


def test_mistakes_on_the_command_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    for place, words in (("nowhere", "no such run folder or checkpoint"), ("empty", "holds no last.ckpt")):
        assert main([*TINY, f"init_from={place}", "run_dir=new"]) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"seesaw: init_from={place}: ")
        assert words in err
        assert len(err.splitlines()) == 1
    assert not (here / "new").exists()


def test_a_dry_run_reports_what_starts_anew(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(here / "run")
    assert main([*TINY, "init_from=run", "dry_run=true"]) == 0
    assert "init_from: weights of run/checkpoints/last.ckpt" in capsys.readouterr().out


def test_freezing_random_weights_is_noticed(here: Path) -> None:
    with pytest.warns(Notice, match="freezes layers of D with random weights: give init_from=RUN"):
        assert main([*TINY, "model.freeze_d=1", "dry_run=true"]) == 0


def test_runs_of_before_the_option_go_on(here: Path) -> None:
    """Their configuration has neither init_from, nor freeze_d, nor a held-out share."""
    run = [*without("metrics.n"), "metrics=none", "run_dir=run"]
    assert main(run) == 0
    config = yaml.safe_load((here / "run/config.yaml").read_text())
    del config["init_from"], config["model"]["freeze_d"], config["data"]["holdout"]
    (here / "run/config.yaml").write_text(yaml.safe_dump(config))
    change(here / "run/checkpoints/last.ckpt", config=config)
    assert main([*run, "kimg=0.128", "resume=auto"]) == 0
    assert json.loads((here / "run/status.json").read_text())["kimg"] == 0.128


def test_another_kind_of_experiment_has_nothing_to_take() -> None:
    with pytest.raises(UserError, match="a GAN alone begins with the weights of another run"):
        start_from(torch.nn.Module(), {"init_from": "run"})  # type: ignore[arg-type]
    assert issubclass(GAN, torch.nn.Module)

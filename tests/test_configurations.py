"""Every file under conf/ is tested because it exists: composed, checked, built, trained for a few batches, no host read."""

import gzip
import shutil
import struct
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from host_reads import reads_in_training
from PIL import Image
from toys import fit, task

from seesaw.config.assemble import assemble
from seesaw.errors import UserError
from seesaw.training.build import build, construct
from seesaw.training.dry_run import check_optimizers, check_step
from seesaw.training.preflight import build_checked, compose_checked

CONF = Path(__file__).parents[1] / "conf"
SMALL = ("data.resolution=16", "batch_size=8", "log_kimg=0.016")
OPTIONS = sorted(
    str(f.relative_to(CONF).with_suffix(""))
    for f in CONF.glob("*/**/*.yaml")
    if f.parent.name != "search"
    and f.stem[0] != "_"  # spaces have tests of their own; what files start from is no option
)


def make_set(name: str, root: Path) -> list[str]:
    """A little of the set on disk, and the overrides that point to it."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    if name in ("folder", "celeba", "celeba_hq", "ffhq"):
        for k in range(12):
            pixels = rng.integers(0, 256, (218, 178, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / (f"{k + 1:06d}.jpg" if name == "celeba" else f"{k:05d}.png"))
        return [f"data.root={root}", f"cache_dir={root.parent}"]
    if name in ("fashion_mnist", "mnist", "stacked_mnist"):
        for part in ("train", "t10k"):
            for kind, shape in (("images-idx3", (12, 28, 28)), ("labels-idx1", (12,))):
                head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
                body = rng.integers(0, 10, shape, dtype=np.uint8).tobytes()
                (root / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + body))
        return [f"data.root={root}"]
    if name == "classes":
        for k in range(3):
            make_set("folder", root / f"class {k}")
        return [f"data.root={root}", f"cache_dir={root.parent}"]
    if name == "glyphs":
        for font in ("DejaVuSans", "cmr10", "STIXGeneral"):  # the last two are held out
            shutil.copy(Path(matplotlib.get_data_path()) / f"fonts/ttf/{font}.ttf", root)
        return [f"data.root={root}", "data.count=1", f"cache_dir={root.parent}"]
    if name == "cifar10":
        folder = root / "cifar-10-batches-bin"
        folder.mkdir(exist_ok=True)
        for part in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
            rows = rng.integers(0, 256, (3, 3073), dtype=np.uint8)
            rows[:, 0] %= 10
            rows.tofile(folder / f"{part}.bin")
        return [f"data.root={root}"]
    return []


SETS = {  # what an experiment chooses itself
    "karras2018_cifar10": "cifar10",
    "karras2018_cifar10_128": "cifar10",
    "karras2018_celebahq1024": "celeba_hq",
    "miyato2018_cifar10": "cifar10",
    "miyato_koyama2018_cifar10": "cifar10",
    "mimicry_sngan_celeba64": "celeba",
    "brock2019_cifar10": "cifar10",
    "huang2024_cifar10": "cifar10",
    "huang2024_ffhq64": "ffhq",
    "huang2024_ffhq256": "ffhq",
    "huang2024_imagenet32": "classes",
    "huang2024_imagenet64": "classes",
    "r3gan_stacked_mnist": "stacked_mnist",
    "karras2020_ffhq1024": "ffhq",
    "karras2020_ffhq256": "ffhq",
    "karras2020_cifar10": "cifar10",
    "karras2020_afhq512": "folder",
    "karras2020_metfaces1024": "folder",
}
PROGRESSIVE = ("progan", "msggan", "karras2018", "r3gan", "huang2024", "stylegan2", "karras2020")
VARIATIONAL = ("model/vae", "model/vae_small", "optimizer/vae_adam")
STYLE = ("style_transfer", "style_pair", "gatys2016", "multi_scale_style", "canvas_adam", "canvas_lbfgs")


def of_style(option: str) -> bool:
    return option.split("/")[-1] in STYLE or option.startswith(("model/backbone/", "model/style/"))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))


def small(option: str, root: Path) -> list[str]:
    """The overrides that choose `group/name`, small; a metric of a set of its own comes with that set."""
    group, _, name = option.rpartition("/")
    if of_style(option):
        model = ["model=style_transfer"] if group not in ("model", "experiment") else []
        return [*model, f"{group}={name}", *make_pair(root), "data.size=64", "kimg=0.012", "log_kimg=0.002"]
    overrides = [*SMALL, f"{group}={name}"]
    if group == "data" or (group == "metrics" and (CONF / "data" / f"{name}.yaml").exists()):
        overrides += [f"data={name}", *make_set(name, root)]
    if name.endswith("_by_class"):
        data = name.removesuffix("_by_class")
        overrides += [f"data={data}", *make_set(data, root), "data.labels=true"]
    if name == "projected":  # its network sees images of 224 px, at ten times the cost
        overrides.append("model.D.size=64")
    if option == "penalty/auxiliary":
        overrides += ["data.labels=true", "model.D.condition=auxiliary"]
    if group == "experiment":
        overrides += make_set(SETS[name], root) if name in SETS else ["data.channels=1"]
    if "gaussians" in name or name == "mlp_points":
        overrides.remove("data.resolution=16")
        return overrides + (["model=mlp"] if "gaussians" in name else ["data=gaussians_ring"])
    if name in ("sngan_64", "mimicry_sngan_celeba64"):  # its D halves five times
        overrides[overrides.index("data.resolution=16")] = "data.resolution=32"
    if name.startswith(PROGRESSIVE) and group != "schedule":
        overrides += ["model.G.w_dim=8"] if name.startswith(("stylegan2", "karras2020")) else []
        return [*overrides, *(f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64"))]
    if option.startswith("penalty/wgan"):
        overrides.append("model.D.norm=none")  # a gradient penalty is refused beside BatchNorm
    if option in VARIATIONAL:
        model = [] if group == "model" else ["model=vae_small"]
        return [*overrides, *model, "model.encoder.width=4", "model.decoder.width=4"]
    return overrides + ([] if option == "model/mlp" else ["model.G.width=4", "model.D.width=4"])


def make_pair(root: Path) -> list[str]:
    """Two photographs of noise on disk, and the overrides that name them."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in ("content", "style"):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(root / f"{name}.png")
    return [f"data.{name}={root}/{name}.png" for name in ("content", "style")]


def checked(option: str, root: Path, *more: str) -> dict[str, Any]:
    """The file's configuration, small, composed and checked as every command does."""
    config = compose_checked([*small(option, root / "set"), *more])
    assert "recipe" not in config["model"]
    return config


UNTRAINED = ("logger/", "metrics/", "monitor/", "trainer/", "callbacks/", "debug/")
GANS = [o for o in OPTIONS if not o.startswith(UNTRAINED) and not of_style(o) and o != "penalty/path_length"]


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.startswith(UNTRAINED)])
def test_every_other_file_composes_and_passes_the_check(option: str, tmp_path: Path) -> None:
    config = checked(option, tmp_path)
    group, _, name = option.rpartition("/")
    if group == "metrics":
        assert construct(assemble(config)["metrics"], "metrics").best is None
    elif group == "monitor":
        assert construct(config["monitor"], "monitor").last is None
    elif group != "trainer":
        assert (config[group] == {}) == (name in ("none", "csv"))


@pytest.mark.parametrize("option", GANS)
def test_every_model_file_passes_the_check_and_trains_without_a_host_read(option: str, tmp_path: Path) -> None:
    """The set's own reals do not matter to the step: the toy stream gives 8 images of 8 px, brought to the set's shape."""
    config = checked(option, tmp_path)
    gan: Any
    gan, data, _ = build_checked(config, devices=1)
    reals = data.prepare()
    before = torch.cat([p.detach().flatten().clone() for p in gan.parameters()])

    def train(gan: Any) -> None:
        fit(gan, 5, reals=reals.gather(torch.arange(len(reals)).repeat(2)[:16]))

    assert reads_in_training(gan, train) == []
    after = torch.cat([p.detach().flatten() for p in gan.parameters()])
    assert torch.isfinite(after).all()
    assert not torch.equal(before, after)
    side = reals.shape[-1] if gan.last_change == 0 else 4  # a growing model has just begun
    assert next(gan.sample(2, 0)).shape[1:] == (reals.shape[1], side, side)


def test_the_path_length_file_trains_a_generator_with_latents_w_and_is_refused_to_others(tmp_path: Path) -> None:
    config = checked("penalty/path_length", tmp_path)
    with pytest.raises(UserError) as caught:
        check_step(*build(config), devices=1)
    assert str(caught.value) == (
        "phase G_reg4: penalty=path_length needs a generator with intermediate latents w, as StyleGAN2's; leave it out"
    )
    gan = task("style", penalty=construct(config["penalty"], "penalty"))
    assert gan.phases["G_reg4"].batch_fraction == 0.5
    assert reads_in_training(gan, lambda gan: fit(gan, 5)) == []
    assert gan.phases["G_reg4"].terms["path_length"].mean > 0  # type: ignore[operator]


@pytest.mark.parametrize("option", [o for o in OPTIONS if of_style(o)])
def test_every_style_file_passes_the_check_and_draws(option: str, tmp_path: Path) -> None:
    """Drawn on the network whose weights come as a package, also where the file names another."""
    config = checked(option, tmp_path)
    check_optimizers(config)
    if "efficientnet" not in config["model"]["backbone"]["network"]["_target_"]:
        instead = small(option, tmp_path / "set")
        if option.startswith("model/backbone/"):
            instead.remove(f"model/backbone={option.rpartition('/')[2]}")
        config = compose_checked([*instead, "model/backbone=efflite0"])
    model: Any
    model, data = build(config)
    trainer = pl.Trainer(
        max_epochs=1, limit_train_batches=4, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    assert torch.isfinite(next(model.sample_pyramids(1, 0))[0].float()).all()
    assert (tmp_path / "stylized.png").is_file()

"""Every file of conf/data through Hydra, composed with a model that recommends numbers and with one that does not."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from PIL import Image

from seesaw.config.allowed import shipped_targets
from seesaw.config.renamed import with_moved_targets
from seesaw.data.classes import class_names
from seesaw.data.module import ImageData
from seesaw.data.sources.style_pair import StylePair

CONF = Path(__file__).parents[2] / "conf"
FILES = sorted(path for path in (CONF / "data").glob("*.yaml") if not path.stem.startswith("_"))
POINTS = ("gaussians_grid", "gaussians_ring")
IMAGES = [path.stem for path in FILES if path.stem not in (*POINTS, "style_pair")]
CLASSES = {
    "cifar10": 10, "digits": 10, "fashion_mnist": 10, "mnist": 10, "stacked_digits": 1000, "stacked_mnist": 1000,
    "gaussians_ring": 8, "gaussians_grid": 25, "celeba": 2, "celeba_hq": 0, "ffhq": 0, "folder": 0, "style_pair": 0,
    "glyphs": 26,
}  # fmt: skip
SHAPES = {
    "celeba_hq": (256, 3), "ffhq": (256, 3), "celeba": (64, 3), "folder": (64, 3), "cifar10": (32, 3),
    "digits": (32, 1), "mnist": (32, 1), "fashion_mnist": (32, 1), "stacked_digits": (32, 3), "stacked_mnist": (32, 3),
    "gaussians_grid": (1, 2), "gaussians_ring": (1, 2), "glyphs": (32, 1),
}  # fmt: skip
MEASURED_BY_AUTO = ("celeba", "celeba_hq", "cifar10", "ffhq", "folder")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A configuration of the groups data and metrics alone, with a model that is nothing but its recipe."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF / "data", folder / "data")
    (folder / "metrics").mkdir()
    chosen = {match for path in FILES for match in re.findall(r"_global_.metrics: (\w+)", path.read_text())}
    for name in chosen | {"none"}:
        (folder / "metrics" / f"{name}.yaml").write_text(f"name: {name}\n")
    (folder / "train.yaml").write_text("defaults: [_self_, {metrics: none}, {data: digits}]\nmodel: {recipe: {}}\n")
    return folder


def composed(conf: Path, *overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(conf), version_base="1.3"):
        cfg = compose("train", [override for override in overrides if override])
    node = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def built(conf: Path, name: str, *overrides: str, **given: Any) -> Any:
    """The data module, with what the program adds from the top level of the configuration."""
    node = composed(conf, f"data={name}", *overrides)["data"]
    return instantiate(node | given, _convert_="all")


def root(name: str) -> str:
    return "data.root=pictures" if "root: ???" in (CONF / "data" / f"{name}.yaml").read_text() else ""


def test_every_set_has_a_number_of_classes() -> None:
    assert {path.stem for path in FILES} == set(CLASSES)


@pytest.mark.parametrize("name", [*IMAGES, *POINTS])
def test_every_file_builds_its_data_module(name: str, conf: Path) -> None:
    node = composed(conf, f"data={name}", root(name))["data"]
    assert not {"batch_size", "seed", "cache_dir", "level", "growth"} & set(node), "the program passes these by name"
    assert (node["labels"], node["classes"]) == (False, CLASSES[name])
    data = built(conf, name, root(name), batch_size=64, seed=5, cache_dir="elsewhere")
    assert isinstance(data, ImageData)
    assert (data.batch_size, data.seed, data.cache_dir) == (64, 5, "elsewhere")
    assert (data.flip, data.labels, data.classes) == (False, False, 0)
    assert (data.resolution, data.channels) == SHAPES[name]


@pytest.mark.parametrize("name", IMAGES)
def test_a_models_recipe_reaches_the_images_and_the_command_line_wins(name: str, conf: Path) -> None:
    recipe = ("+model.recipe.flip=true", "+model.recipe.resolution=128")
    data = built(conf, name, root(name), *recipe, batch_size=64)
    assert (data.flip, data.resolution) == (True, 128)
    data = built(conf, name, root(name), *recipe, "data.flip=false", "data.resolution=16", batch_size=64)
    assert (data.flip, data.resolution) == (False, 16)


@pytest.mark.parametrize("name", CLASSES)
def test_a_set_chooses_metrics_that_exist(name: str, conf: Path) -> None:
    missing = [f"data.{key}=a" for key in ("content", "style")] if name == "style_pair" else [root(name)]
    chosen = composed(conf, f"data={name}", *missing)["metrics"]["name"]
    expected = "auto" if name in MEASURED_BY_AUTO else "none" if name == "style_pair" else name
    assert chosen == expected
    assert (CONF / "metrics" / f"{chosen}.yaml").is_file()
    assert composed(conf, f"data={name}", *missing, "metrics=none")["metrics"]["name"] == "none"


FORMER = (
    "files.CelebA", "files.CelebAHQ", "files.FFHQ", "files.Folder", "photos.StylePair", "points.GaussiansGrid",
    "points.GaussiansRing", "sets.CIFAR10", "sets.Digits", "sets.FashionMNIST", "sets.MNIST", "sets.StackedDigits",
    "sets.StackedMNIST",
)  # fmt: skip
"""The classes of conf/data at commit 9548b20, below seesaw.data: checkpoints of format 2 name them."""


@pytest.mark.parametrize("former", FORMER)
def test_a_configuration_saved_in_the_former_layout_finds_its_class(former: str) -> None:
    (moved,) = with_moved_targets([{"_target_": f"seesaw.data.{former}", "root": "?"}])
    assert moved["_target_"] in shipped_targets(CONF)["data"]
    assert get_class(moved["_target_"]).__name__ == former.partition(".")[2]
    assert with_moved_targets(moved) == moved


def test_every_class_of_the_configuration_had_a_former_place() -> None:
    later = {"seesaw.data.sources.glyphs.Glyphs"}
    assert len(FORMER) == len(shipped_targets(CONF)["data"] - later)


@pytest.mark.parametrize("name", [name for name, classes in CLASSES.items() if classes])
def test_the_names_of_the_classes_are_as_many_as_the_file_counts(name: str, conf: Path) -> None:
    attribute = "data.attribute=Male" if name == "celeba" else ""
    node = composed(conf, f"data={name}", root(name), attribute)["data"]
    assert len(class_names(node["_target_"], node)) == CLASSES[name]


def test_two_photographs_have_one_iteration_a_batch_and_no_labels(conf: Path) -> None:
    pair = built(conf, "style_pair", "data.content=a.jpg", "data.style=b.jpg")
    assert isinstance(pair, StylePair)
    assert (pair.labels, pair.classes, pair.batch_size_at(10**6)) == (False, 0, 1)
    with pytest.raises(InstantiationException, match="two photographs have no labels"):
        built(conf, "style_pair", "data.content=a.jpg", "data.style=b.jpg", "data.labels=true")


def test_options_of_the_configuration_reach_the_source(conf: Path, tmp_path: Path) -> None:
    pictures, cache = tmp_path / "pictures", tmp_path / "cache"
    pictures.mkdir()
    Image.new("RGBA", (20, 40)).save(pictures / "a.png")
    (pictures / "b.png").write_bytes(b"")
    options = (
        f"data.root={pictures}",
        "data.background='#010203'",
        "data.max_bad=0.5",
        "data.resolution=16",
        "data.crop=none",
    )
    with pytest.warns(UserWarning, match="1 of 2"):
        reals = built(conf, "folder", *options, batch_size=8, cache_dir=str(cache)).reals
    assert reals.images[0, :, 0, 0].tolist() == [1, 2, 3]
    assert sorted(p.name.split("-")[0] for p in cache.iterdir()) == ["CACHEDIR.TAG", "bad_images", "prepared"]
    digits = built(conf, "digits", "data.resolution=16", "data.channels=3", batch_size=8)
    assert digits.description == "digits 1797x3x16x16"
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'crop'"):
        built(conf, "digits", "+data.crop=none", batch_size=8)

import itertools
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image

from seesaw.data.files import Folder
from seesaw.data.images import ImageSet
from seesaw.data.module import ImageData
from seesaw.data.sampler import EndlessBatches
from seesaw.data.sets import Digits, FashionMNIST
from seesaw.types import Batch, UserError

CONF = Path(__file__).parents[2] / "conf" / "data"


class Counted(ImageData):
    """23 images whose pixels tell their number."""

    loads = 0
    labelled = True

    def load(self) -> ImageSet:
        self.loads += 1
        numbers = torch.arange(23)
        images = numbers.to(torch.uint8)[:, None, None, None].expand(
            23, self.channels, self.resolution, self.resolution
        )
        return ImageSet(images.contiguous(), "numbers", *((numbers % 3, 3) if self.labelled else ()))


class Watcher(pl.LightningModule):
    """Trains nothing; keeps what it is shown."""

    def __init__(self, images_shown: int = 0) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.images_shown, self.seen = images_shown, list[Any]()

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        self.seen.append(batch)
        self.images_shown += len(batch.real) * self.trainer.world_size

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data: ImageData, watcher: Watcher, **options: Any) -> list[Any]:
    pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, max_epochs=1, limit_train_batches=8, **options,
    ).fit(watcher, data)  # fmt: skip
    return watcher.seen


def stream(batch_size: int, seed: int, start: int = 0) -> list[list[int]]:
    return [x.tolist() for x in itertools.islice(EndlessBatches(23, batch_size, seed, start), 8)]


@pytest.mark.parametrize("labelled", [True, False])
def test_lightning_hands_over_the_samplers_batches(labelled: bool) -> None:
    data = Counted(resolution=8, channels=3, batch_size=6, seed=4)
    data.labelled = labelled
    seen = fit(data, Watcher())
    assert data.loads == 1
    assert [batch.real[:, 0, 0, 0].tolist() for batch in seen] == stream(6, 4)
    for batch in seen:
        assert type(batch) is Batch
        assert batch.real.dtype == torch.uint8
        assert batch.real.shape == (6, 3, 8, 8)
        if labelled:
            assert torch.equal(batch.y, batch.real[:, 0, 0, 0].long() % 3)
        else:
            assert batch.y is None


def test_training_goes_on_at_the_modules_image_number() -> None:
    seen = fit(Counted(resolution=8, channels=1, batch_size=6, seed=4), Watcher(images_shown=10_000_008))
    assert [batch.real[:, 0, 0, 0].tolist() for batch in seen] == stream(6, 4, 10_000_008)


def test_flip_shows_every_image_both_ways_in_an_epoch_of_twice_the_length() -> None:
    """Images whose left half tells their number: 46 pictures, each number once as it is and once mirrored."""
    data = Counted(resolution=8, channels=1, batch_size=23, flip=True)
    data.reals.images[..., 4:] = 200
    seen = torch.cat([batch.real for batch in fit(data, Watcher())[:2]])
    plain, mirrored = (seen[seen[:, 0, 0, corner] == 200] for corner in (7, 0))
    assert sorted(plain[:, 0, 0, 0].tolist()) == sorted(mirrored[:, 0, 0, 7].tolist()) == list(range(23))
    labels = torch.cat(
        [batch.y for batch in fit(Counted(resolution=8, channels=1, batch_size=23, flip=True), Watcher())]
    )
    numbers = seen[:, 0, 0].to(torch.int64).amin(1)
    assert torch.equal(labels[:46], numbers % 3)


def test_a_growing_model_sees_the_levels_that_its_stage_asks_for() -> None:
    data = Counted(resolution=16, channels=1, batch_size=6, level=lambda shown: 4 if shown < 12 else 8)
    seen = fit(data, Watcher(images_shown=6))
    assert [batch.real.shape[-1] for batch in seen] == [4, *[8] * 7]
    assert [batch.real[:, 0, 0, 0].tolist() for batch in seen] == stream(6, 0, 6)


def test_memory_says_where_batches_come_from() -> None:
    cpu = torch.device("cpu")
    data = Counted(resolution=8, channels=1, batch_size=6)
    assert data.placed(cpu) is data.reals
    in_ram = Counted(resolution=8, channels=1, batch_size=6, memory="ram")
    copy = in_ram.placed(cpu)
    assert copy.images.data_ptr() != in_ram.reals.images.data_ptr()
    assert torch.equal(copy.images, in_ram.reals.images)
    with pytest.raises(UserError, match=r"data.memory=device needs a GPU, and the run is on cpu"):
        Counted(resolution=8, channels=1, batch_size=6, memory="device").placed(cpu)
    with pytest.raises(ValueError, match="memory must be one of auto, map, ram, device, not 'disk'"):
        Counted(resolution=8, channels=1, batch_size=6, memory="disk")  # type: ignore[arg-type]


def test_the_set_is_read_once_and_without_a_trainer() -> None:
    data = Counted(resolution=16, channels=3, batch_size=6)
    assert data.loads == 0
    assert data.prepare() is data.prepare() is data.reals
    data.prepare_data()
    data.setup("fit")
    assert data.loads == 1
    assert (data.classes, data.description) == (3, "numbers 23x3x16x16")


@pytest.mark.slow
def test_two_processes_share_each_batch(tmp_path: Path) -> None:
    """Lightning would replace a sampler by its own under data parallelism; ours must stand."""
    torch.multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        seen = torch.load(tmp_path / f"{rank}.pt")
        assert seen == [batch[3 * rank : 3 * rank + 3] for batch in stream(6, 4)]


def _rank(rank: int, folder: str) -> None:
    import os

    os.environ.update(LOCAL_RANK=str(rank), RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
    os.environ.update(MASTER_PORT=str(20_000 + os.getppid() % 20_000), LOCAL_WORLD_SIZE="2", TORCHELASTIC_RUN_ID="test")
    seen = fit(Counted(resolution=8, channels=1, batch_size=6, seed=4), Watcher(), devices=2, strategy="ddp")
    torch.save([batch.real[:, 0, 0, 0].tolist() for batch in seen], f"{folder}/{rank}.pt")


@pytest.mark.parametrize("resolution", [0, 4, 24, 33, 2048, -8])
def test_impossible_resolutions_are_named(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"resolution must be one of 8, 16, .*, 1024, not {resolution}"):
        Digits(resolution=resolution, channels=1, batch_size=8)


def test_impossible_options_are_named_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="channels must be 1 or 3, not 2"):
        Digits(resolution=8, channels=2, batch_size=8)
    with pytest.raises(ValueError, match="split must be one of train, test, not 'val'"):
        FashionMNIST(resolution=8, channels=1, batch_size=8, split="val")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="crop must be one of center, random, none, not 'middle'"):
        Folder(root="unread", resolution=8, channels=1, batch_size=8, crop="middle")  # type: ignore[arg-type]


def configured(name: str, **options: Any) -> Any:
    top = {"batch_size": 64, "seed": 5, "cache_dir": "elsewhere"}
    data = OmegaConf.load(CONF / f"{name}.yaml")
    del data["defaults"]
    config = OmegaConf.create({**top, "data": OmegaConf.merge(data, options)})
    return instantiate(config.data, _convert_="all")


SETS = [path for path in sorted(CONF.glob("*.yaml")) if path.stem != "style_pair"]  # two photographs: test_photos


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_every_configuration_builds_its_data_module(path: Path) -> None:
    options = {"root": "pictures"} if "root: ???" in path.read_text() else {}
    data = configured(path.stem, **options)
    assert isinstance(data, ImageData)
    assert (data.batch_size, data.seed, data.cache_dir) == (64, 5, "elsewhere")


def test_options_of_the_configuration_reach_the_source(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 40)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    cache = tmp_path / "cache"
    options = {"root": str(tmp_path), "background": "#010203", "max_bad": 0.5, "cache_dir": str(cache)}
    with pytest.warns(UserWarning, match="1 of 2"):
        reals = configured("folder", **options, resolution=16, crop="none").reals
    assert reals.images[0, :, 0, 0].tolist() == [1, 2, 3]
    assert sorted(p.name.split("-")[0] for p in cache.iterdir()) == ["bad_images", "prepared"]
    assert configured("digits", resolution=16, channels=3).description == "digits 1797x3x16x16"
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'crop'"):
        configured("digits", crop="none")

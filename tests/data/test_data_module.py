import itertools
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from seesaw.data.images import ImageSet
from seesaw.data.module import ImageData, check_labels
from seesaw.data.sampler import EndlessBatches
from seesaw.data.sources.digits import Digits
from seesaw.data.sources.folder import Folder
from seesaw.data.sources.mnist import FashionMNIST
from seesaw.types import Batch, UserError


class Counted(ImageData):
    """23 images whose pixels hold their number."""

    loads, labelled, remainders = 0, True, 3

    def load(self) -> ImageSet:
        self.loads += 1
        numbers = torch.arange(23)
        images = numbers.to(torch.uint8)[:, None, None, None].expand(
            23, self.channels, self.resolution, self.resolution
        )
        labels = (numbers % self.remainders, self.remainders) if self.labelled else ()
        return ImageSet(images.contiguous(), "numbers", *labels)


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


@pytest.mark.parametrize("labels", [True, False])
def test_lightning_hands_over_the_samplers_batches(labels: bool) -> None:
    data = Counted(resolution=8, channels=3, batch_size=6, seed=4, labels=labels, classes=3)
    seen = fit(data, Watcher())
    assert data.loads == 1
    assert [batch.real[:, 0, 0, 0].tolist() for batch in seen] == stream(6, 4)
    for batch in seen:
        assert type(batch) is Batch
        assert batch.real.dtype == torch.uint8
        assert batch.real.shape == (6, 3, 8, 8)
        if labels:
            assert batch.y.dtype == torch.int64
            assert torch.equal(batch.y, batch.real[:, 0, 0, 0].long() % 3)
        else:
            assert batch.y is None


def test_without_labels_the_set_keeps_its_own_and_no_class_is_counted() -> None:
    data = Counted(resolution=8, channels=1, batch_size=6, classes=3, class_names=["a", "b", "c"])
    assert (data.classes, data.class_names, data.reals.classes) == (0, [], 3)
    assert data.reals.y is not None
    assert data.reals.y.bincount().tolist() == [8, 8, 7], "of 0 ... 22 by their remainder"
    data.labelled = False
    del data.reals, data.parts, data.loaded
    assert (data.reals.classes, data.reals.y) == (0, None)


def test_classes_have_the_names_that_are_given_or_their_numbers() -> None:
    common: dict[str, Any] = {"resolution": 8, "channels": 1, "batch_size": 6, "labels": True}
    named = Counted(**common, classes=3, class_names=["cat", "dog", "newt"])
    assert (named.classes, named.class_names) == (3, ["cat", "dog", "newt"])
    assert Counted(**common, classes=3).class_names == ["0", "1", "2"]
    with pytest.raises(ValueError, match="class_names must name 3 classes as classes=3 does, not 2"):
        Counted(**common, classes=3, class_names=["cat", "dog"])
    with pytest.raises(ValueError, match="classes must be at least 0, not -1"):
        Counted(**common, classes=-1)


@pytest.mark.parametrize(("labelled", "found", "message"), [
    (False, 3, "^data.labels=true, but numbers has no labels: give data.labels=false$"),
    (True, 4, "^data.classes is 3, but numbers has 4 classes: give data.classes=4, or a set of 3 classes$"),
    (True, 2, "^data.classes is 3, but numbers has 2 classes"),
])  # fmt: skip
def test_a_set_whose_labels_are_not_those_of_the_options_is_refused(labelled: bool, found: int, message: str) -> None:
    data = Counted(resolution=8, channels=1, batch_size=6, labels=True, classes=3)
    data.labelled, data.remainders = labelled, found
    with pytest.raises(UserError, match=message):
        data.prepare()


@pytest.mark.parametrize(("y", "message"), [
    ([0, 1, 3], "^three has the label 3: with data.classes=3 they go from 0 to 2$"), ([0, -1, 2], "has the label -1"),
])  # fmt: skip
def test_labels_outside_the_classes_are_refused(y: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_labels(ImageSet(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), "three", torch.tensor(y), 3), 3)


def test_training_goes_on_at_the_modules_image_number() -> None:
    seen = fit(Counted(resolution=8, channels=1, batch_size=6, seed=4), Watcher(images_shown=10_000_008))
    assert [batch.real[:, 0, 0, 0].tolist() for batch in seen] == stream(6, 4, 10_000_008)


def test_flip_shows_every_image_both_ways_in_an_epoch_of_twice_the_length() -> None:
    """Images whose left half holds their number: 46 pictures, each number once as it is and once mirrored."""
    data = Counted(resolution=8, channels=1, batch_size=23, flip=True)
    data.reals.images[..., 4:] = 200
    seen = torch.cat([batch.real for batch in fit(data, Watcher())[:2]])
    plain, mirrored = (seen[seen[:, 0, 0, corner] == 200] for corner in (7, 0))
    assert sorted(plain[:, 0, 0, 0].tolist()) == sorted(mirrored[:, 0, 0, 7].tolist()) == list(range(23))
    numbers = seen[:, 0, 0].to(torch.int64).amin(1)
    labelled = Counted(resolution=8, channels=1, batch_size=23, flip=True, labels=True, classes=3)
    labels = torch.cat([batch.y for batch in fit(labelled, Watcher())[:2]])
    assert torch.equal(labels, numbers % 3)


class Steps:
    """4 px until image 12, then 8 px until 24, then the data's own; at 8 px half batches."""

    def level(self, images_shown: int) -> int | None:
        return 4 if images_shown < 12 else 8 if images_shown < 24 else None

    def batch_size(self, images_shown: int, batch_size: int) -> int:
        return batch_size // 2 if 12 <= images_shown < 24 else batch_size


def test_a_growing_model_gets_level_and_batch_size_by_images_shown() -> None:
    data = Counted(resolution=16, channels=1, batch_size=6, labels=True, classes=3, growth=Steps())
    seen = fit(data, Watcher(images_shown=6))
    assert [batch.real.shape[-1] for batch in seen] == [4, 8, 8, 8, 8, 16, 16, 16]
    assert [len(batch.real) for batch in seen] == [6, 3, 3, 3, 3, 6, 6, 6]
    shown = torch.cat([batch.real[:, 0, 0, 0] for batch in seen]).tolist()
    assert shown == list(itertools.chain(*stream(6, 0, 6)))[: len(shown)], (
        "growing changes neither the order nor the images"
    )
    assert all(torch.equal(batch.y, batch.real[:, 0, 0, 0].long() % 3) for batch in seen)
    assert [data.batch_size_at(shown) for shown in (0, 12, 24)] == [6, 3, 6]
    assert data.batch_size == 6


def test_without_growth_level_and_batch_size_stay() -> None:
    data = Counted(resolution=16, channels=1, batch_size=6)
    assert [data.batch_size_at(shown) for shown in (0, 10**7)] == [6, 6]
    assert {tuple(batch.real.shape) for batch in fit(data, Watcher(10**7))} == {(6, 1, 16, 16)}


def test_memory_decides_where_batches_come_from() -> None:
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
    assert data.description == "numbers 23x3x16x16"


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


def test_a_limit_draws_so_many_images_by_the_seed_with_their_labels() -> None:
    def numbers(**options: Any) -> ImageSet:
        return Counted(resolution=8, channels=1, batch_size=6, labels=True, classes=3, **options).reals

    one, other, again = numbers(limit=9, seed=1), numbers(limit=9, seed=2), numbers(limit=9, seed=1)
    def values_of(reals: ImageSet) -> list[int]:
        return reals.gather(torch.arange(len(reals)))[:, 0, 0, 0].tolist()

    values = values_of(one)
    assert len(set(values)) == 9
    assert values == sorted(values) == values_of(again)
    assert values != values_of(other)
    assert one.y is not None
    assert one.y.tolist() == [k % 3 for k in values]
    assert one.description == "numbers (9 of 23, seed 1) 9x1x8x8"
    assert one.identity == again.identity != other.identity
    assert len(numbers(limit=23)) == len(numbers()) == 23
    with pytest.raises(UserError, match=r"data.limit is 24, and numbers has 23 images: give at most 23"):
        _ = numbers(limit=24)
    with pytest.raises(ValueError, match="limit must be null or at least 1, not 0"):
        numbers(limit=0)


@pytest.mark.parametrize("resolution", [0, 4, 34, 2048, -8, "64x1030", "wide"])
def test_impossible_resolutions_are_named(resolution: int | str) -> None:
    with pytest.raises(ValueError, match=f"resolution is {resolution}; it"):
        Digits(resolution=resolution, channels=1, batch_size=8)


def test_impossible_options_are_named_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="channels must be 1 or 3, not 2"):
        Digits(resolution=8, channels=2, batch_size=8)
    with pytest.raises(ValueError, match="split must be one of train, test, not 'val'"):
        FashionMNIST(resolution=8, channels=1, batch_size=8, split="val")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="crop must be one of center, random, none, not 'middle'"):
        Folder(root="unread", resolution=8, channels=1, batch_size=8, crop="middle")  # type: ignore[arg-type]


@pytest.mark.parametrize("cache_dir", ["~/x", "~"])
def test_a_tilde_in_cache_dir_is_the_home_folder(
    cache_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here" / "set").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Image.new("RGB", (16, 16)).save("set/1.png")
    data = Folder("set", resolution=16, channels=3, batch_size=1, cache_dir=cache_dir)
    assert data.cache_dir == str(tmp_path / "home" / cache_dir[2:]).rstrip("/")
    data.prepare()
    assert (Path(data.cache_dir) / "prepared").is_dir()
    assert [path.name for path in Path().iterdir()] == ["set"]


def test_fresh_reals_come_behind_the_first_with_their_labels_and_growth_counts_the_first_alone() -> None:
    class Sizes:
        changes = (12,)

        def level(self, images_shown: int) -> int | None:
            return 4 if images_shown < 12 else None

        def batch_size(self, images_shown: int, batch_size: int) -> int:
            return batch_size

    data = Counted(resolution=8, channels=3, batch_size=6, seed=4, labels=True, classes=3, fresh_reals=True, growth=Sizes())
    seen = fit(data, Watcher())
    expected = [x.tolist() for x in itertools.islice(EndlessBatches(23, 6, 4, sub_batches=2), 8)]
    assert [batch.real[:, 0, 0, 0].tolist() for batch in seen] == expected
    assert [batch.real.shape[-1] for batch in seen] == [4, 4, *[8] * 6]
    for batch in seen:
        assert [len(part.real) for part in batch.sub_batches(2)] == [6, 6]
        assert all(torch.equal(part.y, part.real[:, 0, 0, 0].long() % 3) for part in batch.sub_batches(2))

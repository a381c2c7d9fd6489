import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.utils import make_grid

from seesaw.data.images import ImageSet
from seesaw.experiment import Experiment
from seesaw.training.callbacks.samples import Samples
from seesaw.training.loggers.csv_log import CSVLog
from seesaw.training.loggers.tracker import RunInfo
from seesaw.training.pictures import CHEQUER, class_rows, grid, rows_of_scales, save_png, visible
from seesaw.training.scatter import scatter


def noise(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_grid_equals_torchvision_where_nothing_is_enlarged():
    images = noise(10, 3, 64, 80)
    expected = make_grid(images.float() / 255, nrow=4, padding=3, pad_value=96 / 255)
    assert torch.equal(grid(images, columns=4, pad=3), expected.mul(255).round().byte())


@pytest.mark.parametrize(("size", "factor"), [(8, 8), (16, 4), (28, 3), (32, 2), (64, 1), (128, 1)])
def test_small_images_are_repeated_pixel_by_pixel(size, factor):
    images = noise(5, 1, size, size)
    sheet = grid(images)
    side = size * factor
    assert sheet.shape == (1, 2 * (side + 2) + 2, 3 * (side + 2) + 2)  # 5 images: 3 columns, 2 rows
    second_row_first = sheet[:, side + 4 : 2 * side + 4 : factor, 2 : side + 2 : factor]
    assert torch.equal(second_row_first, images[3])
    assert (sheet[:, side + 4 :, -side - 2 :] == 96).all()  # the place of the missing sixth


def test_grid_refuses_what_is_no_uint8_batch():
    for wrong in (torch.rand(4, 3, 8, 8), noise(3, 8, 8), noise(0, 3, 8, 8)):
        with pytest.raises(ValueError, match="uint8"):
            grid(wrong)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_pixel(tmp_path, channels):
    image = noise(channels, 20, 30)
    save_png(image, tmp_path / "deep" / "x.png")
    read = np.asarray(Image.open(tmp_path / "deep" / "x.png"))
    assert np.array_equal(read, image[0] if channels == 1 else image.permute(1, 2, 0))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["x.png"]


def test_a_sheet_of_wide_images_is_as_square_as_it_gets():
    sheet = grid(noise(12, 3, 64, 128))
    assert sheet.shape[1:] == (4 * 66 + 2, 3 * 130 + 2)


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA"), (4, "RGBA")])
def test_transparent_images_lie_on_a_chequerboard_as_pillow_lays_them(channels, mode):
    images = noise(3, channels, 24, 40)
    rows, columns = np.mgrid[:24, :40] // CHEQUER
    board = Image.fromarray(np.where((rows + columns) % 2, 153, 102).astype(np.uint8)).convert("RGBA")
    for image, shown in zip(images, visible(images), strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy(), mode=mode).convert("RGBA")
        expected = np.asarray(Image.alpha_composite(board, picture).convert("RGB" if channels == 4 else "L")).astype(
            int
        )
        found = shown.permute(1, 2, 0).numpy() if channels == 4 else shown[0].numpy()
        assert np.abs(found - expected).max() <= 1


def test_many_channels_stand_side_by_side():
    images = noise(3, 6, 8, 12)
    assert torch.equal(visible(images)[1, 0], torch.cat(list(images[1]), dim=1))
    assert torch.equal(visible(images[:, :1]), images[:, :1])
    assert torch.equal(visible(images[:, :3]), images[:, :3])


def test_sixteen_bits_of_grey_are_written_whole(tmp_path):
    deep = torch.randint(0, 65536, (5, 1, 64, 96), dtype=torch.int32).to(torch.uint16)
    save_png(grid(deep, columns=5, pad=0), tmp_path / "x.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), torch.cat(list(deep[:, 0]), dim=1).numpy())
    assert grid(deep).flatten()[0] == 96 * 257
    assert visible(deep.expand(5, 3, 64, 96)).dtype == torch.uint8


class Painter(Experiment):
    """`sample` paints the images shown so far, brighter with EMA; or of a model with labels the class."""

    def __init__(self, batch, shown=0, sizes=(8,), classes=0):
        super().__init__()
        self.sizes, self.classes = sizes, classes
        self.batch, self.images_shown, self.seeds, self.weights = batch, shown, set(), []

    def training_step(self, batch, index):
        self.images_shown += self.batch

    def configure_optimizers(self):
        return []

    def sample_pyramids(self, n, seed, y=None, ema=True, batch_size=256, shard=(0, 1)):
        self.seeds.add(seed)
        self.weights.append("EMA" if ema else "raw")
        value = self.images_shown // 100 + (100 if ema else 0)
        values = torch.full((n,), value, dtype=torch.uint8) if y is None else y.to(torch.uint8)
        for part in values.split([n - n // 3, n // 3]):  # in chunks
            yield [part.view(-1, 1, 1, 1).expand(-1, 1, h, h) for h in self.sizes]


class Pictures(CSVLog):
    takes_pictures = True

    def __init__(self, run):
        super().__init__(run)
        self.pictures = []

    def log_picture(self, name, image, step, caption=""):
        self.pictures.append((name, step, int(image[0, 5, 5]), tuple(image.shape)))


def train(tmp_path, module, steps, sample_kimg, reals=None, tracker=Pictures):
    log = tracker(RunInfo(tmp_path, "x"))
    trainer = pl.Trainer(max_steps=-1, max_epochs=1, logger=log, callbacks=[Samples(tmp_path, sample_kimg, seed=7)],
                         accelerator="cpu", log_every_n_steps=1, enable_progress_bar=False, enable_checkpointing=False,
                         enable_model_summary=False)  # fmt: skip
    trainer.fit(module, datamodule=Reals(steps, reals))
    return getattr(log, "pictures", [])


class Reals(pl.LightningDataModule):
    def __init__(self, steps, reals):
        super().__init__()
        self.steps = steps
        self.reals = ImageSet(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), "black") if reals is None else reals

    def train_dataloader(self):
        return DataLoader(torch.zeros(self.steps, 1))


def test_samples_at_the_start_each_cadence_and_the_end(tmp_path):
    module = Painter(300)
    pictures = train(tmp_path, module, steps=10, sample_kimg=1)
    side = 8 * (64 + 2) + 2
    steps = [0, 1200, 2100, 3000]  # the first batches past 1000 and 2000; 3000 is both a cadence and the end
    assert pictures == [
        (f"samples/{name}", step, step // 100 + brighter, (1, side, side))
        for step in steps
        for name, brighter in (("ema", 100), ("raw", 0))
    ]
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [f"00000{k}.png" for k in range(4)]
    assert np.asarray(Image.open(tmp_path / "samples" / "000003.png"))[5, 5] == 130
    assert module.seeds == {7}


def test_raw_weights_are_sampled_only_where_a_tracker_takes_pictures(tmp_path):
    for tracker, weights in ((CSVLog, ["EMA"] * 2), (Pictures, ["EMA", "raw"] * 2)):
        module = Painter(300)
        train(tmp_path, module, steps=1, sample_kimg=1, tracker=tracker)
        assert module.weights == weights


def test_a_model_of_several_scales_gets_a_sheet_with_a_row_for_each(tmp_path):
    """8 latents across, 4, 8 and 16 px down, all as large as the finest."""
    pictures = train(tmp_path, Painter(300, sizes=(4, 8, 16)), steps=1, sample_kimg=1)
    wide, high = 8 * (64 + 2) + 2, 3 * (64 + 2) + 2
    assert ("samples/scales", 300, 103, (1, high, wide)) in pictures
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [
        "000000-scales.png", "000000.png", "000000_300-scales.png", "000000_300.png"
    ]  # fmt: skip  # the end of a run of 0.3 kimg does not replace its start
    first = rows_of_scales([torch.arange(8).to(torch.uint8).view(8, 1, 1, 1).expand(8, 1, h, h) for h in (4, 16)])
    assert [int(first[0, 5, 2 + 66 * k + 5]) for k in range(8)] == list(range(8))
    assert torch.equal(first[:, 2:66], first[:, 68:132])


@pytest.mark.parametrize(("classes", "rows"), [
    (3, [0, 1, 2]), (10, list(range(10))), (1000, [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]),
])  # fmt: skip
def test_a_model_with_labels_gets_a_row_for_each_class(tmp_path, classes, rows):
    assert class_rows(classes).view(-1, 8).tolist() == [[k] * 8 for k in rows]
    pictures = train(tmp_path, Painter(300, classes=classes), steps=1, sample_kimg=1)
    assert {shape for *_, shape in pictures} == {(1, len(rows) * (64 + 2) + 2, 8 * (64 + 2) + 2)}
    sheet = np.asarray(Image.open(tmp_path / "samples" / "000000_300.png"))
    assert [[int(sheet[66 * i + 5, 66 * k + 5]) for k in range(8)] for i in range(len(rows))] == [
        [row % 256] * 8 for row in rows
    ]


class Shooter(Painter):
    """`sample_pyramids` gives points of the plane; `asked` is how many, and of which classes."""

    def sample_pyramids(self, n, seed, y=None, ema=True, batch_size=256, shard=(0, 1)):
        self.asked = n, y
        yield [torch.randn(n, 2, 1, 1, generator=torch.Generator().manual_seed(seed))]


def test_points_are_drawn_as_a_scatter_plot_over_the_reals(tmp_path):
    reals = ImageSet(torch.randn(6000, 2, 1, 1), "plane")
    module = Shooter(300, classes=2)
    pictures = train(tmp_path, module, steps=1, sample_kimg=1, reals=reals)
    assert [(name, step, shape) for name, step, _, shape in pictures] == [
        (f"samples/{which}", step, (3, 600, 600)) for step in (0, 300) for which in ("ema", "raw")
    ]
    assert module.asked == (2500, None)
    written = torch.from_numpy(np.asarray(Image.open(tmp_path / "samples" / "000000_300.png")).copy()).permute(2, 0, 1)
    points = next(module.sample_pyramids(2500, seed=7))[0]
    some = torch.linspace(0, 5999, 2500, dtype=torch.float64).long()
    assert torch.equal(written, scatter(points, reals.images[some]))


def test_a_resumed_run_draws_what_the_unbroken_one_would(tmp_path):
    assert [p[1] for p in train(tmp_path, Painter(300, shown=1200), steps=4, sample_kimg=1)] == [2100, 2100, 2400, 2400]


def test_cadence_must_be_above_zero(tmp_path):
    with pytest.raises(ValueError, match="above 0"):
        Samples(tmp_path, 0, seed=1)

"""Pictures of a run: grids of samples, and `curves.png` from `metrics.csv`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter
from PIL import Image
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from seesaw.callbacks import BatchCallback
from seesaw.run import scatter
from seesaw.run.csv_log import Row, read_metrics
from seesaw.run.tracker import Tracker
from seesaw.types import Pyramid

KIMG = "real images shown (kimg)"
_CELL = 64  # images smaller than this are enlarged by a whole factor, so that a person sees them


def grid(images: Tensor, columns: int | None = None, pad: int = 2) -> Tensor:
    """Images uint8 (N, C, H, W) on one sheet, uint8 (C, H', W'), row by row on grey.

    Small images are repeated pixel by pixel, never blended, so every value of the sheet is one of an image.

    Args:
        images: at least one.
        columns: null makes the sheet as square as it gets.
        pad: pixels of grey around each image.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0:
        raise ValueError(f"grid of {images.dtype} {tuple(images.shape)}; allowed is torch.uint8 (N >= 1, C, H, W)")
    columns = columns or math.ceil(math.sqrt(len(images)))
    factor = max(1, math.ceil(_CELL / max(images.shape[-2:])))
    cells = images.cpu().repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    n, c, h, w = cells.shape
    rows = math.ceil(n / columns)
    sheet = torch.full((c, rows * (h + pad) + pad, columns * (w + pad) + pad), 96, dtype=torch.uint8)
    for i, cell in enumerate(cells):
        top, left = pad + i // columns * (h + pad), pad + i % columns * (w + pad)
        sheet[:, top : top + h, left : left + w] = cell
    return sheet


def save_png(image: Tensor, path: Path | str) -> None:
    """Writes a picture, uint8 (1 or 3, H, W), whole or not at all; makes the folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = image.cpu().permute(1, 2, 0).numpy()
    new = path.with_name(path.name + ".new")
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(new, format="PNG")
    new.replace(path)


def sheet(samples: Tensor, reals: Any) -> Tensor:
    """The picture of samples, uint8 (C, H, W): a grid of images, one image as it is, a scatter plot of points over some
    of the reals."""
    if len(samples) == 1 and samples.shape[-1] >= _CELL:
        return samples[0].cpu()
    if samples.shape[-1] > 1:
        return grid(samples)
    some = torch.linspace(0, len(reals) - 1, min(len(reals), scatter.MOST), dtype=torch.float64).long()
    return scatter.scatter(samples, reals.gather(some))


def rows_of_scales(pyramid: Pyramid) -> Tensor:
    """A sheet, uint8 (C, H, W), with a row for each scale, coarse to fine: a column is one latent at every scale.

    Args:
        pyramid: uint8 (N, C, h, h) each, h powers of two.
    """
    largest = pyramid[-1].shape[-1]
    rows = [
        x.cpu().repeat_interleave(largest // x.shape[-1], -1).repeat_interleave(largest // x.shape[-1], -2)
        for x in pyramid
    ]
    return grid(torch.cat(rows), columns=len(rows[0]))


class Samples(BatchCallback):
    """The same latents again and again: `<run_dir>/samples/<kimg>.png` (EMA), and samples/ema and samples/raw to the
    trackers; before the first image, each `sample_kimg`, and at the end.

    A model that gives several scales also gets `<run_dir>/samples/<kimg>-scales.png`, eight latents at every scale.

    Args:
        run_dir: the run folder.
        sample_kimg: thousands of images between two pictures, above 0.
        seed: of the latents.
        count: images of a grid; of points there are 2,500.
    """

    def __init__(self, run_dir: Path, sample_kimg: float, seed: int, count: int = 64) -> None:
        if sample_kimg <= 0 or count < 1:
            raise ValueError(f"sample_kimg {sample_kimg}, count {count}; allowed are values above 0")
        self.run_dir, self.seed, self.count = run_dir, seed, count
        self.every = max(1, round(sample_kimg * 1000))  # images
        self._seen = 0
        self._drawn = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seen = _images_shown(pl_module)
        if self._seen == 0:
            self.draw(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        before, self._seen = self._seen, _images_shown(pl_module)
        if before // self.every != self._seen // self.every:
            self.draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._drawn != _images_shown(pl_module):
            self.draw(trainer, pl_module)

    def draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Every rank samples, since sampling may average buffers over them; rank 0 writes."""
        self._drawn = _images_shown(pl_module)
        reals = trainer.datamodule.reals  # type: ignore[attr-defined]
        for name, ema in (("ema", True), ("raw", False)):
            pyramid = sampled(pl_module, self.count if reals.shape[-1] > 1 else scatter.MOST, self.seed, ema)
            if not trainer.is_global_zero:
                continue
            self._show(trainer, f"samples/{name}", sheet(pyramid[-1], reals), "" if ema else None)
            if len(pyramid) > 1 and ema:
                self._show(trainer, "samples/scales", rows_of_scales([x[:8] for x in pyramid]), "-scales")

    def _show(self, trainer: Trainer, name: str, picture: Tensor, ending: str | None) -> None:
        """To the trackers, and where it has an ending into the run folder."""
        if ending is not None:
            kimg, rest = divmod(self._drawn, 1000)
            finer = f"_{rest:03d}" if self.every < 1000 else ""  # or pictures of one thousand would share a name
            save_png(picture, self.run_dir / "samples" / f"{kimg:06d}{finer}{ending}.png")
        for tracker in trainer.loggers:
            if isinstance(tracker, Tracker):
                tracker.log_picture(name, picture, self._drawn)


def sampled(model: Any, count: int, seed: int, ema: bool) -> Pyramid:
    """`count` samples at every scale that the model gives, on the host."""
    chunks = list(model.sample_pyramids(count, seed=seed, ema=ema))
    return [torch.cat([c.cpu() for c in scale]) for scale in zip(*chunks, strict=True)]


def _images_shown(pl_module: LightningModule) -> int:
    return pl_module.images_shown  # type: ignore[return-value]


# Okabe and Ito's palette, told apart with every kind of colour vision. One colour means one thing in all panels.
_D, _G, _REAL, _FAKE, _MORE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", ("#000000", "#56B4E9", "#E69F00", "#009E73")


class _Panel(NamedTuple):
    title: str
    lines: dict[str, tuple[str, str]]  # metric -> label, colour
    scale: str = "linear"
    level: float | None = None  # a value worth comparing with
    zero: bool = False  # counts and shares start at 0, or small changes look large
    prefixes: tuple[str, ...] = ()  # or every metric that starts so


_PANELS = (
    _Panel("content loss", {"loss/content": ("", _G)}, "log"),
    _Panel("style loss", {"loss/style": ("", _D)}, "log"),
    _Panel("variation loss", {"loss/variation": ("", _REAL)}, "log"),
    _Panel("loss", {"loss/D": ("D", _D), "loss/G": ("G", _G)}),
    _Panel("D's accuracy", {"D/accuracy": ("", _D)}, level=0.5, zero=True),
    _Panel("D's mean logit", {"D/logits_real": ("real", _REAL), "D/logits_fake": ("fake", _FAKE)}, level=0.0),
    _Panel("gradient norm", {"grad_norm/D": ("D", _D), "grad_norm/G": ("G", _G)}, "log"),
    _Panel("learning rate", {"lr/D": ("D", _D), "lr/G": ("G", _G)}, "log"),
    _Panel("updates so far", {"updates/D": ("D", _D), "updates/G": ("G", _G)}, zero=True),
    _Panel("D's advantage", {"balance/advantage": ("", _D)}, level=0.0),
    _Panel("rests in each window", {"rests/D": ("D", _D), "rests/G": ("G", _G)}),
    _Panel("Fréchet distance", {}, "log", prefixes=("fid", "frechet_")),
    _Panel("kernel distance", {}, "log", prefixes=("kid", "kernel_")),
    _Panel("modes found", {}, zero=True, prefixes=("modes_",)),
    _Panel("samples of quality (share)", {}, zero=True, prefixes=("confident_", "high_quality_")),
    _Panel("reverse KL of modes (nats)", {}, zero=True, prefixes=("reverse_kl_",)),
    _Panel("drift of fixed latents", {"drift": ("", _G)}, "log"),
    _Panel("images per second", {"images_per_sec": ("", "#555555")}, zero=True),
    _Panel("longer side (pixels)", {"size": ("", _D)}, zero=True),
    _Panel("iterations per second", {"iterations_per_sec": ("", "#555555")}, zero=True),
)


def curves(run_dir: Path | str) -> Path | None:
    """`<run_dir>/curves.png`, 1200 x 800 and up, from `<run_dir>/metrics.csv` over kimg; None while there is nothing to draw.
    Panels of what the run did not measure are left out."""
    run_dir = Path(run_dir)
    rows = read_metrics(run_dir / "metrics.csv") if (run_dir / "metrics.csv").exists() else []
    panels = [(panel, lines) for panel in _PANELS if (lines := _lines(panel, rows))]
    if not panels:
        return None
    height = math.ceil(len(panels) / 3)
    figure = Figure(
        figsize=(12, max(8.0, 2.67 * height)), dpi=100, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    )
    FigureCanvasAgg(figure)  # no pyplot: nothing global is touched
    for i, (panel, lines) in enumerate(panels):
        _draw(
            figure.add_subplot(height, 3, i + 1),
            panel,
            lines,
            below=i + 3 >= len(panels),
            end=max(r["kimg"] for r in rows),
            time="iterations" if "iteration" in rows[-1] else KIMG,
        )
    path, new = run_dir / "curves.png", run_dir / "curves.png.new"
    figure.savefig(new, format="png")
    new.replace(path)
    return path


def _short(value: float, _: Any = None) -> str:
    return format(value, "g")


def _two_or_five(value: float, _: Any = None) -> str:
    return _short(value) if format(value, ".0e")[0] in "25" else ""


class _Line(NamedTuple):
    label: str
    colour: str
    kimg: list[float]
    values: list[float]


def _lines(panel: _Panel, rows: Sequence[Row]) -> list[_Line]:
    names = dict(panel.lines)
    found = sorted({k for row in rows for k in row if k.startswith(panel.prefixes)}) if panel.prefixes else []
    extractors = list(dict.fromkeys(name.removesuffix("_raw") for name in found))
    for name in found:  # the raw generator's line has its extractor's colour, and is dashed
        label = name.removeprefix(next(p for p in panel.prefixes if name.startswith(p))).replace("_", " ").strip()
        names[name] = (label or name, _MORE[extractors.index(name.removesuffix("_raw")) % len(_MORE)])
    lines = []
    for name, (label, colour) in names.items():
        points = [(row["kimg"], row[name]) for row in rows if name in row and math.isfinite(row[name])]
        if points:
            lines.append(_Line(label, colour, *(list(values) for values in zip(*points, strict=True))))
    return lines


def _draw(axes: Axes, panel: _Panel, lines: list[_Line], below: bool, end: float, time: str = KIMG) -> None:
    for k, line in enumerate(lines):
        few = "o" if len(line.kimg) < 40 else None  # single measurements stay visible
        # Of two lines that lie on each other, the upper one is dashed: both can be seen.
        dashed = line.label.endswith("raw") or (k > 0 and panel.title in ("learning rate", "updates so far"))
        style = (0, (4, 3)) if dashed else "-"
        axes.plot(line.kimg, line.values, color=line.colour, label=line.label, lw=1.6, ls=style, marker=few, ms=3.5)
    if panel.level is not None:
        axes.axhline(panel.level, color="#999999", lw=0.8, ls=":", zorder=0)
    if panel.scale == "log" and all(v > 0 for line in lines for v in line.values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(_short))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        if max(v for line in lines for v in line.values) < 100 * min(v for line in lines for v in line.values):
            axes.yaxis.set_minor_formatter(FuncFormatter(_two_or_five))  # decades alone would give one number or none
    if panel.zero:
        axes.set_ylim(0, 1.08 * max(max(line.values) for line in lines) or 1)
    axes.set_xlim(0, 1.01 * end or 1)  # the same in every panel: events line up
    long = bool(panel.prefixes)  # labels from names of sets find no room beside the title: a line of their own
    axes.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", pad=22 if long else None)
    if any(line.label for line in lines):  # above the panel, never over the data
        axes.legend(loc="lower left" if long else "lower right", bbox_to_anchor=(0.0 if long else 1.0, 1.0), ncols=4,
                    frameon=False, fontsize=9, borderaxespad=0.1, handlelength=1.6, columnspacing=1.0)  # fmt: skip
    axes.grid(True, color="#e6e6e6", lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    if below:
        axes.set_xlabel(f"thousands of {time}", fontsize=9)

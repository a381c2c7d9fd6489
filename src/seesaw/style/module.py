"""Neural style transfer: one image is the only parameter (Gatys, Ecker and Bethge 2016), drawn from coarse to fine."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from seesaw.experiment import Experiment
from seesaw.functional.pixels import to_stored
from seesaw.functional.style import luminance, match_luminance, with_colours_of
from seesaw.style.features import Features
from seesaw.style.losses import Content, LayerLoss, Variation
from seesaw.style.scales import carry, resampled, sizes, spans
from seesaw.types import Pyramid, UserError
from seesaw.util import atomic_write, key

PARTS = ("content", "style", "variation")


class StyleTransfer(Experiment):
    """The canvas, and the loss that an optimiser lowers: content + style + variation.

    One iteration is one step of the optimiser; it counts as one image shown, so `kimg` is thousands of iterations. It is
    computed in float32 whatever `precision` is: bfloat16 would drown the gradient's small differences.

    Args:
        backbone: the network and its layers.
        content, style, variation: the terms, each with its weight.
        optimizer: "canvas": parameters -> optimizer. The canvas is held in [-1, 1] after each step, but not under L-BFGS, whose
            curvature would be wrong; its result is clipped at the end.
        kimg: length of the run; with `scales` it fixes how long each scale lasts.
        start: from where: `noise` (normal, standard deviation 0.2, keyed by `seed`), the `content` or the `style` image.
        scales: how many, each larger by the root of two; see `seesaw.style.scales`. The average is the next scale's start,
            Adam's moments are resampled, L-BFGS restarts.
        average: decay an iteration of the running mean of the canvas (bias-corrected, begun anew at each scale), in [0, 1).
            The mean is the result. 0: the canvas itself.
        colours: `style`; or `content`: hue and saturation stay the content's. Then both images are taken in grey, the style's
            lightness matched to the content's (luminance alone is drawn: arXiv 1606.05897).
        tolerance: a scale ends early when the loss's mean over `patience` iterations fell by less than this part of the
            one before; at the finest scale the run ends. 0: never.
        patience: see `tolerance`.
        seed: of the noise.
        log_kimg: length of a window of the curves.
    """

    unused_options = frozenset({"batch_size", "evaluate_kimg", "metrics", "monitor"})
    unit = "iterations"

    average: Tensor
    window: Tensor
    recent: Tensor

    def __init__(
        self,
        backbone: Features,
        content: Content,
        style: LayerLoss,
        variation: Variation,
        optimizer: Mapping[str, Callable[..., Optimizer]],
        kimg: float,
        start: Literal["noise", "content", "style"] = "content",
        scales: int = 1,
        average: float = 0.99,
        colours: Literal["style", "content"] = "style",
        tolerance: float = 1e-3,
        patience: int = 50,
        seed: int = 0,
        log_kimg: float = 0.01,
    ) -> None:
        super().__init__()
        check(start, scales, average, colours, tolerance, patience)
        if set(optimizer) != {"canvas"}:
            raise ValueError(
                f"optimizer has {', '.join(optimizer) or 'nothing'}; a style transfer takes one under canvas: give "
                "optimizer=canvas_adam or optimizer=canvas_lbfgs"
            )
        self.backbone = [backbone]  # in a list, so that its frozen weights stay out of checkpoints
        self.terms = (content, style, variation)
        self.make_optimizer, self.start, self.scales, self.colours = optimizer["canvas"], start, scales, colours
        self.decay, self.tolerance, self.patience, self.seed = average, tolerance, patience, seed
        self.log_every = max(round(log_kimg * 1000), 1)
        self.spans = spans(round(kimg * 1000), scales)
        if self.spans[0] < 1:
            raise ValueError(
                f"kimg={kimg:g} leaves no iteration for the first of {scales} scales; give more, or fewer scales"
            )
        self.reset()

    def reset(self) -> None:
        """Nothing is drawn yet, and nothing counted."""
        self.canvas = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.register_buffer("average", torch.zeros(1, 3, 1, 1))
        self.register_buffer("window", torch.zeros(3))  # sums of the parts, of the curves
        self.register_buffer("recent", torch.zeros(()))  # sum of the whole, for `tolerance`
        self.before = math.inf  # the mean of the whole over the last `patience` iterations
        self.images_shown, self.scale = 0, 0
        self.here, self.counted = 0, 0  # iterations at this scale, and in this window
        self.parts: Tensor | None = None
        self.photo: Tensor | None = None  # the content at this scale
        self.converged = False
        self.mark = 0.0

    # The step

    def training_step(self, batch: Any, batch_idx: int) -> None:
        if self.here >= self.spans[self.scale] and self.scale < self.scales - 1:
            self.next_scale()
        optimizer = cast(Any, self.optimizers())
        optimizer.step(self.evaluate)
        with torch.no_grad():
            if not isinstance(optimizer.optimizer, LBFGS):
                self.canvas.clamp_(-1, 1)
            self.average.mul_(self.decay).add_(self.canvas, alpha=1 - self.decay)
        self.end_iteration()

    def evaluate(self) -> Tensor:
        """The loss at the canvas, its gradient left on the canvas."""
        self.canvas.grad = None
        with torch.enable_grad(), torch.autocast(self.device.type, enabled=False):
            loss, self.parts = self.loss(self.canvas)
            self.manual_backward(loss)
        return loss.detach()

    def loss(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The whole, and its parts (3,): content, style, variation, weighted and without gradient."""
        images = images.contiguous(memory_format=torch.channels_last)
        features = self.backbone[0](images)
        content, style, variation = self.terms
        parts = torch.stack([content(features), style(features), variation(images)])
        return parts.sum(), parts.detach()

    def end_iteration(self) -> None:
        assert self.parts is not None
        self.images_shown += 1
        self.here += 1
        self.counted += 1
        self.window += self.parts
        self.recent += self.parts.sum()
        if self.images_shown % self.log_every == 0:
            self.end_window()
        if self.here % self.patience == 0:
            self.look_for_change()

    def end_window(self) -> None:
        """Read the device once, and report the means of the window."""
        means: list[float] = (self.window / self.counted).tolist()
        now = time.perf_counter()
        values = {f"train/loss/{name}": mean for name, mean in zip(PARTS, means, strict=True)}
        values |= {"train/loss": sum(means), "train/iteration": float(self.images_shown)}
        values["train/size"] = float(max(self.canvas.shape))
        values["train/iterations_per_sec"] = self.counted / max(now - self.mark, 1e-9)
        self.mark, self.counted = now, 0
        self.window.zero_()
        self.report(values)
        if not math.isfinite(values["train/loss"]):
            raise UserError(
                f"the loss is not finite at iteration {self.images_shown}: give a lower optimizer.canvas.lr, or "
                "optimizer=canvas_adam, and begin anew"
            )

    def leave_out_time(self, seconds: float) -> None:
        super().leave_out_time(seconds)
        self.mark = min(self.mark + seconds, time.perf_counter())

    def look_for_change(self) -> None:
        """End the scale, or at the finest the run, when the loss no longer falls."""
        mean = float(self.recent) / self.patience
        self.recent.zero_()
        still = self.tolerance > 0 and self.before - mean < self.tolerance * self.before
        self.before = mean
        if still and self.here >= 2 * self.patience:
            self.spans[self.scale] = min(self.here, self.spans[self.scale])
            self.converged = self.scale == self.scales - 1
        if self.converged:
            self.trainer.should_stop = True

    # The scales

    def next_scale(self) -> None:
        """The average, resampled, is the new canvas; the new optimiser takes over the state of the old one."""
        old = cast(Any, self.optimizers()).optimizer
        known = old.state.get(self.canvas, {})
        best = self.mean().detach()
        self.scale, self.here, self.before = self.scale + 1, 0, math.inf
        self.aim()
        assert self.photo is not None
        self.place(resampled(best, self.photo.shape).clamp(-1, 1))
        optimizer = self.make_optimizer([self.canvas])
        carry(known, optimizer, self.canvas)
        self.trainer.strategy.optimizers = [optimizer]

    def place(self, image: Tensor) -> None:
        """A new canvas, and an average of nothing."""
        self.canvas = nn.Parameter(image.contiguous())
        self.average = torch.zeros_like(image)
        self.recent = torch.zeros_like(self.recent)

    def photos(self) -> tuple[Tensor, Tensor]:
        """Content and style at this scale, (1, 3, H, W) in [-1, 1], as the losses shall see them."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        size = sizes(data.size, self.scales)[self.scale]
        content, style = (image.to(self.device) for image in data.photos(size))
        self.photo = content
        return (content, style) if self.colours == "style" else (luminance(content), match_luminance(style, content))

    def aim(self) -> None:
        """Give the terms their targets at this scale."""
        content, style = (image.contiguous(memory_format=torch.channels_last) for image in self.photos())
        backbone = self.backbone[0]
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            self.terms[0].aim(backbone(content), backbone.content)
            self.terms[1].aim(backbone(style), backbone.style)

    def first_canvas(self) -> Tensor:
        content, style = self.photos()
        if self.start == "content":
            return content
        if self.start == "style":
            return resampled(style, content.shape).clamp(-1, 1)
        generator = torch.Generator().manual_seed(key(self.seed, "canvas"))
        return 0.2 * torch.randn(content.shape, generator=generator)

    # The result

    def mean(self) -> Tensor:
        """The average of the iterates at this scale, or before the first of them the canvas."""
        return self.average / (1 - self.decay**self.here) if self.here else self.canvas

    @torch.no_grad()
    def result(self, average: bool = True) -> Tensor:
        """The image (1, 3, H, W) in [-1, 1]: the average or the canvas, with the colours that are wanted."""
        image = (self.mean() if average else self.canvas).clamp(-1, 1)
        if self.colours == "style":
            return image
        assert self.photo is not None
        return with_colours_of(image, self.photo.to(image.device))

    def sample_pyramids(
        self,
        n: int,
        seed: int,
        y: Tensor | int | None = None,
        ema: bool = True,
        batch_size: int = 256,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[Pyramid]:
        """The one image there is, uint8 (1, 3, H, W), whatever is asked for: `ema` is the average, else the canvas."""
        if self.photo is None:
            raise UserError("a style transfer has one image: stylized.png in its run folder")
        yield [to_stored(self.result(ema))]

    # What Lightning asks for

    def setup(self, stage: str) -> None:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not hasattr(data, "photos"):
            raise UserError("model=style_transfer redraws one photograph in the style of another: give data=style_pair")
        self.place(self.first_canvas())

    def configure_optimizers(self) -> Optimizer:
        return self.make_optimizer([self.canvas])

    def on_train_start(self) -> None:
        cast(Any, self.backbone[0]).network.to(self.device, memory_format=torch.channels_last)
        self.aim()
        self.mark = time.perf_counter()
        self.trainer.should_stop = self.converged

    def on_train_end(self) -> None:
        """`stylized.png` in the run folder, whatever ended the run in good order."""
        pixels = to_stored(self.result())[0].permute(1, 2, 0).cpu().numpy()
        picture, path = Image.fromarray(pixels), Path(self.trainer.default_root_dir) / "stylized.png"
        atomic_write(path, lambda file: picture.save(file, "PNG"), "choose another place by run_dir=…")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["progress"] = {
            "images_shown": self.images_shown,
            "scale": self.scale,
            "here": self.here,
            "counted": self.counted,
            "spans": list(self.spans),
            "before": self.before,
            "converged": self.converged,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A longer kimg lengthens the finest scale; those before stay as they were planned."""
        progress = checkpoint["progress"]
        self.images_shown, self.scale, self.here = progress["images_shown"], progress["scale"], progress["here"]
        self.counted = progress["counted"]
        self.spans, self.before, self.converged = list(progress["spans"]), progress["before"], progress["converged"]

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """The canvas has the size of the scale at which it was saved."""
        self.place(torch.zeros_like(state_dict["canvas"], device=self.device))
        return super().load_state_dict(state_dict, strict, assign)


def check(start: str, scales: int, average: float, colours: str, tolerance: float, patience: int) -> None:
    """Raise ValueError for a value that is out of range."""
    if start not in ("noise", "content", "style"):
        raise ValueError(f"start must be noise, content or style, not {start!r}")
    if colours not in ("style", "content"):
        raise ValueError(f"colours must be style or content, not {colours!r}")
    if not 1 <= scales <= 16:
        raise ValueError(f"scales must be from 1 to 16, not {scales}")
    if not 0 <= average < 1:
        raise ValueError(f"average must be at least 0 and below 1, not {average}")
    if not 0 <= tolerance < 1 or patience < 1:
        raise ValueError(
            f"tolerance must be at least 0 and below 1, and patience at least 1, not {tolerance} and {patience}"
        )

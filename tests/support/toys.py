"""Tasks of every shape that the step knows (plain, growing, multi-scale, style-based with lazy phases, gated, with labels, with
an augmentation that keeps state, simultaneous), and how a test trains one and reads what was logged.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import Logger
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from toy_nets import GrowingD, GrowingG, LabelledD, LabelledG, PlainD, PlainG, ScalesD, ScalesG, StyleG

from seesaw.gan.balance import TTUR, SkipD
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.dynamics import Simultaneous
from seesaw.gan.growth import Growing
from seesaw.gan.losses import CrossEntropyD, HingeD, HingeG, NonSaturatingG
from seesaw.gan.module import GAN
from seesaw.gan.parts import Augmentation
from seesaw.gan.penalties import R1, PathLength, Penalty
from seesaw.gan.phases import Phase, build_phases
from seesaw.gan.schedules import Linear
from seesaw.gan.terms import Term
from seesaw.gan.views import AllScales, GrowingView
from seesaw.types import Batch, Pyramid


class Dimming(Augmentation):
    """Multiplies all images by 1 - p |u|, u uniform for each image; p rises while D's mean logit of reals is above 0.

    `p` and the sum of logits since the last batch are buffers. Time, statistics and calls are counted for the tests.
    """

    needs_statistics = True
    sees_batches = True

    def __init__(self, step: float = 0.02) -> None:
        super().__init__()
        self.p: Tensor
        self.logits: Tensor
        self.register_buffer("p", torch.tensor(0.1))
        self.register_buffer("logits", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.step = step
        self.time = (0, 0)
        self.accuracy = 0.0

    def forward(self, images: Pyramid) -> Pyramid:
        u = torch.rand(len(images[-1]), 1, 1, 1, device=images[-1].device, dtype=images[-1].dtype)
        return [x * (1 - self.p * u).to(x) for x in images]

    def advance(self, batches: int, images_shown: int) -> None:
        self.time = (batches, images_shown)
        self.p.add_(self.step * self.logits.sign()).clamp_(0, 1)
        self.logits.zero_()

    def see(self, phase: Phase, batch: AdversarialBatch) -> None:
        if phase.player == "D" and batch.has("real_logits"):
            self.logits.add_(batch.real_logits.detach().mean())
            self.batches.add_(1)

    def observe(self, statistics: Mapping[str, float], images: int) -> None:
        self.accuracy = statistics.get("D/accuracy", self.accuracy)

    def report(self) -> dict[str, float]:
        return {"augment/accuracy": self.accuracy}

    def get_extra_state(self) -> dict[str, Any]:
        return {"accuracy": self.accuracy}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.accuracy = state["accuracy"]


ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.99), fused=True)


OPTIMIZER = {"G": ADAM, "D": ADAM}


def losses(d: Term | None = None, g: Term | None = None) -> dict[str, Term]:
    """The group `loss`: the non-saturating one unless others are given."""
    return {"d": d or CrossEntropyD(), "g": g or NonSaturatingG()}


def game(d: Term | None = None, g: Term | None = None, **penalty: Penalty) -> dict[str, Phase]:
    """The phases of a game with these losses and penalties."""
    return build_phases(losses(d, g), penalty)


def plain(**options: Any) -> GAN:
    """A GAN with the non-saturating loss over PlainG and PlainD unless `options` name others; the same weights at every call."""
    torch.manual_seed(0)
    defaults: dict[str, Any] = {"loss": losses(), "optimizer": OPTIMIZER, "seed": 3, "log_kimg": 0.032}
    options = defaults | options
    G, D = options.pop("G", None) or PlainG(), options.pop("D", None) or PlainD()
    return GAN(G, D, **options)


def task(name: str, **options: Any) -> GAN:
    """A GAN of the named shape, with the same initial weights at every call."""
    torch.manual_seed(0)
    options = {"optimizer": OPTIMIZER, "seed": 3, "log_kimg": 0.032, "ema_half_life": 100.0} | options
    if name == "plain":
        return GAN(PlainG(), PlainD(), losses(HingeD(), HingeG()), **options)
    if name == "noisy":  # BatchNorm, dropout, a schedule: all that could upset a resume
        options = {"schedule": {"lr": Linear(1.0, 0.1, kimg=1.0)}} | options
        return GAN(PlainG(norm=True), PlainD(dropout=0.3), losses(), **options)
    if name == "gated":  # r1 is left out while D is skipped
        gate = SkipD(skip_above=0.02, resume_below=0.01, half_life=8.0, max_skips=3)
        options = {"balance": {"skip_d": gate, "ttur": TTUR()}} | options
        return GAN(PlainG(), PlainD(), losses(), penalty={"r1": R1(0.1)}, **options)
    if name == "growing":
        return GAN(GrowingG(), GrowingD(), losses(), view=GrowingView(), growth=Growing(64, 40, 8), **options)
    if name == "scales":
        return GAN(ScalesG(), ScalesD(), losses(), view=AllScales(), **options)
    if name == "labelled":
        return GAN(LabelledG(), LabelledD(), losses(), penalty={"r1": R1(0.1)}, **options)
    if name == "augmented":
        return GAN(PlainG(norm=True), PlainD(), losses(), augment={"dimming": Dimming()}, **options)
    if name == "simultaneous":
        options = {"dynamics": {"simultaneous": Simultaneous()}, "penalty": {"r1": R1(1.0, interval=3)}} | options
        return GAN(PlainG(norm=True), PlainD(), losses(), **options)
    assert name == "style"
    options = {"penalty": {"path_length": PathLength(), "r1": R1(1.0, interval=16)}} | options
    return GAN(StyleG(), PlainD(), losses(), order=("G", "D"), **options)


TASKS = ("plain", "noisy", "gated", "growing", "scales", "style", "labelled", "augmented", "simultaneous")
REALS = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


LABELS = torch.arange(40) % 3


class Stream(IterableDataset[Batch]):
    """Batches from a fixed ring of reals with or without their labels, starting at any image."""

    def __init__(
        self, start: int, batches: int, size: int = 8, reals: Tensor = REALS, labels: Tensor | None = None
    ) -> None:
        self.start, self.batches, self.size, self.reals, self.labels = start, batches, size, reals, labels

    def __iter__(self) -> Iterator[Batch]:
        for k in range(self.batches):
            rows = (torch.arange(self.size) + self.start + k * self.size) % len(self.reals)
            yield Batch(self.reals[rows], None if self.labels is None else self.labels[rows])


class Recorder(Logger):
    """A logger that keeps its rows, (images shown, values), in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "recorder"

    @property
    def version(self) -> int:
        return 0

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        assert step is not None
        self.rows.append((step, dict(metrics)))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass


def rows(gan: GAN) -> list[tuple[int, dict[str, float]]]:
    """What reached the logger of the last `fit`: (images shown, values)."""
    return cast(Recorder, gan.trainer.logger).rows


def reports(gan: GAN) -> list[dict[str, float]]:
    """The values of `rows`."""
    return [values for _, values in rows(gan)]


def fit(
    gan: GAN,
    batches: int,
    ckpt: str | None = None,
    start: int = 0,
    precision: Any = "32-true",
    size: int = 8,
    reals: Tensor = REALS,
    labels: Tensor | None = None,
    callbacks: list[pl.Callback] | None = None,
) -> pl.Trainer:
    """Train for `batches` batches on the CPU, from a checkpoint if one is given, with a `Recorder` as the logger.

    A model with labels gets those of the ring where `labels` gives no others.
    """
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        logger=Recorder(),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        precision=precision,
        callbacks=[EndAfter(start + batches * size), *(callbacks or [])],
    )
    labels = LABELS if labels is None and gan.classes else labels
    trainer.fit(gan, DataLoader(Stream(start, batches, size, reals, labels), batch_size=None), ckpt_path=ckpt)
    return trainer


class EndAfter(pl.Callback):
    """Stops after the batch that reaches `images`."""

    def __init__(self, images: int) -> None:
        self.images = images

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        trainer.should_stop = pl_module.images_shown >= self.images


def assert_equal_states(one: nn.Module, other: nn.Module) -> None:
    """Every tensor of both state dicts, bit by bit."""
    expected, found = one.state_dict(), other.state_dict()
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        if isinstance(value, Tensor):
            assert torch.equal(value, found[name]), name

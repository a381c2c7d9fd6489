"""Distances while a GAN trains."""

from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.callbacks import BatchCallback
from seesaw.functional.ranks import collected, in_turn
from seesaw.metrics.drift import COUNT, Drift
from seesaw.metrics.estimate import estimate
from seesaw.metrics.evaluator import Evaluation, Evaluator
from seesaw.metrics.extractors import Extractor
from seesaw.metrics.protocol import Which
from seesaw.metrics.report import report

WORTH_SAYING = 10.0
"""Seconds of measuring in a run from which on they are told before it starts."""


class NoMetrics(BatchCallback):
    """Measures nothing."""

    last: dict[str, float] = {}  # noqa: RUF012 - never written to
    best: tuple[float, float] | None = None
    last_improved = False
    protocol = ""

    def check(self) -> None:
        """Nothing can be missing."""


class Evaluate(BatchCallback):
    """Measures G's average, and how far the images of fixed latents have moved (`drift`), each time the images shown pass a
    multiple of `evaluate_kimg`, and at the run's length `kimg`; never before the first step, nor when a run is
    interrupted: a resumed run measures just what an unbroken one does.

    The reals are the datamodule's `reals`. Training goes on as if nothing had been: latents are keyed, no global random
    generator is used. The module is a `seesaw.gan.module.GAN`, or gives `images_shown`, `sample` and `on_distance` as
    it does. Of several processes each samples some chunks of the same images and extracts their features; the first one
    measures them all, and the others take its figures: those that a process alone would have.

    Args:
        extractor: makes the features and names the distances.
        evaluate_kimg: thousands of images between two measurements.
        kimg: length of the run; null: it is not known, and the last weights are not measured unless they are due.
        cache_dir: folder for the statistics of the reals.
        n: images of each measurement; null: as many as there are reals, at most 10,000.
        raw: measure the raw G as well; its figures end in `_raw`.
        batch_size: images that G and the extractor take at once.
        kernel_subsets: null: the kernel distance is taken over all samples; else over so many subsets of 1000.
        seed: key of the latents. The same in every run, so that runs differ by their weights alone.
    """

    def __init__(
        self,
        extractor: Extractor,
        evaluate_kimg: float,
        kimg: float | None = None,
        cache_dir: str = "cache",
        n: int | None = None,
        raw: bool = False,
        batch_size: int = 256,
        kernel_subsets: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not evaluate_kimg > 0:
            raise ValueError(f"evaluate_kimg must be above 0, not {evaluate_kimg}")
        self.evaluator = Evaluator(extractor, n, batch_size, kernel_subsets)
        self.every = max(round(evaluate_kimg * 1000), 1)
        self.end = float("inf") if kimg is None else round(kimg * 1000)
        self.cache_dir, self.raw, self.batch_size, self.seed = cache_dir, raw, batch_size, seed
        self.drift, self.turn = Drift(), (0, 1)
        self.evaluated_at = 0
        self.last: dict[str, float] = {}
        """The figures of the last evaluation."""
        self.best: tuple[float, float] | None = None
        """The smallest primary figure of the average (see the extractor), and the kimg at which it was measured."""
        self.last_improved = False
        """Whether the last evaluation gave a new best; who saves the weights may reset it."""
        self.protocol = ""
        """How the figures of the average were made, in a line."""

    def check(self) -> None:
        """Raises UserError when the extractor's weights are missing; called before a run begins."""
        self.evaluator.extractor.prepare(torch.device("cpu"))

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Missing weights are told here, before training starts, and what all measuring of the run will cost."""
        self.turn = (trainer.global_rank, trainer.world_size)
        reals, device = trainer.datamodule.reals, trainer.strategy.root_device  # type: ignore[attr-defined]
        self.evaluator.extractor.prepare(device)
        # The raw G: the average first has its BatchNorm estimated, once an evaluation and not once a batch.
        told = estimate(
            self.evaluator, reals, self.cache_dir, lambda n: pl_module.sample(n, self.seed, ema=False, batch_size=n)
        )
        left = self.evaluations_after(pl_module.images_shown)
        if trainer.is_global_zero and told.seconds(left) > WORTH_SAYING:
            print(told.sentence(left), flush=True)
        self.evaluator.prepare(reals, self.cache_dir, device)
        self.forget_others(self.evaluator.protocol(reals).label(), pl_module)

    def forget_others(self, protocol: str, pl_module: Any) -> None:
        """A checkpoint may bring figures of other metrics: nothing measured now compares with those, so the best starts anew."""
        if self.protocol in ("", protocol):
            return
        rank_zero_only(print)(
            f"metrics: measured by {protocol} from here on, and by {self.protocol} before: best starts anew"
        )
        self.protocol, self.last, self.best, self.last_improved = "", {}, None, False
        pl_module.on_other_distance()

    def evaluations_after(self, images_shown: int) -> int:
        """How often the average, and the raw G where it is asked for, will be measured from then to the end of the run."""
        if self.end == float("inf"):
            return 1 + self.raw
        times = int(self.end) // self.every - images_shown // self.every + (int(self.end) % self.every > 0)
        return max(times, 0) * (1 + self.raw)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
        due = pl_module.images_shown // self.every > self.evaluated_at // self.every
        if due or pl_module.images_shown >= self.end:
            self.evaluate(trainer, pl_module)

    def evaluate(self, trainer: Trainer, pl_module: Any) -> None:
        """Measure now, report, and remember the best."""
        values: dict[str, float] = {}
        if evaluation := self.measure(pl_module, "ema"):  # None but on the first process
            values, self.protocol = evaluation.values, evaluation.protocol.label()
        if self.raw and (evaluation := self.measure(pl_module, "raw")):
            values |= {f"{name}_raw": value for name, value in evaluation.values.items()}
        fixed = pl_module.sample(COUNT, self.seed, batch_size=self.batch_size)
        values |= self.drift.update(torch.cat([chunk.cpu() for chunk in fixed]))
        self.last = trainer.strategy.broadcast(values)
        self.evaluated_at = pl_module.images_shown
        distance = self.last[self.evaluator.primary]
        self.last_improved = self.best is None or distance < self.best[0]
        if self.last_improved:
            self.best = (distance, self.evaluated_at / 1000)
        report(trainer, self.last)
        pl_module.on_distance(distance)

    def measure(self, pl_module: Any, which: Which) -> Evaluation | None:
        """Figures and protocol of the module's present weights; None but on the first process. The evaluator must be prepared."""
        n, size = self.evaluator.count, self.batch_size
        chunks = pl_module.sample(n, self.seed, ema=which == "ema", batch_size=size, turn=self.turn)
        features = self.evaluator.features(chunks, sum(in_turn(n, size, *self.turn)))
        whole = collected(features, n, size)
        return None if whole is None else self.evaluator.distances(whole, which)

    def state_dict(self) -> dict[str, Any]:
        best = None if self.best is None else list(self.best)
        kept = {"evaluated_at": self.evaluated_at, "last": dict(self.last), "best": best, "protocol": self.protocol}
        return kept | {"images": self.drift.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.evaluated_at, self.last = state_dict["evaluated_at"], dict(state_dict["last"])
        self.protocol, self.drift.before = state_dict["protocol"], state_dict["images"]
        self.best = None if state_dict["best"] is None else (state_dict["best"][0], state_dict["best"][1])

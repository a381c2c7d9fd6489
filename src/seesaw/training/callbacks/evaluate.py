"""Metrics while a model trains."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from seesaw.config.renamed import gated_name
from seesaw.config.values import did_you_mean
from seesaw.data.holdout import Part, check_part
from seesaw.errors import UserError
from seesaw.functional.pixels import to_8_bit
from seesaw.functional.ranks import collected, in_turn
from seesaw.metrics.drift import COUNT, Drift
from seesaw.metrics.estimate import estimate
from seesaw.metrics.evaluator import Evaluation, Evaluator, Parts
from seesaw.metrics.extractors.base import Extractor, Frozen, check_channels
from seesaw.metrics.features import FIXED
from seesaw.metrics.metric import Metric, Panel, panels
from seesaw.metrics.protocol import Which
from seesaw.metrics.reference import Reals
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.callbacks.players import player_figures
from seesaw.training.loggers.tracker import trackers_of
from seesaw.util import key

WORTH_PRINTING = 10.0
"""Seconds of measuring in a run from which on an estimate is printed before it starts."""

PREFIX = "eval/"
"""Begins the logged name of every metric."""


class NoMetrics(BatchCallback):
    """Measures nothing."""

    primary = ""
    higher_is_better: Mapping[str, bool] = {}
    last: dict[str, float] = {}  # noqa: RUF012 - never written to
    evidence: dict[str, float] = {}  # noqa: RUF012 - never written to
    best: tuple[float, float] | None = None
    last_improved = False
    protocol = ""

    def check(self, reals: Any, download: bool = True) -> None:
        """Nothing can be missing."""

    def reals_of(self, data: Any) -> Any:
        """The images of a data module that would be measured against."""
        return data.reals

    def check_channels(self, channels: int) -> None:
        """Any number will do."""

    def status(self, reals: Any) -> dict[str, Any]:
        """The entries of status.json; see `Evaluate.status`."""
        return {"metric": "", "protocol": "", "higher_is_better": {}, "panels": {}}

    def figures(self) -> dict[str, float]:
        """Nothing is known of a run that measures nothing."""
        return {}

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        refuse_other_primary(trainer, self.primary)


class Evaluate(BatchCallback):
    """Measures G's average, and how far the images of fixed latents have moved (`drift`), each time the images shown pass a
    multiple of `evaluate_kimg`, and at the run's length `kimg`; never before the first step, nor when a run is
    interrupted: a resumed run measures exactly what an unbroken one does.

    The reals are those of the datamodule's part that `against` names. Training is not affected: latents and labels are keyed,
    and no global random generator is used. The module is a `seesaw.experiment.Experiment`. Of several processes each samples
    some chunks of the same images and extracts their features; the first one computes the metrics, and the others receive its
    values: those that a single process would have.

    Args:
        primary: the metric of best.ckpt, the plateau schedule and searches: a name that `measures` log.
        extractor: makes the features.
        measures: the metrics by name; each is logged as eval/<name>.
        evaluate_kimg: thousands of images between two evaluations.
        kimg: length of the run; None: unknown, and the last weights are not measured unless they are due.
        cache_dir: folder for the statistics of the reals.
        n: images of each evaluation; None: as many as there are reals, at most 10,000.
        raw: measure the raw G as well; these names end in `_raw`.
        batch_size: images that G and the extractor take at once.
        latent_seed: key of latents and labels. The same in every run, so that runs differ by their weights alone.
        against: the part of the set that samples are compared with: train, or held_out, which data.holdout keeps from training.

    Raises:
        ValueError: `primary` is none of the metrics, or an option is out of range.
    """

    def __init__(
        self,
        primary: str,
        extractor: Extractor,
        measures: dict[str, Metric],
        evaluate_kimg: float,
        kimg: float | None = None,
        cache_dir: str = "cache",
        n: int | None = None,
        raw: bool = False,
        batch_size: int = 256,
        latent_seed: int = 0,
        against: Part = "train",
    ) -> None:
        super().__init__()
        if not evaluate_kimg > 0:
            raise ValueError(f"evaluate_kimg must be above 0, not {evaluate_kimg}")
        self.evaluator = Evaluator(extractor, measures, n, batch_size)
        check_primary(primary, self.evaluator.higher_is_better)
        self.higher_is_better = all_names(self.evaluator.higher_is_better, raw)
        """Direction of every logged value, by its name without eval/."""
        self.primary = primary
        self.every = max(round(evaluate_kimg * 1000), 1)
        self.end = float("inf") if kimg is None else round(kimg * 1000)
        self.cache_dir, self.raw, self.against = cache_dir, raw, check_part(against)
        self.batch_size, self.latent_seed = batch_size, latent_seed
        self.drift, self.shard, self.evaluated_at = Drift(), (0, 1), 0
        self.last: dict[str, float] = {}
        """The values of the last evaluation, by their names without eval/."""
        self.evidence: dict[str, float] = {}
        """Figures of the last evaluation by role (`seesaw.metrics.metric.ROLES`, `distance`, `drift`, those of the players); a
        role that nothing measures is absent, and a value may be nan."""
        self.best: tuple[float, float] | None = None
        """The best value of the primary metric, and the kimg at which it was measured."""
        self.best_metric = primary
        """The metric of `best`: a checkpoint may bring that of another one."""
        self.last_improved = False
        """Whether the last evaluation gave a new best; the callback that saves the weights may reset it."""
        self.protocol = ""
        """How the values of the average were measured, in a line."""

    def badness(self, value: float) -> float:
        """A value of the primary metric so that lower is better: for schedules, pruning and searches."""
        return -value if self.higher_is_better[self.primary] else value

    def improves(self, value: float) -> bool:
        """Whether a value of the primary metric is better than the best so far; anything is better than nan."""
        if self.best is None or math.isnan(self.best[0]):
            return True
        return self.badness(value) < self.badness(self.best[0])

    def status(self, reals: Any) -> dict[str, Any]:
        """The entries of status.json from the first moment: `metric` is the primary one, `protocol` a line, `higher_is_better`
        and `panels` (title and scale for plots) are by name. The extractor must be prepared."""
        shown = panels(self.evaluator.measures) | {"drift": Panel("drift of fixed latents", "log")}
        return {
            "metric": self.primary,
            "protocol": self.evaluator.protocol(reals).label(),
            "higher_is_better": dict(self.higher_is_better),
            "panels": {name: panel._asdict() for name, panel in shown.items()},
        }

    def reals_of(self, data: Any) -> Any:
        """The images of a data module to measure against. UserError where they are held-out ones and none are held out."""
        return data.reals if self.against == "train" else data.images_of(self.against)

    def parts_of(self, data: Any) -> Parts | None:
        """The images of a data module that are trained on and those held out; None where none are."""
        held_out = getattr(data, "held_out", None)
        return None if held_out is None else (data.reals, held_out)

    def check_channels(self, channels: int) -> None:
        """UserError where the extractor takes no images of so many channels."""
        check_channels(self.evaluator.extractor, channels)

    def check(self, reals: Reals, download: bool = True) -> None:
        """Load the extractor and show it a real; called before a run begins.

        Args:
            reals: what will be measured against.
            download: whether weights may be fetched; a dry run leaves out the check of weights that would be.

        Raises:
            UserError: the extractor's weights are missing, or it does not take such images.
        """
        extractor = self.evaluator.extractor
        self.evaluator.learn(reals, self.cache_dir)
        if download or not (isinstance(extractor, Frozen) and extractor.must_download):
            extractor.prepare(torch.device("cpu"))
            try:
                extractor(to_8_bit(reals.gather(torch.zeros(2, dtype=torch.int64))))
            except (ValueError, RuntimeError) as error:
                raise UserError(
                    f"metrics: {extractor.name} does not take the images of {reals.description}: {str(error).splitlines()[0]}; "
                    "choose other metrics (metrics=none measures nothing)"
                ) from error

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Missing weights are reported here, before training starts, and the cost of all measuring in the run."""
        refuse_other_primary(trainer, self.primary)
        self.shard = (trainer.global_rank, trainer.world_size)
        reals, device = self.reals_of(trainer.datamodule), trainer.strategy.root_device  # type: ignore[attr-defined]
        self.evaluator.extractor.prepare(device)
        self.evaluator.bind_labels(self.labels(pl_module, reals, self.evaluator.count_for(reals)))

        def raw(
            n: int,
        ) -> Any:  # the average first has its BatchNorm estimated, once an evaluation and not once a batch
            return pl_module.sample(n, self.latent_seed, y=self.labels(pl_module, reals, n), ema=False, batch_size=n)

        cost = estimate(self.evaluator, reals, self.cache_dir, raw)
        left = self.evaluations_after(pl_module.images_shown)
        if trainer.is_global_zero and cost.seconds(left) > WORTH_PRINTING:
            print(cost.message(left), flush=True)
        self.evaluator.prepare(reals, self.cache_dir, device, self.parts_of(trainer.datamodule))  # type: ignore[attr-defined]
        if trainer.is_global_zero:  # which has the statistics of the reals
            self.evaluator.notice_few_reals()
            self.evaluator.try_own()
        self.forget_others(self.evaluator.protocol(reals).label(), pl_module)

    def forget_others(self, protocol: str, pl_module: Any) -> None:
        """A checkpoint may bring values of another metric or protocol, which compare with nothing measured now: the best
        starts anew."""
        if not self.protocol or (self.best_metric, self.protocol) == (self.primary, protocol):
            return
        rank_zero_only(print)(
            f"metrics: {self.primary} by {protocol} from here on, and {self.best_metric} by {self.protocol} before: best "
            "starts anew"
        )
        self.best_metric = self.primary
        self.protocol, self.last, self.best, self.last_improved, self.evidence = "", {}, None, False, {}
        pl_module.forget_primary()

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
        values, roles, fixed = dict[str, float](), dict[str, float](), self.fixed(pl_module, "ema")
        if evaluation := self.measure(pl_module, "ema", fixed):  # None but on the first process
            values, self.protocol, roles = evaluation.values, evaluation.protocol.label(), evaluation.evidence
        if self.raw and (evaluation := self.measure(pl_module, "raw")):
            values |= {f"{name}_raw": value for name, value in evaluation.values.items()}
        more = self.drift.update(fixed[:COUNT]) | player_figures(trainer.datamodule, pl_module, self.latent_seed)  # type: ignore[attr-defined]
        self.last, self.evidence = trainer.strategy.broadcast((values | more, roles | more))
        self.evaluated_at = pl_module.images_shown
        value = self.last[self.primary]
        self.evidence["distance"] = self.badness(value)
        self.last_improved = self.improves(value)
        if self.last_improved:
            self.best = (value, self.evaluated_at / 1000)
        pl_module.report({f"{PREFIX}{name}": value for name, value in self.last.items()})
        for tracker in trackers_of(trainer):
            tracker.summarise(self.figures())
        pl_module.observe_primary(self.badness(value))

    def fixed(self, pl_module: Any, which: Which) -> Tensor:
        """The images of fixed latents, on the CPU, that drift and metrics of pixels see: every process makes all of them."""
        n = FIXED if self.evaluator.sees_images else COUNT
        y = self.labels(pl_module, self.evaluator.reals, n)
        chunks = pl_module.sample(n, self.latent_seed, y=y, ema=which == "ema", batch_size=self.batch_size)
        return torch.cat([chunk.cpu() for chunk in chunks])

    def measure(self, pl_module: Any, which: Which, fixed: Tensor | None = None) -> Evaluation | None:
        """Values and protocol of the module's present weights; None but on the first process. The evaluator must be prepared.
        `fixed`: the images of fixed latents, where they are known."""
        if fixed is None and self.evaluator.sees_images:
            fixed = self.fixed(pl_module, which)
        n, size = self.evaluator.count, self.batch_size
        y = self.labels(pl_module, self.evaluator.reals, n)
        chunks = pl_module.sample(n, self.latent_seed, y=y, ema=which == "ema", batch_size=size, shard=self.shard)
        features = self.evaluator.features(chunks, sum(in_turn(n, size, *self.shard)))
        whole = collected(features, n, size)
        return None if whole is None else self.evaluator.measure(whole, which, y, None if fixed is None else to_8_bit(fixed))

    def labels(self, pl_module: Any, reals: Any, n: int) -> Tensor | None:
        """int64 (n,), drawn from the reals' labels with `latent_seed`: the frequencies of the reals. None for a model that
        takes none, and for reals without labels, where the model draws its own."""
        if not pl_module.classes:
            return None
        generator = torch.Generator().manual_seed(key(self.latent_seed, "labels"))
        y: Tensor | None = reals.labels(torch.randint(len(reals), (n,), generator=generator))
        return None if y is None else y.cpu()

    def figures(self) -> dict[str, float]:
        """Last and best values so far, as W&B's summary and status.json show them; empty before the first evaluation."""
        found = {f"last/{name}": value for name, value in self.last.items()}
        if self.best is not None:
            found |= {f"best/{self.primary}": self.best[0], "best/kimg": self.best[1]}
        return found

    def state_dict(self) -> dict[str, Any]:
        best = None if self.best is None else list(self.best)
        kept = {"evaluated_at": self.evaluated_at, "last": dict(self.last), "best": best, "protocol": self.protocol}
        kept["evidence"] = dict(self.evidence)
        return kept | {"best_metric": self.best_metric, "images": self.drift.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.evaluated_at, self.last = state_dict["evaluated_at"], dict(state_dict["last"])
        self.evidence = dict(state_dict.get("evidence", {}))
        self.protocol, self.best_metric = state_dict["protocol"], state_dict["best_metric"]
        self.drift.before = state_dict["images"]
        self.best = None if state_dict["best"] is None else (state_dict["best"][0], state_dict["best"][1])


def check_primary(primary: str, names: Collection[str]) -> None:
    """Raise ValueError where `primary` is none of the metrics; a former name is answered by today's."""
    if primary not in names:
        today = gated_name(primary)
        hint = f"; valid images alone count today, as {today}" if today in names else did_you_mean(primary, names, 0)
        raise ValueError(f"primary must be one of {', '.join(names)}, not {primary!r}{hint}")


def all_names(metrics: Mapping[str, bool], raw: bool) -> dict[str, bool]:
    """The direction of every value that an evaluation logs: the metrics of the average, those of the raw G, the drift.

    Raises:
        ValueError: a metric has the name of one of the others.
    """
    more = {f"{name}_raw": higher for name, higher in metrics.items()} if raw else {}
    more["drift"] = False
    if taken := sorted(set(metrics) & set(more)):
        raise ValueError(f"measures.{taken[0]}: every evaluation logs a value of that name; choose another")
    return {**metrics, **more}


def refuse_other_primary(trainer: Trainer, primary: str) -> None:
    """Raise a UserError where this process measures something else than the first one, as metrics=auto may choose on
    another host: their collective operations would not match."""
    first = trainer.strategy.broadcast(primary)
    if first != primary:
        own, other = (f"measures {name}" if name else "has metrics=none" for name in (primary, first))
        raise UserError(f"rank {trainer.global_rank} {own} and rank 0 {other}; name one by metrics=…")

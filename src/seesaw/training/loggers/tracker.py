"""What every logger of a run can do beyond Lightning's: pictures, a summary, an end with an exit code."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import Logger
from torch import Tensor

from seesaw.training.loggers.history import kept_grids, lost_rows

Artifacts = Literal["none", "best", "all"]
"""Which checkpoints a tracker takes: none, best.ckpt, or that, last.ckpt and those of `checkpoints=[…]`."""

TAGGED = ("model", "data", "balance", "loss", "penalty", "schedule")
"""Groups of the configuration whose options become tags."""


@dataclass(frozen=True)
class RunInfo:
    """The run that a tracker follows.

    Args:
        run_dir: the run folder.
        name: the name that is shown.
        config: resolved, plain containers.
        resume: True: continue what the folder holds; False: start anew.
        group: the heading under which runs are shown together: of a sweep's job the sweep, else the configuration without
            its seed.
        choices: group of the configuration -> chosen option.
        kind: train, or search for the trial of a search.
        higher_is_better: the direction of each metric, by its name without eval/.
        of_sweep: whether it is a job of a sweep or a trial of a search.
        overrides: of the command line, by which the run can be made again.
        parent: of a fork the entry of its status; see `seesaw.training.forks.Fork`.
    """

    run_dir: Path
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    resume: bool = False
    group: str | None = None
    choices: dict[str, str] = field(default_factory=dict)
    kind: str = "train"
    higher_is_better: dict[str, bool] = field(default_factory=dict)
    of_sweep: bool = False
    overrides: list[str] = field(default_factory=list)
    parent: dict[str, Any] | None = None

    @property
    def tags(self) -> list[str]:
        """model=…, data=…, balance=…, loss=…, penalty=…, schedule=…, seed=…, of a fork also fork_of=… and at=…: what runs can be
        filtered by."""
        seed = [f"seed={self.config['seed']}"] if "seed" in self.config else []
        tags = [f"{group}={self.choices[group]}" for group in TAGGED if group in self.choices] + seed
        if self.parent is None:
            return tags
        return [*tags, f"fork_of={Path(self.parent['path']).parent.parent.name}", f"at={self.parent['kimg']:g}"]


class Tracker(Logger, ABC):
    """A Lightning logger whose `step` is images shown, and which writes the axis `kimg` = step / 1000 itself. The methods
    that write do so in the process of rank 0 only. A run calls it through `Guarded`, from one thread.

    All that happens in a run reaches all trackers by these methods: the configuration at the start in `RunInfo`, then metrics,
    pictures, samples, sentences such as the verdict, and checkpoints, and at the end the summary and the exit code.
    """

    title = "the tracker"
    """Its name in the line that reports a failure."""
    start_limit = 40.0
    """Seconds for which a run waits until `experiment` is there."""
    finish_limit = 60.0
    """Seconds for which a run waits for `finish`."""
    takes_pictures = True
    """Whether `log_picture` does anything."""

    def __init__(self, run: RunInfo) -> None:
        super().__init__()
        self.run = run
        self.goes_on_from = -1  # images shown up to which rows that it has not are sent when it starts

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the whole configuration is given at the start, in `RunInfo`."""

    @abstractmethod
    def log_picture(self, name: str, image: Tensor, step: int, caption: str = "") -> None:
        """One picture, uint8 (C, H, W) with C of 1 or 3, under `name` ("samples/ema")."""

    def log_text(self, name: str, text: str, step: int, alert: bool = False) -> None:
        """A sentence on the run as it stands at `step`, under `name`, in the place of that before. `alert`: the user should hear
        of it at once."""

    def log_samples(self, images: Tensor, step: int, labels: list[str] | None = None) -> None:
        """Single samples, uint8 (N, 1 or 3, H, W), of the averaged G, of the same latents each time, with the names of their
        classes."""

    def log_checkpoint(self, kind: Literal["best", "last", "kept"], path: Path, step: int) -> None:
        """A checkpoint has been written; the file may be replaced by a later one at any time, whole."""

    def cut(self, images: int) -> None:
        """On resume, before the first row: drops what was recorded past `images` images shown, where the tracker can; rows up to
        there that it has not are sent when it starts."""
        self.goes_on_from = images

    def known(self) -> dict[int, set[str]]:
        """Images shown -> names of the metrics that the tracker has there, of a run that goes on."""
        return {}

    def stored_name(self, name: str) -> str:
        """The name of a metric as `known` has it."""
        return name

    def send_lost(self) -> None:
        """Log what the tracker has not: the rows of metrics.csv from before it was chosen, with the grids of samples/, or rows
        that it lost."""
        if self.goes_on_from < 0:
            return
        known = self.known()
        for step, row in lost_rows(self.run.run_dir, self.goes_on_from, known, self.stored_name):
            self.log_metrics(row, step)
        if not known:
            self.send_grids()

    def send_grids(self) -> None:
        """Log the grids of samples/ from before the tracker was chosen."""
        for step, picture in kept_grids(self.run.run_dir, self.goes_on_from):
            self.log_picture("samples/ema", picture, step, f"{step / 1000:g} kimg, EMA")

    @abstractmethod
    def summarise(self, values: dict[str, float]) -> None:
        """Figures of the run as a whole ("best/fid", "last/fid"); a later call replaces equal names."""

    @abstractmethod
    def finish(self, exit_code: int) -> None:
        """The end, however it came: 0 done, else the process's exit code. Belongs in a `finally`; a second call does nothing."""

    def remedy(self) -> str:
        """What is left after a failure and what the user can do, as the end of a sentence."""
        return "metrics.csv in the run folder has every row"

    def abandon(self) -> None:
        """After a failure or a limit that has passed: ends the helper processes at once, if there are any. Raises nothing."""


def wanted_artifact(artifacts: Artifacts, kind: str) -> bool:
    """Whether the option asks for a checkpoint of this kind."""
    return artifacts == "all" or artifacts == kind


def trackers_of(trainer: Any) -> list[Tracker]:
    """The trackers among the loggers of a trainer."""
    return [logger for logger in trainer.loggers if isinstance(logger, Tracker)]


def check_picture(image: Tensor) -> Tensor:
    """The picture on the CPU. Raises ValueError unless it is uint8 (1 or 3, H, W): W&B casts floats to uint8 without
    scaling them, which turns [0, 1] into black."""
    if str(image.dtype) != "torch.uint8" or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"a picture is {image.dtype} {tuple(image.shape)}; allowed is torch.uint8 (1 or 3, H, W)")
    return image.cpu()

"""What every logger of a run can do beyond Lightning's: pictures, a summary, an end with an exit code."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from torch import Tensor


@dataclass(frozen=True)
class RunInfo:
    """What a tracker is told of the run that it follows."""

    run_dir: Path
    name: str
    config: dict[str, Any] = field(default_factory=dict)  # resolved, plain containers
    resume: bool = False  # True: continue what the folder holds; False: start anew
    group: str | None = None  # of a sweep's job: what all of them are shown under
    choices: dict[str, str] = field(default_factory=dict)  # group of the configuration -> chosen option
    kind: str = "train"  # or search

    @property
    def tags(self) -> list[str]:
        """model=…, data=…, balance=…, loss=…: what runs can be filtered by."""
        return [f"{key}={self.choices[key]}" for key in ("model", "data", "balance", "loss") if key in self.choices]


class Tracker(Logger, ABC):
    """A Lightning logger whose `step` is images shown, and which writes the axis `kimg` = step / 1000 itself. The methods
    that write do so in the process of rank 0 only."""

    def __init__(self, run: RunInfo) -> None:
        super().__init__()
        self.run = run

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the whole configuration is given at the start, in `RunInfo`."""

    @abstractmethod
    def log_picture(self, name: str, image: Tensor, step: int) -> None:
        """One picture, uint8 (C, H, W) with C of 1 or 3, under `name` ("samples/ema")."""

    @abstractmethod
    def cut(self, images: int) -> None:
        """On resume, before the first row: drops what was recorded past `images` images shown."""

    @abstractmethod
    def summarise(self, values: dict[str, float]) -> None:
        """Figures of the run as a whole ("best/fid", "last/fid"); a later call replaces equal names."""

    @abstractmethod
    def finish(self, exit_code: int) -> None:
        """The end, however it came: 0 done, else the process's exit code. Belongs in a `finally`; a second call does nothing."""


def check_picture(image: Tensor) -> Tensor:
    """The picture on the CPU. Raises ValueError unless it is uint8 (1 or 3, H, W): W&B casts floats to uint8 without
    scaling them, which turns [0, 1] into black."""
    if str(image.dtype) != "torch.uint8" or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"a picture is {image.dtype} {tuple(image.shape)}; allowed is torch.uint8 (1 or 3, H, W)")
    return image.cpu()

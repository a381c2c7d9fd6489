"""Data parallelism for games: no wrapper; the player who is about to step averages its own gradients."""

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from seesaw.errors import UserError
from seesaw.experiment import Experiment
from seesaw.functional.ranks import average_, broadcast_
from seesaw.training.launcher import Launcher
from seesaw.training.run_folder import Job, RunFolder, Status

TIMEOUT = timedelta(hours=2)
"""How long a process waits for the others while the first one measures and writes. `launcher` notices processes that die."""


class RankInfo(NamedTuple):
    """Which of the run's processes this one is, and how many there are."""

    rank: int
    world_size: int


def rank_info(trainer: dict[str, Any]) -> RankInfo:
    """Where this process stands, as Lightning reads it from the `trainer` group and the environment (torchrun, SLURM, or our
    own launcher). Starts nothing. Raises UserError where there are not so many devices."""
    options = {k: v for k, v in trainer.items() if k in ("accelerator", "devices", "num_nodes")}
    try:
        probe = pl.Trainer(**options, logger=False, enable_checkpointing=False, enable_progress_bar=False)
    except (MisconfigurationException, ValueError, RuntimeError, TypeError, ImportError) as error:
        first = str(error).strip().splitlines()[0].rstrip(".")
        asked = " ".join(f"trainer.{k}={v}" for k, v in options.items())
        raise UserError(f"{asked} cannot be had here: {first}") from error
    return RankInfo(probe.global_rank, probe.world_size)


def check_divisible(config: dict[str, Any], model: Experiment, devices: int) -> None:
    """Raise UserError where a model that knows no batch should be divided among devices (on all hosts together)."""
    if devices > 1 and "batch_size" in model.unused_options:
        asked = {k: v for k, v in config["trainer"].items() if k in ("devices", "num_nodes") and v != 1}
        given = " ".join(f"trainer.{k}={v}" for k, v in asked.items()) or f"{devices} processes"
        alone = "give " + " ".join(f"trainer.{k}=1" for k in asked) if asked else "start one"
        raise UserError(
            f"{given}: this model works on one image, which {devices} devices cannot divide among them; {alone}, "
            "and for several images a run for each"
        )


def strategy(here: RankInfo, folder: RunFolder, job: Job, status: Status) -> Any:
    """The strategy of the Trainer: none of ours for a single process."""
    if here.world_size == 1:
        return "auto"
    arguments = sys.argv[1:] if job.sweep_dir is None else job.overrides
    checkpoint = None if folder.checkpoint is None else str(folder.checkpoint)
    decided: dict[str, Any] = {"folder": str(folder.path), "checkpoint": checkpoint, "forks": folder.forks}
    decided["metrics"] = job.choices.get("metrics")

    def on_lost(reason: str) -> None:
        status.update("failed", status.values["images_shown"], exit_code=1, reason=reason)

    return PlayerParallel(arguments, decided, on_lost)


class PlayerParallel(DDPStrategy):
    """One process a device, all with the same weights and each with its rows of the global batch.

    Lightning's own DDP fails on players that alternate: a backward that leaves one player out is an error to it, or, with
    `find_unused_parameters`, reduces both in each. Here weights and buffers are broadcast at the start, and gradients are
    averaged when their player steps: one reduction a phase, however many backwards there were. Buffers drift apart between
    the processes, so they are averaged before they are saved.

    Args:
        arguments: of the command line, for the processes that it starts on this host.
        decided: what they need not decide themselves: `folder` of the run, `checkpoint` to go on from, whether the run `forks`
            from it, option of `metrics`.
        on_lost: called with a sentence that names the process that has died, where the run cannot end by itself any more.
    """

    def __init__(
        self, arguments: list[str], decided: dict[str, Any], on_lost: Callable[[str], None] = lambda reason: None
    ) -> None:
        super().__init__(timeout=TIMEOUT)
        self.arguments, self.decided, self.on_lost = arguments, decided, on_lost

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = Launcher(
            self.cluster_environment, self.num_processes, self.num_nodes,
            self.arguments, self.decided, self.on_lost,
        )  # fmt: skip

    def _get_process_group_backend(self) -> str:
        # What lies on the CPU (votes, features) meets there, so that no GPU waits for it.
        return "gloo" if self.root_device.type == "cpu" else "cpu:gloo,cuda:nccl"

    def setup(self, trainer: pl.Trainer) -> None:
        # Lightning broadcasts a signal's flag before each batch and reads it from the device; `GracefulStop` does not wait.
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        super().setup(trainer)

    def configure_ddp(self) -> None:
        assert self.lightning_module is not None
        shown: list[Any] = [None] * self.world_size
        dist.all_gather_object(shown, getattr(self.lightning_module, "images_shown", 0))
        other = next((rank for rank, images in enumerate(shown) if images != shown[0]), None)
        if other is not None:
            raise UserError(
                f"rank {other} goes on from {shown[other]} images and rank 0 from {shown[0]}: "
                "all hosts must see the same checkpoint, so give resume= a path that they share"
            )
        broadcast_([tensor.data for tensor in [*self.lightning_module.parameters(), *self.lightning_module.buffers()]])

    def optimizer_step(
        self, optimizer: torch.optim.Optimizer, closure: Callable[[], Any], model: Any = None, **kwargs: Any
    ) -> Any:
        average_([p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None])
        return super().optimizer_step(optimizer, closure, model, **kwargs)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds; all processes make it together, so what drifted is averaged here."""
        assert self.lightning_module is not None
        self.lightning_module.average_over_ranks()  # type: ignore[operator]
        return super().lightning_module_state_dict()

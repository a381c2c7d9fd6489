"""Several processes that train toys together. The tests start them as `python ranks.py FOLDER CASE …`, with the environment that
a launcher would give but for the rank, and read what they save; or they call `play` to train alone.

The first process imports everything, which takes seconds, and forks one for each rank.
"""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset
from toy_nets import LabelledD, LabelledG
from toys import LABELS, REALS, EndAfter, Recorder, plain, rows, task

from seesaw.data.images import ImageSet
from seesaw.data.sampler import EndlessBatches
from seesaw.gan.augment import ADA
from seesaw.gan.balance import TTUR, LeCam, SkipD, TopK
from seesaw.gan.dynamics import Simultaneous
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.reference import reference_of
from seesaw.training.distributed import PlayerParallel
from seesaw.types import Batch

BATCH, LOG_KIMG = 16, 0.048  # three batches a window, so 8 batches end within one


def lazy() -> dict[str, R1]:
    return {"r1": R1(1.0, interval=3)}


def gated(**more: Any) -> dict[str, Any]:
    return {"skip_d": SkipD(skip_above=0.02, resume_below=0.01, half_life=8.0, max_skips=3), "ttur": TTUR(), **more}


def labelled_without_norm() -> LabelledG:
    G = LabelledG()
    G.norm = nn.Identity()  # type: ignore[assignment]
    return G


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "lazy": {"toy": "plain", "penalty": lazy},
    "micro": {"toy": "plain", "micro_batch": 2},
    "shared": {"toy": "plain", "share_fakes": True},
    "scales": {},
    "growing": {},
    "gated": {},
    "labels": {"G": labelled_without_norm, "D": LabelledD},
    "together": {"toy": "plain", "penalty": lazy, "dynamics": lambda: {"simultaneous": Simultaneous()}},
    "resumed": {"toy": "gated"},  # from what one process had saved after half of the batches
    "noisy": {},  # BatchNorm and dropout
    "labelled": {},  # BatchNorm, whose statistics depend on the labels
    "style": {},  # path length, lazy phases
    "augmented": {},  # draws of its own, a state on the device
    "ada": {"toy": "plain", "augment": lambda: {"ada": ADA(interval=2, speed_kimg=0.2, target=0.1)}},
    "lecam": {"toy": "gated", "balance": lambda: gated(lecam=LeCam(start_kimg=0.032, decay=0.9))},
    "topk": {"toy": "gated", "balance": lambda: gated(topk=TopK(epoch_kimg=0.016, decay=0.7))},
}


def made(case: str) -> GAN:
    """The toy of a case, with the same initial weights in every process."""
    torch.manual_seed(0)
    options = {name: value() if callable(value) else value for name, value in CASES[case].items()}
    if case == "labels":
        return plain(log_kimg=LOG_KIMG, ema_half_life=100.0, **options)
    return task(options.pop("toy", case), log_kimg=LOG_KIMG, **options)


class Rows(IterableDataset[Batch]):
    """This process's rows of endless batches, with labels where they are asked for."""

    def __init__(self, start: int, rank: int, world_size: int, labels: bool = False) -> None:
        self.labels = labels
        self.sampler = EndlessBatches(len(REALS), BATCH, seed=0, start=start, rank=rank, world_size=world_size)

    def __iter__(self) -> Iterator[Batch]:
        for indices in self.sampler:
            yield Batch(REALS[indices], LABELS[indices] if self.labels else None)


class Decisions(pl.Callback):
    """The updates of both players after each batch."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        self.seen.append((pl_module.meter.updates["G"], pl_module.meter.updates["D"]))


def play(
    case: str, batches: int = 8, precision: Any = "64-true", rank: int = 0, world_size: int = 1,
    save: Path | None = None, ckpt: Path | None = None, start: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Train up to so many batches from the start; returns the state, the decisions and what was reported."""
    gan, decisions = made(case), Decisions()
    if precision == "64-true":
        gan.double()  # Lightning does so only after it has restored a checkpoint
    trainer = pl.Trainer(
        accelerator="cpu", devices=world_size, strategy="auto" if world_size == 1 else PlayerParallel([], {}),
        max_epochs=-1, logger=Recorder(), enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, precision=precision, callbacks=[EndAfter(batches * BATCH), decisions],
    )  # fmt: skip
    mine = Rows(start, rank, world_size, labels=gan.classes > 0)
    trainer.fit(gan, DataLoader(mine, batch_size=None), ckpt_path=ckpt, weights_only=True)
    if save is not None:
        trainer.save_checkpoint(save)  # with what is in flight
    gan.flush_statistics()
    state = {name: value.clone() for name, value in gan.state_dict().items() if torch.is_tensor(value)}
    parameters = {name for name, _ in gan.named_parameters()}
    reports = rows(gan)
    for _, values in reports:
        del values["train/images_per_sec"]
    return {"state": state, "parameters": parameters, "decisions": decisions.seen, "reports": reports}


class Counting(ClassifierExtractor):
    """Counts the images that it is shown."""

    def __init__(self) -> None:
        super().__init__("digits")
        self.seen = 0

    def taken(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return super().taken(images)


def statistics(cache: Path) -> dict[str, Any]:
    """The statistics of 250 reals in batches of 32, asked for twice: how many images were seen by then, and what they are."""
    images = torch.randint(0, 256, (250, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    reals, extractor, seen = ImageSet(images, "random"), Counting(), []
    for _ in range(2):
        made = reference_of(reals, extractor, cache, batch_size=32)
        seen.append(extractor.seen)
    return {"seen": seen, "reference": None if made is None else asdict(made)}


def main(folder: Path, cases: list[str]) -> None:
    rank, world_size = int(os.environ["LOCAL_RANK"]), int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(1)
    for case in cases:
        name, _, precision = case.partition(":")
        if name == "statistics":  # after a case that has connected them; caches of their own, as hosts may have
            torch.save(statistics(folder / f"cache-{rank}"), folder / f"{name}-{rank}.pt")
            continue
        more = {"ckpt": folder / "alone.ckpt", "start": 4 * BATCH} if name == "resumed" else {}
        kept = play(
            name,
            precision=precision or "64-true",
            rank=rank,
            world_size=world_size,
            save=folder / f"{name}.ckpt",
            **more,
        )
        torch.save(kept, folder / f"{name}-{rank}.pt")


def fork(folder: Path, cases: list[str]) -> int:
    """`main` in a process for each rank; returns how many of them failed. One that fails ends the others, which wait for it."""
    children = set[int]()
    for rank in range(int(os.environ["WORLD_SIZE"])):
        child = os.fork()
        if child == 0:
            os.environ["LOCAL_RANK"] = str(rank)
            main(folder, cases)
            sys.stdout.flush()
            os._exit(0)
        children.add(child)
    failed = 0
    while children:
        child, status = os.wait()
        children.remove(child)
        if status != 0:
            failed += 1
            for other in children:
                os.kill(other, signal.SIGKILL)
    return failed


if __name__ == "__main__":
    sys.exit(fork(Path(sys.argv[1]), sys.argv[2:]))

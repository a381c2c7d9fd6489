"""The profilers of the group debug."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.profilers import Profiler

from seesaw.training.build import construct

ROWS = 50
"""Operations in the table."""


class TraceProfiler(Profiler):
    """torch.profiler around a few training batches, once in a run.

    It writes `<filename>.json`, a trace that opens in ui.perfetto.dev and chrome://tracing, and `fit-<filename>.txt`, the slowest
    operations. In a run of several processes the names carry the rank. A run that ends too early for it writes no trace.
    Lightning's own PyTorchProfiler puts hooks on the networks, which then cannot be copied, and fails in a short run.

    Args:
        dirpath: folder of both files; None: Lightning's folder of the run.
        filename: stem of their names.
        wait: batches that are passed over first: cuDNN tries its kernels in them. At least 0.
        warmup: batches that are recorded and thrown away. At least 0.
        active: batches that are recorded. At least 1.
        record_shapes: whether the shapes of the inputs of each operation are kept.

    Raises:
        ValueError: a number of batches is too small.
    """

    def __init__(
        self,
        dirpath: str | Path | None = None,
        filename: str = "trace",
        wait: int = 10,
        warmup: int = 2,
        active: int = 3,
        record_shapes: bool = False,
    ) -> None:
        super().__init__(dirpath, filename)
        for name, batches, least in (("wait", wait, 0), ("warmup", warmup, 0), ("active", active, 1)):
            if batches < least:
                raise ValueError(f"{name} is {batches}; it must be at least {least}")
        self.table = ""
        self.running: torch.profiler.profile | None = None
        self.made = torch.profiler.profile(
            schedule=torch.profiler.schedule(wait=wait, warmup=warmup, active=active),
            on_trace_ready=self._write,
            record_shapes=record_shapes,
        )

    def start(self, action_name: str) -> None:
        if action_name == "run_training_batch" and self.running is None and not self.table:
            self.running = self.made
            self.running.start()

    def stop(self, action_name: str) -> None:
        if action_name == "run_training_batch" and self.running is not None:
            self.running.step()
            if self.table:
                self._end()

    def summary(self) -> str:
        """The slowest operations. Ends the recording."""
        self._end()
        return (
            self.table or "No trace: the run ended before a batch was recorded; give a longer run or a smaller wait.\n"
        )

    def _end(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            running.stop()

    def _write(self, profile: torch.profiler.profile) -> None:
        rank = "" if self._local_rank is None else f"-{self._local_rank}"
        profile.export_chrome_trace(str(Path(self.dirpath or ".") / f"{self.filename}{rank}.json"))
        key = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        self.table = profile.key_averages().table(sort_by=key, row_limit=ROWS)


def build_profiler(config: dict[str, Any], folder: Path) -> Profiler | None:
    """Lightning's profiler of the group debug, which writes into `folder`; None where none was chosen."""
    node = config["debug"].get("profiler")
    if node is None:
        return None
    made: Profiler = construct(node | {"dirpath": str(folder)}, "debug.profiler", config["packages"])
    return made

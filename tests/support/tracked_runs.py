"""Real runs in which something happens to their tracker, by faulty_run.py, and how they ended."""

import os
import subprocess
import sys
import time
from pathlib import Path

from seesaw.training.loggers.csv_log import read_metrics

PROGRAM = Path(__file__).with_name("faulty_run.py")
SMALL = (
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "metrics=none",
    "kimg=0.128", "log_kimg=0.016", "sample_kimg=0.128", "trainer=cpu", "run_dir=run",
)  # fmt: skip
SHORT = ("logger.wandb.init_timeout=3", "logger.wandb.finish_timeout=3")
LIMIT = 3 + 20  # finish_timeout and 20 s: the promise of 60 s where it is 40


MOST_SECONDS = 240
"""A run that takes longer hangs, and is killed."""


class Ended:
    """A faulty run: its exit code, lines of both outputs, rows, and seconds from the end of training to the process's."""

    def __init__(self, folder: Path, when: str, fault: str, *overrides: str, url: str = "") -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment |= {"NETRC": str(folder / "none"), "SEESAW_CACHE": str(folder / "cache")}
        if url:
            environment |= {"WANDB_BASE_URL": url, "WANDB_API_KEY": "0" * 40}
        self.arguments = [when, fault, *SMALL, *overrides]
        command = [sys.executable, str(PROGRAM), *self.arguments]
        with open(folder / "out", "w", encoding="utf-8") as out, open(folder / "err", "w", encoding="utf-8") as err:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
            try:
                self.code = self.process.wait(MOST_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.code = self.process.wait()
        ended = time.time()
        self.out, self.err = ((folder / name).read_text(encoding="utf-8") for name in ("out", "err"))
        table = folder / "run" / "metrics.csv"
        self.images = [row["images"] for row in read_metrics(table)] if table.exists() else []
        status = folder / "run" / "status.json"
        self.seconds = ended - status.stat().st_mtime if status.exists() else 0.0

    def problems(self) -> list[str]:
        """What is wrong with a run whose tracker failed: it ends well, in time, with every row, and without a trace."""
        found = [] if self.code == 0 else [f"exit code {self.code}: {self.err.strip()[-300:]}"]
        if self.images != list(range(16, 129, 16)):
            found.append(f"metrics.csv has the rows {self.images}")
        if "Traceback" in self.err + self.out:
            found.append("a trace")
        if self.seconds >= LIMIT:
            found.append(f"{self.seconds:.0f} s from the end of training to that of the process, not {LIMIT}")
        return found

    def about(self, title: str) -> list[str]:
        return [line for line in self.err.splitlines() if title in line]

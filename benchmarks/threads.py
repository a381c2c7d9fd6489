"""What `threads=auto` gives beside other programs: python benchmarks/threads.py [--kimg 6] [--busy 0 1 2]

The default run with one thread, with a thread for each core, and with threads=auto, beside programs that each keep a core busy.
What is compared is images per second from the second window of the curves on. Writes benchmarks/results/threads.json.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from origin import ROOT, origin

RESULTS = Path(__file__).parent / "results" / "threads.json"
RUN = ("metrics=none", "logger=none", "log_kimg=0.5", "sample_kimg=1000", "trainer=cpu")


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """So many programs, each of which keeps a core busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        time.sleep(1)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def speed(threads: str, kimg: float) -> float:
    """Images per second of one run of the default model, over all windows but the first."""
    free = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            str(ROOT / "train.py"),
            *RUN,
            f"threads={threads}",
            f"kimg={kimg}",
            f"run_dir={folder}/run",
        ]
        subprocess.run(command, check=True, capture_output=True, env=free)
        with open(Path(folder) / "run" / "metrics.csv", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["train/images_per_sec"]]
    kimgs = [0.0, *(float(row["kimg"]) for row in rows)]
    windows = [
        (after - before, float(row["train/images_per_sec"]))
        for before, after, row in zip(kimgs, kimgs[1:], rows, strict=False)
    ]
    return sum(images for images, _ in windows[1:]) / sum(images / rate for images, rate in windows[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kimg", type=float, default=6.0, help="length of each run (6)")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="busy programs (0 1 2)")
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for programs in options.busy:
        with busy(programs):
            found[str(programs)] = row = {
                threads: round(speed(threads, options.kimg)) for threads in ("1", str(os.cpu_count()), "auto")
            }
        best = max(value for threads, value in row.items() if threads != "auto")
        figures = ", ".join(f"threads={threads} {value:.0f}" for threads, value in row.items())
        print(f"{programs} busy programs: {figures} images/s; auto is {row['auto'] / best:.2f} of the best", flush=True)
    RESULTS.write_text(
        json.dumps(
            {"origin": origin(" ".join(["python benchmarks/threads.py", *sys.argv[1:]])), "images_per_sec": found},
            indent=1,
        )
        + "\n"
    , encoding="utf-8")


if __name__ == "__main__":
    main()

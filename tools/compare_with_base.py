"""Compare the working tree with a base commit: the same configurations must give the same weights and the same metrics.csv.

    python tools/compare_with_base.py                       # every configuration of base_configurations.py
    python tools/compare_with_base.py --only mlp progan     # some of them
    python tools/compare_with_base.py --keep /tmp/compared  # keep the run folders, and repeat no run of the base

The sources of the base are unpacked by `git archive`, those of the working tree copied, so git's state does not change and later
edits do not disturb a comparison. Each configuration trains about 20 batches on the CPU with `precision=exact`, base and working
tree at the same time. No result is committed, since processors differ. The exit code is 0 if everything is equal, else 1.
"""

import argparse
import contextlib
import csv
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from base_configurations import COLUMNS, CONFIGURATIONS, Renames, overrides, renamed
from PIL import Image
from torch import Tensor

REPOSITORY = Path(__file__).parents[1]
BASE = "fe0cea8"
SOURCES = ("src", "conf", "train.py")
TIMEOUT = 600.0  # seconds of one run
SAME: Renames = ((r".+", r"\g<0>"),)
TIMING = ("images_per_sec", "iterations_per_sec")
WEIGHTS = re.compile(r"(G|D|G_ema)\..+|canvas|average")
"""What must be equal of a checkpoint's `state_dict`: both players and G's average; a style transfer's canvas and its average."""


class Result(NamedTuple):
    """The comparison of one configuration. Without `differences` it is equal."""

    differences: list[str]
    tensors: int = 0
    cells: int = 0
    only_new: tuple[str, ...] = ()
    seconds: float = 0.0


# The comparison of two run folders


def compare_weights(base: dict[str, Any], new: dict[str, Any]) -> tuple[int, str | None]:
    """The number of tensors of the base, and the first difference of two `state_dict`s in the base's order."""
    one, other = (
        {k: v for k, v in state.items() if isinstance(v, Tensor) and WEIGHTS.fullmatch(k)} for state in (base, new)
    )
    if not one:
        return 0, "the base's checkpoint holds no weights"
    for name, tensor in one.items():
        if name not in other:
            return len(one), f"tensor {name} is missing"
        found = other[name]
        if (tensor.shape, tensor.dtype) != (found.shape, found.dtype):
            kinds = [f"{tuple(t.shape)} {t.dtype}" for t in (tensor, found)]
            return len(one), f"tensor {name} is {kinds[1]}, in the base {kinds[0]}"
        if not torch.equal(tensor, found):
            largest = (tensor.double() - found.double()).abs().max().item()
            return len(one), f"tensor {name} differs by up to {largest:.3g}"
    extra = [name for name in other if name not in one]
    return len(one), f"tensor {extra[0]} is not in the base" if extra else None


def read_csv(path: Path) -> tuple[list[str], dict[int, dict[str, float]]]:
    """The columns of a metrics.csv, and by images shown the values of the cells that are not empty."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = {int(row["images"]): {c: float(v) for c, v in row.items() if v} for row in reader}
        return list(reader.fieldnames or []), rows


def compare_csv(base: Path, new: Path, columns: Renames = COLUMNS) -> Result:
    """Compare two metrics.csv files: missing columns, and the first cell by images shown that differs."""
    (names, before), (found, after) = read_csv(base), read_csv(new)
    mapped = {name: renamed(name, columns) for name in names if name not in TIMING}
    differences = [f"column {name} of the base has no rule in COLUMNS" for name, to in mapped.items() if to is None]
    differences += [f"column {to} (base: {name}) is missing" for name, to in mapped.items() if to and to not in found]
    only_new = tuple(c for c in found if c not in mapped.values() and c.rpartition("/")[2] not in TIMING)
    cells = 0
    for images in sorted({*before, *after}):
        for name, to in mapped.items():
            if to is None or to not in found:
                continue
            one, other = before.get(images, {}).get(name), after.get(images, {}).get(to)
            cells += one is not None
            if one != other:
                values = ["empty" if v is None else f"{v:.9g}" for v in (one, other)]
                differences.append(f"cell {to} at {images} images is {values[1]}, in the base {values[0]}")
                return Result(differences, cells=cells, only_new=only_new)
    return Result(differences, cells=cells, only_new=only_new)


def compare_runs(base: Path, new: Path, columns: Renames = COLUMNS, nonzero: str = "") -> Result:
    """Compare the weights of checkpoints/last.ckpt and the values of metrics.csv of two run folders.

    Args:
        base, new: run folders.
        columns: see `COLUMNS`.
        nonzero: a column of the base that must not be 0 in every row; "": none.
    """
    result = compare_csv(base / "metrics.csv", new / "metrics.csv", columns)
    states = [
        torch.load(run / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
        for run in (base, new)
    ]
    tensors, difference = compare_weights(states[0], states[1])
    differences = [*([difference] if difference else []), *result.differences]
    if nonzero and not any(row.get(nonzero) for row in read_csv(base / "metrics.csv")[1].values()):
        differences.append(
            f"the base's column {nonzero} is 0 in every row, so this compares less than its name promises"
        )
    return result._replace(tensors=tensors, differences=differences)


# The two programs


class Side(NamedTuple):
    """The base or the working tree.

    Args:
        name: "base" or "new", as messages have it.
        folder: holds its sources (checkout/), its cache (cache/) and its runs (runs/<configuration>/).
        identity: of the program and the machine. Finished runs of the same identity are not repeated; "": all are.
    """

    name: str
    folder: Path
    identity: str = ""

    def environment(self) -> dict[str, str]:
        """One thread, the side's own package and cache; no variable of seesaw or W&B from outside."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SEESAW_", "WANDB_"))}
        own = {"PYTHONPATH": str(self.folder / "checkout" / "src"), "SEESAW_CACHE": str(self.folder / "cache")}
        return kept | own | {"OMP_NUM_THREADS": "1"}

    def check_import(self) -> None:
        """Raise SystemExit unless the package comes from the side's own checkout: no program is compared with itself."""
        command = [sys.executable, "-c", "import seesaw; print(seesaw.__file__)"]
        made = subprocess.run(command, env=self.environment(), cwd=self.folder, capture_output=True, text=True)
        if not made.stdout.startswith(str(self.folder)):
            raise SystemExit(f"{self.name}: seesaw is imported from {made.stdout.strip() or made.stderr}")

    def start(self, name: str, arguments: Sequence[str]) -> "subprocess.Popen[bytes] | None":
        """Start a run; its output goes to runs/<name>/log.txt. None: it has finished before."""
        folder = self.folder / "runs" / name
        command = [sys.executable, str(self.folder / "checkout" / "train.py"), *arguments, f"run_dir={folder / 'run'}"]
        if self.finished(name, arguments):
            return None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with (folder / "log.txt").open("w") as log:
            return subprocess.Popen(command, env=self.environment(), cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def finished(self, name: str, arguments: Sequence[str]) -> bool:
        """Whether this very run has finished before."""
        mark = self.folder / "runs" / name / "finished.txt"
        return bool(self.identity) and mark.exists() and mark.read_text(encoding="utf-8") == self.mark(arguments)

    def mark(self, arguments: Sequence[str]) -> str:
        """What finished.txt holds of a run that has finished."""
        return "\n".join([self.identity, *arguments])


def train_both(name: str, sides: tuple[Side, Side], arguments: Sequence[Sequence[str]]) -> list[str]:
    """Run one configuration on both sides at the same time; one sentence for each run that failed."""
    started = [side.start(name, given) for side, given in zip(sides, arguments, strict=True)]
    failures = []
    try:
        for side, given, process in zip(sides, arguments, started, strict=True):
            folder = side.folder / "runs" / name
            if process is not None and (code := process.wait(TIMEOUT)):
                lines = (folder / "log.txt").read_text(errors="replace", encoding="utf-8").strip().splitlines()
                failures.append(f"the {side.name} run failed with exit code {code}: {(lines or ['no output'])[-1]}")
            else:
                (folder / "finished.txt").write_text(side.mark(given), encoding="utf-8")
    except subprocess.TimeoutExpired:
        failures.append(f"a run took longer than {TIMEOUT:g} s")
    finally:
        for process in started:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    return failures


# The whole


def unpack(commit: str, folder: Path) -> str:
    """Write the sources of a commit of this repository to `folder`; its full name. Git's state does not change."""
    command = ["git", "archive", "--format=tar", commit, *SOURCES]
    made = subprocess.run(command, cwd=REPOSITORY, capture_output=True)
    if made.returncode:
        raise SystemExit(f"git archive {commit}: {made.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(folder, filter="data")
        return archive.pax_headers["comment"]


def copy_working_tree(folder: Path) -> None:
    """Write the sources of the working tree, as they are now, to `folder`."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def draw_photographs(folder: Path) -> None:
    """content.png and style.png for style transfer: two smooth random pictures of 64 x 48 pixels."""
    random = np.random.default_rng(0)
    for name in ("content", "style"):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((64, 48), Image.Resampling.BICUBIC).save(folder / f"{name}.png")


def prepare(folder: Path, base: str, self_test: bool) -> tuple[Side, Side]:
    """The sources of both sides in `folder`. Sources of before are replaced, runs of the working tree deleted."""
    shutil.rmtree(folder / "new", ignore_errors=True)
    shutil.rmtree(folder / "base" / "checkout", ignore_errors=True)
    commit = unpack(base, folder / "base" / "checkout")
    if self_test:
        unpack(base, folder / "new" / "checkout")
    else:
        copy_working_tree(folder / "new" / "checkout")
    draw_photographs(folder)
    machine = f"{platform.node()} {platform.python_version()} numpy {np.__version__} {torch.__config__.show()}"
    sides = Side("base", folder / "base", f"{commit} {machine}"), Side("new", folder / "new")
    for side in sides:
        side.check_import()
    return sides


def compare_one(name: str, sides: tuple[Side, Side], self_test: bool) -> Result:
    """Run one configuration on both sides and compare what the runs left."""
    began, configuration = time.perf_counter(), CONFIGURATIONS[name]
    given = [overrides(configuration, new=False), overrides(configuration, new=not self_test)]
    result = Result(train_both(name, sides, given))
    if not result.differences:
        columns = SAME if self_test else (*configuration.columns, *COLUMNS)
        runs = [side.folder / "runs" / name / "run" for side in sides]
        result = compare_runs(runs[0], runs[1], columns, configuration.nonzero)
    return result._replace(seconds=time.perf_counter() - began)


def compare_all(names: Sequence[str], base: str, folder: Path, jobs: int = 1, self_test: bool = False) -> int:
    """Compare the named configurations, `jobs` at a time, print a line for each, and return how many differ."""
    sides = prepare(folder, base, self_test)
    print(f"{'configuration':26}{'tensors':>8}{'cells':>7}{'seconds':>9}  result", flush=True)
    different, only_new = 0, dict[str, None]()
    with ThreadPoolExecutor(jobs) as pool:
        for name, result in zip(names, pool.map(lambda name: compare_one(name, sides, self_test), names), strict=True):
            text = "; ".join(result.differences) or "equal"
            print(f"{name:26}{result.tensors:8}{result.cells:7}{result.seconds:9.1f}  {text}", flush=True)
            different += bool(result.differences)
            only_new |= dict.fromkeys(result.only_new)
    if only_new:
        print(f"columns of the working tree alone: {', '.join(only_new)}")
    print(f"{len(names) - different} of {len(names)} configurations are equal")
    return different


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, compare, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=CONFIGURATIONS, default=list(CONFIGURATIONS),
                        help=f"of {', '.join(CONFIGURATIONS)}")  # fmt: skip
    parser.add_argument("--base", metavar="COMMIT", default=BASE, help=f"default {BASE}")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="where all runs remain; new, empty, or used before")
    parser.add_argument(
        "--jobs", metavar="N", type=int, default=1, help="configurations at a time, of two processes each"
    )
    parser.add_argument("--self-test", action="store_true", help=argparse.SUPPRESS)  # the base on both sides
    options = parser.parse_args(argv)
    if options.keep is not None:
        own = (options.keep / "base" / "checkout" / "train.py").exists()
        if options.keep.exists() and any(options.keep.iterdir()) and not own:
            parser.error(f"--keep {options.keep}: the folder holds other files; give a new or an empty one")
    with contextlib.ExitStack() as stack:
        folder = options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="compare-with-base-"))
        given = options.only, options.base, Path(folder).resolve(), options.jobs, options.self_test
        return int(compare_all(*given) > 0)


if __name__ == "__main__":
    sys.exit(main())

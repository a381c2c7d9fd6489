"""What reading data costs: python benchmarks/data.py [--images 4000] [--rounds 5]

Preparation against torchvision's ImageFolder, CenterCrop, Resize and DataLoader on the same jpg files, interleaved, with one and
two processes; a batch from the prepared map; the sampler far into training; anonymous memory while a map larger than half of the
free memory is read. Writes benchmarks/results/data.json.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import numpy as np
import torch
from origin import origin
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from seesaw.data.images import free_memory
from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.prepared import map_images
from seesaw.data.prepare.tree import open_tree
from seesaw.data.prepare.write import Plan, prepare
from seesaw.data.sampler import EndlessBatches

RESOLUTION = 64


def write_tree(root: Path, n: int) -> None:
    """n jpg files of CelebA's size in one class folder: smooth colours with some texture, as photographs have them."""
    (root / "faces").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for k in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (11, 9, 3), dtype=np.uint8)).resize(
            (178, 218), Image.Resampling.BICUBIC
        )
        texture = rng.normal(0, 6, (218, 178, 3))
        pixels = (np.asarray(coarse) + texture).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / "faces" / f"{k:06d}.jpg", quality=90)


def ours(root: Path, jobs: int) -> float:
    """Seconds of one preparation, workers' start and content hash included."""
    cache = tempfile.mkdtemp(dir=root.parent)
    plan = Plan("celeba", open_tree(root), Decoding(RESOLUTION, 3, side=178))
    began = time.perf_counter()
    prepare(plan, cache, jobs)
    seconds = time.perf_counter() - began
    shutil.rmtree(cache)
    return seconds


def theirs(root: Path, jobs: int) -> float:
    """Seconds of one epoch of the usual loader: jobs=1 decodes in the main process, jobs=2 in two workers."""
    how = [transforms.CenterCrop(178), transforms.Resize(RESOLUTION), transforms.ToTensor()]
    loader = DataLoader(ImageFolder(root, transforms.Compose(how)), 64, num_workers=0 if jobs == 1 else jobs)
    began = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - began


def preparation(n: int, rounds: int) -> dict[str, Any]:
    """Images per second of both, in each round one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "tree"
        write_tree(root, n)
        ways: dict[str, Callable[[], float]] = {}
        for jobs in (1, 2):
            ways[f"seesaw prepare, {jobs} processes"] = lambda jobs=jobs: ours(root, jobs)  # type: ignore[misc]
            ways[f"ImageFolder epoch, {jobs} processes"] = lambda jobs=jobs: theirs(root, jobs)  # type: ignore[misc]
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                found[name].append(n / way())
    return {name: spread(values) for name, values in found.items()}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def batches(n: int = 20_000, rounds: int = 7) -> dict[str, float]:
    """Milliseconds of one batch of 64 at 64 px from the map, random order, all pages in the system's cache."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "images-64.npy"
        np.save(path, np.random.default_rng(0).integers(0, 256, (n, 3, 64, 64), dtype=np.uint8))
        images = map_images(path)
        sampler = iter(EndlessBatches(n, 64, 0))
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(200):
                images.index_select(0, next(sampler))
            times.append((time.perf_counter() - began) / 200 * 1000)
    return spread(times)


def sampler_far(n: int = 202_599) -> float:
    """Seconds until the first batch of a set of CelebA's size at image number 10 million."""
    began = time.perf_counter()
    next(iter(EndlessBatches(n, 64, 0, start=10_000_000)))
    return time.perf_counter() - began


def memory() -> dict[str, float]:
    """RssAnon (pages that no file backs) around 20,000 random batches of 64 from a map larger than half of the free memory.

    The file has holes and takes no disk; its pages take the system's cache (RssFile), which is given back when others need it.
    """
    size = free_memory() * 6 // 10
    n = size // (3 * 64 * 64)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "images-64.npy"
        np.lib.format.open_memmap(path, "w+", np.uint8, (n, 3, 64, 64))
        images = map_images(path)
        sampler = iter(EndlessBatches(n, 64, 0))
        next(sampler)
        before = resident()
        for _ in range(20_000):
            images.index_select(0, next(sampler))
        after = resident()
    found = {
        f"{kind} {when} MiB": kib / 1024
        for when, kinds in (("before", before), ("after", after))
        for kind, kib in kinds.items()
    }
    return {"file GiB": n * 3 * 64 * 64 / 2**30, "free memory GiB": size / 0.6 / 2**30, **found}


def resident() -> dict[str, int]:
    rows = dict(line.split(":") for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return {kind: int(rows[kind].split()[0]) for kind in ("RssAnon", "RssFile")}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--images", type=int, default=4000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    result = {
        **origin(" ".join(["python benchmarks/data.py", *sys.argv[1:]]), "one torch thread"),
        "images of the tree": given.images,
        "preparation, images/s": preparation(given.images, given.rounds),
        "batch of 64 at 64 px from the map, ms": batches(),
        "first batch at image 10 million of 202,599, s": sampler_far(),
        "memory": memory(),
    }
    path = Path(__file__).parent / "results" / "data.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

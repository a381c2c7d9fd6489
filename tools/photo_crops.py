"""Square crops of photographs, split by photograph: python tools/photo_crops.py FOLDER... --out DIR

Makes DIR/train and DIR/held_out with png files of one size, for trying `data=folder` on few images that anybody can have, such
as Debian's backgrounds: `apt-get download gnome-backgrounds mate-backgrounds`, then `dpkg -x FILE.deb DIR`. A photograph gives
crops to one part alone, so that the held-out crops show nothing of a photograph that was trained on.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif")


def photographs(folders: list[Path], least: int) -> list[Path]:
    """The image files below the folders whose shorter side has at least `least` pixels, by name."""
    found = []
    for path in sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        with Image.open(path) as image:
            if min(image.size) >= least and image.mode == "RGB":
                found.append(path)
    return found


def split(paths: list[Path], share: float) -> tuple[list[Path], list[Path]]:
    """Photographs to train on, and held-out ones: the `share` (at least one) whose names have the smallest hashes."""
    order = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).hexdigest())
    held = max(round(len(order) * share), 1)
    return sorted(order[held:]), sorted(order[:held])


def write_crops(paths: list[Path], out: Path, count: int, size: int, rng: np.random.Generator) -> None:
    """`count` crops in turn from the photographs: squares of a quarter to all of the shorter side, reduced to `size` pixels."""
    out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for k in range(number, count, len(paths)):
            side = int(min(image.size) * rng.uniform(0.25, 1))
            left, upper = (int(rng.integers(0, extent - side + 1)) for extent in image.size)
            square = image.resize((size, size), Image.Resampling.LANCZOS, (left, upper, left + side, upper + side))
            square.save(out / f"{k:04d}-{path.stem}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=300, help="crops to train on")
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument(
        "--held-out", type=float, default=0.2, help="share of the photographs; as large a share of crops"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    train, held = split(photographs(args.folders, 512), args.held_out)
    rng = np.random.default_rng(args.seed)
    write_crops(train, args.out / "train", args.count, args.size, rng)
    write_crops(held, args.out / "held_out", round(args.count * args.held_out), args.size, rng)
    print(f"{args.count} crops of {len(train)} photographs, and held-out ones of {len(held)}: {args.out}")


if __name__ == "__main__":
    main()

"""The README's pictures from a run: python benchmarks/pictures.py RUN docs/images/digits.png [--curves docs/images/curves.png]

Left 64 samples of the averaged generator of last.ckpt (latents of seed 1), right the first 64 reals of its data set.
"""

import argparse
import shutil
from pathlib import Path

import torch
from hydra.utils import instantiate

from seesaw.run.pictures import grid, save_png
from seesaw.run.using import checkpoint_of, restore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--curves", type=Path)
    args = parser.parse_args()
    model, config, _ = restore(checkpoint_of(args.run, "last"))
    samples = grid(torch.cat([chunk.cpu() for chunk in model.sample(64, seed=1)]))  # type: ignore[operator]
    reals = grid(instantiate(config["data"], _convert_="all").prepare().gather(torch.arange(64)))
    gap = torch.full((samples.shape[0], samples.shape[1], 24), 255, dtype=torch.uint8)
    save_png(torch.cat([samples, gap, reals], 2), args.out)
    if args.curves:
        shutil.copy(args.run / "curves.png", args.curves)


if __name__ == "__main__":
    main()

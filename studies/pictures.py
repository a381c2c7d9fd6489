"""The README's pictures from a run: python studies/pictures.py RUN docs/images/digits.png [--curves docs/images/curves.png]

Left 64 samples of the averaged generator of last.ckpt (latents of seed 1), right the first 64 reals of its data set. Of a set of
points 2,500 samples over the reals. Several runs stand side by side: RUN RUN … OUT; with --samples N only N samples of each, with
--last the last grid in samples/ of each, which has a row for each class where there are classes.
"""

import argparse
import shutil
from pathlib import Path

import torch
from torchvision.io import decode_image
from torchvision.transforms.functional import pad

from seesaw.training.build import construct
from seesaw.training.callbacks.samples import sampled
from seesaw.training.checkpoint_file import checkpoint_of
from seesaw.training.inference import restore
from seesaw.training.pictures import grid, save_png, sheet


def picture(run: Path, samples: int | None) -> torch.Tensor:
    """uint8 (C, H, W)."""
    restored = restore(checkpoint_of(run, "last"))
    model = restored.model
    if samples is not None:
        return grid(sampled(model, samples, seed=1, ema=True)[-1])
    reals = construct(restored.nodes["data"], "data").prepare()
    if reals.shape[-1] == 1:
        return sheet(sampled(model, 2500, seed=1, ema=True)[-1], reals)
    return beside([grid(sampled(model, 64, seed=1, ema=True)[-1]), grid(reals.gather(torch.arange(64)))])


def last_grid(run: Path) -> torch.Tensor:
    """uint8 (C, H, W), the last grid that the run has drawn."""
    file = max(path for path in (run / "samples").glob("*.png") if path.stem.isdigit())
    return decode_image(str(file))


def beside(pictures: list[torch.Tensor]) -> torch.Tensor:
    """Pictures side by side on white, from the top; grey ones become coloured beside coloured ones."""
    channels, height = (max(picture.shape[k] for picture in pictures) for k in (0, 1))
    pictures = [picture.expand(channels, -1, -1) for picture in pictures]
    pictures = [pad(picture, [0, 0, 0, height - picture.shape[1]], fill=255) for picture in pictures]
    gap = torch.full((*pictures[0].shape[:2], 24), 255, dtype=torch.uint8)
    return torch.cat([x for picture in pictures for x in (gap, picture)][1:], 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="+")
    parser.add_argument("out", type=Path)
    parser.add_argument("--curves", type=Path)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--last", action="store_true")
    args = parser.parse_args()
    save_png(beside([last_grid(run) if args.last else picture(run, args.samples) for run in args.run]), args.out)
    if args.curves:
        shutil.copy(args.run[0] / "curves.png", args.curves)


if __name__ == "__main__":
    main()

"""How many images that are none of the set pass for valid: python studies/outlier_study.py digits [--samples NAME=FILE.npy …]

Prints, and writes to studies/results/outliers_NAME.json, the share of images of each kind that the gate of an evaluation passes
(`seesaw.metrics.gate`): by features and look alone, the rule of version 0.3, and with the detector of outliers, today's. None of
these kinds is among those that the detector learned on (tools/outliers.py), except where the name says so.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from origin import origin
from train_classifier import read

from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.gate import Gate, gate_of

RESULTS = Path(__file__).parent / "results"
ACROSS, DOWN = torch.arange(32.0).expand(32, 32), torch.arange(32.0)[:, None].expand(32, 32)


def to_bytes(x: Tensor) -> Tensor:
    return x.clamp(0, 255).round().byte()


def bent(x: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Pixels taken from `across` and `down` px (32, 32) farther."""
    grid = torch.stack([(ACROSS + across) / 15.5 - 1, (DOWN + down) / 15.5 - 1], -1).expand(len(x), -1, -1, -1)
    return to_bytes(F.grid_sample(x.float(), grid, align_corners=True))


def swirled(x: Tensor) -> Tensor:
    across, down = ACROSS - 15.5, DOWN - 15.5
    angle = 6 * (-(across.square() + down.square()).sqrt() / 8).exp()
    return bent(x, across * angle.cos() - down * angle.sin() - across, across * angle.sin() + down * angle.cos() - down)


def rippled(x: Tensor) -> Tensor:
    return bent(x, 5 * (DOWN * 2 * math.pi / 10).sin(), 5 * (ACROSS * 2 * math.pi / 10).sin())


def averaged_over(x: Tensor, height: int, width: int) -> Tensor:
    """Means over windows of an odd height and width."""
    wide = F.pad(x.float(), (width // 2, width // 2, height // 2, height // 2), mode="replicate")
    return to_bytes(F.avg_pool2d(wide, (height, width), 1))


def rows_moved(x: Tensor, g: Generator) -> Tensor:
    """Each row moved around the edges by up to 8 px."""
    take = (torch.arange(32) + torch.randint(-8, 9, (len(x), 32, 1), generator=g)) % 32
    return x[:, 0].gather(2, take)[:, None]


def of_other_phases(x: Tensor, g: Generator) -> Tensor:
    """The same spectrum with the phases of noise."""
    phase = torch.fft.fft2(torch.randn(x.shape, generator=g)).angle()
    return to_bytes(torch.fft.ifft2(torch.fft.fft2(x.float()).abs() * torch.exp(1j * phase)).real)


def edges(x: Tensor) -> Tensor:
    f = x.float()
    return to_bytes(2 * (f.diff(dim=2, prepend=f[:, :, :1]).abs() + f.diff(dim=3, prepend=f[..., :1]).abs()))


def narrower(x: Tensor, *size: int) -> Tensor:
    return to_bytes(F.interpolate(x.float(), size, mode="bilinear", antialias=True))


def noises(x: Tensor, g: Generator) -> dict[str, Tensor]:
    """What has nothing of the images left, or all but their form."""
    order = torch.rand(len(x), 1024, generator=g).argsort(1)
    return {
        "uniform noise (learned)": torch.randint(0, 256, x.shape, dtype=torch.uint8, generator=g),
        "salt and pepper": (torch.rand(x.shape, generator=g) < 0.5).byte() * 255,
        "constants (learned)": torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(256, 1, 32, 32),
        "shuffled pixels (learned)": x.flatten(1).gather(1, order).view_as(x),
        "inverted (learned)": 255 - x,
    }


def spoiled(x: Tensor, g: Generator) -> dict[str, Tensor]:
    """Of one image each."""
    dots = torch.rand(x.shape, generator=g) < 0.1
    coarse = F.avg_pool2d(x.float(), 8)
    return {
        "blurred by 3 px (learned)": gaussian_blur(x, [19, 19], [3.0, 3.0]),
        "mean of 11x11 px": averaged_over(x, 11, 11),
        "blurred along rows, 15 px": averaged_over(x, 1, 15),
        "blurred along columns, 15 px": averaged_over(x, 15, 1),
        "squares of 8 px": to_bytes(F.interpolate(coarse, 32)),
        "4x4 px, enlarged": to_bytes(F.interpolate(coarse, 32, mode="bilinear")),
        "swirled": swirled(x),
        "rippled": rippled(x),
        "rows moved": rows_moved(x, g),
        "rows sorted": x.sort(3).values,
        "upper and lower half exchanged": torch.cat([x[..., 16:, :], x[..., :16, :]], 2),
        "phases of noise": of_other_phases(x, g),
        "edges": edges(x),
        "solarised": torch.where(x > 128, 255 - x, x),
        "a tenth of the pixels white": torch.where(dots, torch.tensor(255, dtype=torch.uint8), x),
        "every fourth row black": torch.where((DOWN % 4 == 0).expand_as(x), torch.tensor(0, dtype=torch.uint8), x),
        "four small ones": narrower(x, 16, 16).repeat(1, 1, 2, 2),
    }


def mixed(x: Tensor, y: Tensor, g: Generator) -> dict[str, Tensor]:
    """Of two or three of different classes."""
    a, b = (torch.randperm(len(x), generator=g) for _ in range(2))
    a, b = a[y[a] != y[b]], b[y[a] != y[b]]
    one, two = x[a], x[b]
    p, q = one.float(), two.float()
    fields = {
        "left and right halves (learned)": ACROSS < 16,
        "top and bottom halves (learned)": DOWN < 16,
        "quarters of two": (ACROSS < 16) ^ (DOWN < 16),
        "a disc of another": (ACROSS - 15.5).square() + (DOWN - 15.5).square() < 49,
        "squares of 8 px of two": (ACROSS // 8 + DOWN // 8) % 2 == 0,
        "bands of 4 px of two": DOWN // 4 % 2 == 0,
    }
    return {
        "mean of two (learned)": to_bytes((p + q) / 2),
        "mean of three": to_bytes((p + q + p.roll(7, 0)) / 3),
        "difference of two": to_bytes((p - q).abs()),
        "two side by side": torch.cat([narrower(one, 32, 16), narrower(two, 32, 16)], 3),
        **{name: torch.where(field, one, two) for name, field in fields.items()},
    }


def kinds(x: Tensor, y: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """All kinds, made of images uint8 (N, 1, 32, 32) of classes (N,)."""
    g = torch.Generator().manual_seed(seed)
    return noises(x, g) | spoiled(x, g) | mixed(x, y, g)


def gates(extractor: ClassifierExtractor, images: Tensor) -> tuple[Gate, Gate]:
    """Those of the reals by features and look, and today's."""
    features, look = extractor.features_and_look(images)
    return gate_of(features, extractor.probabilities, look[:, :-1]), gate_of(features, extractor.probabilities, look, True)


def passing(extractor: ClassifierExtractor, by: tuple[Gate, Gate], images: Tensor) -> tuple[float, float]:
    """The share of the images that each gate passes."""
    features, look = map(torch.cat, zip(*map(extractor.features_and_look, images.split(500)), strict=True))
    p = extractor.probabilities(features)
    return tuple(
        gate.valid(features, p, look if gate.scored else look[:, :-1]).double().mean().item() for gate in by
    )  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("digits", "fashion_mnist", "mnist"))
    parser.add_argument("--root", help="folder of the idx files; default: as data=NAME")
    parser.add_argument("--samples", nargs="*", default=[], metavar="NAME=FILE", help="what `seesaw sample --out FILE.npy` wrote")
    args = parser.parse_args()
    (seen, _), (held, y) = read(args.name, args.root, 0)
    extractor = ClassifierExtractor(args.name)
    extractor.prepare(torch.device("cpu"))
    by = gates(extractor, seen[:10_000])
    asked: dict[str, Callable[[], Tensor]] = {"reals of the gate": lambda: seen[:2000], "unseen reals": lambda: held}
    for name, file in (text.split("=", 1) for text in args.samples):
        asked[f"samples: {name}"] = lambda file=file: torch.from_numpy(np.load(file)).permute(0, 3, 1, 2)  # type: ignore[misc]
    made = kinds(held[:500], y[:500])
    asked |= {kind: lambda kind=kind: made[kind] for kind in made}  # type: ignore[misc]
    shares = {}
    for kind, images in asked.items():
        before, now = passing(extractor, by, images())
        shares[kind] = {"features and look": round(before, 3), "with the detector": round(now, 3)}
        print(f"{kind:34} {before:6.3f} {now:6.3f}", flush=True)
    found = {**origin(f"python studies/outlier_study.py {args.name}"), "shares": shares}
    (RESULTS / f"outliers_{args.name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Train the detector of outliers that ships beside a classifier: python tools/train_detector.py digits|fashion_mnist|mnist

Writes src/seesaw/metrics/weights/NAME_outliers.pt (a state_dict in half precision) and NAME_outliers.json. It learns on what
the layers of the shipped classifier, which stays as it is, see of images that this one was trained on, lightly varied, and of
the same ones spoiled (tools/outliers.py). The threshold lets a share of the held-out images pass. What passes by the threshold of
one half of them is measured on the other.
"""

import argparse
import datetime
import json
import sys
import time
from pathlib import Path

import outliers
import torch
from outliers import uniform
from torch import Generator, Tensor
from torch.nn import functional as F
from train_classifier import WEIGHTS, read

from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.extractors.classifier import to_input
from seesaw.metrics.extractors.outliers import OutlierDetector


def turned(x: Tensor, g: Generator) -> Tensor:
    """Each image (B, 1, 32, 32) turned by up to 9 degrees, sheared, scaled by up to 10 % and moved by up to 2 px."""
    n = len(x)
    angle, shear = (uniform(n, -0.15, 0.15, g).flatten() for _ in range(2))
    scale = uniform(n, 0.9, 1.1, g).flatten()
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * angle.cos(), shear - angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = angle.sin(), scale * angle.cos()
    theta[:, :, 2] = uniform(2 * n, -0.125, 0.125, g).view(n, 2)
    return F.grid_sample(x + 1, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False) - 1


def varied(x: Tensor, g: Generator) -> Tensor:
    """Real still to a person: bent by less than 1 px, every other one blurred by up to 1 px."""
    n = len(x)
    x = outliers.moved(x, outliers.field(n, 2, uniform(n, 4, 7, g), g) * uniform(n, 0, 0.9, g))
    return torch.where(uniform(n, 0, 1, g) < 0.5, outliers.smooth(x, uniform(n, 0.3, 1, g)), x)


def marked(x: Tensor, g: Generator) -> Tensor:
    """With the traces that a generator leaves while it learns, of reals and of outliers, so that they are no sign of either: a
    little noise, another contrast, and a black that is up to a fifth grey, evenly or in clouds."""
    n = len(x)
    x = x + torch.randn(x.shape, generator=g) * uniform(n, 0, 0.05, g)
    x = (x + 1) * uniform(n, 0.85, 1.1, g) - 1
    clouds = outliers.field(n, 1, uniform(n, 2, 6, g), g) * uniform(n, 0, 0.1, g)
    grey = (uniform(n, -0.05, 0.2, g).clamp_min(0) + clouds).clamp(0, 0.4)
    return (x + (1 - x) * grey).clamp(-1, 1)


def of_other_classes(y: Tensor, rows: Tensor, g: Generator) -> Tensor:
    """For each row another one, nearly always of another class."""
    draws = torch.randint(0, len(y), (4, len(rows)), generator=g)
    found = draws[0]
    for draw in draws[1:]:
        found = torch.where(y[found] == y[rows], draw, found)
    return found


@torch.no_grad()
def pool(extractor: ClassifierExtractor, images: Tensor, y: Tensor, size: int, g: Generator) -> tuple[Tensor, Tensor]:
    """What the layers see of `size` reals and as many outliers, and their classes; that of the outliers is the number after."""
    maps, classes = [], []
    for _ in range(size // 480):
        for spoiled in (False, True):
            rows = torch.randint(0, len(y), (480,), generator=g)
            x = turned(to_input(images[rows]), g)
            if spoiled:
                x = outliers.outliers(x, turned(to_input(images[of_other_classes(y, rows, g)]), g), g)
            x = marked(x if spoiled else varied(x, g), g)
            maps.append(extractor.network.features_look_and_maps(x)[2])
            classes.append(torch.full_like(rows, extractor.classes) if spoiled else y[rows])
    return torch.cat(maps), torch.cat(classes)


def train(maps: Tensor, classes: Tensor, count: int, epochs: int, seed: int, batch: int = 512) -> OutlierDetector:
    """AdamW with one cycle of the learning rate."""
    torch.manual_seed(seed)
    net = OutlierDetector(count)
    reals = maps[classes < count]
    net.centre.copy_(reals.mean(0))
    net.scale.copy_(reals.std(0) + 0.01 * reals.std())
    steps = epochs * (len(maps) // batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        for rows in torch.randperm(len(maps))[: len(maps) // batch * batch].split(batch):
            loss = F.cross_entropy(net(maps[rows]), classes[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{epochs} loss {loss.item():.4f}", flush=True)
    return net.eval()


@torch.no_grad()
def scores(extractor: ClassifierExtractor, net: OutlierDetector, x: Tensor) -> Tensor:
    """The detector's score of float images (B, 1, 32, 32), (B,)."""
    return torch.cat([net.score(extractor.network.features_look_and_maps(part)[2])[:, 0] for part in x.split(500)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("digits", "fashion_mnist", "mnist"))
    parser.add_argument("--root", help="folder of the idx files; default: as data=NAME")
    parser.add_argument("--size", type=int, default=28_800, help="reals, and outliers, to learn on (28,800)")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--passing", type=float, default=0.965, help="share of the held-out images that passes (0.965)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    (images, y), (held, held_y) = read(args.name, args.root, args.seed)
    start, g, extractor = time.process_time(), torch.Generator().manual_seed(args.seed), ClassifierExtractor(args.name)
    net = train(*pool(extractor, images, y, args.size, g), extractor.classes, args.epochs, args.seed).half().float()
    halves = scores(extractor, net, to_input(held)).chunk(2)
    across = [a <= b.quantile(args.passing) for a, b in (halves, halves[::-1])]
    net.limit.copy_(torch.cat(halves).quantile(args.passing).half())
    found = {
        kind.__name__: round((scores(extractor, net, spoiled_by(kind, held, held_y, g)) <= 0).double().mean().item(), 4)
        for kind in outliers.KINDS
    }
    given = [Path(a).name if a == args.root else a for a in sys.argv[1:]]
    record = {
        "name": args.name,
        "passing_held_out": round(torch.cat(across).double().mean().item(), 4),
        "passing_outliers_of_held_out": found,
        "images_train": len(y),
        "images_held_out": len(held),
        "size": args.size,
        "epochs": args.epochs,
        "passing": args.passing,
        "seed": args.seed,
        "cpu_seconds": round(time.process_time() - start),
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__.partition("+")[0],
        "command": " ".join(["python", "tools/train_detector.py", *given]),
    }
    torch.save(net.half().state_dict(), WEIGHTS / f"{args.name}_outliers.pt")
    (WEIGHTS / f"{args.name}_outliers.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))


def spoiled_by(kind: outliers.Kind, images: Tensor, y: Tensor, g: Generator) -> Tensor:
    """At most 500 of the images, spoiled in this way."""
    rows = torch.arange(min(500, len(images)))
    return kind(to_input(images[rows]), to_input(images[of_other_classes(y, rows, g)]), g).clamp(-1, 1)


if __name__ == "__main__":
    main()

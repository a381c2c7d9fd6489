"""Train the classifier that ships with the package: python tools/train_classifier.py digits|fashion_mnist|mnist|glyphs

Writes src/seesaw/metrics/weights/NAME.pt (a state_dict) and NAME.json (accuracy on images that it did not see, seed,
date, versions, command). Images are shifted by up to 2 px and lightly scaled; never blurred and never noised, or the
features would learn to overlook just what a distance should see.
"""

import argparse
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.data.sources.glyphs import Glyphs
from seesaw.data.sources.mnist import MNIST, FashionMNIST
from seesaw.metrics.extractors.classifier import RESOLUTION, SmallClassifier, to_input
from seesaw.metrics.extractors.glyphs import PARTS

WEIGHTS = Path(__file__).parents[1] / "src/seesaw/metrics/weights"
Split = tuple[Tensor, Tensor]  # uint8 (N, 1, 32, 32) and int64 (N,)


def read(name: str, root: str | None, seed: int) -> tuple[Split, Split]:
    """The images to train on and those held out: a random fifth of the digits, a fifth of the families of fonts (each letter
    twice in black on white and twice in random colours), the others' own test split."""
    if name == "glyphs":
        how: dict[str, Any] = {"resolution": RESOLUTION, "channels": 1, "batch_size": 1, "labels": True, "holdout": 0.2}
        sets = [Glyphs("alphanumeric", 2, colours, root=root, classes=62, **how) for colours in ("black", "random")]
        return joined([one.images_of("train") for one in sets]), joined([one.images_of("held_out") for one in sets])
    if name != "digits":
        source = FashionMNIST if name == "fashion_mnist" else MNIST
        options = {"resolution": RESOLUTION, "channels": 1, "batch_size": 1}
        parts = [source(root, split, **options).reals for split in ("train", "test")]
        return (parts[0].images, parts[0].y), (parts[1].images, parts[1].y)
    reals = digits(RESOLUTION)
    order = torch.randperm(len(reals), generator=torch.Generator().manual_seed(seed))
    held, seen = order.tensor_split([len(order) // 5])
    return (reals.gather(seen), reals.labels(seen)), (reals.gather(held), reals.labels(held))


def joined(sets: list[ImageSet]) -> Split:
    """All images and labels of several sets in memory."""
    rows = [torch.arange(len(one)) for one in sets]
    images = [one.gather(row) for one, row in zip(sets, rows, strict=True)]
    return torch.cat(images), torch.cat([one.labels(row) for one, row in zip(sets, rows, strict=True)])


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (B, 1, 32, 32) moved by up to 2 px and scaled by up to 8 %; black (-1) comes in at the edges."""
    b = len(x)
    move, scale = (torch.rand(b, n, generator=generator) * 2 - 1 for n in (2, 1))
    theta = torch.zeros(b, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 + 0.08 * scale[:, 0]
    theta[:, :, 2] = move * (2 * 2 / RESOLUTION)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


@torch.no_grad()
def accuracy(net: SmallClassifier, split: Split, part: slice = slice(None)) -> float:
    """The share of the split's images of some classes that `net` names rightly among these classes."""
    net.eval()
    images, labels = split
    of_part = torch.arange(int(labels.max()) + 1)[part]
    rows = torch.isin(labels, of_part).nonzero().flatten()
    named = torch.cat([net(to_input(x))[:, part].argmax(1) for x in images[rows].split(500)])
    return (of_part[named] == labels[rows]).float().mean().item()


def train(split: Split, epochs: int, seed: int, batch: int = 128) -> SmallClassifier:
    """Adam with a cosine decay of the learning rate to zero."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    images, labels = split
    net = SmallClassifier(int(labels.max()) + 1)
    steps = epochs * (len(images) // batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        net.train()
        for rows in torch.randperm(len(images), generator=draw)[: len(images) // batch * batch].split(batch):
            loss = F.cross_entropy(net(shifted(to_input(images[rows]), draw)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{epochs} loss {loss.item():.4f}", flush=True)
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("digits", "fashion_mnist", "mnist", "glyphs"))
    parser.add_argument("--root", help="folder of the idx files or fonts; default: as data=NAME")
    parser.add_argument("--epochs", type=int, help="default: 40 for digits, 8 for fashion_mnist, 30 for mnist, 8 for glyphs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    epochs = args.epochs or {"digits": 40, "fashion_mnist": 8, "mnist": 30, "glyphs": 8}[args.name]
    seen, held = read(args.name, args.root, args.seed)
    start = time.time()
    net = train(seen, epochs, args.seed)
    record = {
        "name": args.name,
        "accuracy_held_out": round(accuracy(net, held), 4),
        "accuracy_train": round(accuracy(net, seen), 4),
        **{f"accuracy_held_out_{k}": round(accuracy(net, held, p), 4) for k, p in PARTS.items() if args.name == "glyphs"},
        "images_train": len(seen[1]),
        "images_held_out": len(held[1]),
        "source": "all of it" if args.root is None else Path(args.root).name,
        "epochs": epochs,
        "seed": args.seed,
        "seconds": round(time.time() - start),
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "command": " ".join(["python", "tools/train_classifier.py", *sys.argv[1:]]),
    }
    WEIGHTS.mkdir(exist_ok=True)
    torch.save(net.state_dict(), WEIGHTS / f"{args.name}.pt")
    (WEIGHTS / f"{args.name}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()

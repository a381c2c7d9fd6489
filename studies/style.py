"""Style transfer measured: python studies/style.py all [--photos FOLDER] [--how WORDS] [--only NAME]

`table`: content and noise start, Gram and Wasserstein, Adam and L-BFGS on one pair, each measured by the same losses.
`gallery`: the pairs of docs/style.md. `loop`: against a plain loop of the textbook kind on the same network, interleaved.
Photographs are scikit-learn's china.jpg and flower.jpg (CC BY 2.0, danielbuechele and vultilion) and those in scikit-image's
wheel: astronaut (NASA, public domain), coffee and chelsea (CC0), hubble_deep_field (NASA, public domain), ihc (no known
copyright restrictions); `pip install scikit-image`, or give its data folder by --photos. Times are CPU seconds of one thread.
Pictures go to docs/images/style_*.jpg, figures to studies/results/style.json.
"""

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import pytorch_lightning as pl
import torch
from origin import ROOT, origin
from PIL import Image, ImageDraw
from torch import Tensor

from seesaw.config.compose import compose
from seesaw.functional.style import gram
from seesaw.nets.efficientnet_lite import pretrained
from seesaw.style.losses import Content, Gram, Variation, Wasserstein
from seesaw.training.build import build
from seesaw.training.differences import literal
from seesaw.training.preflight import checked
from seesaw.training.run import quiet

RESULTS, IMAGES = ROOT / "studies/results/style.json", ROOT / "docs/images"
SIZE, KIMG = 256, 0.3
STYLE_WEIGHT = 5.0  # of conf/model/style/gram.yaml
PAIRS = {
    "china_ihc": ("china.jpg", "ihc.png", []),
    "china_hubble": ("china.jpg", "hubble_deep_field.jpg", []),
    "astronaut_coffee": ("astronaut.png", "coffee.png", []),
    "astronaut_flower": ("astronaut.png", "flower.jpg", []),
    "chelsea_ihc": ("chelsea.png", "ihc.png", []),
    "chelsea_ihc_colours": ("chelsea.png", "ihc.png", ["model.colours=content"]),
}
STARTS, STYLES, OPTIMIZERS = ("content", "noise"), ("gram", "wasserstein"), ("adam", "lbfgs")


def photo(name: str, folder: Path | None) -> str:
    """The path of a photograph by its file name."""
    if name in ("china.jpg", "flower.jpg"):
        import sklearn.datasets

        return str(Path(sklearn.datasets.__file__).parent / "images" / name)
    if folder is None:
        spec = importlib.util.find_spec("skimage")
        if spec is None or spec.origin is None:
            raise SystemExit("scikit-image is not installed: pip install scikit-image, or give --photos FOLDER")
        folder = Path(spec.origin).parent / "data"
    return str(folder / name)


def made(content: str, style: str, *overrides: str) -> Any:
    """The module and the data of a configuration."""
    chosen = ["model=style_transfer", "trainer=cpu", "logger=none", f"kimg={KIMG}", f"data.size={SIZE}", *overrides]
    cfg, choices = compose(chosen)
    cfg.data.content, cfg.data.style = literal(content), literal(style)
    config = checked(cfg, chosen, choices)
    return *build(config), round(config["kimg"] * 1000)


def drawn(content: str, style: str, *overrides: str, name: str) -> tuple[Any, Tensor, float]:
    """The module, its image (1, 3, H, W) and the CPU seconds of its run."""
    model, data, iterations = made(content, style, *overrides)
    data.prepare()
    folder = ROOT / "runs" / "style" / name
    folder.mkdir(parents=True, exist_ok=True)
    trainer = pl.Trainer(
        max_epochs=1, limit_train_batches=iterations, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    began = time.process_time()
    trainer.fit(model, datamodule=data)
    return model, model.result(), time.process_time() - began


class Yardstick:
    """The same losses for every image of one pair: relative, weight 1, on the layers of the network's configuration."""

    def __init__(self, content: str, style: str, *overrides: str) -> None:
        model, data, _ = made(content, style, *overrides)
        self.features = model.backbone[0]
        photos = data.photos(SIZE)
        self.terms = {"content": Content(1.0), "gram": Gram(1.0), "wasserstein": Wasserstein(1.0)}
        with torch.no_grad():
            ours, theirs = (self.features(x) for x in photos)
            self.terms["content"].aim(ours, self.features.content)
            for name in ("gram", "wasserstein"):
                self.terms[name].aim(theirs, self.features.style)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> dict[str, float]:
        features = self.features(image)
        values = {name: float(term(features)) for name, term in self.terms.items()}
        return values | {"variation": float(Variation(1.0)(image))}


def save(image: Tensor) -> Image.Image:
    pixels = image[0].clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels)


def sheet(rows: list[list[tuple[str, Image.Image]]], path: Path) -> None:
    """Pictures with a line above each, on white."""
    width = max(image.width for row in rows for _, image in row) + 8
    heights = [max(image.height for _, image in row) + 24 for row in rows]
    out = Image.new("RGB", (width * max(map(len, rows)), sum(heights)), "white")
    for i, row in enumerate(rows):
        for j, (label, image) in enumerate(row):
            ImageDraw.Draw(out).text((j * width + 4, sum(heights[:i]) + 5), label, fill="black")
            out.paste(image, (j * width + 4, sum(heights[:i]) + 20))
    out.save(path, quality=90)


def table(photos: Path | None) -> dict[str, Any]:
    """Eight ways to draw one pair."""
    content, style = photo("china.jpg", photos), photo("ihc.png", photos)
    measure = Yardstick(content, style)
    figures, rows = {"the content itself": measure(made(content, style)[1].photos(SIZE)[0])}, []
    for start in STARTS:
        row = []
        for kind in STYLES:
            for optimizer in OPTIMIZERS:
                chosen = [f"model.start={start}", f"model/style={kind}", f"optimizer=canvas_{optimizer}"]
                name = f"{start}, {kind}, {optimizer}"
                model, image, seconds = drawn(content, style, *chosen, name=name.replace(", ", "_"))
                figures[name] = measure(image) | {"iterations": model.images_shown, "cpu_seconds": round(seconds, 1)}
                print(name, figures[name], flush=True)
                row.append((name, save(image)))
        rows.append(row)
    sheet(rows, IMAGES / "style_table.jpg")
    return {"pair": "china.jpg, ihc.png", "size": SIZE, "rows": figures}


def gallery(photos: Path | None, only: str | None) -> dict[str, Any]:
    """Each pair with its content and style."""
    figures: dict[str, Any] = {}
    rows = []
    for name, (content, style, more) in PAIRS.items():
        if only in (None, name):
            paths = photo(content, photos), photo(style, photos)
            _, image, seconds = drawn(*paths, *more, name=name)
            figures[name] = {"cpu_seconds": round(seconds, 1)}
            print(name, figures[name], flush=True)
            thumbs = [Image.open(path).convert("RGB") for path in paths]
            for thumb in thumbs:
                thumb.thumbnail((SIZE, SIZE))
            label = f"{Path(content).stem} as {Path(style).stem}" + (", its own colours" if more else "")
            rows.append([("content", thumbs[0]), ("style", thumbs[1]), (label, save(image))])
    sheet([a + b for a, b in zip(rows[::2], rows[1::2], strict=True)] if only is None else rows,
          IMAGES / f"style_gallery{'' if only is None else '_' + only}.jpg")  # fmt: skip
    return figures


class Textbook:
    """A plain loop as tutorials have it: the package's network as it is, one scale, one optimiser, the same loss."""

    def __init__(self, content: Tensor, style: Tensor, weights: Any, start: Tensor, optimizer: str) -> None:
        self.network = pretrained().requires_grad_(False)
        self.weights, self.image = weights, start.clone().requires_grad_()
        make: Any = {
            "adam": lambda p: torch.optim.Adam(p, lr=0.04),
            "lbfgs": lambda p: torch.optim.LBFGS(p, max_iter=1),
        }
        self.optimizer = make[optimizer]([self.image])
        with torch.no_grad():
            of_content, of_style = self.features(content), self.features(style)
        self.content = {k: of_content[k] for k in weights.content}
        self.style = {k: gram(of_style[k]) for k in weights.style}

    def features(self, image: Tensor) -> dict[str, Tensor]:
        net, found = self.network, {"image": image}
        x = net._swish(net._bn0(net._conv_stem((image * 127.5 + 0.5) / 128)))
        for k, block in enumerate(net._blocks[:9]):
            before, h = x, x
            if block._block_args.expand_ratio != 1:
                h = found[f"block{k}_expand"] = block._swish(block._bn0(block._expand_conv(h)))
            h = found[f"block{k}_depthwise"] = block._swish(block._bn1(block._depthwise_conv(h)))
            x = block._bn2(block._project_conv(h))
            x = found[f"block{k}"] = x + before if x.shape == before.shape and k != 0 else x
        return found

    def loss(self) -> Tensor:
        self.optimizer.zero_grad()
        found, total = self.features(self.image), torch.zeros(())
        for k, share in self.weights.content.items():
            total = total + share * (found[k] - self.content[k]).square().mean() / self.content[k].var()
        for k, share in self.weights.style.items():
            total = (
                total
                + STYLE_WEIGHT
                * share
                * (gram(found[k]) - self.style[k]).square().mean()
                / self.style[k].square().mean()
            )
        across = (self.image[..., 1:] - self.image[..., :-1]).square().mean()
        down = (self.image[..., 1:, :] - self.image[..., :-1, :]).square().mean()
        total = total + 2.0 * (across + down)
        total.backward()
        return total

    def step(self) -> None:
        self.optimizer.step(self.loss)


def loop(photos: Path | None, rounds: int = 3, steps: int = 15) -> dict[str, Any]:
    """Seconds an iteration at the full size, interleaved; then the loss at equal CPU time from the same noise.

    At 240x160 with edges of zeros, since the package's network halves even sizes only and pads with zeros: both losses are
    then the same number.
    """
    global SIZE
    SIZE = 240
    paths = photo("china.jpg", photos), photo("ihc.png", photos)
    chosen = [
        "model.start=noise", "model/style=gram", "model.tolerance=0", "model.backbone.network.edges=zeros"
    ]  # fmt: skip
    model, data, _ = made(*paths, *chosen)
    pair = data.photos(SIZE)
    noise = 0.2 * torch.randn(pair[0].shape, generator=torch.Generator().manual_seed(0))
    plain, measure = Textbook(*pair, model.backbone[0], noise, "adam"), Yardstick(*paths, *chosen)
    losses: dict[str, Any] = {
        "noise, by the textbook": float(plain.loss().detach()),
        "noise, by seesaw": whole(measure(noise)),
    }
    each: dict[str, list[float]] = {"seesaw": [], "textbook": []}
    for _ in range(rounds):
        seconds = drawn(*paths, *chosen, "model.scales=1", f"kimg={steps / 1000}", name="loop")[2]
        each["seesaw"].append(seconds / steps)
        each["textbook"].append(timed(plain.step, steps) / steps)
    for optimizer in OPTIMIZERS:
        more = f"optimizer=canvas_{optimizer}"
        ours, image, seconds = drawn(*paths, *chosen, more, name=f"equal_time_{optimizer}")
        plain, began, taken = Textbook(*pair, model.backbone[0], noise, optimizer), time.process_time(), 0
        while time.process_time() - began < seconds:
            plain.step()
            taken += 1
        losses[optimizer] = {
            "cpu_seconds": round(seconds, 1),
            f"seesaw, 4 scales, {ours.images_shown} iterations": whole(measure(image)),
            f"textbook, {taken} iterations": whole(measure(plain.image.detach().clamp(-1, 1))),
        }
        print(optimizer, losses[optimizer], flush=True)
    return {"cpu_seconds_an_iteration": each, "loss_at_equal_time": losses}


def timed(step: Callable[[], None], steps: int) -> float:
    began = time.process_time()
    for _ in range(steps):
        step()
    return time.process_time() - began


def whole(parts: dict[str, float]) -> float:
    """The configuration's loss with Gram matrices."""
    return parts["content"] + STYLE_WEIGHT * parts["gram"] + 2.0 * parts["variation"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["all", "table", "gallery", "loop"])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--how", default="")
    parser.add_argument("--only", choices=list(PAIRS))
    args = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    jobs = {
        "table": lambda: table(args.photos),
        "gallery": lambda: gallery(args.photos, args.only),
        "loop": lambda: loop(args.photos),
    }
    for name, job in jobs.items():
        if args.what in ("all", name):
            found = {"origin": origin(f"python studies/style.py {name}", args.how), **job()}
            results = (
                json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
            )  # now: another part may have been written
            RESULTS.write_text(json.dumps(results | {name: found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

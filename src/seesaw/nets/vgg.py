"""VGG-19 (Simonyan and Zisserman 2015, arXiv 1409.1556, configuration E) as a backbone of features: the network of Gatys et al.
2016, with torchvision's weights."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seesaw.nets.layers.backbone import Backbone
from seesaw.types import UserError

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 4, 4, 4)
FILE = "vgg19-dcbb9e9d.pth"
URL = f"https://download.pytorch.org/models/{FILE}"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's RGB in [0, 1]: what torchvision's weights expect to be taken off."""


class VGG19(Backbone):
    """Layers `relu1_1` to `relu5_4`, the features behind each convolution and its ReLU. The classifier is left out.

    Args:
        weights: a file of torchvision's VGG-19, whole or without its classifier; null: torch hub's cache, where it is
            downloaded to (548 MB) when missing.
        pooling: `average` as Gatys et al. 2016 recommend for synthesis, or `max` as the network was trained.

    Raises:
        UserError: the weights are nowhere and cannot be fetched, or the file holds others.
    """

    mean: Tensor
    std: Tensor
    inner = tuple(f"relu{k}_{j}" for k, depth in enumerate(DEPTHS, 1) for j in range(1, depth + 1))

    def __init__(self, weights: str | None = None, pooling: Literal["average", "max"] = "average") -> None:
        super().__init__()
        if pooling not in ("average", "max"):
            raise ValueError(f"pooling must be average or max, not {pooling!r}")
        self.pooling = pooling
        sizes = [3, *(width for width, depth in zip(WIDTHS, DEPTHS, strict=True) for _ in range(depth))]
        self.convolutions = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1) for pair in pairwise(sizes))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.read(found(weights))
        self.requires_grad_(False)

    def walk(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        pool = F.avg_pool2d if self.pooling == "average" else F.max_pool2d
        x = ((images + 1) / 2 - self.mean) / self.std
        for name, convolution in zip(self.inner, self.convolutions, strict=True):
            if name.endswith("_1") and name != "relu1_1":
                x = pool(x, 2)
            x = F.relu(convolution(x))
            yield name, x

    def read(self, path: Path) -> None:
        """Take the weights of torchvision's keys `features.N.weight` and `.bias`; N counts ReLUs and poolings too."""
        numbers = [n for n, kind in enumerate(kinds()) if kind == "convolution"]
        try:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            with torch.no_grad():
                for number, convolution in zip(numbers, self.convolutions, strict=True):
                    for name, value in convolution.named_parameters():
                        value.copy_(state[f"features.{number}.{name}"])
        except Exception as error:  # of bytes that are no file of torch's, almost any error comes
            raise UserError(
                f"{path} does not hold torchvision's VGG-19 ({type(error).__name__}: {first_line(error)}); {advice()}"
            ) from error


def kinds() -> list[str]:
    """What stands at each place of torchvision's `features`."""
    return [kind for depth in DEPTHS for kind in ["convolution", "relu"] * depth + ["pooling"]]


def found(weights: str | None) -> Path:
    """The file of the weights, downloaded into torch hub's cache if need be."""
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise UserError(f"model.backbone.network.weights={weights}: there is no such file; {advice()}")
        return path
    path = cached()
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL, str(path), hash_prefix="dcbb9e9d", progress=True)
        except (OSError, URLError, RuntimeError) as error:  # RuntimeError: another hash than the name's
            raise UserError(
                f"VGG-19's weights are not at {path} and cannot be downloaded ({first_line(error)}); {advice()}"
            ) from error
    return path


def cached() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def advice() -> str:
    return (
        f"put {URL} into {cached().parent}, give its path as model.backbone.network.weights=PATH, "
        "or choose model/backbone=efflite0, whose weights come as a package"
    )


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__

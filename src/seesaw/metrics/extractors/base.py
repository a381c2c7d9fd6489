"""What turns images into features, and the classifiers that ship with the package. Networks of other packages have files
of their own, inception.py and efficientnet.py."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seesaw.errors import UserError
from seesaw.metrics.extractors.classifier import RESIZE, SmallClassifier, to_input
from seesaw.metrics.extractors.outliers import OutlierDetector

WEIGHTS = Path(__file__).parents[1] / "weights"


class Extractor(Protocol):
    """uint8 (B, C, H, W) to features (B, dim): frozen, always in eval mode, in float32 also under mixed precision.

    It is no part of a LightningModule, so its weights enter no checkpoint.
    """

    name: str
    dim: int
    resize: str
    """How images come to the network's size, in words. Images of other shapes than the network's are squeezed into its square,
    reals and samples alike. Images of 16 bits come as their upper 8."""

    @property
    def weights_hash(self) -> str:
        """The first 12 digits of the SHA-256 of the weights' file."""

    def prepare(self, device: torch.device) -> None:
        """Load the weights, once, and move them to `device`. UserError when they are missing."""

    def __call__(self, images: Tensor) -> Tensor:
        """Features on the device of `prepare`, float32; the images may lie on another."""


def check_channels(extractor: Extractor, channels: int) -> None:
    """Raise UserError where the extractor's attribute `channels`, numbers that it takes, does not hold this one. Without the
    attribute it takes any."""
    taken: tuple[int, ...] | None = getattr(extractor, "channels", None)
    if taken is not None and channels not in taken:
        numbers = " or ".join(map(str, taken))
        raise UserError(
            f"metrics: {extractor.name} takes images of {numbers} channels, and data.channels is {channels}: give metrics=none, "
            "or metrics of your own whose extractor takes them (docs/extending.md)"
        )


class Sampled(Protocol):
    """The part of `seesaw.metrics.features.Features` that an extractor may ask for."""

    values: Tensor

    @property
    def probabilities(self) -> Tensor:
        """The result of `Classifies.probabilities`."""


@dataclass(frozen=True)
class Assignment:
    """Samples and the known modes of a set: its classes, triples of classes, or Gaussians.

    Args:
        mode: int64 (n,), the nearest mode of each sample, below `modes`.
        inside: bool (n,), whether the sample lies inside that mode.
        modes: number of modes.
        expected: relative frequencies of the modes among the reals, (modes,); or (modes + 1,), where the last is that of
            reals outside every mode.
    """

    mode: Tensor
    inside: Tensor
    modes: int
    expected: Tensor

    def counts(self) -> Tensor:
        """int64 (modes,), the number of samples inside each."""
        return torch.bincount(self.mode[self.inside], minlength=self.modes)


@runtime_checkable
class Classifies(Protocol):
    """An extractor with a classifier's head."""

    def probabilities(self, features: Tensor) -> Tensor:
        """Features (n, dim), on any device, to class probabilities (n, K), or (n, channels, K)."""


@runtime_checkable
class Looks(Protocol):
    """An extractor that also sees texture and sharpness, which the gate asks beside the features."""

    look_dim: int

    def look(self, images: Tensor) -> Tensor:
        """uint8 (B, C, H, W) to float32 (B, look_dim), on the device of `prepare`."""

    def features_and_look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both of the same images: what they share is computed once."""


@runtime_checkable
class DetectsOutliers(Looks, Protocol):
    """A `Looks` with a detector of images that are none of the set: the last column of each image's look is its score, above 0
    for an outlier."""

    def detector_hash(self) -> str:
        """The first 12 digits of the SHA-256 of the detector's weights."""


def rows_of(extractor: Extractor, images: Tensor) -> Tensor:
    """Features and look of the images side by side, (B, dim + look_dim) on the CPU; features alone where it has no look."""
    return (torch.cat(extractor.features_and_look(images), 1) if isinstance(extractor, Looks) else extractor(images)).cpu()


def row_width(extractor: Extractor) -> int:
    """Columns of `rows_of`."""
    return extractor.dim + (extractor.look_dim if isinstance(extractor, Looks) else 0)


@runtime_checkable
class KnowsModes(Protocol):
    """An extractor for sets of which the modes are known."""

    def assign(self, fakes: Sampled) -> Assignment:
        """The modes of the samples, on the CPU."""


@runtime_checkable
class LearnsFromReals(Protocol):
    """An extractor whose network learns on the reals of the run."""

    def learn_from(self, reals: Any, cache_dir: str | Path) -> None:
        """Learn on the set, or take what was learned from the cache; before `prepare`."""

    def objection(self) -> str:
        """Why a distance by the features is of no use for this set; empty where it is. Learn first."""


def hash_of(path: Path) -> str:
    """The first 12 digits of the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


class Frozen(ABC):
    """The part that extractors with a network share: one file of weights, one network that never learns."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")

    @property
    def must_download(self) -> bool:
        """Whether `prepare` will fetch the weights from the network."""
        return False

    @property
    @abstractmethod
    def path(self) -> Path:
        """The file of the weights."""

    @abstractmethod
    def load(self) -> nn.Module:
        """The network with its weights."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """uint8 (B, C, H, W) to features (B, dim), both on `device`."""

    @cached_property
    def network(self) -> nn.Module:
        return self.load().eval().requires_grad_(False)

    @cached_property
    def weights_hash(self) -> str:
        return hash_of(self.path)

    def prepare(self, device: torch.device) -> None:
        self.device = device
        self.network.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            return self.features(self.taken(images))

    def taken(self, images: Tensor) -> Tensor:
        """The images on the device. ValueError where they are no bytes."""
        if images.dtype != torch.uint8:
            raise ValueError(f"it takes images of bytes, and these are {images.dtype} of {tuple(images.shape[1:])}")
        return images.to(self.device)


def for_inference(network: nn.Module, pairs: Iterable[tuple[str, str]]) -> nn.Module:
    """The network in eval mode with each BatchNorm folded into the convolution before it, and channels last.

    The same function but for rounding (3e-7 of Inception's features), about twice as fast on a CPU; see docs/speed.md.

    Args:
        pairs: the names that a convolution and its BatchNorm have in their parent, wherever in the network that is.
    """
    network.eval()
    for parent in network.modules():
        for conv, norm in pairs:
            if isinstance(getattr(parent, norm, None), nn.BatchNorm2d) and hasattr(parent, conv):
                setattr(parent, conv, fuse_conv_bn_eval(getattr(parent, conv), getattr(parent, norm)))
                setattr(parent, norm, nn.Identity())
    return network.to(memory_format=torch.channels_last)


class ShippedClassifier(Frozen):
    """The 64 last hidden features of a small classifier that ships with the package, and its classes.

    Args:
        name: of its files in weights/ (tools/train_classifier.py).
        classes: number of classes that it tells apart.
    """

    dim, look_dim = SmallClassifier.dim, SmallClassifier.look_dim
    resize = RESIZE
    channels = (1, 3)

    def __init__(self, name: str, classes: int) -> None:
        super().__init__()
        self.name, self.classes = name, classes

    @property
    def path(self) -> Path:
        return WEIGHTS / f"{self.name}.pt"

    def load(self) -> SmallClassifier:
        weights = torch.load(self.path, weights_only=True)
        network = SmallClassifier(len(weights["head.bias"]))
        network.load_state_dict(weights)
        return network.float()

    @cached_property
    def network(self) -> SmallClassifier:
        return self.load().eval().requires_grad_(False)

    def features(self, images: Tensor) -> Tensor:
        return self.network.features(to_input(images))

    @torch.no_grad()
    def look(self, images: Tensor) -> Tensor:
        """uint8 (B, C, H, W) to (B, 96), see `SmallClassifier.look`."""
        with torch.autocast(self.device.type, enabled=False):
            return self.network.look(to_input(self.taken(images)))

    @torch.no_grad()
    def features_and_look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, C, H, W) to (B, 64) and (B, 96)."""
        with torch.autocast(self.device.type, enabled=False):
            return self.network.features_and_look(to_input(self.taken(images)))

    def probabilities(self, features: Tensor) -> Tensor:
        """Features (N, 64), on any device, to class probabilities (N, classes)."""
        return self.network.head(features.to(self.device)).softmax(1)

    def assign(self, fakes: Sampled) -> Assignment:
        """A sample belongs to its most probable class, however improbable: `Features.assignment` applies the gate."""
        mode = fakes.probabilities.max(1).indices
        return Assignment(mode, torch.ones_like(mode, dtype=torch.bool), self.classes, torch.ones(self.classes))


class ClassifierExtractor(ShippedClassifier):
    """The classifier of ten classes that ships for this set, and its detector of outliers.

    Args:
        name: the set that both were trained on: digits, fashion_mnist or mnist.
    """

    look_dim = SmallClassifier.look_dim + 1

    def __init__(self, name: Literal["digits", "fashion_mnist", "mnist"]) -> None:
        if name not in ("digits", "fashion_mnist", "mnist"):
            raise ValueError(f"name must be one of digits, fashion_mnist, mnist, not {name}")
        super().__init__(name, classes=10)

    @property
    def detector_path(self) -> Path:
        """The file of the detector's weights."""
        return WEIGHTS / f"{self.name}_outliers.pt"

    def detector_hash(self) -> str:
        return hash_of(self.detector_path)

    @cached_property
    def detector(self) -> OutlierDetector:
        """The detector with its weights."""
        found = OutlierDetector(self.classes)
        found.load_state_dict(torch.load(self.detector_path, weights_only=True))
        return found.float().eval().requires_grad_(False)

    def prepare(self, device: torch.device) -> None:
        super().prepare(device)
        self.detector.to(device)

    def look(self, images: Tensor) -> Tensor:
        """uint8 (B, C, H, W) to (B, 97): `SmallClassifier.look`, and `OutlierDetector.score`."""
        return self.features_and_look(images)[1]

    @torch.no_grad()
    def features_and_look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, C, H, W) to (B, 64) and (B, 97)."""
        with torch.autocast(self.device.type, enabled=False):
            features, look, maps = self.network.features_look_and_maps(to_input(self.taken(images)))
            return features, torch.cat([look, self.detector.score(maps)], 1)

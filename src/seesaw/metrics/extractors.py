"""What turns images into features: the classifiers that ship with the package, and torch-fidelity's Inception."""

import hashlib
import os
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
from torchmetrics.image.fid import NoTrainInceptionV3

from seesaw.metrics.classifier import RESIZE, SmallClassifier, to_input
from seesaw.types import UserError

WEIGHTS = Path(__file__).parent / "weights"
INCEPTION_FILE = URL_INCEPTION_V3.rsplit("/", 1)[-1]


class Extractor(Protocol):
    """uint8 (B, C, H, W) to features (B, dim): frozen, always in eval mode, in float32 also under mixed precision.

    It is no part of a LightningModule, so its weights enter no checkpoint.
    """

    name: str
    dim: int
    resize: str
    """How images come to the network's size, in words."""
    frechet: str
    kernel: str
    """The names of the two distances."""

    @property
    def weights_hash(self) -> str:
        """The first 12 digits of the SHA-256 of the weights' file."""

    def prepare(self, device: torch.device) -> None:
        """Load the weights, once, and move them to `device`. UserError when they are missing."""

    def __call__(self, images: Tensor) -> Tensor:
        """Features on the device of `prepare`, float32; the images may lie on another."""

    def describe(self, features: Tensor) -> dict[str, float]:
        """What else the features of a set tell, by the metric's name; empty where there is nothing."""


class _Frozen(ABC):
    """The part that all extractors share: one file of weights, one network that never learns."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")

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
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]

    def prepare(self, device: torch.device) -> None:
        self.device = device
        self.network.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            return self.features(images.to(self.device))


class ClassifierExtractor(_Frozen):
    """The 64 last hidden features of the small classifier that ships for this set, and what it says of the classes.

    Args:
        name: the set that it was trained on (benchmarks/train_classifier.py): digits or fashion_mnist.
    """

    dim = SmallClassifier.dim
    resize = RESIZE

    def __init__(self, name: Literal["digits", "fashion_mnist"]) -> None:
        super().__init__()
        if name not in ("digits", "fashion_mnist"):
            raise ValueError(f"name must be digits or fashion_mnist, not {name}")
        self.name: str = name
        self.frechet, self.kernel = f"frechet_{name}", f"kernel_{name}"

    @property
    def path(self) -> Path:
        return WEIGHTS / f"{self.name}.pt"

    def load(self) -> SmallClassifier:
        network = SmallClassifier()
        network.load_state_dict(torch.load(self.path, weights_only=True))
        return network.float()

    @cached_property
    def network(self) -> SmallClassifier:
        return self.load().eval().requires_grad_(False)

    def features(self, images: Tensor) -> Tensor:
        return self.network.features(to_input(images))

    def probabilities(self, features: Tensor) -> Tensor:
        """Features (N, 64), on any device, to class probabilities (N, 10)."""
        return self.network.head(features.to(self.device)).softmax(1)

    def describe(self, features: Tensor) -> dict[str, float]:
        """`modes_<name>`: classes that at least one sample is assigned to, 0 ... 10; `confident_<name>`: the share of
        samples whose class has a probability above 0.9."""
        confidence, assigned = self.probabilities(features).max(1)
        return {
            f"modes_{self.name}": float(len(assigned.unique())),
            f"confident_{self.name}": (confidence > 0.9).float().mean().item(),
        }


class InceptionExtractor(_Frozen):
    """The 2048 pooled features of the Inception of published FIDs (Heusel et al. 2017), in torch-fidelity's port, with
    TensorFlow 1's bilinear resize to 299 px (torchmetrics' `antialias=False`). Grey images are repeated to 3 channels.

    Args:
        weights: the file of weights; null: torch hub's cache, where it is downloaded to when missing.
    """

    name = "inception"
    dim = 2048
    resize = "bilinear as in TensorFlow 1 to 299 px, not antialiased"
    frechet, kernel = "fid", "kid"

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.weights = weights

    @cached_property
    def path(self) -> Path:
        """Where the weights lie, downloaded if need be. UserError when they are nowhere and cannot be fetched."""
        if self.weights is not None:
            path = Path(self.weights).expanduser()
            if not path.is_file():
                raise UserError(f"metrics.extractor.weights={self.weights}: there is no such file; {_advice()}")
            return path
        path = _hub_path()
        if not path.is_file():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), progress=False)
            except OSError as error:  # urllib's errors among them
                raise UserError(
                    f"metrics=fid: the Inception weights are not at {path} and cannot be downloaded ({error}); {_advice()}"
                ) from error
        return path

    def load(self) -> nn.Module:
        try:  # torch-fidelity unpickles the file without restraint, so that it holds only tensors is checked here
            torch.load(self.path, map_location="meta", weights_only=True)
            network = NoTrainInceptionV3("inception-v3-compat", ["2048"], os.fspath(self.path), antialias=False)
        except Exception as error:  # of bytes that are no file of torch's, almost any error comes
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"{self.path} does not hold the Inception weights ({line[:120]}); {_advice()}") from error
        return network.to(memory_format=torch.channels_last)  # 1.4 times as fast on a CPU

    def features(self, images: Tensor) -> Tensor:
        return self.network(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)

    def describe(self, features: Tensor) -> dict[str, float]:
        return {}


def _hub_path() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE


def _advice() -> str:
    return (
        f"put {INCEPTION_FILE} from torch-fidelity's release v0.2.0 into {_hub_path().parent}, "
        "give its path as metrics.extractor.weights=PATH, or choose other metrics (metrics=none measures nothing)"
    )

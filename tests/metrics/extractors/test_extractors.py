"""The extractors of the classifiers that ship: shapes, freedom from training, what importing them costs."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from seesaw.metrics.extractors.base import WEIGHTS, ClassifierExtractor, Classifies, KnowsModes, rows_of
from seesaw.metrics.extractors.classifier import SmallClassifier, to_input
from seesaw.metrics.extractors.efficientnet import EfficientNetLite0Extractor
from seesaw.metrics.extractors.inception import InceptionExtractor
from seesaw.metrics.extractors.points import PointsExtractor
from seesaw.metrics.extractors.stacked import StackedExtractor
from seesaw.metrics.features import Features

NAMES = ("digits", "mnist", "fashion_mnist")
CPU = torch.device("cpu")


def images(n: int, channels: int, size: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=draw)


@pytest.mark.parametrize("name", NAMES)
def test_weights_ship_with_their_record(name: str) -> None:
    file = WEIGHTS / f"{name}.pt"
    assert file.stat().st_size < 500_000
    record = json.loads((WEIGHTS / f"{name}.json").read_text())
    assert record["accuracy_held_out"] >= {"digits": 0.98, "mnist": 0.98, "fashion_mnist": 0.90}[name]
    assert record["command"].startswith(f"python tools/train_classifier.py {name}")
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


def score_of(extractor: ClassifierExtractor, seen: list[torch.Tensor], third: torch.Tensor) -> torch.Tensor:
    """The detector's log odds by its own weights, from the first two layers and the third at half its size."""
    w = {k: v.float() for k, v in torch.load(WEIGHTS / "digits_outliers.pt", weights_only=True).items()}
    look = [t.mean((2, 3)) for t in seen[:2]] + [t.std((2, 3)) for t in seen[:2]]
    x = torch.cat([third.flatten(1), *look, F.adaptive_avg_pool2d(seen[1], 4).flatten(1)], 1)
    x = F.linear(((x - w["centre"]) / w["scale"]).clamp(-8, 8), w["body.1.weight"])
    norm = [w[f"body.2.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    p = F.linear(F.batch_norm(x, *norm).relu(), w["head.weight"], w["head.bias"]).double().softmax(1)
    return (p[:, -1] / p[:, :-1].sum(1)).log().float() - w["limit"]


@pytest.mark.parametrize("n", [1, 5])
def test_features_and_look_are_those_of_torchs_own_layers(n: int) -> None:
    """The maxima to the bit, the deviations but for rounding."""
    extractor, some = ClassifierExtractor("digits"), images(n, 1, 16)
    net, seen, x = extractor.network, [], to_input(some)
    with torch.no_grad():
        for block in list(net.body)[:3]:
            seen.append(F.relu(block[1](block[0](x))))  # type: ignore[index]
            x = F.max_pool2d(seen[-1], 2)
        features = net.hidden(x.flatten(1)).relu()
    look = torch.cat([t.mean((2, 3)) for t in seen[:2]] + [t.std((2, 3)) for t in seen[:2]], 1)
    assert torch.equal(extractor(some), features)
    torch.testing.assert_close(extractor.look(some)[:, :-1], look, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(extractor.look(some)[:, -1], score_of(extractor, seen, x), rtol=1e-3, atol=1e-3)
    assert torch.equal(rows_of(extractor, some), torch.cat([extractor(some), extractor.look(some)], 1))


def test_a_stack_has_features_and_look_in_one_pass() -> None:
    extractor, some = StackedExtractor("digits"), images(4, 3, 16)
    assert torch.equal(rows_of(extractor, some), torch.cat([extractor(some), extractor.look(some)], 1))
    with pytest.raises(ValueError, match="it takes three channels, each a digit, and these have 1"):
        extractor.features_and_look(some[:, :1])


def test_unknown_classifier() -> None:
    with pytest.raises(ValueError, match="digits, fashion_mnist, mnist, not letters"):
        ClassifierExtractor("letters")  # type: ignore[arg-type]


def test_every_sample_belongs_to_its_most_probable_class() -> None:
    extractor = ClassifierExtractor("digits")
    fakes = Features(extractor(images(40, 1, 32)), extractor)
    found = fakes.assignment
    assert torch.equal(found.mode, fakes.probabilities.argmax(1))
    assert found.inside.all()
    assert (found.modes, found.counts().sum(), len(found.expected)) == (10, 40, 10)


@pytest.mark.parametrize(("make", "classifies", "knows_modes"), [
    (lambda: ClassifierExtractor("mnist"), True, True), (lambda: StackedExtractor("mnist"), True, True),
    (lambda: PointsExtractor("ring", 8, 1.0, 0.01), False, True), (InceptionExtractor, False, False),
    (EfficientNetLite0Extractor, False, False),
])  # fmt: skip
def test_what_an_extractor_offers_to_metrics(make: Callable[[], Any], classifies: bool, knows_modes: bool) -> None:
    """Found without its weights: a missing file must not be looked for here."""
    made = make()
    assert (isinstance(made, Classifies), isinstance(made, KnowsModes)) == (classifies, knows_modes)
    assert not {"path", "network", "weights_hash"} & set(vars(made))


def test_no_other_network_is_imported_for_a_classifier() -> None:
    """A wrong value is reported after the targets have been imported: torch-fidelity alone takes a second of that."""
    program = (
        "import sys, seesaw.metrics.auto; from seesaw.metrics.extractors import base, efficientnet, inception; "
        "heavy = ('torch_fidelity', 'torchmetrics', 'efficientnet', 'torchvision', 'pytorch_lightning'); "
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")

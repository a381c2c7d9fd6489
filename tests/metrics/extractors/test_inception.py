"""Inception: torch-fidelity's features, FID and KID by them, and the message for a missing file of weights."""

import hashlib
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from shipped import evaluator as shipped_evaluator
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from seesaw.data.images import ImageSet
from seesaw.errors import UserError
from seesaw.functional.distances import kernel_distance
from seesaw.metrics.extractors.inception import INCEPTION_FILE, InceptionExtractor

CPU = torch.device("cpu")


def images(n: int, channels: int, size: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=draw)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch hub without files and without a network."""

    def refuse(url: str, path: str, progress: bool) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


def test_offline_the_message_names_the_place_of_the_file(offline: Path) -> None:
    with pytest.raises(UserError) as raised:
        InceptionExtractor().prepare(CPU)
    text = str(raised.value)
    assert str(offline / INCEPTION_FILE) in text
    assert "release v0.2.0" in text
    assert "Name or service not known" in text
    assert "metrics.extractor.weights=FILE" in text
    assert URL_INCEPTION_V3.endswith(f"/v0.2.0/{INCEPTION_FILE}")
    assert "\n" not in text


def test_a_path_that_is_not_there(offline: Path) -> None:
    assert InceptionExtractor().must_download
    assert not InceptionExtractor("nowhere.pth").must_download
    with pytest.raises(
        UserError, match=r"there is no file nowhere\.pth; put .*, or give its path as metrics\.extractor"
    ):
        InceptionExtractor("nowhere.pth").prepare(CPU)
    with pytest.raises(UserError, match=r"there is no file nowhere\.pth; put .* or give its path by --fid FILE$"):
        InceptionExtractor("nowhere.pth", "give its path by --fid FILE").prepare(CPU)


@pytest.mark.parametrize("content", [b"", b"hello", b"other"])
def test_a_file_that_holds_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    if content == b"other":
        torch.save({"a": torch.ones(3)}, path)
    with pytest.raises(UserError) as raised:
        InceptionExtractor(str(path)).prepare(CPU)
    assert str(raised.value).startswith(
        f"{path} is not torch-fidelity's Inception file, or is damaged; put {INCEPTION_FILE}"
    )


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "weights.pth").touch()
    monkeypatch.setattr(torch, "load", refuse)  # root may read anything
    with pytest.raises(UserError, match=r"weights\.pth cannot be read: Permission denied; put "):
        InceptionExtractor(str(tmp_path / "weights.pth")).prepare(CPU)


@pytest.fixture(scope="module")
def lively_inception(random_inception: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random BatchNorm too: folding one that does nothing would show nothing."""
    state, draw = torch.load(random_inception), torch.Generator().manual_seed(1)
    for name, value in state.items():
        if ".bn." in name and value.is_floating_point():
            low = -0.2 if name.endswith(("bias", "mean")) else 0.6
            state[name] = torch.empty_like(value).uniform_(low, low + 0.6, generator=draw)
    path = tmp_path_factory.mktemp("lively") / "weights.pth"
    torch.save(state, path)
    return path


def test_inception_is_torch_fidelitys(lively_inception: Path) -> None:
    extractor = InceptionExtractor(str(lively_inception))
    extractor.prepare(CPU)
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(lively_inception)
    )
    some = images(2, 3, 24)
    some[1] //= 4
    found = extractor(some)
    assert found.shape == (2, 2048)
    assert (found[0] - found[1]).abs().max() > 0.1
    assert away(found, theirs(some)[0]) < 1e-5  # BatchNorm folded and channels last: rounding, 3e-7 here
    grey = some[:, :1]
    assert away(extractor(grey), theirs(grey.repeat(1, 3, 1, 1))[0]) < 1e-5
    assert not extractor.network.training
    kinds = [type(module) for module in extractor.network.modules()]
    assert (kinds.count(torch.nn.Conv2d), kinds.count(torch.nn.BatchNorm2d)) == (94, 0)
    assert all(
        p.is_contiguous(memory_format=torch.channels_last) for p in extractor.network.parameters() if p.ndim == 4
    )


def away(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def test_a_file_in_torch_hubs_cache_is_used(offline: Path, random_inception: Path) -> None:
    offline.mkdir(parents=True)
    (offline / INCEPTION_FILE).symlink_to(random_inception)
    extractor = InceptionExtractor()
    assert not extractor.must_download
    assert extractor.path == offline / INCEPTION_FILE
    assert extractor.weights_hash == hashlib.sha256(random_inception.read_bytes()).hexdigest()[:12]


def test_fid_and_kid_by_the_evaluator(random_inception: Path, tmp_path: Path) -> None:
    evaluator = shipped_evaluator("fid", InceptionExtractor(str(random_inception)), subsets=2, batch_size=2)
    some = images(3, 3, 16)
    evaluator.prepare(ImageSet(some, "random"), tmp_path)
    found = evaluator.evaluate(iter([some // 4]), 3)
    assert found.protocol.details == "kernel distance over 2 subsets of 3"
    assert set(found.values) == {"fid", "kid"}
    x, y = (evaluator.extractor(each).double() for each in (some, some // 4))
    (dx, dy), apart = (f - f.mean(0) for f in (x, y)), x.mean(0) - y.mean(0)
    # with C1 = X'X / 2 and C2 = Y'Y / 2, the trace of the root is the sum of the singular values of X Y' / 2
    root = torch.linalg.svdvals(dx @ dy.T).sum()
    fid = apart.square().sum() + (dx.square().sum() + dy.square().sum() - 2 * root) / 2
    assert found.values["fid"] == pytest.approx(fid.item(), rel=1e-3)
    assert found.values["kid"] == pytest.approx(kernel_distance(x, y), rel=1e-3)

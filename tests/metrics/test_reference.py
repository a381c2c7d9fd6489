"""The cache of the reals' statistics."""

from pathlib import Path

import pytest
import torch

from seesaw.data.images import ImageSet
from seesaw.metrics import reference
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.reference import Reference, is_cached, reference_of


class Counting(ClassifierExtractor):
    """Counts the images that it is shown."""

    def __init__(self) -> None:
        super().__init__("digits")
        self.seen = 0

    def taken(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return super().taken(images)


def images(n: int = 100, size: int = 16, seed: int = 0) -> ImageSet:
    draw = torch.Generator().manual_seed(seed)
    return ImageSet(torch.randint(0, 256, (n, 1, size, size), dtype=torch.uint8, generator=draw), "random")


def same(one: Reference, other: Reference) -> bool:
    return one.count == other.count and all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("mean", "cov", "factor", "features")
    )


def only_file(cache: Path) -> Path:
    (path,) = (cache / "reference").iterdir()
    return path


def test_it_is_computed_once(tmp_path: Path) -> None:
    extractor = Counting()
    assert not is_cached(images(), extractor, tmp_path)
    first = reference_of(images(), extractor, tmp_path, batch_size=30)
    assert extractor.seen == 100
    assert is_cached(images(), extractor, tmp_path)
    assert not is_cached(images(seed=1), extractor, tmp_path)
    assert same(first, reference_of(images(), extractor, tmp_path, batch_size=30))
    assert extractor.seen == 100
    assert only_file(tmp_path).name == f"{first.key}.pt"


@pytest.mark.parametrize("other", [images(seed=1), images(n=99), images(size=8)])
def test_other_reals_have_their_own(tmp_path: Path, other: ImageSet) -> None:
    one = reference_of(images(), Counting(), tmp_path)
    assert reference_of(other, Counting(), tmp_path).key != one.key


def test_another_extractor_has_its_own(tmp_path: Path) -> None:
    one = reference_of(images(), ClassifierExtractor("digits"), tmp_path)
    assert reference_of(images(), ClassifierExtractor("fashion_mnist"), tmp_path).key != one.key


@pytest.mark.parametrize("damage", ["torn", "empty", "foreign", "other key", "no archive", "flipped"])
def test_a_bad_file_is_computed_anew(tmp_path: Path, damage: str) -> None:
    extractor = Counting()
    first = reference_of(images(), extractor, tmp_path)
    path = only_file(tmp_path)
    whole = path.read_bytes()
    if damage == "other key":
        torch.save({**torch.load(path), "key": "another"}, path)
    elif damage == "foreign":
        torch.save([1, 2, 3], path)
    elif damage == "flipped":  # in the middle of the features
        path.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
    else:
        path.write_bytes({"torn": whole[: len(whole) // 2], "empty": b"", "no archive": b"hello"}[damage])
    assert same(first, reference_of(images(), extractor, tmp_path))
    assert extractor.seen == 200
    assert same(first, reference_of(images(), extractor, tmp_path))
    assert extractor.seen == 200


def test_moments_are_of_all_reals_features_of_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "KEPT", 40)
    extractor, reals = ClassifierExtractor("digits"), images()
    found = reference_of(reals, extractor, tmp_path, batch_size=30)
    features = extractor(reals.images)
    assert len(found.features) == 40
    assert found.count == 100
    torch.testing.assert_close(found.mean, features.double().mean(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.cov, torch.cov(features.double().T), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.factor @ found.factor.T, found.cov, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.features[0], features[0])
    torch.testing.assert_close(found.features[-1], features[-1])
    assert len(found.features.unique(dim=0)) == 40

"""The held-out part of a set: which images, how they are gathered, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seesaw.data.holdout import Subset, divide, is_held_out
from seesaw.data.images import ImageSet
from seesaw.data.module import Batches
from seesaw.data.prepare.prepared import PreparedSet
from seesaw.data.sampler import EndlessBatches
from seesaw.data.sources.digits import Digits
from seesaw.data.sources.folder import Folder
from seesaw.data.sources.gaussians import GaussiansRing
from seesaw.data.sources.stacked import StackedDigits
from seesaw.errors import UserError

COMMON: dict[str, Any] = {"resolution": 8, "channels": 1, "batch_size": 8}


def numbered(n: int, classes: int = 0) -> ImageSet:
    """Image k shows k everywhere."""
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 8, 8).contiguous()
    y = torch.arange(n) % classes if classes else None
    return ImageSet(images, "numbered", y, classes)


def write_folder(root: Path, names: list[str]) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = sum(name.encode()) % 256
        Image.fromarray(np.full((8, 8), grey, dtype=np.uint8)).save(path)


def names_of(part: ImageSet | None) -> set[str]:
    assert isinstance(part, Subset)
    keys = part.base.image_keys()
    return {keys[row] for row in part.rows.tolist()}


def test_the_parts_share_nothing_and_make_the_whole() -> None:
    training, held_out = divide(numbered(200), 0.2)
    assert held_out is not None
    shown = [part.gather(torch.arange(len(part)))[:, 0, 0, 0].tolist() for part in (training, held_out)]
    assert sorted(shown[0] + shown[1]) == list(range(200))
    assert set(shown[1]) == {k for k in range(200) if is_held_out(str(k), 0.2)}
    assert 20 <= len(held_out) <= 60
    assert training.identity != held_out.identity != numbered(200).identity


def test_the_share_is_that_of_the_hashes_and_a_larger_one_keeps_what_a_smaller_one_holds_out() -> None:
    held = {share: {k for k in range(20_000) if is_held_out(str(k), share)} for share in (0.1, 0.25)}
    for share, found in held.items():  # four standard deviations of a binomial
        assert abs(len(found) / 20_000 - share) < 4 * (share * (1 - share) / 20_000) ** 0.5
    assert held[0.1] < held[0.25]


def test_the_split_of_a_folder_does_not_depend_on_order_seed_or_other_files(tmp_path: Path) -> None:
    names = [f"picture {k}.png" for k in range(40)]
    write_folder(tmp_path / "set", names)
    common = COMMON | {"cache_dir": str(tmp_path / "cache"), "holdout": 0.3}
    before = Folder(str(tmp_path / "set"), **common)
    assert isinstance(before.loaded, PreparedSet)
    assert names_of(before.held_out) == {name for name in names if is_held_out(name, 0.3)}
    more = [f"a {k}.png" for k in range(20)]  # sorts before all others
    write_folder(tmp_path / "set", more)
    after = Folder(str(tmp_path / "set"), **common, seed=5)
    assert names_of(before.held_out) == names_of(after.held_out) & set(names)
    assert names_of(before.reals) == names_of(after.reals) & set(names)
    assert before.fingerprint != after.fingerprint


def test_a_prepared_set_that_is_given_itself_has_the_same_split(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", [f"{k}.png" for k in range(40)])
    common = COMMON | {"cache_dir": str(tmp_path / "cache"), "holdout": 0.3}
    of_files = Folder(str(tmp_path / "set"), **common)
    assert isinstance(of_files.loaded, PreparedSet)
    itself = Folder(str(of_files.loaded.folder), **common)
    assert itself.fingerprint == of_files.fingerprint
    assert "images held out" in itself.description
    assert "40 of 40 images read" in itself.description


def test_batches_show_training_images_alone_mirrored_or_not() -> None:
    training, held_out = divide(numbered(100), 0.2)
    assert held_out is not None
    never = set(held_out.gather(torch.arange(len(held_out)))[:, 0, 0, 0].tolist())
    for flip in (False, True):
        times = 2 if flip else 1
        batches = iter(Batches(training, EndlessBatches(times * len(training), 16, 0), flip))
        shown = torch.cat([next(batches).real[:, 0, 0, 0] for _ in range(2 * 100 // 16 + 1)])
        assert set(shown.tolist()) == set(range(100)) - never


def test_labels_levels_and_memory_follow_the_part() -> None:
    whole = Digits(**COMMON | {"resolution": 16}, labels=True, classes=10)
    data = Digits(**COMMON | {"resolution": 16}, labels=True, classes=10, holdout=0.1)
    assert isinstance(data.reals, Subset)
    rows, some = data.reals.rows, torch.tensor([5, 0, 17])
    assert torch.equal(data.reals.labels(some), whole.reals.labels(rows[some]))  # type: ignore[arg-type]
    small = data.reals.level(8)
    assert small.shape == (len(rows), 1, 8, 8)
    assert torch.equal(small.gather(some), whole.reals.level(8).gather(rows[some]))
    kept = data.reals.to(torch.device("cpu"))
    assert torch.equal(kept.images, whole.reals.images[rows])
    assert (kept.identity, kept.description) == (data.reals.identity, data.reals.description)
    assert data.reals.nbytes == kept.nbytes


def test_points_and_stacks_are_divided_and_stacks_share_no_digit() -> None:
    points = GaussiansRing(n=500, resolution=1, channels=2, batch_size=8, holdout=0.2)
    assert points.held_out is not None
    assert len(points.reals) + len(points.held_out) == 500
    stacks = StackedDigits(n=300, **COMMON | {"channels": 3}, holdout=0.2)
    assert stacks.held_out is not None
    assert (len(stacks.reals), len(stacks.held_out)) == (300, 60)
    digits = [{tuple(x.flatten().tolist()) for x in part.images} for part in (stacks.reals, stacks.held_out)]
    assert not digits[0] & digits[1]


def test_without_holdout_nothing_changes() -> None:
    data = Digits(**COMMON)
    assert data.held_out is None
    assert data.reals is data.loaded
    assert "held out" not in data.description


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="holdout must be null or a share above 0 and below 1"):
        Digits(**COMMON, holdout=share)


@pytest.mark.parametrize(
    ("images", "share", "words"),
    [
        (numbered(3), 0.999, "none would be trained on; give a smaller share"),
        (numbered(4), 0.001, "at least 2 are needed to measure against; give a larger share"),
        (numbered(100, classes=100), 0.1, "without an image to train on"),
    ],
)
def test_a_part_that_is_too_small_is_refused(images: ImageSet, share: float, words: str) -> None:
    with pytest.raises(UserError, match=words):
        divide(images, share)


def test_images_that_are_not_held_out_cannot_be_measured_against() -> None:
    with pytest.raises(UserError, match=r"no images are held out: train with data\.holdout"):
        Digits(**COMMON).images_of("held_out")

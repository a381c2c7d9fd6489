"""Checks of a set's options before torch is imported."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seesaw.data.checks import check_exists, data_errors, few_images
from seesaw.errors import UserError

FOLDER = "seesaw.data.sources.folder.Folder"


def sentence(resolution: int | str) -> str:
    return (
        f"resolution is {resolution}; its sides must be from 8 to 1024 pixels, and a base grid of 3 to 16 a side times a power "
        f"of two, written as a number or height x width; the nearest is {48 if resolution == 50 else '96x160'}"
    )


@pytest.mark.parametrize(("node", "errors"), [
    ({"_target_": FOLDER, "resolution": 50}, [f"data: {sentence(50)}"]),
    ({"_target_": FOLDER, "resolution": "96x162"}, [f"data: {sentence('96x162')}"]),
    ({"_target_": FOLDER, "resolution": "96x160"}, []),
    ({"_target_": FOLDER, "resolution": 8, "root": None}, []),
    ({"_target_": FOLDER, "resolution": "wide"},
     ["data: resolution is wide; it must be a number of pixels, or height x width such as 96x160"]),
    ({"_target_": "seesaw.data.sources.gaussians.GaussiansRing", "resolution": 1}, []),
    ({"_target_": "seesaw.data.sources.style_pair.StylePair"}, []),
    ({"_target_": "mine.Data", "resolution": 50, "root": "/nowhere"}, []),
])  # fmt: skip
def test_only_sets_of_images_are_checked_for_their_resolution(node: dict[str, Any], errors: list[str]) -> None:
    assert data_errors(node) == errors


def test_a_place_that_cannot_be_looked_at_is_one_sentence(tmp_path: Path) -> None:
    (error,) = data_errors({"_target_": FOLDER, "root": str(tmp_path / "gone")})
    assert error == (
        f"data.root={str(tmp_path / 'gone')!r} does not exist (looked for {str(tmp_path / 'gone')!r}): give the folder or "
        "the zip that holds the set"
    )
    (error,) = data_errors({"_target_": FOLDER, "root": "a" * 300})
    assert error.endswith("cannot be read: File name too long")
    with pytest.raises(UserError, match=r"^data.style='gone' does not exist"):
        check_exists(Path("gone"), "data.style")
    check_exists(tmp_path)


def test_the_checks_import_neither_torch_nor_numpy() -> None:
    program = "import sys, seesaw.data.checks; sys.exit(bool({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize(("n", "batch_size", "kimg", "parts"), [
    (1, 64, 10, ("only 1 image:", "a batch of 64", "10,000 times")),
    (40, 64, 1, ("only 40 images:", "a batch of 64")),
    (500, 64, 2000, ("only 500 images:", "4,000 times")),
    (1, 1, 0.128, ("only 1 image:", "smallest sets of published papers have 100")),
    (40, 16, 1, ("only 40 images:", "papers have 100")),
    (100, 16, 1, ()),
    (1797, 64, 200, ()),
    (70_000, 64, 25_000, ()),
])  # fmt: skip
def test_few_images_for_batch_or_length_are_reported(
    n: int, batch_size: int, kimg: float, parts: tuple[str, ...]
) -> None:
    sentence = few_images(n, batch_size, kimg)
    assert all(part in sentence for part in parts)
    assert bool(sentence) == bool(parts)

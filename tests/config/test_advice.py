"""Choices for a user's own images: by count, size and channels, never in the place of what was given."""

from pathlib import Path

import pytest
from PIL import Image

from seesaw.config import advice as module
from seesaw.config.advice import advise, augmentation, complete, resolution, stylegan2_gamma, stylegan3_gamma
from seesaw.config.compose import compose
from seesaw.data.survey import Survey
from seesaw.metrics import auto
from seesaw.training.preflight import compose_checked


def make(folder: Path, *kinds: tuple[int, str], count: int = 2) -> list[str]:
    """`count` images of each side and mode; returns the overrides that name them."""
    folder.mkdir()
    for side, mode in kinds:
        for k in range(count):
            Image.new(mode, (side + 2, side), 40 * k).save(folder / f"{side}-{mode}-{k}.png")
    return ["data=folder", f"data.root={folder}"]


def chosen(overrides: list[str]) -> list[str]:
    return complete(overrides)[len(overrides) :]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([(64, "RGB")], ["data.resolution=32", "penalty.r1.gamma=0.0625"]),
        ([(500, "RGB")], ["data.resolution=32", "penalty.r1.gamma=0.0625"]),
        ([(28, "L")], ["data.channels=1", "data.resolution=32", "penalty.r1.gamma=0.0625"]),
        ([(5, "RGB")], ["data.resolution=16", "penalty.r1.gamma=0.0156"]),
        ([(64, "L"), (64, "RGBA")], ["data.resolution=32", "penalty.r1.gamma=0.0625"]),
    ],
)
def test_size_and_channels_decide(kinds: list[tuple[int, str]], expected: list[str], tmp_path: Path) -> None:
    overrides = make(tmp_path / "set", *kinds)
    found = [one for one in chosen(overrides) if not one.startswith("augment")]
    assert sorted(found) == sorted(["model=dcgan_photos", "metrics=efflite0", *expected])
    config = compose_checked([*overrides, *chosen(overrides)])
    assert config["model"]["G"]["z_dim"] == 64


def test_what_is_given_is_never_replaced(tmp_path: Path) -> None:
    overrides = make(tmp_path / "set", (28, "L"))
    given = ["data.resolution=64", "data.channels=3", "metrics=none", "augment=none", "penalty.r1.gamma=9"]
    assert chosen([*overrides, *given]) == ["model=dcgan_photos"]
    assert chosen([*overrides, *given[1:4], "penalty=none"]) == ["model=dcgan_photos", "data.resolution=32"]
    assert "penalty.r1.gamma=0.5" in chosen([*overrides, "data.resolution=64", "batch_size=8"])
    assert "model=msggan_small" in chosen([*overrides, "data.resolution=512"])


@pytest.mark.parametrize("more", ["model=mlp", "experiment=radford2015"])
def test_no_choice_beside_a_model_or_an_experiment(more: str, tmp_path: Path) -> None:
    overrides = [*make(tmp_path / "set", (64, "RGB")), more]
    assert complete(overrides) == overrides


def test_no_choice_for_other_sets_and_folders_that_are_missing() -> None:
    for overrides in (["data=digits"], ["data=folder"], ["data=folder", "data.root=absent"]):
        assert complete(overrides) == overrides


def test_a_space_keeps_what_it_varies(tmp_path: Path) -> None:
    overrides = make(tmp_path / "set", (28, "L"))
    assert complete(overrides, ["model"]) == overrides
    assert not [one for one in complete(overrides, ["penalty.r1.gamma"]) if one.startswith("penalty")]


def test_the_metric_fits_the_machine_and_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = make(tmp_path / "set", (64, "RGB"))
    monkeypatch.setattr(auto, "installed", lambda: False)
    assert "metrics=self_supervised" in chosen(overrides)
    assert "metrics=none" in chosen(make(tmp_path / "one", (64, "RGB"), count=1))


def test_augmentation_by_count_where_the_group_has_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "groups", lambda folder: {"augment": ["ada", "diffaugment", "none"]})
    names = [[choice.override for choice in augmentation(n)] for n in (300, 1_999, 2_000, 29_999, 30_000)]
    assert names == [["augment=diffaugment"]] * 2 + [["augment=ada"]] * 2 + [[]]
    monkeypatch.setattr(module, "groups", lambda folder: {"augment": ["none"]})
    assert augmentation(300) == []


def test_resolution_is_the_nearest_power_of_two() -> None:
    sides = {15: 16, 22: 16, 23: 32, 28: 32, 45: 32, 46: 32, 4000: 32, 4: 16}
    for side, expected in sides.items():
        assert resolution(Survey("", 1, {"a": ((side, 2 * side), "RGB")})) == expected
    assert resolution(Survey("", 1, {"": ((128, 128), "RGB")}, prepared=(128, 3))) == 128


def test_both_heuristics_give_the_published_numbers() -> None:
    """StyleGAN2-ADA's auto of 256 px on one GPU is 0.8192 at batch 16; StyleGAN3's table, 128 to 1024 px."""
    assert stylegan2_gamma(256, 16) == pytest.approx(0.8192)
    assert [stylegan3_gamma(side) for side in (128, 256, 512, 1024)] == [0.5, 2, 8, 32]
    assert stylegan3_gamma(512) / stylegan2_gamma(512, 32) == pytest.approx(4.88, abs=0.01)


def test_the_lines_say_what_was_chosen_and_why(tmp_path: Path) -> None:
    overrides = make(tmp_path / "set", (28, "L"), (64, "L"))
    cfg, _ = compose(overrides)
    lines = advise(cfg, overrides).lines()
    assert lines[0].startswith(
        "data.root: 4 images of 28 to 64 px, median 46 (shorter side), 50% of them enlarged, grey. No "
    )
    assert "  data.channels=1" in "\n".join(lines)
    assert "first look; data.resolution=64 takes about four times as long" in "\n".join(lines)

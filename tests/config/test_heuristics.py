"""The rules of StyleGAN2-ADA's `--cfg=auto` against the numbers of its code, and the configuration that reads them."""

from typing import Any

import pytest

from seesaw.config import heuristics
from seesaw.config.compose import compose, resolved


def found(*overrides: str) -> dict[str, Any]:
    config = resolved(compose(["model=stylegan2_auto", "data.root=.", "data=folder", "metrics=none", *overrides])[0])
    model = config["model"]
    return {
        "batch": config["batch_size"],
        "gamma": pytest.approx(config["penalty"]["r1"]["gamma"]),
        "lr": {config["optimizer"][player]["lr"] for player in "GD"},
        "base": {model[player]["base"] for player in "GD"},
        "half_life": model["ema_half_life"],
        "mapping": model["G"]["mapping"],
    }


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        # The code's numbers for one GPU: 256 px: batch 16, gamma 0.8192, ema 5 kimg
        (["data.resolution=256"], {"batch": 16, "gamma": 0.8192, "lr": {0.0025}, "base": {8192}, "half_life": 5000.0}),
        (["data.resolution=1024"], {"batch": 4, "gamma": 52.4288, "lr": {0.002}, "base": {16384}, "half_life": 1250.0}),
        (
            ["data.resolution=1024", "batch_size=32"],
            {"batch": 32, "gamma": 6.5536, "lr": {0.002}, "base": {16384}, "half_life": 10_000.0},
        ),
        (["data.resolution=512"], {"batch": 8, "gamma": 6.5536, "lr": {0.0025}, "base": {16384}, "half_life": 2500.0}),
        (["data.resolution=32"], {"batch": 32, "gamma": 0.0064, "lr": {0.0025}, "base": {8192}, "half_life": 10_000.0}),
        (["data.resolution=96x160"], {"batch": 32, "gamma": 0.096, "lr": {0.0025}, "base": {8192}, "half_life": 10_000.0}),
    ],
)  # fmt: skip
def test_auto_chooses_the_numbers_of_its_code(overrides: list[str], expected: dict[str, Any]) -> None:
    assert found(*overrides) == expected | {"mapping": 2}


def test_a_given_number_comes_first_and_what_is_no_number_is_left_to_the_checks() -> None:
    assert found("penalty.r1.gamma=3", "data.resolution=64")["gamma"] == 3
    assert heuristics.gamma("hot", 0) == heuristics.gamma(32, 1)
    assert heuristics.half_life("hot") == heuristics.half_life(1)

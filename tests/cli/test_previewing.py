"""`seesaw preview`, by its real command line: the picture of a run and of a configuration."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seesaw.cli.main import main
from seesaw.training.preview import LABELS

SMALL = ["data.resolution=16", "model.G.width=4", "model.D.width=4", "batch_size=8", "metrics=none"]
TRAINED = [*SMALL, "augment=ada", "augment.ada.interval=1", "augment.ada.speed_kimg=0.05", "augment.ada.target=0.05"]


def rows(path: Path, count: int) -> list[np.ndarray]:
    """The rows of 8 cells of a picture, without the names."""
    sheet = np.array(Image.open(path))
    assert sheet.shape == (count * 66 + 2, LABELS + 8 * 66 + 2)
    return [sheet[k * 66 + 2 : (k + 1) * 66, LABELS + 2 :] for k in range(count)]


def test_a_configuration_shows_reals_at_three_probabilities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "seen.png"
    assert main(["preview", *SMALL, "augment=ada", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 8 images a row, from the top: reals; p = 0.2; p = 0.5; p = 0.8\n"
    reals, *seen = rows(out, 4)
    changed = [np.mean([(a != b).any() for a, b in zip(cells(reals), cells(row), strict=True)]) for row in seen]
    assert changed == sorted(changed)
    assert changed[-1] > 0.5


def cells(row: np.ndarray) -> list[np.ndarray]:
    return [row[:, k * 66 : k * 66 + 64] for k in range(8)]


def test_a_configuration_without_probabilities_has_one_row_after_the_reals(tmp_path: Path) -> None:
    command = ["preview", *SMALL, "augment=diffaugment", "balance=instance_noise", "--out", str(tmp_path / "seen.png")]
    assert main(command) == 0
    reals, seen = rows(tmp_path / "seen.png", 2)
    assert all((a != b).any() for a, b in zip(cells(reals), cells(seen), strict=True))


def test_chosen_probabilities_and_a_growing_model_at_its_last_scale(tmp_path: Path) -> None:
    small = [f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")]
    model = ["model=progan", *small, "data.resolution=16", "metrics=none", "batch_size=8", "augment=ada_r3gan"]
    assert main(["preview", *model, "--p", "0", "1", "--out", str(tmp_path / "seen.png")]) == 0
    reals, same, other = rows(tmp_path / "seen.png", 3)
    assert (reals == same).all()
    assert (reals != other).any()
    image = cells(reals)[0][::4, ::4]  # 16 px a side
    assert (image[::2] != image[1::2]).any()  # as they would be where the last scale only begins to fade in


def test_a_run_shows_reals_and_fakes_at_its_own_probability(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_curves: None
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TRAINED, "kimg=0.04", "logger=none", "trainer=cpu", "run_dir=run"]) == 0
    capsys.readouterr()
    assert main(["preview", "run", "--p", "0.9"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("preview.png: 8 images a row, from the top: reals; p = ")
    assert line.count(" (now); p = 0.9") == 2
    assert "; fakes; p = " in line
    rows(tmp_path / "preview.png", 6)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["augment=none"], "nothing changes what D sees here; give augment=diffaugment or augment=ada"),
        (["nowhere"], "nowhere: there is no such run folder or checkpoint"),
        (["augment=ada", "--p", "1.5"], "--p is 1.5; it must be at least 0 and at most 1"),
        (["augment=ada", "--out", "seen.jpg"], "--out seen.jpg: the name must end in .png"),
        (["model=mlp_points", "data=gaussians_ring", "balance=instance_noise"], "these data are points of the plane"),
        (["augment=adaa"], "did you mean 'ada'?"),
        (["augment=ada", "augment=diffaugment"], "augment is given twice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence(command: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", *command]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_model_without_a_discriminator_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("content", "style"):
        Image.new("RGB", (32, 32)).save(tmp_path / f"{name}.png")
    pair = [f"data.{name}={tmp_path / name}.png" for name in ("content", "style")]
    assert main(["preview", "model=style_transfer", "model/backbone=efflite0", *pair]) == 1
    assert "this model has none" in capsys.readouterr().err

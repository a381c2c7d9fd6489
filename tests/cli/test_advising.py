"""`seesaw advise`, and training on a user's own images without a model: by their real command lines."""

import json
import shlex
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from seesaw.cli import train
from seesaw.cli.main import main
from seesaw.training.preflight import compose_checked


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve grey pictures of two shapes and a copy of one; the cache and the runs lie in tmp_path."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    for k in range(12):
        pixels = np.random.default_rng(k).integers(0, 256, (5, 5), dtype=np.uint8)
        shape = (20, 30) if k % 3 else (20, 20)
        Image.fromarray(pixels).resize(shape, Image.Resampling.BICUBIC).save(tmp_path / "set" / f"{k:02}.png")
    Image.open(tmp_path / "set" / "00.png").save(tmp_path / "set" / "copy.png")
    return tmp_path / "set"


def test_advice_fits_a_terminal_and_ends_with_a_command_that_composes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advise", f"data.root={root}", "kimg=1"]) == 0
    *lines, _, last = capsys.readouterr().out.rstrip("\n").split("\n")
    text = "\n".join(lines)
    place = len(str(root))
    assert all(len(line) <= max(80, place + 20) for line in lines)
    for part in (
        "images       13 in ",
        "38% square, 62% tall; width / height 0.67 to 1.00",
        "modes        L 13",
        "1 pairs among 13",
        "model=dcgan_photos",
        "StyleGAN2-ADA's rule gives",
        "parameters;",
        "s for a batch of 16",
    ):
        assert " ".join(part.split()) in " ".join(text.split())
    words = shlex.split(last)
    config = compose_checked(words[words.index("data=folder") :])
    assert config["data"]["channels"] == 1
    assert config["data"]["resolution"] == 16
    assert config["kimg"] == 1


def test_advice_on_arrays_compares_no_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(4):
        np.save(tmp_path / f"{k}.npy", np.random.default_rng(k).random((32, 48, 5), dtype=np.float32))
    assert main(["advise", f"data.root={tmp_path}", "model=mlp", "data.channels=5", "data.resolution=8", "kimg=1"]) == 0
    text = capsys.readouterr().out
    assert "modes        5 channels 4" in text
    assert "near-copies  not looked for: no file is a picture that can be compared" in text


def test_advice_on_a_zip_with_a_model_given_chooses_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile("set.zip", "w") as archive:
        for file in root.iterdir():
            archive.write(file, file.name)
    assert main(["advise", "data.root=set.zip", "model=mlp", "model.G.widths=[8]", "data.resolution=16"]) == 0
    out = capsys.readouterr().out
    assert "none, since a model or an experiment was given" in out
    assert out.rstrip().endswith("data=folder data.root=set.zip model=mlp 'model.G.widths=[8]' data.resolution=16")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["data.root=absent"], "data.root='absent' does not exist"),
        (["data.root=empty"], "data.root='empty' holds no images, but nothing at all"),
        (["data=digits"], "seesaw advise is for a folder or zip of your own images"),
        (["kimg=1"], "data.root must be given"),
        (["data.root=set", "kimg=hot"], "kimg: 'hot' is not allowed"),
        (["data.root=set", "data.rot=1"], "data.rot: there is no 'rot' in data"),
        (["data.root=set", "model=style_transfer"], "are measured for GANs alone"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], sentence: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    assert main(["advise", *arguments]) == 1
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1


SMALL = [
    "kimg=0.032",
    "model.G.width=4",
    "model.D.width=4",
    "logger=none",
    "trainer=cpu",
    "metrics=none",
    "checkpoint_kimg=0.016",
]


def status_of(run: str) -> dict[str, Any]:
    return dict(json.loads((Path(run) / "status.json").read_text(encoding="utf-8")))


def test_a_run_records_its_choices_and_goes_on_with_them_when_the_set_has_changed(
    root: Path, capsys: pytest.CaptureFixture[str], no_curves: None
) -> None:
    command = ["data=folder", "data.root=set", *SMALL, "run_dir=run"]
    assert train.main(command) == 0
    assert "13 images of 20 px (shorter side), grey. No model was chosen" in capsys.readouterr().out
    chosen = ["model=dcgan_photos", "data.channels=1", "data.resolution=16", "penalty.r1.gamma=0.0156"]
    assert [one for one in status_of("run")["overrides"] if one in chosen] == chosen
    config = yaml.safe_load((Path("run") / "config.yaml").read_text(encoding="utf-8"))
    assert (config["data"]["resolution"], config["penalty"]["r1"]["gamma"]) == (16, 0.0156)
    for k in range(30):
        Image.new("RGB", (90, 90), (9 * k % 256, k, 0)).save(root / f"colour{k}.png")
    assert train.main([*command[:2], "kimg=0.064", *SMALL[1:], "run_dir=run", "resume=auto"]) == 0
    out = capsys.readouterr().out
    assert "No model was chosen" not in out
    assert status_of("run")["images_shown"] == 64
    assert train.main(["resume=run", "kimg=0.08"]) == 0
    assert status_of("run")["images_shown"] == 80


@pytest.mark.slow
def test_each_job_of_a_sweep_chooses_for_its_set(root: Path, no_curves: None) -> None:
    Path("other").mkdir()
    for k in range(8):
        Image.new("RGB", (64, 64), (9 * k, k, 0)).save(f"other/{k}.png")
    sizes = [one for one in SMALL if "width" not in one]
    assert train.main(["-m", "data=folder", "data.root=set,other", "seed=1,2", *sizes, "hydra.sweep.dir=sweep"]) == 0
    resolutions = [
        yaml.safe_load(Path(f"sweep/{k}/config.yaml").read_text(encoding="utf-8"))["data"]["resolution"]
        for k in range(4)
    ]
    assert sorted(resolutions) == [16, 16, 32, 32]

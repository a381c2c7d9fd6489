"""Extension from outside: a package that is no part of seesaw adds a loss, a penalty, a metric, an augmentation with state, a
data set and a class-conditional model, each by one Python file and one YAML file, without a change in src/ or conf/."""

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from seesaw.cli import main as cli
from seesaw.cli import train as entry

OWN = Path(__file__).parent / "extension"
CHOSEN = (
    "packages=[own_gan]", "model=conditional", "data=squares", "data.labels=true", "loss=exponential", "penalty=[r1,centred]",
    "augment=adaptive_noise", "metrics=spread", "logger=csv", "precision=exact", "trainer=cpu", "log_kimg=0.008",
    "evaluate_kimg=0.016",
)  # fmt: skip


class Done(NamedTuple):
    code: int
    out: str
    err: str


def call(main: Callable[[list[str]], int], *arguments: str) -> Done:
    """A command in this process, and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    return Done(code, out.getvalue(), err.getvalue())


def train(*overrides: str) -> Done:
    return call(entry.main, "--config-dir", str(OWN / "conf"), *overrides)


def seesaw(*arguments: str) -> Done:
    return call(cli.main, *arguments)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an unbroken run of four batches, and one of two that went on for two more."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(OWN)
        patch.chdir(folder)
        patch.setenv("SEESAW_CACHE", str(folder / "cache"))
        patch.setattr("seesaw.training.run.curves", lambda folder: None)  # takes longer to draw than the runs train
        for overrides in (
            ("kimg=0.032", "run_dir=unbroken"),
            ("kimg=0.016", "run_dir=resumed"),
            ("kimg=0.032", "run_dir=resumed", "resume=auto"),
        ):
            done = train(*CHOSEN, *overrides)
            assert done.code == 0, done.err
        yield folder


def test_every_added_part_took_part_in_training(runs: Path) -> None:
    with open(runs / "unbroken" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["train/D/centred"]) > 0
    assert float(rows[-1]["train/augment/batches"]) == 3  # the part learned the time
    assert 0 < float(rows[-1]["eval/spread"]) < 10
    status = json.loads((runs / "unbroken" / "status.json").read_text())
    assert status["metric"] == "spread"
    assert status["higher_is_better"]["spread"] is True
    assert status["best/spread"] == pytest.approx(
        max(float(r["eval/spread"]) for r in rows if r["eval/spread"]), rel=1e-4
    )
    kept = torch.load(runs / "unbroken" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert kept["augment.adaptive_noise.strength"] > 0  # it saw D's logits, and its state is saved


def test_a_resumed_run_equals_an_unbroken_one(runs: Path) -> None:
    one, other = (
        torch.load(runs / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("unbroken", "resumed")
    )
    assert one.keys() == other.keys()
    for name, value in one.items():
        if torch.is_tensor(value):
            assert torch.equal(value, other[name]), name


def test_samples_of_a_class_and_of_all(runs: Path) -> None:
    for which in ("0", "1"):
        done = seesaw(
            "sample",
            "unbroken",
            "--package",
            "own_gan",
            "--class",
            which,
            "--count",
            "4",
            "--out",
            f"{which}.png",
        )
        assert done.code == 0, done.err
        assert f"4 samples of class {which}" in done.out
    zero, one = (np.asarray(Image.open(runs / f"{which}.png")) for which in ("0", "1"))
    assert not np.array_equal(zero, one)
    assert seesaw("sample", "unbroken", "--package", "own_gan", "--out", "all.png").code == 0
    grid = Image.open(runs / "all.png")
    assert grid.size[0] > 3 * grid.size[1]  # two rows of eight, one for each class
    wrong = seesaw("sample", "unbroken", "--package", "own_gan", "--class", "2")
    assert wrong.code == 1
    assert "class" in wrong.err
    assert wrong.err.count("\n") == 1


def test_evaluation_gives_what_the_run_measured(runs: Path) -> None:
    done = seesaw("evaluate", "unbroken", "--package", "own_gan")
    assert done.code == 0, done.err
    row = json.loads((runs / "unbroken" / "evaluations.jsonl").read_text().splitlines()[-1])
    last = json.loads((runs / "unbroken" / "status.json").read_text())["last/spread"]
    assert row["spread"] == pytest.approx(last, rel=1e-6)


def test_own_classes_are_not_built_unless_the_command_line_names_the_package(runs: Path) -> None:
    done = seesaw("sample", "unbroken", "--out", "refused.png")
    assert done.code == 1
    assert "--package own_gan" in done.err
    assert done.err.count("\n") == 1
    assert not (runs / "refused.png").exists()
    done = train(*CHOSEN[1:], "run_dir=refused")
    assert done.code == 1
    assert "packages=[own_gan]" in done.err
    assert not (runs / "refused").exists()


def test_a_model_without_labels_refuses_them(runs: Path) -> None:
    done = train(CHOSEN[0], *CHOSEN[2:], "model=dcgan", "model.G.classes=0", "model.D.classes=0", "dry_run=true")
    assert done.code == 1
    assert "takes no labels" in done.err

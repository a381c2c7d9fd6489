"""The groups `debug` and `callbacks`: batches that are repeated, own callbacks. Profilers: test_profiler."""

import contextlib
import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seesaw.cli import train as entry
from seesaw.data.sampler import EndlessBatches

SMALL = ("logger=csv", "metrics=none", "trainer=cpu", "precision=exact", "data.resolution=16", "batch_size=8",
         "log_kimg=0.008", "model.G.width=4", "model.D.width=4")  # fmt: skip

OWN = """
import pytorch_lightning as pl
from pathlib import Path

class Counter(pl.Callback):
    def __init__(self, file: str) -> None:
        self.file, self.batches = file, 0

    def state_dict(self):
        return {"batches": self.batches}

    def load_state_dict(self, state_dict):
        self.batches = state_dict["batches"]

    def on_train_batch_end(self, trainer, pl_module, *args) -> None:
        self.batches += 1

    def on_train_end(self, trainer, pl_module) -> None:
        Path(self.file).write_text(str(self.batches))
"""


def train(*overrides: str) -> tuple[int, str]:
    """The exit code, and what was printed as an error."""
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        length = () if any(override.startswith("kimg=") for override in overrides) else ("kimg=0.032",)
        return entry.main([*overrides, *SMALL, *length]), err.getvalue()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_curves: None) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_first_batches_are_repeated(ranks: int) -> None:
    """Also where the run goes on in their middle, and over several processes."""
    usual = EndlessBatches(20, 4, seed=3)
    first = [next(batches) for batches in [iter(usual)] for _ in range(2)]
    for start in (0, 4, 12):
        parts = [iter(EndlessBatches(20, 4, 3, start, rank, ranks, overfit_batches=2)) for rank in range(ranks)]
        for k in range(5):
            found = torch.cat([next(part) for part in parts])
            assert torch.equal(found, first[(start // 4 + k) % 2])


def test_overfitting_trains_on_one_batch(here: Path) -> None:
    """The mean logit of the reals rises steadily, since they are the same eight images."""
    assert train("debug=overfit", "run_dir=overfit", "seed=1") == (0, "")
    assert train("run_dir=usual", "seed=1") == (0, "")
    rows = {run: list(csv.DictReader(open(here / run / "metrics.csv"))) for run in ("overfit", "usual")}  # noqa: SIM115
    assert rows["overfit"][0]["train/loss/D"] == rows["usual"][0]["train/loss/D"]  # the first batch
    assert rows["overfit"][1]["train/D/logits_real"] != rows["usual"][1]["train/D/logits_real"]


@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_number_of_batches_below_one_is_refused(value: str) -> None:
    code, error = train("debug=overfit", f"debug.overfit_batches={value}", "dry_run=true")
    assert code == 1
    assert "overfit_batches must be null or at least 1" in error


def test_a_key_that_means_nothing_is_refused() -> None:
    code, error = train("+debug.overfit_batch=1", "dry_run=true")
    assert code == 1
    assert "debug.overfit_batch: there is no such key; did you mean 'overfit_batches'?" in error


def test_a_trace_is_in_the_run_folder(here: Path) -> None:
    numbers = (f"debug.profiler.{name}" for name in ("wait=0", "warmup=1", "active=1"))
    assert train("debug=trace", "run_dir=run", *numbers) == (0, "")
    assert "conv" in (here / "run" / "trace.json").read_text()


def test_an_own_callback_takes_part(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "my_callbacks").mkdir()
    (here / "my_callbacks" / "__init__.py").write_text(OWN)
    (here / "conf" / "callbacks").mkdir(parents=True)
    (here / "conf" / "callbacks" / "counter.yaml").write_text(
        "counter: {_target_: my_callbacks.Counter, file: counted.txt}\n"
    )
    monkeypatch.syspath_prepend(here)
    code, error = train("callbacks=counter", "--config-dir", str(here / "conf"), "run_dir=refused")
    assert (code, "packages=[my_callbacks]" in error) == (1, True)
    code, error = train(
        "packages=[my_callbacks]", "callbacks=counter", "--config-dir", str(here / "conf"), "run_dir=run"
    )
    assert code == 0, error
    assert (here / "counted.txt").read_text() == "4"
    own = ("packages=[my_callbacks]", "callbacks=counter", "--config-dir", str(here / "conf"))
    assert train(*own, "kimg=0.048", "run_dir=run", "resume=auto") == (0, "")
    assert (here / "counted.txt").read_text() == "6"  # its state is saved with the model's


def test_what_is_no_callback_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(here)
    (here / "no_callback").mkdir()
    (here / "no_callback" / "__init__.py").write_text("class Plain:\n    pass\n")
    code, error = train("packages=[no_callback]", "+callbacks.plain._target_=no_callback.Plain", "run_dir=run")
    assert code == 1
    assert "Plain" in error
    assert "unexpected" not in error


def test_a_style_transfer_has_no_batches_to_repeat(here: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("content", "style"):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(here / f"{name}.png")
    err = io.StringIO()
    given = (
        "model=style_transfer",
        "data.content=content.png",
        "data.style=style.png",
        "debug=overfit",
        "dry_run=true",
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = entry.main(list(given))
    assert (code, "debug.overfit_batches" in err.getvalue()) == (1, True)

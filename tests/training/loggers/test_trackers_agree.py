"""One run with all trackers that are installed: each holds the figures of metrics.csv and the same pictures, read back by its own
reader; and a tracker that is chosen in mid-run has the rows from before."""

import importlib.util
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import wandb
from offline_wandb import read_run
from PIL import Image

from seesaw.cli.train import main

SMALL = (
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "metrics.n=40",
    "log_kimg=0.032", "evaluate_kimg=0.032", "sample_kimg=0.064", "checkpoint_kimg=0.032", "trainer=cpu", "run_dir=run",
)  # fmt: skip
TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "trackio": "trackio"}
"""Option of the group `logger` -> package."""
INSTALLED = [name for name, package in TRACKERS.items() if importlib.util.find_spec(package) is not None]

Figures = dict[tuple[str, int], float]
"""(name, images shown) -> value."""


class Held(NamedTuple):
    """What a tracker holds: figures, pictures by name and images shown, the seed in its configuration, the monitor's sentence."""

    figures: Figures
    pictures: dict[tuple[str, int], np.ndarray]
    seed: Any
    verdict: str
    best: float


def is_figure(name: str, value: Any) -> bool:
    """Whether this is a value of the table, and neither an axis, a picture nor a summary."""
    return isinstance(value, int | float) and name.partition("/")[0] in ("train", "eval", "balance", "monitor")


def of_csv(folder: Path) -> Figures:
    table = pd.read_csv(folder / "metrics.csv").set_index("images")
    return {(str(name), int(at)): value for (at, name), value in table.drop(columns="kimg").stack().dropna().items()}


def of_tensorboard(folder: Path) -> Held:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    figures = {(name, p.step): p.value for name in events.Tags()["scalars"] for p in events.Scalars(name)}
    pictures = {
        (name, p.step): decoded(p.encoded_image_string) for name in events.Tags()["images"] for p in events.Images(name)
    }
    texts = {name: events.Tensors(name)[-1].tensor_proto.string_val[0].decode() for name in events.Tags()["tensors"]}
    best = next(part for part in texts["summary/text_summary"].split("\n\n") if part.startswith("best/frechet"))
    seed = next(line for line in texts["config/text_summary"].splitlines() if line.startswith('  "seed"'))
    return Held(figures, pictures, int(seed.strip(" ,").split()[1]), texts["monitor/text_summary"], float(best.split()[1]))


def of_wandb(folder: Path) -> Held:
    figures, pictures, run = dict[tuple[str, int], float](), dict[tuple[str, int], np.ndarray](), None
    for log in sorted((folder / "wandb").glob("offline-run-*")):
        run = read_run(log)
        for row in run.history:
            at = round(row["kimg"] * 1000)
            figures |= {(name, at): value for name, value in row.items() if is_figure(name, value)}
        pictures |= {(name, round(k * 1000)): picture for name, found in run.pictures.items() for k, picture in found}
    assert run is not None
    return Held(figures, pictures, run.config["seed"], run.summary["monitor"], run.summary["best/frechet_digits"])


def of_mlflow(folder: Path) -> Held:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    run_id = (folder / "mlflow" / "id").read_text().strip()
    run, pictures = client.get_run(run_id), dict[tuple[str, int], np.ndarray]()
    figures = {
        (name, p.step): p.value for name in run.data.metrics for p in client.get_metric_history(run_id, name)
        if not name.startswith(("best/", "last/"))
    }  # fmt: skip
    for file in client.list_artifacts(run_id, "images"):
        if file.path.endswith(".png"):
            name, _, rest = Path(file.path).name.partition("+step+")
            picture = np.asarray(Image.open(client.download_artifacts(run_id, file.path)))
            pictures[name.replace("~", "/"), int(rest.partition("+")[0])] = picture
    assert run.info.status == "FINISHED"
    assert run.data.tags["choices.model"] == "mlp"
    best = run.data.metrics["best/frechet_digits"]
    return Held(figures, pictures, int(run.data.params["seed"]), run.data.tags["monitor"], best)


def of_trackio(folder: Path) -> Held:
    from trackio.sqlite_storage import SQLiteStorage
    from trackio.utils import MEDIA_DIR

    name = (folder / "trackio" / "name").read_text().strip()
    figures, pictures, verdict, best = dict[tuple[str, int], float](), dict[tuple[str, int], np.ndarray](), "", 0.0
    for row in SQLiteStorage.get_logs("seesaw", run=name):
        at = row["step"]
        figures |= {(name, at): value for name, value in row.items() if is_figure(name, value)}
        verdict, best = row.get("monitor", verdict), row.get("best/frechet_digits", best)
        for key, value in row.items():
            if isinstance(value, dict) and value.get("_type") == "trackio.image":
                pictures[key, at] = np.asarray(Image.open(MEDIA_DIR / value["file_path"]).convert("L"))
    config = SQLiteStorage.get_run_config("seesaw", name)
    assert config is not None
    return Held(figures, pictures, config["seed"], verdict, best)


READERS = {"tensorboard": of_tensorboard, "wandb": of_wandb, "mlflow": of_mlflow, "trackio": of_trackio}


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def installed(name: str) -> Any:
    reason = f"the package {TRACKERS[name]} is not installed"
    return pytest.param(name, marks=pytest.mark.skipif(name not in INSTALLED, reason=reason))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`run`, with all trackers from the beginning, and `later`, begun with none of them, which got all when it went on."""
    root = tmp_path_factory.mktemp("trackers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("TRACKIO_DIR", str(root / "trackio"))
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
            patch.delenv(name, raising=False)
        chosen = f"logger=[{','.join(INSTALLED)}]"
        assert main([*SMALL, "kimg=0.128", "seed=1", chosen]) == 0
        shutil.move("run", "whole")
        assert main([*SMALL, "kimg=0.064", "seed=1", "logger=csv"]) == 0
        assert main([*SMALL, "kimg=0.128", "seed=1", chosen, "resume=auto"]) == 0
        shutil.move("run", "later")
        yield root
        wandb.teardown()


@pytest.mark.parametrize("name", map(installed, TRACKERS))
@pytest.mark.parametrize("which", ["whole", "later"])
def test_a_tracker_holds_the_figures_of_the_table(name: str, which: str, runs: Path) -> None:
    expected, held = of_csv(runs / which), READERS[name](runs / which)
    assert len({at for _, at in expected}) == 4
    assert held.figures.keys() == expected.keys()
    for key, value in expected.items():
        kept = min(value, sys.float_info.max) if name == "mlflow" else value  # its store has no infinity
        assert held.figures[key] == pytest.approx(kept, rel=1e-6, nan_ok=True), key


@pytest.mark.parametrize("name", map(installed, TRACKERS))
def test_a_tracker_that_is_chosen_later_gets_the_grids_from_before(name: str, runs: Path) -> None:
    held = READERS[name](runs / "later")
    at_start = held.pictures["samples/ema", 0]
    drawn = np.asarray(Image.open(runs / "later" / "samples" / "000000_000.png"))
    assert np.array_equal(at_start.reshape(*drawn.shape, -1)[..., 0], drawn)
    assert {key for key in held.pictures if key[0] == "samples/ema"} == {("samples/ema", at) for at in (0, 64, 128)}


@pytest.mark.parametrize("name", map(installed, TRACKERS))
def test_a_tracker_holds_the_pictures_the_configuration_and_the_verdict(name: str, runs: Path) -> None:
    held = READERS[name](runs / "whole")
    assert {key for key in held.pictures if key[0] == "samples/ema"} == {("samples/ema", at) for at in (0, 64, 128)}
    assert {key for key in held.pictures if key[0] == "samples/raw"} == {("samples/raw", at) for at in (0, 64, 128)}
    for at, file in ((0, "000000_000"), (64, "000000_064"), (128, "000000_128")):
        drawn = np.asarray(Image.open(runs / "whole" / "samples" / f"{file}.png"))
        picture = held.pictures["samples/ema", at]
        assert np.array_equal(picture.reshape(*drawn.shape, -1)[..., 0], drawn)
    assert held.seed == 1
    assert held.verdict.startswith(("warming up", "healthy", "unhealthy", "stalled"))
    best = min(value for (key, _), value in of_csv(runs / "whole").items() if key == "eval/frechet_digits")
    assert held.best == pytest.approx(best, rel=1e-5)

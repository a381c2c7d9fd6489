"""What W&B gets on request: checkpoints as artifacts, a table of samples; and the Stop button of its page.

No account is at hand: artifacts and tables are read from what an offline run leaves to be uploaded. The button is pressed by a
server that stands in for W&B's; W&B's own helper process passes it on.
"""

import base64
import hashlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from offline_wandb import _records, read_run
from PIL import Image
from wandb.sdk.lib import run_stopping
from wandb_server import serving

from seesaw.cli.train import main
from seesaw.training.loggers.tracker import RunInfo, wanted_artifact
from seesaw.training.loggers.wandb_log import PINNED, WandbLog

SMALL = (
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "metrics.n=40", "kimg=0.128",
    "log_kimg=0.032", "evaluate_kimg=0.064", "sample_kimg=0.064", "checkpoint_kimg=0.064", "trainer=cpu", "run_dir=run",
    "data.labels=true",
)  # fmt: skip


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield
    wandb.teardown()


def records(folder: Path, kind: str) -> list[Any]:
    (log,) = folder.rglob("run-*.wandb")
    return [getattr(r, kind) for r in _records(log.read_bytes()) if r.WhichOneof("record_type") == kind]


def artifacts(folder: Path) -> list[Any]:
    """Those that are to be uploaded: records of their own, or requests, by W&B's version."""
    asked = [r.log_artifact.artifact for r in records(folder, "request") if r.WhichOneof("request_type") == "log_artifact"]
    return [*asked, *records(folder, "artifact")]


@pytest.mark.parametrize(("option", "kinds"), [("best", ["best"]), ("all", ["best", "last", "kept"]), ("none", [])])
def test_which_checkpoints_become_artifacts(option: Any, kinds: list[str]) -> None:
    assert [kind for kind in ("best", "last", "kept") if wanted_artifact(option, kind)] == kinds


def test_a_run_gives_its_checkpoints_and_samples_on_request(tmp_path: Path) -> None:
    assert main([*SMALL, "logger.wandb.artifacts=all", "logger.wandb.table=4"]) == 0
    run = read_run(tmp_path / "run")
    found = [artifact for artifact in artifacts(tmp_path / "run") if artifact.type == "model"]
    assert {alias for a in found for alias in a.aliases} >= {"best", "last", "0.064kimg", "0.128kimg"}
    assert json.loads(found[-1].metadata)["kimg"] == 0.128
    last = hashlib.md5((tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes()).digest()
    (entry,) = [a.manifest.contents[0] for a in found if "last" in a.aliases][-1:]
    assert entry.path == "model.ckpt"
    assert base64.b64decode(entry.digest) == last
    rows = [row for row in run.history if "samples/table/nrows" in row]
    assert [row["kimg"] for row in rows] == [0, 0.064, 0.128]
    assert [row["samples/table/ncols"] for row in rows] == [4, 4, 4]
    table = json.loads((run.folder / "files" / rows[0]["samples/table/path"]).read_text())
    assert table["columns"] == ["kimg", "sample", "class", "picture"]
    assert [row[:3] for row in table["data"]] == [[0, k, "0"] for k in range(4)]  # the first row of the grid is class 0


def test_nothing_of_it_without_a_request(tmp_path: Path) -> None:
    log = WandbLog(RunInfo(tmp_path / "run", "run", {"seed": 1}))
    (tmp_path / "best.ckpt").touch()
    log.log_checkpoint("best", tmp_path / "best.ckpt", 64)
    log.log_samples(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), 64)
    log.log_metrics({"train/loss/D": 1.0}, 64)
    log.finish(0)
    run = read_run(tmp_path / "run")
    assert records(tmp_path / "run", "artifact") == []
    assert not any("table" in key for row in run.history for key in row)


def test_what_identifies_a_run_is_pinned(tmp_path: Path) -> None:
    log = WandbLog(RunInfo(tmp_path / "run", "run", {"seed": 1}, overrides=["seed=1"]))
    log.log_metrics({"train/loss/D": 1.0}, 64)
    log.finish(0)
    (pinned,) = [
        json.loads(item.value_json)
        for record in records(tmp_path / "run", "config")
        for item in record.update
        if list(item.nested_key) == ["_wandb", "pinned_keys"]
    ]
    assert tuple(pinned) == PINNED
    assert set(PINNED) <= read_run(tmp_path / "run").config.keys()


@pytest.mark.slow
def test_the_stop_button_ends_a_run_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server answers what W&B's does after the button was pressed; wandb-core passes it on."""
    monkeypatch.setitem(run_stopping.RunStopChecker.__init__.__kwdefaults__, "poll_interval", 0.2)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        threading.Timer(8, lambda: setattr(server, "stopped", True)).start()
        began = time.monotonic()
        with pytest.raises(SystemExit) as ended:
            main_of_a_long_run()
    assert ended.value.code == 128 + signal.SIGINT
    assert time.monotonic() - began < 100
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("interrupted", 130)
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    assert "W&B: the run was stopped on its page" in capsys.readouterr().err


def main_of_a_long_run() -> None:
    small = [one for one in SMALL if not one.startswith(("metrics", "evaluate_kimg"))]
    code = main([*small, "kimg=100000", "metrics=none", "sample_kimg=1000", "checkpoint_kimg=1000", "log_kimg=1"])
    if code:
        raise SystemExit(code)


def test_a_picture_of_the_table_is_the_sample(tmp_path: Path) -> None:
    log = WandbLog(RunInfo(tmp_path / "run", "run", {"seed": 1}), table=2)
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for step in (1000, 2000):
        log.log_samples(images, step, ["a", "b", "c"])
    log.finish(0)
    run = read_run(tmp_path / "run")
    rows = [row for row in run.history if "samples/table/path" in row]
    assert len(rows) == 2
    table = json.loads((run.folder / "files" / rows[1]["samples/table/path"]).read_text())
    assert [row[:3] for row in table["data"]] == [[2, 0, "a"], [2, 1, "b"]]  # what came with the second call alone
    entries = [entry for found in artifacts(tmp_path / "run") if "table" in found.type for entry in found.manifest.contents]
    pictures = [np.asarray(Image.open(entry.local_path)) for entry in entries if entry.path.endswith(".png")]
    expected = [image.permute(1, 2, 0).numpy() for image in images[:2]]
    assert all(any(np.array_equal(one, other) for one in pictures) for other in expected)
    assert not any(np.array_equal(one, images[2].permute(1, 2, 0).numpy()) for one in pictures)

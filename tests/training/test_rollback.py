"""`monitor.on_unhealthy=rollback`: small real runs whose verdict is planted, which go back, are killed, and go on."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from saved_states import same

from seesaw.cli.main import main as seesaw
from seesaw.errors import UserError
from seesaw.monitor.history import History
from seesaw.monitor.rule import Finding
from seesaw.monitor.samples import Collapsed
from seesaw.training import rollback
from seesaw.training.checkpoint_file import load
from seesaw.training.rollback import REMEDIES, noted_rollbacks, replaced
from seesaw.training.run_folder import read_status

SMALL = [
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "penalty=r1", "metrics.n=64",
    "evaluate_kimg=0.032", "logger=none", "trainer=cpu", "precision=exact", "log_kimg=0.048", "checkpoint_kimg=0.032",
    "sample_kimg=10", "kimg=0.16", "monitor.on_unhealthy=rollback", "monitor.patience=2", "monitor.least=1",
    "monitor.confirm=1", "monitor.warm_up=0", "monitor.updates=0", "~monitor.rules.g_dominates", "~monitor.rules.no_progress",
]  # fmt: skip


@pytest.fixture(autouse=True)
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is collapsed from image 96 on while D's learning rate is that of its beginning."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])

    def found(self: Collapsed, history: History) -> Finding | None:
        lr = history.records[-1].values.get("train/lr/D", 2e-4)
        return Finding("it was planted") if history.records[-1].images > 90 and lr > 1.5e-4 else None

    monkeypatch.setattr(Collapsed, "__call__", found)


def rows(run: str) -> list[dict[str, str]]:
    with open(Path(run) / "metrics.csv", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "train/images_per_sec"} for row in csv.DictReader(file)]


def state(run: str) -> Any:
    found = load(Path(run) / "checkpoints/last.ckpt")
    del found["state_dict"]["meter.statistics._extra_state"]
    watch = found["callbacks"].pop("Watch")  # its records hold the speed
    return found["state_dict"], found["optimizer_states"], found["callbacks"], watch["found"], watch["changes"]


@pytest.mark.slow
def test_a_run_goes_back_with_a_remedy_and_keeps_what_it_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    assert seesaw(["train", *SMALL, "run_dir=run"]) == 0
    status, left = read_status(Path("run")), read_status(Path("run/before-1"))
    (back,) = status["rollbacks"]
    assert (back["at_kimg"], back["verdict"], back["remedy"]) == (0.128, "collapsed", "lower_d_lr")
    assert back["overrides"][0] == "optimizer.D.lr=0.0001"
    assert (status["state"], status["images_shown"], left["state"]) == ("finished", 160, "rolled_back")
    assert status["overrides"] == left["overrides"] == [*SMALL, "run_dir=run"]
    assert status["parent"]["kimg"] == back["to_kimg"] < 0.128
    assert load(Path("run/before-1/checkpoints/best.ckpt"))["progress"]["images_shown"] == 1000 * back["to_kimg"]
    kept = [row for row in rows("run/before-1") if float(row["kimg"]) <= back["to_kimg"]]
    assert [row["images"] for row in rows("run")][: len(kept)] == [row["images"] for row in kept]
    assert rows("run/before-1")[-1]["images"] == "128"
    assert "rolled back from 0.128 to" in capsys.readouterr().out
    assert seesaw(["train", *SMALL, "run_dir=run", "resume=auto"]) == 0
    assert "nothing is left to do" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_went_back_goes_on_exactly_by_its_first_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its folder, by its folder alone, and found by its configuration; cut before and behind its first checkpoint."""
    assert seesaw(["train", *SMALL, "run_dir=whole"]) == 0
    for again in (["train", *SMALL, "run_dir=run", "resume=auto"], ["train", "resume=run"]):
        assert seesaw(["train", *SMALL, "run_dir=run"]) == 0
        shutil.copy("run/before-1/checkpoints/last.ckpt", "kept.ckpt")
        Path("run/checkpoints/last.ckpt").unlink()  # as when it is killed before its first checkpoint behind the rollback
        assert seesaw(again) == 0
        assert same(state("run"), state("whole"))
        assert rows("run") == rows("whole")
        shutil.rmtree("run")
    for step in ("keep", "write", "move_last"):
        assert cut(step, monkeypatch) == 137
        assert seesaw(["train", *SMALL, "run_dir=run", "resume=auto"]) == 0
        assert same(state("run"), state("whole")), step
        assert rows("run") == rows("whole"), step
        assert len(read_status(Path("run"))["rollbacks"]) == 1
        shutil.rmtree("run")


def cut(step: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a run that is ended before this step of going back."""

    def killed(*_: object) -> None:
        raise SystemExit(137)

    with monkeypatch.context() as patch:
        patch.setattr(rollback, step, killed)
        return seesaw(["train", *SMALL, "run_dir=run"])


@pytest.mark.slow
def test_a_run_without_rollbacks_left_goes_on_to_its_length(capsys: pytest.CaptureFixture[str]) -> None:
    assert seesaw(["train", *SMALL, "monitor.remedies=[raise_gamma,skip_d]", "monitor.rollbacks=1", "run_dir=run"]) == 0
    out = capsys.readouterr().out
    assert out.count("rolled back from") == 1
    assert out.count("and the run goes on as it is: monitor.rollbacks=1 are made") == 1
    status = read_status(Path("run"))
    assert status["state"] == "finished"
    assert status["rollbacks"][0]["overrides"][0] == "penalty.r1.gamma=2"


@pytest.mark.slow
def test_two_processes_go_back_together(tmp_path: Path) -> None:
    """A G that does not move is found stalled, by its rule; what each process did is in its one folder."""
    program = "import sys; from seesaw.cli.main import main; sys.exit(main(sys.argv[1:]))"
    overrides = [
        *(one for one in SMALL[:-1] if one != "kimg=0.16"), "optimizer.G.lr=1e-12", "monitor.rules.stalled.drift=1",
        "monitor.rules.stalled.coverage=1", "kimg=0.224", "trainer.devices=2", "monitor.rollbacks=1", "run_dir=run",
    ]  # fmt: skip
    command = [sys.executable, "-c", program, "train", *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rolled back from") == 1
    status = read_status(Path("run"))
    assert (status["state"], status["images_shown"], len(status["rollbacks"])) == ("finished", 224, 1)
    assert [int(row["images"]) for row in rows("run")] == sorted({int(row["images"]) for row in rows("run")})


@pytest.mark.parametrize(
    ("remedy", "config", "choices", "expected"),
    [
        ("lower_d_lr", {"optimizer": {"D": {"lr": 2e-4}}}, {}, ["optimizer.D.lr=0.0001"]),
        ("lower_d_lr", {"optimizer": {"canvas": {"lr": 1}}}, {}, []),
        ("raise_gamma", {"penalty": {"r1": {"gamma": 0.5}, "r2": {"gamma": {"shape": "cosine"}}}}, {}, ["penalty.r1.gamma=2"]),
        ("raise_gamma", {"penalty": {}}, {}, []),
        ("skip_d", {"balance": {"ttur": {}}}, {"balance": "ttur"}, ["balance=[ttur,skip_d]"]),
        ("skip_d", {"balance": {}}, {"balance": "none"}, ["balance=[skip_d]"]),
        ("skip_d", {"balance": {"skip_d": {}}}, {"balance": "skip_d"}, []),
        ("skip_d", {}, {}, []),
        ("augment", {"augment": {}, "data": {"resolution": 32}}, {}, ["augment=diffaugment"]),
        ("augment", {"augment": {}, "data": {"resolution": 1}}, {}, []),
        ("augment", {"augment": {"ada": {}}, "data": {}}, {}, []),
    ],
)
def test_remedies_fit_or_give_nothing(remedy: str, config: Any, choices: dict[str, str], expected: list[str]) -> None:
    made: Callable[..., list[str]] = REMEDIES[remedy]
    assert made(config, choices) == expected


def test_a_stranger_s_rollbacks_choose_remedies_alone(tmp_path: Path) -> None:
    good = {"before": "before-1", "command": [], "overrides": ["optimizer.D.lr=1e-4", "fork_from=/etc/passwd", "run_dir=/etc"]}
    for bad in (
        [{**good, "overrides": ["data.root=/"]}],
        [{**good, "overrides": ["balance@hydra.callbacks=ttur"]}],
        [{**good, "before": "../x"}], [3], "x", [{**good, "command": 1}]):
        (tmp_path / "status.json").write_text(json.dumps({"rollbacks": bad}))
        with pytest.raises(UserError, match="its rollbacks cannot be read"):
            noted_rollbacks(tmp_path)
    (tmp_path / "status.json").write_text(json.dumps({"rollbacks": [good]}))
    (found,) = noted_rollbacks(tmp_path)
    assert found["overrides"][0] == "optimizer.D.lr=1e-4"
    assert str(tmp_path) in found["overrides"][1]
    assert "passwd" not in str(found["overrides"])
    assert replaced(["a=1", "--flag", "+b=2"], ["b=3"]) == ["a=1", "--flag", "b=3"]

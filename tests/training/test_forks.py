"""`seesaw fork RUN at=KIMG`: real runs made small, compared with the run that they come from."""

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from saved_states import same

from seesaw.cli.main import main as seesaw
from seesaw.errors import UserError
from seesaw.training.callbacks.checkpoint import kept_name
from seesaw.training.checkpoint_file import load
from seesaw.training.fork_points import checkpoint_at
from seesaw.training.forks import digest, fits, part_names, same_form
from seesaw.training.run_folder import read_status

SMALL = [
    "data=digits", "data.resolution=16", "logger=none", "precision=exact", "trainer=cpu", "batch_size=8", "log_kimg=0.024",
    "sample_kimg=10", "checkpoint_kimg=10", "model.G.z_dim=8", "kimg=0.096", "checkpoints=[0.016,0.045]",
]  # fmt: skip
WIDTHS = [f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")]
FAMILIES = {
    "mlp": ["model=mlp", "model.G.widths=[8]", "model.D.widths=[8]"],
    "dcgan": ["model=dcgan", "model.G.width=4", "model.D.width=4"],
    "progan": ["model=progan", *WIDTHS, "model.growth.fade=32", "model.growth.stabilise=16"],  # at image 48 in a fade
    "msggan": ["model=msggan", *WIDTHS],
}
MEASURED = ["metrics.n=32", "evaluate_kimg=0.048"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])


def train(folder: str, *overrides: str) -> None:
    assert seesaw(["train", *SMALL, *overrides, f"run_dir={folder}"]) == 0


def last(run: str) -> dict[str, Any]:
    found = load(Path(run) / "checkpoints/last.ckpt")
    del found["state_dict"]["meter.statistics._extra_state"]  # it holds the speed; its figures are in metrics.csv
    watch = found["callbacks"].pop("Watch")  # likewise
    return found | {"verdicts": [watch["found"], watch["changes"]]}


def rows(run: str) -> list[dict[str, str]]:
    with open(Path(run) / "metrics.csv", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "train/images_per_sec"} for row in csv.DictReader(file)]


def ends_alike(one: str, other: str) -> bool:
    a, b = last(one), last(other)
    keys = ("state_dict", "optimizer_states", "progress", "callbacks", "data", "verdicts")
    return all(same(a[key], b[key]) for key in keys) and rows(one) == rows(other)


@pytest.mark.parametrize(
    "family", [pytest.param(f, marks=() if f == "mlp" else pytest.mark.slow) for f in FAMILIES]
)
def test_a_fork_without_changes_is_the_run_bit_for_bit(family: str) -> None:
    """The point lies between two windows of statistics, so that one is in flight; progan is in the middle of a fade."""
    more = ["metrics=none"] if family in ("mlp", "progan") else MEASURED
    train("run", *FAMILIES[family], *more)
    files = sorted(path.name for path in Path("run/checkpoints").glob("kimg*"))
    assert files == ["kimg0.016.ckpt", "kimg0.045.ckpt"]
    assert seesaw(["fork", "run", "at=0.045", "run_dir=fork"]) == 0
    assert ends_alike("run", "fork")
    assert rows("fork")[0]["images"] == rows("run")[0]["images"] == "24"  # of before the fork
    parent = read_status(Path("fork"))["parent"]
    kept = Path("run/checkpoints/kimg0.045.ckpt").resolve()
    assert parent == {
        "path": str(kept), "images_shown": 48, "kimg": 0.048, "sha256": digest(kept), "overrides": [], "anew": [],
    }  # fmt: skip


@pytest.mark.slow
def test_what_a_change_brings_starts_anew_and_the_rest_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    train("run", *FAMILIES["dcgan"], "metrics=none", "balance=skip_d")
    point = load(Path("run/checkpoints/kimg0.016.ckpt"))
    changes = ["balance=[ttur,skip_d,lecam]", "augment=ada", "penalty=r1", "optimizer.D.betas=[0.0,0.99]", "optimizer.G.lr=0.001"]
    assert seesaw(["fork", "run", "at=0.016", "run_dir=fork", "kimg=0.024", "checkpoints=[]", *changes]) == 0
    fork = last("fork")
    parent = read_status(Path("fork"))["parent"]
    assert parent["overrides"] == changes
    assert all("skip_d" not in part and "optimizer" not in part for part in parent["anew"])
    assert {"D.lecam", "augment.ada"} <= set(parent["anew"])
    assert "start anew" in capsys.readouterr().out
    groups = {player: state["param_groups"][0] for player, state in zip("GD", fork["optimizer_states"], strict=True)}
    assert tuple(groups["D"]["betas"]) == (0.0, 0.99)
    steps = [{int(s["step"]) for s in o["state"].values()} for o in (point["optimizer_states"][0], fork["optimizer_states"][0])]
    assert steps == [{2}, {3}]  # of G, which no gate skipped: it goes on counting
    assert read_status(Path("fork"))["kimg"] == 0.024
    other = ["run_dir=other", "kimg=0.024", "checkpoints=[]", "optimizer=rmsprop", "balance=none"]
    assert seesaw(["fork", "run", "at=0.016", *other]) == 0
    assert read_status(Path("other"))["parent"]["anew"] == ["optimizer.G", "optimizer.D"]


@pytest.mark.slow
def test_a_fork_is_gone_on_with_and_forked_again_exactly() -> None:
    train("run", *FAMILIES["dcgan"], "metrics=none")
    assert seesaw(["fork", "run", "at=0.016", "run_dir=cut", "kimg=0.064", "penalty=r1", "checkpoints=[0.024]"]) == 0
    assert seesaw(["train", "resume=cut", "kimg=0.096"]) == 0
    assert seesaw(["fork", "run", "at=0.016", "run_dir=whole", "penalty=r1"]) == 0
    assert same(last("cut")["state_dict"], last("whole")["state_dict"])
    assert read_status(Path("cut"))["parent"] == read_status(Path("whole"))["parent"]
    assert seesaw(["fork", "cut", "at=0.024", "run_dir=again", "checkpoints=[]"]) == 0
    assert same(last("again")["state_dict"], last("whole")["state_dict"])
    assert Path(read_status(Path("again"))["parent"]["path"]).parent.parent.name == "cut"


@pytest.mark.slow
def test_what_does_not_fit_is_one_sentence_and_leaves_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    train("run", *FAMILIES["dcgan"], "metrics=none")
    (Path("run/checkpoints") / kept_name(7)).write_text("no checkpoint")
    before = sorted(Path().iterdir())
    capsys.readouterr()
    for arguments, sentence in (
        (["run", "at=0.016", "model.G.width=8"], "a fork keeps the networks, and those of run/checkpoints/kimg0.016.ckpt"),
        (["run", "at=0.016", "data.resolution=32"], "a fork keeps the networks"),
        (["run", "at=0.016", "data.limit=500"], "a fork keeps the data, and the data have changed"),
        (["run", "at=0.02"], "run holds no checkpoint at=0.02; there is at=0.016 (kimg0.016.ckpt), at=0.048 (kimg0.045"),
        (["run", "at=soon"], "at=soon is no moment"),
        (["run", "at=7"], "run/checkpoints/kimg7.ckpt is not a checkpoint that can be read"),
        (["run", "at=best"], "run holds no checkpoint at=best"),
        (["run", "at=last", "balance=skip_d"], "a fork at 0.096 kimg has nothing to train up to kimg=0.096"),
        (["run", "at=0.016", "at=0.045"], "seesaw fork run: give one moment"),
        (["run", "at=0.016", "fork_from=x"], "fork_from=x: at=KIMG chooses the checkpoint"),
        (["run", "at=0.016", "resume=run"], "resume=run: a fork begins from RUN"),
        (["run", "at=0.016", "run_dir=run"], "run already holds a run"),
        (["nowhere", "at=1"], "nowhere: there is no such run folder"),
        (["at=1"], "at=1: give the run folder first"),
    ):
        assert seesaw(["fork", *arguments]) == 1, arguments
        err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seesaw: ")]
        assert len(err) == 1
        assert err[0].startswith(f"seesaw: {sentence}"), err
    assert seesaw(["train", *SMALL, "model=mlp", "fork_from=nowhere.ckpt"]) == 1
    assert "fork_from=nowhere.ckpt: there is no such checkpoint" in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


@pytest.mark.slow
def test_a_fork_that_is_killed_leaves_its_parent_whole_and_begins_again() -> None:
    train("run", *FAMILIES["dcgan"], "metrics=none")
    files = {path: digest(path) for path in Path("run").rglob("*") if path.is_file()}
    program = "import sys; from seesaw.cli.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", program, "fork", "run", "at=0.016", "kimg=1000", "run_dir=fork", "penalty=r1"]
    for seen in ("fork/status.json", "fork/metrics.csv"):  # as it begins, and while it trains
        running = subprocess.Popen([*arguments, "resume=auto"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 300
        while not Path(seen).exists() and running.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        running.kill()
        assert running.wait() == -9
    assert {path: digest(path) for path in files} == files
    assert seesaw(["fork", "run", "at=0.016", "run_dir=fork", "penalty=r1", "resume=auto"]) == 0
    assert seesaw(["fork", "run", "at=0.016", "run_dir=whole", "penalty=r1"]) == 0
    assert ends_alike("fork", "whole")


@pytest.mark.slow
def test_forks_of_two_processes_are_the_run_bit_for_bit(tmp_path: Path) -> None:
    program = "import sys; from seesaw.cli.main import main; sys.exit(main(sys.argv[1:]))"
    both = [*SMALL, *FAMILIES["dcgan"], *MEASURED, "trainer.devices=2", "balance=skip_d"]
    for command in (
        ["train", *both, "run_dir=run"],
        ["fork", "run", "at=0.045", "run_dir=fork"],
        ["fork", "run", "at=0.045", "run_dir=changed", "penalty=r1", "balance=[ttur,skip_d]"],
    ):
        done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
    assert ends_alike("run", "fork")
    assert not same(last("run")["state_dict"], last("changed")["state_dict"])


def test_a_moment_is_found_by_name_or_by_images_shown(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    for name, images in (("kimg10.ckpt", 10_016), ("last.ckpt", 20_000), ("best.ckpt", 15_000)):
        torch.save({"progress": {"images_shown": images}, "config": {}}, folder / name)
    (folder / "kimg3.5.ckpt").write_text("torn")
    run = tmp_path / "run"
    names = {at: checkpoint_at(run, at).name for at in ("10", "10.016", "1e1", "20", "15", "last", "best", "3.5")}
    assert names == {
        "10": "kimg10.ckpt", "10.016": "kimg10.ckpt", "1e1": "kimg10.ckpt", "20": "last.ckpt", "15": "best.ckpt",
        "last": "last.ckpt", "best": "best.ckpt", "3.5": "kimg3.5.ckpt",
    }  # fmt: skip
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="there is no checkpoint yet"):
        checkpoint_at(run, "10")


def test_entries_fit_by_their_form() -> None:
    one, other = torch.zeros(2, 3), torch.zeros(3, 2)
    assert same_form(one, torch.ones(2, 3))
    assert not same_form(one, other)
    assert not same_form(one, {"a": 1})
    assert same_form({"a": 1}, {"a": 2})
    assert not same_form({"a": 1}, {"b": 2})
    weights = [one, other]
    kept = {0: {"step": torch.tensor(1.0), "exp_avg": one}, 1: {"step": torch.tensor(1.0), "exp_avg": other}}
    assert fits(kept, weights, {"step", "exp_avg"})
    assert not fits(kept, weights, {"step", "exp_avg", "max_exp_avg_sq"})
    assert not fits({0: kept[1]}, weights, {"step", "exp_avg"})  # of another weight
    assert not fits({2: kept[1]}, weights, {"step", "exp_avg"})
    names = ["_phases.D.terms.r1.gamma", "_phases.D.terms.r1.x", "balance.skip_d._extra_state", "_schedule.lr.x"]
    assert part_names(names) == ["D.r1", "balance.skip_d", "schedule.lr"]


@pytest.mark.parametrize(
    ("asked", "right"), [("[1,2]", True), ("[]", True), ("[2,1]", False), ("[0,1]", False), ("[1,1]", False), ("[1,5]", False)]
)
def test_kept_moments_rise_within_the_run(asked: str, right: bool) -> None:
    from seesaw.config.options import kept_errors

    found = kept_errors(json.loads(asked), 4.0)
    assert (found == []) is right
    assert all("checkpoints: " in sentence and "at most kimg, which is 4" in sentence for sentence in found)

"""A search: what it counts, what it tries again, what it prunes, and that the same command goes on."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import torch
from offline_wandb import read_run
from optuna.trial import TrialState

from seesaw.cli.main import main
from seesaw.config.compose import compose
from seesaw.errors import UserError
from seesaw.metrics.auto import Choice
from seesaw.sweeps.search import Measured, Plan, PrunerLink, Search, check_corners, check_same_settings
from seesaw.sweeps.space import Range, Space
from seesaw.training.run_folder import read_status

SPACE = Space("mine", ["penalty=r1"], {"penalty.r1.gamma": Range(0.01, 10.0, log=True)})
SMALL = [
    "model=mlp",
    "data.resolution=16",
    "batch_size=16",
    "trainer=cpu",
    "kimg=0.064",
    "evaluate_kimg=0.032",
    "metrics.n=64",
]


def study(out: Path, trials: int = 3, prune: str = "none", higher: bool = False) -> Search:
    out.mkdir(exist_ok=True)
    return Search(Plan(SPACE, SMALL, out, trials, prune, seed=0), Measured(2, higher))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    return tmp_path


def test_a_killed_trial_is_tried_again_and_not_counted(tmp_path: Path) -> None:
    begun = study(tmp_path).begin_trial()
    assert begun is not None
    _, drawn, lock = begun
    with lock:  # its process is alive: another one leaves it alone and draws something else
        other = study(tmp_path).begin_trial()
        assert other is not None
        assert other[0].number == 1
        assert other[1] != drawn
        study(tmp_path).study.tell(1, 5.0)
        other[2].close()
    again = study(tmp_path).begin_trial()  # the lock went with its process
    assert again is not None
    assert (again[0].number, again[1]) == (2, drawn)
    assert read_status(tmp_path / "0")["state"] == "interrupted"
    assert study(tmp_path).study.trials[0].state == TrialState.FAIL
    last = study(tmp_path)
    last.study.tell(2, 4.0)
    assert last.counted() == 2
    third = last.begin_trial()
    assert third is not None
    assert third[1] not in (drawn, other[1])
    last.study.tell(third[0], 6.0)
    assert last.begin_trial() is None
    summary = last.summary("python train.py")
    assert "3 finished, 1 killed and tried again" in summary
    assert summary.splitlines()[-1] == f"python train.py penalty=r1 {' '.join(SMALL)} {drawn[0]}"


def test_a_trial_that_is_killed_twice_has_failed(tmp_path: Path) -> None:
    for number in (0, 1):
        begun = study(tmp_path, trials=1).begin_trial()
        assert begun is not None
        assert begun[0].number == number
        begun[2].close()
    assert study(tmp_path, trials=1).begin_trial() is None
    assert read_status(tmp_path / "1")["reason"] == "killed twice"


def test_draws_follow_the_seed_and_the_number_of_trials(tmp_path: Path) -> None:
    def drawn(out: Path, restarts: bool) -> list[list[str]]:
        search, found = study(out, trials=4), []
        for _ in range(4):
            search = study(out, trials=4) if restarts else search
            begun = search.begin_trial()
            assert begun is not None
            search.study.tell(begun[0], float(begun[0].number))
            begun[2].close()
            found.append(begun[1])
        return found

    one = drawn(tmp_path / "a", restarts=False)
    assert one == drawn(tmp_path / "b", restarts=True)
    assert len({tuple(d) for d in one}) == 4


def test_a_trial_worse_than_the_median_is_pruned(tmp_path: Path) -> None:
    search = study(tmp_path, trials=8, prune="median")  # the first two are never pruned
    verdicts = []
    for distances in ([4.0, 3.0], [6.0, 5.0], [5.5, 5.0], [4.5, 4.5], [9.0, 1.0]):
        trial, _, lock = search.begin_trial() or pytest.fail("no trial")
        judge = PrunerLink(trial, every=1000)
        for k, distance in enumerate(distances):
            if judge(1000 * (k + 1) + trial.number, distance):  # no two trials alike
                verdicts.append((trial.number, k))
                break
        search.study.tell(trial, state=TrialState.PRUNED) if judge.pruned else search.study.tell(trial, distances[-1])
        lock.close()
    # Medians of the finished before them: 5, 4 at trial 2; at 3 trial 2 has 5.5 only 5.5, 4; at 4: 5, 4.
    assert verdicts == [(2, 0), (3, 1), (4, 0)]


def test_where_higher_is_better_the_best_and_the_hopeless_are_the_other_ends(tmp_path: Path) -> None:
    search = study(tmp_path, trials=8, prune="median", higher=True)
    pruned = []
    for value in (5.0, 7.0, 1.0, 9.0):
        trial, _, lock = search.begin_trial() or pytest.fail("no trial")
        judge = PrunerLink(trial, every=1000)
        if judge(1000, value):
            pruned.append(value)
        search.study.tell(trial, state=TrialState.PRUNED) if judge.pruned else search.study.tell(trial, value)
        lock.close()
    assert pruned == [1.0]
    assert search.best().value == 9.0


def test_how_often_a_trial_is_measured_and_what_is_better_come_from_its_metrics(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """metrics=auto counts as what it finds on this machine."""
    space = Space("mine", [], {"seed": Range(1, 2)})
    plan = Plan(space, [*SMALL[:-1], "metrics=digits"], here, 2, "none", seed=0)
    assert check_corners(plan) == Measured(2, higher_is_better=False)
    modes = dataclasses.replace(plan, overrides=[*plan.overrides, "metrics.primary=valid_modes_digits", "kimg=0.2"])
    assert check_corners(modes) == Measured(7, higher_is_better=True)
    auto = dataclasses.replace(plan, overrides=[*SMALL[:-1], "metrics=auto"])
    monkeypatch.setattr("seesaw.metrics.auto.choose", lambda channels: Choice("fid", "chosen"))
    assert check_corners(auto) == Measured(2, higher_is_better=False)
    monkeypatch.setattr("seesaw.metrics.auto.choose", lambda channels: Choice("none", "nothing"))
    with pytest.raises(UserError, match="metrics=none measures none"):
        check_corners(auto)


def test_a_configuration_is_composed_with_its_choices() -> None:
    cfg, choices = compose(["model=mlp", "balance=[ttur,skip_d]", "loss=hinge", "seed=7"])
    assert (choices["model"], choices["balance"], choices["loss"]) == ("mlp", "ttur+skip_d", "hinge")
    assert cfg.seed == 7
    assert "hydra" not in cfg


@pytest.mark.usefixtures("no_curves")
def test_a_search_of_real_runs_prunes_and_goes_on(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Three trials, the last one ended by a pruner that finds all hopeless; a fourth by the same command with more trials."""
    command = ["search", "r1_gamma", *SMALL, "--out", "found", "--prune", "hyperband"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.pruners.HyperbandPruner, "prune", lambda self, study, trial: trial.number == 2)
        assert main([*command, "--trials", "3"]) == 0
    out = capfd.readouterr().out
    assert "trial 2 pruned" in out
    assert "found: 2 finished, 1 pruned" in out
    assert read_status(here / "found/2") | {"state": "pruned", "kimg": 0.032, "exit_code": 0} == read_status(
        here / "found/2"
    )
    assert torch.load(here / "found/2/checkpoints/last.ckpt", weights_only=True)["progress"]["images_shown"] == 32
    best = min((0, 1), key=lambda k: read_status(here / "found" / str(k))["best/frechet_digits"])
    gamma = read_run(here / "found" / str(best) / "wandb").config["penalty"]["r1"]["gamma"]
    assert out.splitlines()[-1].endswith(f" penalty.r1.gamma={gamma:.6g}")
    run = read_run(here / "found/2/wandb")
    assert (run.facts["group"], run.facts["job_type"], run.exit_code) == ("found", "search", 0)
    assert run.facts["name"].startswith("penalty.r1.gamma=")
    assert main([*command, "--trials", "4"]) == 0
    assert "found: 3 finished, 1 pruned" in capfd.readouterr().out
    assert sorted(p.name for p in (here / "found").glob("[0-9]*")) == ["0", "1", "2", "3"]
    assert main([*command, "seed=5"]) == 1
    assert "found was begun as another search: fixed:" in capfd.readouterr().err
    assert main([*(word if word != "found" else "found/2" for word in command), "--trials", "4"]) == 1
    assert "found/2 is the folder of a run; choose another --out" in capfd.readouterr().err
    assert not (here / "found/2/search.yaml").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_curves", "here")
def test_a_trial_that_its_monitor_ends_is_pruned(capfd: pytest.CaptureFixture[str]) -> None:
    """D does not learn, and two evaluations are enough to be sure."""
    frozen = ["monitor.on_unhealthy=stop", "monitor.patience=1", "monitor.least=1", "monitor.confirm=1", "monitor.warm_up=0"]
    frozen += ["monitor.updates=0"]
    frozen += ["optimizer.G.lr=1e-12", "monitor.rules.stalled.drift=1", "monitor.rules.stalled.coverage=1", "kimg=0.128"]
    command = ["search", "r1_gamma", *SMALL, *frozen, "logger=none", "--out", "found", "--trials", "2"]
    assert main(command) == 1  # no trial reached its length
    out = capfd.readouterr().out
    assert "trial 0 pruned" in out
    assert "finished" not in out.replace("0 finished", "")
    assert read_status(Path("found/0"))["state"] == "pruned"


@pytest.mark.parametrize("damage", ["deleted", "emptied", "older"])
def test_trials_without_their_study_are_refused(damage: str, tmp_path: Path) -> None:
    """New ones would take their numbers, find their folders taken, and fail one after the other."""
    first = study(tmp_path)
    log = tmp_path / "study.log"
    for value in (1.0, 2.0):
        older = log.read_bytes()
        begun = first.begin_trial()
        assert begun is not None
        with begun[2]:
            (tmp_path / str(begun[0].number) / "config.yaml").touch()
            first.study.tell(begun[0], value)
    study(tmp_path).refuse_unknown_trials()
    log.unlink()
    if damage != "deleted":
        log.write_bytes(b"" if damage == "emptied" else older)
    which = "1" if damage == "older" else "0 to 1"
    with pytest.raises(
        UserError, match=rf"holds trials \({which}\) that its study.log does not know.*put study.log back"
    ):
        study(tmp_path).run()
    assert sorted(path.name for path in tmp_path.glob("[0-9]*")) == ["0", "1"]


def test_a_file_in_the_place_of_a_trial_is_named(tmp_path: Path) -> None:
    (tmp_path / "0").touch()
    with pytest.raises(UserError, match="0 is a file where a trial needs its folder; move it away"):
        study(tmp_path).run()


@pytest.mark.parametrize("content", ["", "a: [", "\0"])
def test_settings_that_cannot_be_read_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(content)
    with pytest.raises(UserError, match=r"search.yaml holds no settings of a search; put it back"):
        check_same_settings(Plan(SPACE, SMALL, tmp_path, 3, "none", seed=0))


def test_a_trial_that_fails_is_counted_and_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """lecam's half of the space fits; label_smoothing under hinge does not."""
    (here / "mine.yaml").write_text("balance: [label_smoothing]\nseed: [1]\n")
    command = ["search", "mine.yaml", *SMALL, "loss=hinge", "logger=none", "--trials", "2", "--out", "f"]
    assert main(command) == 1
    out, err = capfd.readouterr()
    assert out.count("failed: balance=label_smoothing seed=1:") == 2
    assert "seesaw: f: 2 failed; none gave a distance" in err
    assert read_status(here / "f/1")["state"] == "failed"
    assert "Traceback" in (here / "f/1/log.txt").read_text()


def test_a_full_disk_ends_the_search_and_not_its_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all of them would fail within seconds, and none be left once there is room."""

    def full(*_: object) -> float:
        cause = OSError(errno.ENOSPC, "No space left on device")
        raise UserError("config.yaml cannot be written: the disk is full") from cause

    search = study(tmp_path)
    begun = search.begin_trial()
    assert begun is not None
    trial, drawn, lock = begun
    monkeypatch.setattr("seesaw.training.run.run", full)
    with lock, pytest.raises(UserError, match="the disk is full"):
        search.run_trial(trial, drawn)
    monkeypatch.undo()
    again = study(tmp_path).begin_trial()
    assert again is not None
    assert again[1] == drawn
    assert study(tmp_path).counted() == 1
    again[2].close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: there is no such space or file"),
        (
            ["r1_gamma", "penalty.r1.gamma=1"],
            "penalty.r1.gamma=1: the space r1_gamma varies penalty.r1.gamma; leave it out",
        ),
        (["r1_gamma", "--seed", "1", "run_dir=x"], "run_dir=x: a search decides that itself"),
        (["r1_gamma", "metrics=none"], "a search optimises a metric, and metrics=none measures none"),
        (["r1_gamma", "kimg=abc"], "kimg: 'abc' is not allowed"),
        (["r1_gamma", "penalty=none"], "penalty=none: the space r1_gamma has penalty=r1; leave it out"),
        (["r1_gamma", "dry_run=true"], "dry_run=true: a search decides that itself"),
        (["r1_gamma", "--trials", "0"], "--trials is 0; it must be at least 1"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_written(
    arguments: list[str], words: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *arguments]) == 1
    err = capfd.readouterr().err
    assert words in err
    assert err.startswith("seesaw: ")
    assert len(err.splitlines()) == 1
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on(tmp_path: Path) -> None:
    """SIGKILL while the third trial trains: the same command ends the search with five trials that count."""
    command = [sys.executable, "-c", "import sys; from seesaw.cli.main import main; sys.exit(main())"]
    command += ["search", "r1_gamma", *SMALL[:-3], "kimg=0.8", "evaluate_kimg=0.2", "metrics.n=64", "logger=none"]
    command += ["--trials", "5", "--out", "k"]
    env = os.environ | {"SEESAW_CACHE": str(tmp_path / "cache")}
    running = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 500
    while not (tmp_path / "k/2/metrics.csv").exists():
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert "trial 2 interrupted: killed or interrupted; tried again under another number" in done.stdout
    assert "1 killed and tried again" in done.stdout
    states = [read_status(tmp_path / "k" / str(n))["state"] for n in range(6)]
    assert states[2] == "interrupted"
    assert set(states[:2] + states[3:]) <= {"finished", "pruned"}
    assert not (tmp_path / "k/6").exists()

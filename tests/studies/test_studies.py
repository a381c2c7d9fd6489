"""The scripts of studies/ and benchmarks/: their runs compose and pass the checks; figures are read from run folders."""

import csv
import sys
from pathlib import Path
from typing import Any, TextIO

import balance_plots
import balance_study
import pytest
from loops.rows import ROWS

import studies
from seesaw.cli.train import main
from seesaw.training.preflight import compose_checked

ROOT = Path(__file__).parents[2]
TINY = [
    "seed=1", "kimg=0.064", "data.resolution=16", "model.G.width=4", "model.D.width=4", "batch_size=8", "metrics.n=100",
    "evaluate_kimg=0.032", "log_kimg=0.032", "trainer=cpu",
]  # fmt: skip
OLD_ROWS = [
    {"kimg": 1, "images": 1000, "updates/D": 10, "updates/G": 12, "rests/D": 2, "images_per_sec": 100},
    {"kimg": 2, "images": 2000, "updates/D": 13, "updates/G": 24, "rests/D": 9, "frechet_digits": 5.5},
]
"""metrics.csv of a run of version 0.1 (commit fe0cea8): two windows of 12 batches, in which D skipped 2 and 9."""


def write_old_run(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(
        '{"state": "finished", "kimg": 2.0, "protocol": "p", "best/frechet_digits": 5.5, "best/kimg": 2.0}'
    )
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*OLD_ROWS[0], "frechet_digits"])
        writer.writeheader()
        writer.writerows(OLD_ROWS)


def of_first_seed(runs: dict[str, list[str]]) -> list[list[str]]:
    return [overrides for overrides in runs.values() if not set(overrides) & {"seed=2", "seed=3", "seed=4", "seed=5"}]


def test_every_run_of_the_studies_composes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("emoji64", "emoji_small", "fonts", "photos/train"):  # of the studies of emoji, letters, photographs
        Path("cache", folder).mkdir(parents=True)
    distinct = {tuple(overrides): None for runs in studies.STUDIES.values() for overrides in of_first_seed(runs)}
    for overrides in distinct:
        compose_checked(list(overrides))


def test_the_table_of_medians_has_a_row_for_each_name_without_its_seed() -> None:
    last = [{"valid_digits": v, "train/D/accuracy": 0.5} for v in (0.1, 0.5, 0.2)] + [{"recognised_digits": 0.9}]
    names = ["a seed=1", "a seed=2", "a seed=3", "b c seed=1"]
    assert studies.medians({name: {"last": row} for name, row in zip(names, last, strict=True)}) == [
        "| median over the seeds | recognised_digits | valid_digits |",
        "|---|---|---|",
        "| a | - | 0.2 |",
        "| b c | 0.9 | - |",
    ]


def test_every_strategy_task_and_loss_of_the_balance_study_composes() -> None:
    cells = balance_study.cells(seeds=1)
    usual = {"task": "digits", "loss": "non_saturating", "strategy": "none"}
    near = [cell for cell in cells if sum(cell[key] != value for key, value in usual.items()) <= 1]
    assert {cell["strategy"] for cell in near} == set(balance_study.strategies(1))
    for cell in near:
        compose_checked(balance_study.overrides_of(cell))


@pytest.mark.parametrize("name", ROWS)
def test_the_benchmarks_rows_have_the_batch_and_shape_of_their_plain_loops(name: str) -> None:
    config = compose_checked(ROWS[name].overrides)
    data = config["data"]
    assert config["batch_size"] == ROWS[name].batch
    assert (data["channels"], data["resolution"], data["resolution"]) == ROWS[name].shape


def timed_here(command: list[str], log: TextIO) -> tuple[int, float]:
    """In the place of `studies.timed`: the same command without another process, which needs 5 s for its imports."""
    assert command[:2] == [sys.executable, str(ROOT / "train.py")]
    return main(command[2:]), 2.5


def test_a_command_has_an_exit_code_and_cpu_seconds(tmp_path: Path) -> None:
    program = "import os; print(os.environ['OMP_NUM_THREADS']); sum(range(20_000_000)); raise SystemExit(3)"
    with open(tmp_path / "log.txt", "w", encoding="utf-8") as log:
        code, seconds = studies.timed([sys.executable, "-c", program], log)
    assert (code, (tmp_path / "log.txt").read_text(encoding="utf-8")) == (3, "1\n")
    assert seconds > 0.05


def test_a_study_trains_and_reads_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_curves: None) -> None:
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(studies, "timed", timed_here)
    studies.train("tiny", tmp_path, TINY)
    found = studies.figures(tmp_path, "tiny", TINY)
    assert found["kimg"] == 0.064
    assert list(found["curve"]) == ["0.032", "0.064"]
    assert found["last"]["train/updates/D"] == 8
    assert found["curve"]["0.064"] == pytest.approx(found["last"]["frechet_digits"])
    assert found["best"]["best/frechet_digits"] == pytest.approx(min(found["curve"].values()), rel=1e-5)
    assert found["images_per_sec"] > 0
    assert found["cpu_seconds"] == 2.5
    assert not [name for name in found["last"] if name.startswith(("train/loss", "train/lr", "images"))]


def test_a_failed_run_ends_the_study_and_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "timed", timed_here)
    with pytest.raises(SystemExit, match=r"tiny failed: see .*log\.txt"):
        studies.train("tiny", tmp_path, ["data=unknown"])


def test_a_finished_run_of_an_older_version_is_read_and_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "ROOT", tmp_path)
    monkeypatch.setattr(studies, "train", lambda *args: pytest.fail("it has finished"))
    write_old_run(tmp_path / "runs" / "studies" / "main_job" / "seed1")
    found: dict[str, Any] = studies.run("main_job", "seed=1", ["seed=1"])
    assert found["curve"] == {"2": 5.5}
    assert found["last"]["train/updates/D"] == 13
    assert found["last"]["balance/skipped/D"] == 9


def test_the_plots_read_runs_of_an_older_version(tmp_path: Path) -> None:
    write_old_run(tmp_path / "digits-non_saturating-skip_d-1")
    kimg, skipped = balance_plots.curve(tmp_path, "skip_d", "part balance/skipped/D")
    assert kimg == [1, 2]
    assert skipped == pytest.approx([2 / 12, 9 / 12])


def test_the_table_of_the_balance_study_is_the_one_in_the_docs() -> None:
    """The committed figures, read by today's script, give the committed page."""
    with open(ROOT / "studies" / "results" / "balance_study.csv") as file:
        lines = balance_plots.table(list(csv.DictReader(file)))
    page = (ROOT / "docs" / "balance.md").read_text()
    assert len(lines) == 2 + len(balance_study.strategies(1))
    assert all(line in page for line in lines)

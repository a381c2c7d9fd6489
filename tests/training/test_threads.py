"""The number of threads: what the system grants, what other programs leave, and the choice at the start of a run."""

import os
import time
from pathlib import Path

import pytest
import torch

from seesaw.training import threads
from seesaw.training.threads import Load, free_threads, granted_cores, most_threads, start_threads


@pytest.fixture(autouse=True)
def _restored_threads():  # type: ignore[no-untyped-def]
    before = torch.get_num_threads()
    most_threads.cache_clear()
    yield
    torch.set_num_threads(before)
    most_threads.cache_clear()


def group(tmp_path: Path, files: dict[str, str], own: str) -> tuple[Path, Path]:
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "own").write_text(own)
    return tmp_path / "cgroup", tmp_path / "own"


@pytest.mark.parametrize(("files", "own", "cores"), [
    ({"cpu.max": "max 100000"}, "0::/", 64),
    ({"cpu.max": "250000 100000"}, "0::/", 2.5),
    ({"cpu.max": "max 100000", "a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b", 4),
    ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "800000 100000"}, "0::/a/b", 4),
    ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "3:cpu,cpuacct:/x\n1:name=systemd:/", 1.5),
    ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "3:cpu,cpuacct:/", 64),
    ({"cpu.max": "odd"}, "0::/", 64),
    ({}, "0::/", 64),
])  # fmt: skip
def test_quota_of_the_control_group_bounds_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], own: str, cores: float
) -> None:
    monkeypatch.setattr(threads, "usable_cpus", lambda: set(range(64)))
    assert granted_cores(*group(tmp_path, files, own)) == cores


def test_affinity_bounds_the_cores() -> None:
    assert granted_cores(Path("absent"), Path("absent")) == len(os.sched_getaffinity(0))


def stat(tmp_path: Path, *cores: tuple[int, int]) -> Path:
    """The kernel's file, of (busy, idle) clock ticks for each core."""
    rows = [f"cpu{n} {busy} 0 0 {idle} 0 0 0 0 0 0" for n, (busy, idle) in enumerate(cores)]
    path = tmp_path / "stat"
    path.write_text("\n".join(["cpu  1 2 3 4 5 6 7 8 9 10", *rows, "intr 1 2"]))
    return path


def test_other_programs_are_what_is_busy_beside_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cpus", lambda: {0, 2})
    now, own, tick = [10.0], [3.0], os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "process_time", lambda: own[0])
    load = Load(stat(tmp_path, (0, 0), (0, 0), (0, 0)))
    now[0], own[0] = 12.0, 4.0  # two seconds, in which this process has worked for one
    stat(tmp_path, (2 * tick, 0), (2 * tick, 0), (tick, tick))  # core 1 is not in the mask
    assert load.others() == pytest.approx((2 + 1 - 1) / 2)
    now[0] = 13.0
    assert load.others() == 0


def test_without_the_kernels_file_nothing_else_runs(tmp_path: Path) -> None:
    load = Load(tmp_path / "absent")
    time.sleep(0.01)
    assert load.others() == 0


@pytest.mark.parametrize(("others", "free"), [(0.0, 8), (0.4, 8), (1.1, 7), (7.2, 1), (20.0, 1)])
def test_free_threads_leave_other_programs_their_cores(
    monkeypatch: pytest.MonkeyPatch, others: float, free: int
) -> None:
    monkeypatch.setattr(threads, "usable_cpus", lambda: set(range(8)))
    monkeypatch.setattr(threads, "granted_cores", lambda: 8.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert free_threads(others) == free


def test_auto_takes_the_free_cores_and_prints_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threads, "usable_cpus", lambda: set(range(4)))
    monkeypatch.setattr(threads, "granted_cores", lambda: 4.0)
    monkeypatch.setattr(Load, "others", lambda self: 1.2)
    torch.set_num_threads(4)
    assert start_threads("auto", exact=False) == torch.get_num_threads() == 3
    assert capsys.readouterr().out == "threads: 3 (4 cores, 1.2 used by other programs)\n"


def test_exact_runs_and_data_parallel_ones_do_not_depend_on_the_load(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threads, "granted_cores", lambda: 4.0)
    monkeypatch.setattr(Load, "others", lambda self: 3.0)
    torch.set_num_threads(4)
    assert start_threads("auto", exact=True) == 4
    assert start_threads("auto", exact=False, processes=2) == torch.get_num_threads() == 2
    assert start_threads("auto", exact=False, processes=9) == 1
    assert capsys.readouterr().out == ""


def test_a_number_is_taken() -> None:
    assert start_threads(3, exact=False) == torch.get_num_threads() == 3

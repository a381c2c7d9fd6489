"""Several processes train as one does: the same weights, the same decisions, the same bits on every rank."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import BATCH, play, statistics
from torch.testing import assert_close

EXACT = ("plain", "lazy", "micro", "shared", "scales", "growing", "gated", "labels", "together")
"""Without BatchNorm, minibatch statistics or draws inside a phase: two processes are one."""
COUPLED = (
    "noisy:32-true",
    "style:32-true",
    "labelled:32-true",
    "augmented:32-true",
    "ada:32-true",
    "lecam:32-true",
    "topk:32-true",
)


def trained(folder: Path, *cases: str, processes: int = 2) -> dict[str, list[dict[str, Any]]]:
    """What each of the processes has after 8 batches of each case."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    common = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    command = [sys.executable, str(Path(__file__).parents[1] / "support" / "ranks.py"), str(folder), *cases]
    running = subprocess.Popen(
        command, env=common | {"OMP_NUM_THREADS": "1"}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = running.communicate(timeout=240)
    assert running.returncode == 0, out[-3000:]
    names = [case.partition(":")[0] for case in cases]
    return {
        name: [torch.load(folder / f"{name}-{rank}.pt", weights_only=False) for rank in range(processes)]
        for name in names
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    folder = tmp_path_factory.mktemp("ranks")
    play("gated", batches=4, save=folder / "alone.ckpt")
    return folder, trained(folder, *EXACT, "resumed", *COUPLED, "statistics")


@pytest.mark.parametrize("case", EXACT)
def test_two_processes_train_as_one(case: str, both: Any) -> None:
    alone, (first, other) = play(case), both[1][case]
    assert alone["state"].keys() == first["state"].keys()
    for name, value in alone["state"].items():
        assert_close(first["state"][name], value, rtol=0, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}")
    assert first["decisions"] == other["decisions"] == alone["decisions"]
    moved = alone["state"]["G.start.weight"] - play(case, batches=0)["state"]["G.start.weight"]
    assert moved.abs().max() > 1e-3  # it did train
    for (at, values), (at_alone, values_alone) in zip(first["reports"], alone["reports"], strict=True):
        assert at == at_alone
        assert values == pytest.approx(values_alone, rel=1e-5, abs=1e-6)


def test_two_processes_go_on_where_one_stopped(both: Any) -> None:
    alone, (first, other) = play("gated"), both[1]["resumed"]
    for name, value in alone["state"].items():
        assert_close(first["state"][name], value, rtol=0, atol=1e-9)
        assert torch.equal(first["state"][name], other["state"][name]), name
    assert first["decisions"] == alone["decisions"][4:]


def test_one_process_goes_on_where_two_stopped(both: Any) -> None:
    """In the middle of a window of statistics, too: a window has three batches."""
    folder, _ = both
    end = play("lazy", batches=11)
    gone_on = play("lazy", batches=11, ckpt=folder / "lazy.ckpt", start=8 * BATCH)
    for name, value in end["state"].items():
        assert_close(gone_on["state"][name], value, rtol=0, atol=1e-9)
    for (at, values), (at_end, values_end) in zip(
        gone_on["reports"], end["reports"][-len(gone_on["reports"]) :], strict=True
    ):
        assert at == at_end
        assert values == pytest.approx(values_end, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("case", [case.partition(":")[0] for case in (*EXACT, "resumed", *COUPLED)])
def test_ranks_are_bit_equal(case: str, both: Any) -> None:
    """Parameters and, since a checkpoint was saved, buffers; and all that gates read."""
    first, other = both[1][case]
    for name, value in first["state"].items():
        assert torch.equal(value, other["state"][name]), name
    assert first["decisions"] == other["decisions"]
    assert first["reports"] == other["reports"]


def test_processes_share_the_statistics_of_the_reals(both: Any, tmp_path: Path) -> None:
    """To the bit what a process alone has, on the first one, which alone keeps them; each has seen its part of the images."""
    first, other = both[1]["statistics"]
    alone = statistics(tmp_path)
    assert alone["seen"] == [250, 250]
    assert (first["seen"], other["seen"]) == ([128, 128], [122, 122])  # eight batches of 32, the last one of 26
    assert other["reference"] is None
    assert not (both[0] / "cache-1").exists()
    found = first["reference"]
    for name in ("mean", "cov", "features"):
        assert torch.equal(found[name], alone["reference"][name]), name
    assert_close(found["factor"] @ found["factor"].T, found["cov"], rtol=1e-10, atol=1e-12)

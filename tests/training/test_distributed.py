"""Shares of the batch, votes, what processes collect, and the words of one that ends; alone, without a second process."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import lightning_fabric.utilities.rank_zero
import lightning_utilities.core.rank_zero
import pytest
import torch
from torch import nn

from seesaw.data.sources.digits import Digits
from seesaw.errors import UserError
from seesaw.functional.ranks import average_, average_buffers_, collected, in_turn
from seesaw.gan.growth import Growing
from seesaw.training.build import check_shares
from seesaw.training.callbacks.stop import LateMaximum
from seesaw.training.distributed import RankInfo, rank_info
from seesaw.training.launcher import LAUNCH_INFO, Launcher, inherited_folder, lost_connection, report_child_error


def data(batch_size: int, growth: Growing | None = None) -> Digits:
    """A data module of this batch size, not read."""
    return Digits(resolution=8, channels=1, batch_size=batch_size, growth=growth)


def test_a_batch_that_the_devices_do_not_divide_is_refused() -> None:
    check_shares(data(16), 2, kimg=1.0)
    check_shares(data(15), 1, kimg=1.0)
    with pytest.raises(UserError, match="15 do not divide by 2 devices; give such as 14 or 16"):
        check_shares(data(15), 2, kimg=1.0)
    with pytest.raises(UserError, match="3 do not divide by 4 devices; give such as 4,"):
        check_shares(data(3), 4, kimg=1.0)


def test_a_growing_batch_is_looked_at_up_to_the_end_of_the_run() -> None:
    grows = Growing(fade=16, stabilise=160, resolution=8, batch_sizes={4: 16, 8: 6})
    check_shares(data(16, grows), 4, kimg=0.16)
    with pytest.raises(UserError, match="6 do not divide by 4 devices; give such as 4 or 8"):
        check_shares(data(16, grows), 4, kimg=0.176)


def test_place_reads_what_the_trainer_will_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rank_info({"accelerator": "cpu", "devices": 1}) == RankInfo(0, 1)
    assert rank_info({"accelerator": "cpu", "devices": 2, "_partial_": True}) == RankInfo(0, 2)
    with pytest.raises(UserError, match="devices=0 cannot be had here"):
        rank_info({"accelerator": "cpu", "devices": 0})
    monkeypatch.setenv("NODE_RANK", "1")  # the first process of the second host
    for once in (lightning_fabric.utilities.rank_zero, lightning_utilities.core.rank_zero):
        monkeypatch.setattr(
            once.rank_zero_only, "rank", 0
        )  # Lightning sets it for the process: later tests are rank 0 again
    assert rank_info({"accelerator": "cpu", "devices": 2, "num_nodes": 2}) == RankInfo(2, 4)


@pytest.mark.parametrize(("n", "chunk", "processes"), [(10, 3, 2), (10, 3, 8), (6, 6, 2), (1797, 256, 3)])
def test_chunks_fall_to_all_in_turn(n: int, chunk: int, processes: int) -> None:
    shares = [in_turn(n, chunk, rank, processes) for rank in range(processes)]
    assert sum(map(sum, shares)) == n
    assert max(map(sum, shares)) - min(map(sum, shares)) <= chunk
    assert in_turn(n, chunk, 0, 1) == [len(part) for part in torch.arange(n).split(chunk)]


def test_a_single_process_exchanges_nothing() -> None:
    tensor, norm = torch.rand(3), nn.BatchNorm2d(2)
    before = tensor.clone()
    average_([tensor])
    average_buffers_(norm)
    assert torch.equal(tensor, before)
    assert collected(tensor, 3, 2) is tensor
    assert LateMaximum().update(15) == 15


def launcher(program: str, tmp_path: Path) -> Launcher:
    """One that has started a process with this program beside it."""
    import subprocess

    one = Launcher(SimpleNamespace(), 2, 1, [], {}, lambda reason: None)
    one.error_folder = tmp_path
    one.procs.append(subprocess.Popen([sys.executable, "-c", program]))
    return one


def test_a_killed_process_is_named() -> None:
    one = launcher("import time; time.sleep(60)", Path("nowhere"))
    assert one._lost(0) is None
    os.kill(one.procs[0].pid, signal.SIGKILL)
    sentence = f"rank 1 (process {one.procs[0].pid}) was killed by SIGKILL, so the run ends; go on from its last checkpoint by "
    assert one._lost(20) == sentence + "resume=auto"


def test_the_error_of_a_process_reaches_the_first_one(tmp_path: Path) -> None:
    one = launcher("import sys; sys.exit(1)", tmp_path)
    (tmp_path / "1").write_text("the disk is full")
    assert one._lost(20) == "rank 1: the disk is full"


@pytest.mark.parametrize("code", [0, 129, 130, 143])
def test_an_end_in_good_order_is_no_loss(code: int, tmp_path: Path) -> None:
    one = launcher(f"import sys; sys.exit({code})", tmp_path)
    assert one.procs[0].wait(20) == code
    assert one._lost(0) is None


def test_a_started_process_reports_its_error_to_the_first_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = {"folder": "runs/x", "checkpoint": None, "parent": os.getppid(), "error_file": str(tmp_path / "1")}
    assert inherited_folder() is None
    monkeypatch.setenv(LAUNCH_INFO, json.dumps(info))
    folder = inherited_folder()
    assert folder is not None
    assert (folder.path, folder.checkpoint) == (Path("runs/x"), None)
    monkeypatch.setattr(threading.Thread, "start", lambda self: None)  # it would watch over this test's parent
    with pytest.raises(SystemExit) as end, report_child_error():
        raise UserError("the disk is full")
    assert end.value.code == 1
    assert (tmp_path / "1").read_text() == "the disk is full"
    assert capsys.readouterr() == ("", "")


def test_what_is_a_lost_connection() -> None:
    assert lost_connection(RuntimeError("[enforce fail at gloo/transport/tcp/pair.cc:534] Connection closed by peer"))
    assert lost_connection(torch.distributed.DistNetworkError("recv failed"))
    assert not lost_connection(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not lost_connection(ValueError("connection"))

import os
import signal
import sys

import pytest
import torch

from seesaw.errors import Notice
from seesaw.training.loggers.build import build_loggers
from seesaw.training.loggers.csv_log import CSVLog, read_metrics
from seesaw.training.loggers.tracker import RunInfo, check_picture


@pytest.fixture
def log(tmp_path):
    return CSVLog(RunInfo(tmp_path, "run"))


def test_columns_come_later_and_cells_stay_empty(log):
    log.log_metrics({"train/loss/D": 1.5}, 1000)
    log.log_metrics({"train/loss/D": 1.25, "eval/fid": 30.0}, 2064)
    log.log_metrics({"train/loss/G": 0.1}, 3000)
    assert log.path.read_text().splitlines() == [
        "kimg,images,train/loss/D,eval/fid,train/loss/G",
        "1,1000,1.5,,",
        "2.064,2064,1.25,30,",
        "3,3000,,,0.1",
    ]
    assert read_metrics(log.path)[1] == {"kimg": 2.064, "images": 2064, "train/loss/D": 1.25, "eval/fid": 30.0}


def test_same_step_completes_the_last_row(log):
    log.log_metrics({"a": 1.0, "b": 2.123456}, 10)
    log.log_metrics({"a": 2.0, "b": 3.123456}, 20)
    log.log_metrics({"b": 4.0}, 20)  # a shorter line than before: nothing of the old one may stay
    log.log_metrics({"a": 5.0}, 30)
    assert [(r["images"], r.get("a"), r.get("b")) for r in read_metrics(log.path)] == [
        (10, 1.0, 2.123456), (20, 2.0, 4.0), (30, 5.0, None),
    ]  # fmt: skip


def test_late_row_goes_to_its_place(log):
    for value, step in enumerate((10, 30, 20, 10, 40)):
        log.log_metrics({"a": value}, step)
    assert [(r["images"], r["a"]) for r in read_metrics(log.path)] == [(10, 3), (20, 2), (30, 1), (40, 4)]


def test_not_finite_is_not_empty(log):
    log.log_metrics({"a": float("nan"), "b": float("inf"), "c": 0.1}, 1)
    (row,) = read_metrics(log.path)
    assert row["a"] != row["a"]
    assert row["b"] == float("inf")


def test_cut_drops_what_lies_past_the_checkpoint(tmp_path):
    first = CSVLog(RunInfo(tmp_path, "run"))
    for step in (10, 20, 30, 40):
        first.log_metrics({"a": step / 7}, step)
    with open(first.path, "a") as file:
        file.write("0.05,50,1.2")  # torn by the kill
    again = CSVLog(RunInfo(tmp_path, "run", resume=True))
    again.cut(20)
    again.log_metrics({"b": 1.0}, 20)
    again.log_metrics({"a": 2.0}, 30)
    rows = read_metrics(again.path)
    assert [r["images"] for r in rows] == [10, 20, 30]
    assert rows[1] == {"kimg": 0.02, "images": 20, "a": pytest.approx(20 / 7, rel=1e-6), "b": 1.0}


def test_resume_without_cut_repairs_a_torn_line_and_a_new_run_starts_anew(tmp_path):
    CSVLog(RunInfo(tmp_path, "run")).log_metrics({"a": 1.0}, 10)
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text() + "0.02,2")
    assert [r["images"] for r in read_metrics(path)] == [10]
    CSVLog(RunInfo(tmp_path, "run", resume=True)).log_metrics({"a": 2.0}, 20)
    assert [r["images"] for r in read_metrics(path)] == [10, 20]
    CSVLog(RunInfo(tmp_path, "run")).log_metrics({"z": 1.0}, 5)
    assert read_metrics(path) == [{"kimg": 0.005, "images": 5, "z": 1.0}]


@pytest.mark.parametrize("torn", ["0.02", "0.02,20,1", "0.02,20,1.5,", "5\n", "0.02,2\n"])
def test_a_torn_last_line_is_left_out(log, torn):
    log.log_metrics({"a": 1.0, "b": 2.0}, 10)
    log.path.write_text(log.path.read_text() + torn)
    assert [r["images"] for r in read_metrics(log.path)] == [10]
    log.path.write_text("kimg,images,a\n0.01,10,1\n0.02,20,1")  # whole by its columns, cut within its value
    assert [r["images"] for r in read_metrics(log.path)] == [10]


@pytest.mark.parametrize("damaged", ["0.02,20", "0.02,20,1,1", "0.02,twenty,1", "\0\0\0", ",20,1", "0.02,,1"])
def test_rows_before_a_damaged_line_are_kept_with_a_notice(log, damaged):
    log.path.write_text(f"kimg,images,a\n0.01,10,5\n{damaged}\n0.03,30,1\n")
    with pytest.warns(Notice, match=r"metrics.csv: line 3 is damaged; it and the 1 after it are left out"):
        assert read_metrics(log.path) == [{"kimg": 0.01, "images": 10, "a": 5}]


def test_a_resume_goes_on_after_the_last_whole_row(tmp_path):
    (tmp_path / "metrics.csv").write_text("kimg,images,a\n0.01,10,5\n0.02,20\n0.03,30,1\n")
    log = CSVLog(RunInfo(tmp_path, "run", resume=True))
    with pytest.warns(Notice, match="is damaged"):
        log.cut(30)
    log.log_metrics({"a": 7.0}, 40)
    assert [(row["images"], row["a"]) for row in read_metrics(log.path)] == [(10, 5), (40, 7)]


def test_rows_survive_sigkill(tmp_path):
    child = os.fork()  # a process of its own without the seconds of its imports
    if child == 0:
        log = CSVLog(RunInfo(tmp_path, "run"))
        for i in range(1, 51):
            log.log_metrics({"a": i / 3}, i)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [r["images"] for r in read_metrics(tmp_path / "metrics.csv")] == list(range(1, 51))


def test_step_is_needed(log):
    with pytest.raises(ValueError, match="images shown"):
        log.log_metrics({"a": 1.0})


def test_every_run_has_the_table(tmp_path):
    node = {"_target_": "seesaw.training.loggers.tensorboard_log.TensorBoardLog", "_partial_": True}
    assert [type(t).__name__ for t in build_loggers({}, RunInfo(tmp_path, "run"))] == ["CSVLog"]
    both = build_loggers({"tensorboard": node}, RunInfo(tmp_path, "run", {"seed": 1}))
    assert [type(getattr(t, "inner", t)).__name__ for t in both] == ["CSVLog", "TensorBoardLog"]
    for tracker in both:
        tracker.log_metrics({"train/loss/D": 1.5}, 2000)
        tracker.log_picture("samples/ema", torch.zeros(1, 4, 4, dtype=torch.uint8), 2000)
        tracker.log_text("monitor", "collapsed since 2 kimg: it was planted", 2000, alert=True)
        tracker.summarise({"best/fid": 3.0})
        tracker.finish(0)
        tracker.finish(0)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss/D")] == [(2000, 1.5)]
    (text,) = events.Tensors("monitor/text_summary")
    assert (text.step, text.tensor_proto.string_val) == (2000, [b"collapsed since 2 kimg: it was planted"])


def test_missing_tensorboard_is_a_sentence(tmp_path, monkeypatch):
    from seesaw.errors import UserError
    from seesaw.training.loggers.tensorboard_log import TensorBoardLog

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install 'seesaw-gan\[tensorboard\]'"):
        TensorBoardLog(RunInfo(tmp_path, "run"))


def test_float_pictures_are_refused():
    with pytest.raises(ValueError, match="allowed is torch"):
        check_picture(torch.rand(3, 4, 4))

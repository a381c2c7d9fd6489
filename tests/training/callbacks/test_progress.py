import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
import time

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seesaw.experiment import Experiment
from seesaw.training.callbacks.progress import KimgBar


class Counting(Experiment):
    """Shows images and does nothing else."""

    def __init__(self, batch, shown=0):
        super().__init__()
        self.batch, self.images_shown = batch, shown
        self.latest_metrics = {"train/loss/D": 0.6123, "train/loss/D_reg16": 9.9, "train/loss/G": 1.84}
        self.latest_metrics |= {f"eval/{name}": k + 0.2 for k, name in enumerate(("a", "b_raw", "b", "modes_digits"))}

    def training_step(self, batch, index):
        self.images_shown += self.batch

    def configure_optimizers(self):
        return []


def fit(module, *callbacks, steps):
    trainer = pl.Trainer(max_steps=-1, max_epochs=1, logger=False, callbacks=list(callbacks), accelerator="cpu",
                         enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False)  # fmt: skip
    trainer.fit(module, DataLoader(torch.zeros(steps, 1)))


def test_plain_lines_without_a_terminal(capsys):
    fit(Counting(500), KimgBar(20_000, "dcgan digits", "b"), steps=40)
    out = capsys.readouterr().out
    assert "\r" not in out
    assert "\x1b" not in out
    lines = [line for line in out.splitlines() if line.startswith("dcgan")]
    assert [re.match(r"dcgan digits  ([\d.]+)/20 kimg", line)[1] for line in lines] == [
        "2", "4", "6", "8", "10", "12", "14", "16", "18", "20",
    ]  # fmt: skip
    assert re.search(r"  [\d,]+ img/s  D 0.612  G 1.84  b 2.2  00:00 left$", lines[-1])


@pytest.mark.parametrize(("primary", "shown"), [("modes_digits", "  modes_digits 3.2"), ("c", ""), ("", "")])
def test_the_primary_metric_is_shown_whatever_its_name(capsys, primary, shown):
    """`c` has not been measured yet; without metrics there is no primary one."""
    fit(Counting(500), KimgBar(2000, "x", primary), steps=4)
    assert re.search(rf" img/s  D 0.612  G 1.84{shown}  00:00 left$", capsys.readouterr().out, re.MULTILINE)


def test_the_speed_is_that_of_the_last_window_where_there_is_one(capsys):
    module = Counting(500)
    module.latest_metrics["train/images_per_sec"] = 1234.5
    fit(module, KimgBar(2000, "x"), steps=4)
    assert "  2/2 kimg  1,234 img/s  " in capsys.readouterr().out


def test_a_model_that_draws_one_image_counts_iterations(capsys):
    class Draws(Counting):
        unit = "iterations"

    fit(Draws(1), KimgBar(40, "x"), steps=40)
    assert re.search(r"^x  40/40 iterations  [\d.e+]+/s  ", capsys.readouterr().out, re.MULTILINE)


def test_a_resumed_run_starts_where_it_stands(capsys):
    fit(Counting(1000, shown=12_000), KimgBar(20_000, "x"), steps=3)
    kimg = [
        re.match(r"x  ([\d.]+)/20", line)[1] for line in capsys.readouterr().out.splitlines() if line.startswith("x")
    ]
    assert kimg == ["14"]


def test_speed_counts_only_what_this_process_showed(capsys):
    class Slow(Counting):
        def training_step(self, batch, index):
            super().training_step(batch, index)
            time.sleep(0.05)

    fit(Slow(100, shown=10_000), KimgBar(12_000, "x"), steps=20)
    line = [line for line in capsys.readouterr().out.splitlines() if line.startswith("x")][-1]
    assert 1000 < float(re.search(r"([\d,]+) img/s", line)[1].replace(",", "")) < 2400


def test_terminal_is_redrawn_at_most_twice_a_second(monkeypatch):
    class Terminal:
        drawn = ""
        encoding = "utf-8"

        def write(self, text):
            self.drawn += text

        def flush(self):
            pass

        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    fit(Counting(100), KimgBar(100_000, "dcgan digits"), steps=1000)
    draws = re.findall(r"dcgan digits", terminal.drawn)
    assert 2 <= len(draws) <= 12  # 1000 batches, far under five seconds
    assert re.search(r"\[#{16}\]", terminal.drawn)
    assert "100/100 kimg" in terminal.drawn


def test_the_bar_closes_when_training_breaks(capsys):
    class Breaks(Counting):
        def training_step(self, batch, index):
            raise RuntimeError("broken")

    bar = KimgBar(1000, "x")
    with pytest.raises(RuntimeError, match="broken"):
        fit(Breaks(1), bar, steps=1)
    assert bar._bar is None


def lines_of_terminal(monkeypatch, columns, module, bar, steps):
    """The lines that a terminal of so many columns gets, each redrawn one for itself."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal)
        fit(module, bar, steps=steps)
        print("the end", file=terminal, flush=True)
        written = b""
        while b"the end" not in written:  # what was written may arrive a little later
            written += os.read(ours, 4096)
    os.close(ours)
    return [line for line in re.split(r"[\r\n]+", written.decode()) if line.strip()][:-1]


def test_a_terminal_of_80_columns_shows_the_distance_and_the_time_left(monkeypatch):
    module = Counting(100)
    module.latest_metrics |= {"eval/frechet_digits": 3.2134, "train/images_per_sec": 1840.0}
    lines = lines_of_terminal(monkeypatch, 80, module, KimgBar(250_000, "dcgan_small digits", "frechet_digits"), 20)
    pattern = r"(0|[\d.]+)/250 kimg  (\[[.#]+\]  )?1,840 img/s  D 0.612  G 1.84  frechet_digits 3.21  [\d:?]+ left *"
    assert re.fullmatch(pattern, lines[-1])
    assert max(len(line) for line in lines) < 80


def test_passes_over_the_set_stand_beside_the_progress(monkeypatch, capsys):
    """At 80 columns too, before the speed, which the time left implies; not where no set is passed over."""
    module = Counting(100)
    module.latest_metrics |= {"eval/frechet_digits": 3.2134, "train/images_per_sec": 1840.0}
    bar = KimgBar(250_000, "dcgan_small digits", "frechet_digits", set_size=200)
    lines = lines_of_terminal(monkeypatch, 80, module, bar, 20)
    line = r"2/250 kimg  10 passes  (\[[.#]+\]  )?D 0.612  G 1.84  frechet_digits 3.21  [\d:?]+ left *"
    assert re.fullmatch(line, lines[-1])
    assert max(len(line) for line in lines) < 80
    capsys.readouterr()
    fit(Counting(100), KimgBar(2000, "x", set_size=800), steps=20)
    assert "x  2/2 kimg  2.5 passes  " in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (0, r"dcgan digits  1/1 kimg  \[#{16}\]  5 img/s  D 0.612  G 1.84  b 2.2  00:00 left"),  # an unknown width
        (200, r"dcgan digits  1/1 kimg  \[#{16}\]  5 img/s  D 0.612  G 1.84  b 2.2  00:00 left"),
        (76, r"dcgan digits  1/1 kimg  \[#{4}\]  5 img/s  D 0.612  G 1.84  b 2.2  00:00 left"),
        (66, r"1/1 kimg  \[#{8}\]  5 img/s  D 0.612  G 1.84  b 2.2  00:00 left"),
        (46, r"1/1 kimg  D 0.612  G 1.84  b 2.2  00:00 left"),
        (37, r"1/1 kimg  5 img/s  b 2.2  00:00 left"),
        (36, r"1/1 kimg  \[#{4}\]  b 2.2  00:00 left"),
        (28, r"1/1 kimg  b 2.2  00:00 left"),
        (22, r"1/1 kimg  00:00 left"),
        (5, r"1/1 "),
    ],
)
def test_a_narrow_terminal_leaves_out_what_matters_least(monkeypatch, columns, expected):
    module = Counting(100)
    module.latest_metrics["train/images_per_sec"] = 5.0
    lines = lines_of_terminal(monkeypatch, columns, module, KimgBar(1000, "dcgan digits", "b"), 10)
    assert re.fullmatch(expected, lines[-1].rstrip(" ") if columns != 5 else lines[-1])


def test_the_time_left_is_of_running_time(capsys):
    """After Ctrl-Z and fg a process gets SIGCONT. Here it sleeps instead of being stopped, which its clock cannot tell apart."""

    class Stopped(Counting):
        left_out = 0.0

        def training_step(self, batch, index):
            super().training_step(batch, index)
            time.sleep(0.02)
            if index == 9:
                time.sleep(2.0)
                signal.raise_signal(signal.SIGCONT)

        def leave_out_time(self, seconds):
            self.left_out += seconds

    module, before = Stopped(100), signal.getsignal(signal.SIGCONT)
    fit(module, KimgBar(100_000, "x"), steps=20)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("x")]
    assert lines == []  # the tenth of the way is not reached
    assert 2.0 <= module.left_out < 10.0  # and at most one batch more, on a busy machine too
    assert signal.getsignal(signal.SIGCONT) == before


def test_a_stop_changes_neither_the_speed_nor_the_time_left(capsys):
    class Stopped(Counting):
        def training_step(self, batch, index):
            super().training_step(batch, index)
            time.sleep(0.02)
            if index == 5:
                time.sleep(2.0)
                signal.raise_signal(signal.SIGCONT)

    fit(Stopped(1000), KimgBar(100_000, "x"), steps=10)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("x")]
    assert re.match(r"x  10/100 kimg  [\d,]+ img/s", line)
    assert int(re.search(r"([\d,]+) img/s", line)[1].replace(",", "")) > 10_000  # with the stop it would be 4,500
    assert line.endswith(("00:01 left", "00:02 left", "00:03 left", "00:04 left"))  # with the stop 19 s

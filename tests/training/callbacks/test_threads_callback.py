"""The tuner of threads on simulated machines, by the batch times that were measured on two cores (docs/speed.md)."""

from collections.abc import Callable

import pytest

from seesaw.training.callbacks.threads import ThreadTuner

BATCH = 64
MEASURED = {0: {1: 550, 2: 920}, 1: {1: 580, 2: 195}, 2: {1: 305, 2: 175}}
"""Busy programs -> threads -> images per second of the default run (2 cores, AVX-512, 2026-11-26)."""


class Machine:
    """Time passes by batches; `busy` programs run beside them."""

    def __init__(self, busy: Callable[[float], int]) -> None:
        self.now, self.busy, self.threads, self.images = 0.0, busy, 0, 0
        self.changes: list[int] = []
        self.left_out_seconds = 0.0  # it stands for the module too

    def set_threads(self, threads: int) -> None:
        self.threads = threads
        self.changes.append(threads)

    def free(self) -> int:
        return max(1, 2 - self.busy(self.now))

    def train(self, tuner: ThreadTuner, seconds: float) -> float:
        """Images per second over that time."""
        begun, shown = self.now, self.images
        while self.now - begun < seconds:
            self.now += BATCH / MEASURED[self.busy(self.now)][self.threads]
            self.images += BATCH
            tuner.on_train_batch_end(None, self)  # type: ignore[arg-type]
        return (self.images - shown) / (self.now - begun)


def tuned(machine: Machine, threads: int) -> ThreadTuner:
    machine.set_threads(threads)
    return ThreadTuner(threads, lambda: machine.now, machine.set_threads, machine.free)


@pytest.mark.parametrize("busy", [0, 1, 2])
@pytest.mark.parametrize("start", [1, 2])
def test_speed_is_within_a_tenth_of_the_best_fixed_choice(busy: int, start: int) -> None:
    machine = Machine(lambda now: busy)
    tuner = tuned(machine, start)
    machine.train(tuner, 30)
    assert machine.train(tuner, 300) > 0.9 * max(MEASURED[busy].values())


def test_a_program_that_starts_and_ends_is_followed() -> None:
    machine = Machine(lambda now: int(200 < now < 500))
    tuner = tuned(machine, 2)
    assert machine.train(tuner, 195) > 0.95 * MEASURED[0][2]
    machine.train(tuner, 25)
    assert tuner.threads == machine.threads == 1
    assert machine.train(tuner, 270) > 0.9 * MEASURED[1][1]
    machine.train(tuner, 200)
    assert tuner.threads == machine.threads == 2


def test_a_trial_that_loses_is_short_and_rarer_each_time() -> None:
    machine = Machine(lambda now: 0)
    tuner = tuned(machine, 2)
    machine.train(tuner, 1000)
    assert machine.changes[0] == 2
    assert machine.changes[1:] == [1, 2] * (len(machine.changes) // 2)
    assert 4 <= len(machine.changes) // 2 <= 10


def test_a_run_that_ends_in_a_trial_leaves_the_present_number() -> None:
    machine = Machine(lambda now: 0)
    tuner = tuned(machine, 2)
    while tuner.trial is None:
        machine.train(tuner, 0.05)
    assert machine.threads == 1
    tuner.on_train_end(None, None)  # type: ignore[arg-type]
    assert machine.threads == 2


def test_a_change_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine(lambda now: 1)
    tuner = tuned(machine, 2)
    machine.train(tuner, 60)
    assert tuner.threads == 1
    assert "threads: 1 (328 ms a batch with 2, 110 with 1)" in capsys.readouterr().out


@pytest.mark.parametrize("in_a_trial", [False, True])
def test_a_batch_in_which_the_process_was_stopped_is_not_timed(in_a_trial: bool) -> None:
    """Ctrl-Z for an hour, then fg: the progress bar leaves the hour out, and so does the tuner, also in a trial that wins."""
    machine = Machine(lambda now: 0)
    tuner = tuned(machine, 1)
    while (tuner.trial is not None) is not in_a_trial or len(tuner.recent) < 8:
        machine.train(tuner, 0.05)
    before = list(tuner.recent), list(tuner.trial or [])
    machine.now += 3600
    machine.left_out_seconds += 3600
    tuner.on_train_batch_end(None, machine)  # type: ignore[arg-type]
    assert (list(tuner.recent), list(tuner.trial or [])) == before
    machine.train(tuner, 5)
    assert max(*tuner.recent, *(tuner.trial or [])) < 1
    if in_a_trial:
        assert tuner.threads == 2

"""Statistics: means by hand, lateness, state; and no read by the host in a step."""

import math

import pytest
import torch
from host_reads import counting, reads_in_training
from toys import TASKS, fit, task

from seesaw.shared.statistics import Statistics


def test_window_means_weigh_by_samples() -> None:
    statistics = Statistics()
    statistics.add({"loss/D": torch.tensor([1.0, 3.0]), "D/x": torch.tensor(0.5)}, 2)
    statistics.add({"loss/D": torch.tensor([5.0]), "D/x": torch.tensor(2.0)}, 1)
    statistics.end_batch(3, 3, send=False)
    statistics.add({"loss/G": torch.tensor([7.0] * 3)}, 3)
    statistics.end_batch(6, 3, send=False)
    statistics.end_window(6, {"lr/G": 0.1})
    assert statistics.read(6) == []  # sent just now: not before the next batch
    (report,) = statistics.read(9)
    assert report.kind == "window"
    assert report.images_shown == 6
    assert report.values == pytest.approx({"lr/G": 0.1, "loss/D": (1 + 3 + 5) / 3, "D/x": 1.0, "loss/G": 7.0})


def test_a_name_that_comes_with_others_another_time_is_one_mean() -> None:
    statistics = Statistics()
    statistics.add({"D/adversarial": torch.tensor(1.0), "D/r1": torch.tensor(0.5)}, 8)
    statistics.end_batch(8, 8, send=False)
    statistics.add({"D/adversarial": torch.tensor(4.0)}, 8)  # a skipped phase
    statistics.end_batch(16, 8, send=False)
    statistics.end_window(16, {})
    assert statistics.read(math.inf)[0].values == pytest.approx({"D/adversarial": 2.5, "D/r1": 0.5})


def test_batches_are_read_one_batch_late_and_in_order() -> None:
    statistics, seen = Statistics(), []
    for shown in (8, 16, 24):
        statistics.add({"D/x": torch.tensor(float(shown))}, 8)
        statistics.end_batch(shown, 8, send=True)
        seen.append([report.values["D/x"] for report in statistics.read(shown)])
    assert seen == [[], [8.0], [16.0]]
    assert [report.values["D/x"] for report in statistics.read(math.inf)] == [24.0]


def test_what_is_in_flight_is_saved() -> None:
    statistics, other = Statistics(), Statistics()
    statistics.add({"D/x": torch.tensor(2.0)}, 8)
    statistics.end_batch(8, 8, send=True)
    other.load_state_dict(statistics.state_dict())
    for s in (statistics, other):
        s.add({"D/x": torch.tensor(4.0)}, 8)
        s.end_batch(16, 8, send=True)
        s.end_window(16, {})
    assert statistics.read(math.inf) == other.read(math.inf)


def test_a_value_that_is_not_finite_shows_in_the_window() -> None:
    statistics = Statistics()
    for value in (1.0, math.inf, 2.0):
        statistics.add({"D/x": torch.tensor(value)}, 1)
        statistics.end_batch(1, 1, send=False)
    statistics.end_window(1, {})
    assert not math.isfinite(statistics.read(math.inf)[0].values["D/x"])


@pytest.mark.parametrize("name", TASKS)
def test_no_read_by_the_host_in_a_step(name: str) -> None:
    assert reads_in_training(task(name), lambda gan: fit(gan, 18)) == []


@pytest.mark.parametrize("read", ["item", "tolist", "numpy", "cpu", "bool", "float"])
def test_the_counter_sees_a_planted_read(read: str) -> None:
    """A read inside D's forward: by a method that dispatch does not see, or by a conversion that it does."""
    gan = task("plain")
    forward = gan.D.forward
    reads = {"bool": bool, "float": float}

    def planted(images: list[torch.Tensor], y: None = None) -> torch.Tensor:
        value = images[0].detach().mean()
        reads[read](value) if read in reads else getattr(value, read)()
        return forward(images, y)

    gan.D.forward = planted
    assert len(reads_in_training(gan, lambda gan: fit(gan, 2))) >= 2


def test_the_counter_is_gone_afterwards() -> None:
    with counting() as reads:
        pass
    torch.ones(()).item()
    assert reads.found == []


def test_a_window_from_a_checkpoint_moves_to_the_device() -> None:
    """A device without memory stands for a GPU. What came once in the window does not come again to be moved."""
    before, statistics = Statistics(), Statistics()
    before.add({"grad_norm/D": torch.tensor(2.0)}, 1)
    before.add({"loss/D": torch.tensor(2.0)}, 8)
    before.end_batch(8, 8, send=False)
    statistics.load_state_dict(before.state_dict())
    statistics.move(torch.device("meta"))
    statistics.add({"loss/D": torch.tensor(4.0, device="meta")}, 8)
    statistics.end_batch(16, 8, send=False)
    statistics.end_window(16, {})
    ((message, _),) = statistics.mailbox.sent
    assert message.sums.device.type == "meta"
    assert dict(zip(message.names, message.counts, strict=True)) == {"grad_norm/D": 1, "loss/D": 16}


def test_training_moves_the_window_it_goes_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[torch.device] = []
    monkeypatch.setattr(Statistics, "move", lambda self, device: moved.append(device))
    fit(task("plain"), 1)
    assert moved == [torch.device("cpu")]


def test_a_value_that_comes_alone_is_known_until_its_window_ends() -> None:
    statistics = Statistics()
    assert not statistics.has("grad_norm/G")
    statistics.add({"grad_norm/G": torch.tensor(1.0)}, 1)
    assert statistics.has("grad_norm/G")
    statistics.end_batch(8, 8, send=False)
    assert statistics.has("grad_norm/G")
    other = Statistics()
    other.load_state_dict(statistics.state_dict())
    assert other.has("grad_norm/G")
    statistics.end_window(8, {})
    assert not statistics.has("grad_norm/G")


def test_nothing_is_no_value() -> None:
    statistics = Statistics()
    statistics.add({}, 8)
    assert statistics.batch == {}

"""The estimate of an evaluation's time, beside the time that it then takes, by a clock that only images move."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from shipped import evaluator as shipped_evaluator

from seesaw.data.images import ImageSet
from seesaw.metrics.clock import in_words
from seesaw.metrics.estimate import Estimate, estimate
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.frechet import Frechet
from seesaw.metrics.kernel import Kernel

N = 100


class Clock:
    """Whoever works moves it: the machine's own load does not count here."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow(ClassifierExtractor):
    """5 ms an image, and a second for the first batch."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("digits")
        self.clock, self.begun = clock, False

    def taken(self, images: torch.Tensor) -> torch.Tensor:
        self.clock.now += 0.005 * len(images) + (0 if self.begun else 1)
        self.begun = True
        return super().taken(images)


def images(n: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("n", "batch_size"), [(None, 20), (40, 256), (5, 3)])
def test_it_is_what_the_evaluation_then_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int | None, batch_size: int
) -> None:
    clock = Clock()
    monkeypatch.setattr("seesaw.metrics.clock.time", SimpleNamespace(perf_counter=clock.perf_counter))

    def sample(number: int) -> Iterator[torch.Tensor]:
        """3 ms an image."""
        for chunk in images(number).split(batch_size):
            clock.now += 0.003 * len(chunk)
            yield chunk

    evaluator = shipped_evaluator("digits", Slow(clock), n=n, batch_size=batch_size)
    reals = ImageSet(images(N), "random")
    evaluator.extractor.prepare(torch.device("cpu"))
    found = estimate(evaluator, reals, tmp_path, sample)
    assert (found.n, found.count) == (n or N, N)
    before = clock.now
    evaluator.prepare(reals, tmp_path)
    assert found.reals == pytest.approx(clock.now - before) == pytest.approx(0.5)
    before = clock.now
    evaluator.evaluate(sample(evaluator.count), evaluator.count)
    assert found.evaluation == pytest.approx(clock.now - before) == pytest.approx(0.008 * (n or N))
    assert estimate(evaluator, reals, tmp_path, sample).reals == 0  # cached by now


def test_the_metrics_own_time_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each measurement takes a second: 256 of 2048 dimensions are an eighth, so the root takes 8^3 times as long; a
    kernel of 256 samples and 256 has three sums of 256^2 pairs."""
    for module in ("frechet", "kernel"):
        monkeypatch.setattr(f"seesaw.metrics.{module}.seconds_of", lambda call: 1.0)
    assert Frechet().seconds(64, 500, 500) == 1
    assert Frechet().seconds(2048, 10_000, 10_000) == 8**3
    pair = 1 / (3 * 256**2)
    assert Kernel().seconds(64, 500, 500) == pytest.approx(3 * 500**2 * pair)
    assert Kernel().seconds(64, 3000, 5000) == pytest.approx((3000**2 + 5000**2 + 3000 * 5000) * pair)
    assert Kernel(100).seconds(64, 10_000, 10_000) == pytest.approx(100 * 3 * 1000**2 * pair)
    assert Kernel(100).seconds(64, 400, 10_000) == pytest.approx(100 * 3 * 400**2 * pair)


def test_every_metric_and_no_more_reals_than_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Slow(Kernel):
        def seconds(self, dim: int, n: int, kept: int) -> float:
            asked.append((dim, n, kept))
            return 1000.0

    monkeypatch.setattr("seesaw.metrics.estimate.KEPT", 50)
    evaluator = Evaluator(ClassifierExtractor("digits"), {"one": Slow(), "other": Slow()}, n=30)
    evaluator.extractor.prepare(torch.device("cpu"))
    found = estimate(evaluator, ImageSet(images(N), "random"), tmp_path, lambda n: [images(n)])
    assert asked == [(64, 30, 50)] * 2
    assert 2000 < found.evaluation < 2100


def test_the_message() -> None:
    found = Estimate(evaluation=41.0, n=10_000, reals=1320.0, count=60_000)
    assert found.seconds(6) == 1320 + 6 * 41
    assert found.message(6) == (
        "metrics: about 41 s for an evaluation of 10,000 samples, about 4 min for the run's 6; "
        "first about 22 min for the statistics of 60,000 reals, which are then kept"
    )
    assert Estimate(0.4, 1797, 0.0, 1797).message(1) == "metrics: about 0.4 s for an evaluation of 1,797 samples"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.42, "0.42 s"), (89, "89 s"), (120, "2 min"), (5300, "88 min"), (12_600, "3.5 h")]
)
def test_units(seconds: float, words: str) -> None:
    assert in_words(seconds) == words

import itertools
import time

import pytest
import torch

from seesaw.data.sampler import BatchSize, EndlessBatches, permutation


def take(batches: EndlessBatches, count: int) -> list[list[int]]:
    return [indices.tolist() for indices in itertools.islice(batches, count)]


def numbers(n: int, seed: int, first: int, count: int) -> list[int]:
    """The stream written naively: one image number at a time."""
    return [int(permutation(n, seed, i // n)[i % n]) for i in range(first, first + count)]


@pytest.mark.parametrize(("n", "batch_size", "start", "world_size"), [
    (10, 4, 0, 1), (10, 4, 7, 2), (10, 24, 3, 4), (3, 12, 1, 2), (1, 2, 5, 2), (1797, 64, 123_456, 1), (7, 7, 14, 1),
])  # fmt: skip
def test_stream_equals_the_naive_one(n: int, batch_size: int, start: int, world_size: int) -> None:
    ranks = [take(EndlessBatches(n, batch_size, 3, start, rank, world_size), 6) for rank in range(world_size)]
    for step in range(6):
        whole = list(itertools.chain(*(rank[step] for rank in ranks)))
        assert whole == numbers(n, 3, start + step * batch_size, batch_size)
        assert all(len(rank[step]) == batch_size // world_size for rank in ranks)


def test_each_epoch_holds_every_image_once_in_another_order() -> None:
    flat = list(itertools.chain(*take(EndlessBatches(50, 10, 0), 15)))
    epochs = [flat[i : i + 50] for i in (0, 50, 100)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert epochs[0] != list(range(50))


def test_seeds_do_not_share_epochs() -> None:
    orders = {tuple(permutation(50, seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25
    assert torch.equal(permutation(50, -1, 2), permutation(50, -1, 2))


def test_the_order_is_pinned_and_touches_no_global_generator() -> None:
    state = torch.random.get_rng_state()
    assert take(EndlessBatches(8, 8, 0), 1) == [[1, 2, 7, 3, 4, 0, 6, 5]], (
        "checkpoints of older versions would go on in another order"
    )
    assert torch.equal(state, torch.random.get_rng_state())


def test_resuming_equals_the_tail_of_the_unbroken_stream() -> None:
    whole = take(EndlessBatches(23, 6, 1), 20)
    for done in range(20):
        assert take(EndlessBatches(23, 6, 1, start=6 * done), 20 - done) == whole[done:]


def test_batch_size_as_a_function_of_images_shown() -> None:
    def growing(shown: int) -> int:
        return 4 if shown < 12 else 10

    batches = take(EndlessBatches(9, growing, 0, rank=1, world_size=2), 5)
    assert [len(batch) for batch in batches] == [2, 2, 2, 5, 5]
    firsts = [0, 4, 8, 12, 22]
    for first, batch in zip(firsts, batches, strict=True):
        assert batch == numbers(9, 0, first + len(batch), len(batch))


def test_every_iterator_begins_anew() -> None:
    batches = EndlessBatches(9, 4, 0)
    assert take(batches, 3) == take(batches, 3)
    assert next(iter(batches)).dtype == torch.int64


def test_far_image_numbers_are_reached_at_once() -> None:
    begin = time.perf_counter()
    next(iter(EndlessBatches(202_599, 64, 0, start=10_000_000)))
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize(("n", "batch_size", "start", "message"), [
    (10, 5, 0, r"divide by the number of processes \(2\), not 5"), (10, 0, 0, "at least 1"), (0, 2, 0, "n must be"),
    (10, 2, -1, "start must be"), (10, lambda shown: 3, 0, "not 3"),
])  # fmt: skip
def test_impossible_values_are_named(n: int, batch_size: BatchSize, start: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EndlessBatches(n, batch_size, 0, start, 0, 2)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_sub_batches_follow_one_another_in_one_stream_that_runs_twice_as_fast(world_size: int) -> None:
    """The first sub-batches of all ranks are the stream's next 8 numbers, the second ones those after them."""
    ranks = [take(EndlessBatches(11, 8, 3, 16, rank, world_size, sub_batches=2), 5) for rank in range(world_size)]
    for step in range(5):
        halves = [(own[step][: 8 // world_size], own[step][8 // world_size :]) for own in ranks]
        expected = numbers(11, 3, 2 * (16 + 8 * step), 16)
        assert [number for first, _ in halves for number in first] == expected[:8]
        assert [number for _, second in halves for number in second] == expected[8:]
    whole = take(EndlessBatches(11, 8, 3, sub_batches=2), 7)
    assert take(EndlessBatches(11, 8, 3, 16, sub_batches=2), 5) == whole[2:]

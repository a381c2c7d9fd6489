import itertools
import math
import random
import statistics

import pytest

from seesaw.analysis.compare.best_of import expected_best


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_equals_the_mean_over_all_subsets(n):
    values = [random.Random(n).gauss(30, 10) for _ in range(n)]
    values[-1] = values[0]  # ties count twice
    for k, value in enumerate(expected_best(values), start=1):
        assert value == pytest.approx(statistics.mean(min(s) for s in itertools.combinations(values, k)), rel=1e-12)


def test_uniform_ranks_have_a_closed_form():
    """The expected minimum of k of the numbers 1, …, n is (n + 1) / (k + 1); 2000 trials lose no digits."""
    assert expected_best(range(2000, 0, -1)) == pytest.approx([2001 / (k + 1) for k in range(1, 2001)], rel=1e-12)


def test_a_diverged_trial_counts_until_no_choice_consists_of_such_alone():
    assert expected_best([math.inf, 2.0, math.inf]) == [math.inf, math.inf, 2.0]
    assert expected_best([4.0, math.inf, 2.0])[1] == pytest.approx((2 + 2 + 4) / 3)
    assert expected_best([]) == []

"""What one may expect to find with a budget of k trials."""

import math
from collections.abc import Sequence

import numpy as np


def expected_best(values: Sequence[float]) -> list[float]:
    """The expected smallest of k values drawn without replacement from the n observed ones, for k = 1, …, n.

    Lucic et al. 2018 ("Are GANs Created Equal?") compare models by the expected minimum FID over a budget of k
    trials, which they estimate by drawing k of the observed trials at random, again and again. Here the mean over all subsets
    of size k is taken exactly: of the C(n, k) subsets, C(n-i, k-1) have the i-th smallest value as their minimum, so

        E_k = sum_i x_(i) C(n-i, k-1) / C(n, k).

    It is unbiased for the expected minimum of k fresh trials; drawing with replacement would give too large a value. The last
    figure is the observed minimum and rests on one run alone. Values may be infinite: so is each mean that they enter.
    """
    n, finite = len(values), sorted(value for value in values if value < math.inf)
    k = np.arange(1, n + 1)
    share, means = k / n, np.zeros(n)  # of i = 1; from one i to the next the share is multiplied by (n-i-k+1) / (n-i)
    for i, x in enumerate(finite, start=1):
        means += x * share
        share *= np.maximum(n - i - k + 1, 0) / max(n - i, 1)
    means[: n - len(finite)] = math.inf  # some choices of so few hold nothing else
    return [float(mean) for mean in means]

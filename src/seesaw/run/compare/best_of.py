"""What one may expect to find with a budget of k trials."""

import math
from collections.abc import Sequence


def expected_best(values: Sequence[float]) -> list[float]:
    """The expected smallest of k values drawn without replacement from the n observed ones, for k = 1, …, n.

    Lucic et al. 2018 ("Are GANs Created Equal?") compare models by the expected minimum FID over a budget of k
    trials, which they estimate by drawing k of the observed trials at random, again and again. Here the mean over all subsets
    of size k is taken exactly: of the C(n, k) subsets, C(n-i, k-1) have the i-th smallest value as their minimum, so

        E_k = sum_i x_(i) C(n-i, k-1) / C(n, k).

    It is unbiased for the expected minimum of k fresh trials; drawing with replacement would give too large a value. The last
    figure is the observed minimum and rests on one run alone. Values may be infinite: so is each mean that they enter.
    """
    n, ordered = len(values), sorted(values)
    means = []
    for k in range(1, n + 1):
        shares = [math.comb(n - i, k - 1) / math.comb(n, k) for i in range(1, n + 1)]
        means.append(sum(x * share for x, share in zip(ordered, shares, strict=True) if share > 0))
    return means

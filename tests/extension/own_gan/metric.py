"""A metric: how much the features of the samples vary, relative to those of the reals. Higher is better."""

from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class Spread(Metric):
    """Mean standard deviation of the features, divided by that of the reals."""

    higher_is_better = True

    def __call__(self, reals: Reference, fakes: Features) -> float:
        return (fakes.values.std(0).mean() / reals.features.std(0).mean()).item()

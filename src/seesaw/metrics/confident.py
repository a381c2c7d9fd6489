"""How many samples the classifier is sure of."""

from seesaw.metrics.extractors.base import Classifies
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class Confident(Metric):
    """Share of samples whose most probable class has a probability above 0.9; of stacked digits, in all three channels."""

    higher_is_better = True
    needs = Classifies
    title = "samples of quality (share)"
    scale = "zero"

    def __call__(self, reals: Reference, fakes: Features) -> float:
        sure = fakes.probabilities.max(-1).values > 0.9
        return sure.reshape(len(fakes), -1).all(1).float().mean().item()

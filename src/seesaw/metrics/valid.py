"""How many samples pass for images of the set."""

from seesaw.metrics.extractors.base import Classifies
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class Valid(Metric):
    """Share of samples in [0, 1] that are valid images of a class, by the rule of `seesaw.metrics.gate.Gate`: last features and
    texture lie as near to those of the class as 99 % of the reals' do. Of stacked digits, in all three channels.

    It is near 0 for noise, blurred, constant, inverted and pixel-shuffled images. It sees no collapse: one real image repeated
    has 1. Images put together from two may be valid still.
    """

    higher_is_better = True
    needs = Classifies
    title = "valid images (share)"
    scale = "zero"
    role = "valid"

    def __call__(self, reals: Reference, fakes: Features) -> float:
        return fakes.valid.double().mean().item()

"""How many samples pass for images of the set."""

from seesaw.metrics.extractors.base import Classifies
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class Valid(Metric):
    """Share of samples in [0, 1] that are valid images of a class, by the rule of `seesaw.metrics.gate.Gate`: last features and
    texture lie about as near to those of the class as 99 % of the reals' do, and the detector of outliers, where the extractor
    has one, finds none. Of stacked digits, in all three channels.

    It is near 0 for noise, constant, inverted and pixel-shuffled images, and of scikit-learn's digits 0.05 or less for most that
    are blurred or put together from two. Of MNIST and garments more of these pass (docs/results.md). It sees no
    collapse: one real image repeated has 1.
    """

    higher_is_better = True
    needs = Classifies
    title = "valid images (share)"
    scale = "zero"
    role = "valid"

    def __call__(self, reals: Reference, fakes: Features) -> float:
        return fakes.valid.double().mean().item()

"""How sure the set's own classifier is of each sample, and how evenly it spreads them over its classes."""

from seesaw.functional.diversity import inception_score
from seesaw.metrics.extractors.base import Classifies, Extractor
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class InceptionScore(Metric):
    """The Inception score (Salimans et al. 2016) by the set's own classifier in the place of Inception: from 1 to the number
    of its classes, over all samples together. Logged as inception_score_EXTRACTOR.

    A classifier is sure of noise too, and one image of each class has the highest score: it sees neither quality nor collapse
    within a class. Where several images make a sample, as stacked digits, each counts.
    """

    needs = Classifies
    scale = "zero"

    def attach(self, extractor: Extractor) -> None:
        """Name the value by the extractor."""
        self.name = f"inception_score_{extractor.name}"
        self.higher_is_better = {self.name: True}
        self.role = {self.name: "inception_score"}

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        p = fakes.probabilities
        return {self.name: inception_score(p.reshape(-1, p.shape[-1]))}

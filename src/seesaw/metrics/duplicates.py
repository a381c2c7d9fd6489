"""How many samples nearly equal another sample."""

from seesaw.functional.neighbours import nearest
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference

QUANTILE = 0.1


class Duplicates(Metric):
    """Share of samples in [0, 1] whose nearest other sample is nearer than the 0.1 quantile of the same distances among as many
    reals: reals have 0.1 themselves, a collapsed generator near 1. Logged as duplicates_EXTRACTOR. The count behind the birthday
    paradox test of Arora and Zhang 2017 (arXiv 1706.08224), without a person who looks.

    Where the set holds an image twice in more than a tenth of its images the quantile is 0, and nothing is found.
    """

    scale = "zero"
    beside = True

    def attach(self, extractor: Extractor) -> None:
        """Name the value by the extractor."""
        self.name = f"duplicates_{extractor.name}"
        self.higher_is_better = {self.name: False}
        self.role = {self.name: "duplicates"}

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        few = min(len(fakes.near), len(reals.features))
        own = fakes.balls[:, 0] if few == len(fakes.near) else nearest(fakes.near[:few]).distance[:, 0]
        return {self.name: (own < reals.nearest_of(few).quantile(QUANTILE)).double().mean().item()}

    def protocol(self, n: int, kept: int) -> str:
        return f"duplicates below the {QUANTILE:g} quantile of {min(n, kept)} reals"

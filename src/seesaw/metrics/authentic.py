"""How many samples are no copies of reals."""

from collections.abc import Mapping

from seesaw.functional.neighbours import authentic_share, nearest
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class Authentic(Metric):
    """Share of samples in [0, 1] that are authentic (AuthPct of Alaa et al. 2022, as a share): no sample is that lies nearer
    to its nearest real of training than that real to any other. Logged as authentic_EXTRACTOR.

    What further draws of the reals have is no constant: it depends on the dimension of the features and on how many reals
    there are. With held-out reals theirs is logged as authentic_reals_EXTRACTOR, and a sample set with less than that copies.
    A blurred or noisy sample is authentic, since it lies far from every real.

    Args:
        holdout: share of the set that is held out; None: nothing is, and the figure of held-out reals is not logged.
    """

    scale = "zero"

    def __init__(self, holdout: float | None = None) -> None:
        self.kinds = ["authentic"] if holdout is None else ["authentic", "authentic_reals"]

    def attach(self, extractor: Extractor) -> None:
        """Name the values by the extractor."""
        self.names = {kind: f"{kind}_{extractor.name}" for kind in self.kinds}
        self.higher_is_better: Mapping[str, bool] = dict.fromkeys(self.names.values(), True)
        self.role = {name: kind for kind, name in self.names.items()}

    def __call__(self, reals: Reference, fakes: Features) -> dict[str, float]:
        training = reals.training or reals
        found = fakes.counts(training)
        values = [authentic_share(found.distance, found.index, training.balls[:, 0])]
        if len(self.kinds) > 1:
            values.append(authentic_of_held_out(reals))
        return dict(zip(self.names.values(), values, strict=True))


def authentic_of_held_out(reals: Reference) -> float:
    """The share of held-out reals that are authentic beside those of training; nan where none are known."""
    if reals.training is None or reals.held_out is None:
        return float("nan")
    found = nearest(reals.held_out.features, reals.training.features)
    return authentic_share(found.distance[:, 0], found.index[:, 0], reals.training.balls[:, 0])

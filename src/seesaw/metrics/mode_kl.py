"""How evenly the generator covers the known modes, whatever the quality of its samples."""

import torch

from seesaw.functional.modes import histogram_kl
from seesaw.metrics.extractors.base import KnowsModes
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class ModeKL(Metric):
    """KL in nats of the histogram over the modes from the uniform one. Each sample counts for its nearest mode, also from
    outside it, as in the published tables."""

    higher_is_better = False
    needs = KnowsModes
    title = "KL of nearest modes (nats)"
    scale = "zero"

    def __call__(self, reals: Reference, fakes: Features) -> float:
        found = fakes.assignment
        return histogram_kl(torch.bincount(found.mode, minlength=found.modes), torch.ones(found.modes))

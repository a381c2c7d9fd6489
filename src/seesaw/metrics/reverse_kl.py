"""How evenly the generator covers the known modes, and how much lies outside them."""

import torch

from seesaw.functional.modes import histogram_kl
from seesaw.metrics.extractors.base import KnowsModes
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reference


class ReverseKL(Metric):
    """KL in nats of the samples' histogram over the modes from the reals' (the "reverse KL" of VEEGAN and PacGAN).

    Where samples may lie outside every mode, as around Gaussians or by a classifier's gate, these are one more
    bin: so it is finite and sees quality too; of 25 Gaussians a generator with all samples outside has 4.5. N samples
    that are uniform over M modes have about (M - 1) / 2N, one mode alone has log M.
    """

    higher_is_better = False
    needs = KnowsModes
    title = "reverse KL of modes (nats)"
    scale = "zero"
    role = "reverse_kl"

    def __call__(self, reals: Reference, fakes: Features) -> float:
        found = fakes.assignment
        counts = found.counts()
        if len(found.expected) > found.modes:
            counts = torch.cat([counts, (~found.inside).sum()[None]])
        return histogram_kl(counts, found.expected)

"""A loss: the exponential loss, E exp(-D(x)) + E exp(D(G(z))), straight on from LARGEST, where a gradient would explode."""

import torch
from torch import Tensor

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import DiscriminatorLoss
from seesaw.gan.terms import Term

LARGEST = 1.0


def tamed_exp(x: Tensor) -> Tensor:
    """exp(x) up to LARGEST, and its tangent from there on, so that no sample is without a gradient."""
    near = x.clamp(max=LARGEST).exp()
    return torch.where(x > LARGEST, near * (1 + x - LARGEST), near)


class ExponentialD(DiscriminatorLoss):
    """D's term; 2 where all logits are 0."""

    equilibrium = 2.0

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return tamed_exp(-batch.real_logits) + tamed_exp(batch.fake_logits)


class ExponentialG(Term):
    """G's term."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return tamed_exp(-batch.fake_logits)

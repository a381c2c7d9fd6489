"""A loss: the exponential loss, E exp(-D(x)) + E exp(D(G(z))), logits clipped."""

from torch import Tensor

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import DiscriminatorLoss
from seesaw.gan.terms import Term

LARGEST = 5.0


class ExponentialD(DiscriminatorLoss):
    """D's term; 2 where all logits are 0."""

    equilibrium = 2.0

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return (-batch.real_logits).clamp(max=LARGEST).exp() + batch.fake_logits.clamp(max=LARGEST).exp()


class ExponentialG(Term):
    """G's term."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return (-batch.fake_logits).clamp(max=LARGEST).exp()

"""Adversarial losses: D's term and G's. Each reads what it needs from an AdversarialBatch and hands it to `functional`.

A file of the group `loss` names one of each, under d and g.
"""

import torch
from torch import Tensor

from seesaw.functional import losses
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.terms import Term


class DiscriminatorLoss(Term):
    """D's adversarial term.

    equilibrium: its value where the generator equals the data and D is optimal; 0 for a loss without a scale, which gates
    cannot read. boundary: between the logits of reals, above it, and of fakes.
    """

    equilibrium: float
    boundary = 0.0

    def accuracy(self, batch: AdversarialBatch) -> Tensor:
        """1 for each sample on the right side of the boundary, else 0: (2B,), reals then fakes; 0.5 on average at equilibrium."""
        return torch.cat([(batch.real_logits > self.boundary).float(), (batch.fake_logits < self.boundary).float()])

    def scores(self, real_logits: Tensor) -> dict[str, Tensor]:
        """Mean logit of reals (B,) alone, and the share of them on the right side of the boundary."""
        return {"accuracy": (real_logits > self.boundary).float().mean(), "logits": real_logits.mean()}

    def signs(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """On which side of the boundary each real lies: 1 or -1, (B,)."""
        return (real_logits - self.boundary).sign()


class PairedLoss(DiscriminatorLoss):
    """A loss to which only differences of logits mean anything: no logit alone stands for real or fake."""

    def accuracy(self, batch: AdversarialBatch) -> Tensor:
        """1 where the real of a pair has the higher logit, else 0: (B,); 0.5 on average at equilibrium."""
        return (batch.real_logits > batch.fake_logits).float()

    def scores(self, real_logits: Tensor) -> dict[str, Tensor]:
        """Mean logit of reals (B,) alone."""
        return {"logits": real_logits.mean()}

    def signs(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Which of each pair has the higher logit: 1 for the real, else -1; as many as both have."""
        n = min(len(real_logits), len(fake_logits))
        return (real_logits[:n] - fake_logits[:n]).sign()


class CrossEntropyD(DiscriminatorLoss):
    """Binary cross-entropy on logits, real 1, fake 0: D's side of the minimax and of the non-saturating game."""

    equilibrium = losses.LOG4

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.cross_entropy_d(batch.real_logits, batch.fake_logits)


class HingeD(DiscriminatorLoss):
    """The hinge loss of D. Its equilibrium of 2 is reached with all logits in [-1, 1]."""

    equilibrium = 2.0

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.hinge_d(batch.real_logits, batch.fake_logits)


class NonSaturatingG(Term):
    """G maximises log D(G(z))."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.non_saturating_g(batch.fake_logits)


class MinimaxG(Term):
    """G minimises log(1 - D(G(z)))."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.minimax_g(batch.fake_logits)


class HingeG(Term):
    """G maximises D(G(z))."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.hinge_g(batch.fake_logits)


class LeastSquaresD(DiscriminatorLoss):
    """Regression of the logits, without a sigmoid, to 1 for reals and 0 for fakes; 1/2 everywhere at equilibrium."""

    equilibrium, boundary = 0.5, 0.5

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.least_squares_d(batch.real_logits, batch.fake_logits)


class LeastSquaresG(Term):
    """G brings the logits of its images to 1."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.least_squares_g(batch.fake_logits)


class WassersteinD(PairedLoss):
    """The critic of Wasserstein's game, which has to be Lipschitz: it takes a penalty. Its loss has no scale, so gates
    read the accuracy of pairs instead.
    """

    equilibrium = 0.0

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.wasserstein_d(batch.real_logits, batch.fake_logits)


class WassersteinG(Term):
    """G maximises the critic's value of its images."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.wasserstein_g(batch.fake_logits)


class RelativisticHingeD(PairedLoss):
    """The relativistic average hinge loss; couples the samples of a batch. Near 0 in a healthy MSG-GAN, 2 at equilibrium."""

    equilibrium = 2.0

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.relativistic_hinge_d(batch.real_logits, batch.fake_logits)


class RelativisticHingeG(Term):
    """G's side of the relativistic average hinge loss: it looks at the reals' logits too."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.relativistic_hinge_g(batch.real_logits, batch.fake_logits)


class RelativisticPairedD(PairedLoss):
    """The relativistic paired loss: each real beside one fake, so pairs stay apart and micro-batches give the same value."""

    equilibrium = losses.LOG2

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.relativistic_paired_d(batch.real_logits, batch.fake_logits)


class RelativisticPairedG(Term):
    """G's side of the relativistic paired loss, beside the reals that D saw, or with model.fresh_reals beside its own."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.relativistic_paired_g(batch.real_logits, batch.fake_logits)

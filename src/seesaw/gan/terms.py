"""The terms of a loss: each reads what it needs from an AdversarialBatch and hands it to `functional`."""

import torch
from torch import Tensor, nn

from seesaw.functional import losses, penalties
from seesaw.gan.batch import AdversarialBatch
from seesaw.types import Pyramid, Schedule, at


class Term(nn.Module):
    """(AdversarialBatch) -> one value a sample, or fewer where samples are coupled.

    grad_of: which of "real", "fake" must carry a gradient. second_order: it differentiates a gradient, so it needs the
    graph and eager modules, and is left out while its phase rests.
    """

    grad_of: frozenset[str] = frozenset()
    second_order = False

    def forward(self, batch: AdversarialBatch) -> Tensor:
        raise TypeError(f"{type(self).__name__} defines no value")  # Term itself is abstract


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


class PairedLoss(DiscriminatorLoss):
    """A loss to which only differences of logits mean anything: no logit alone says real or fake."""

    def accuracy(self, batch: AdversarialBatch) -> Tensor:
        """1 where the real of a pair has the higher logit, else 0: (B,); 0.5 on average at equilibrium."""
        return (batch.real_logits > batch.fake_logits).float()


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
    """G's side of the relativistic paired loss, beside the reals that D saw in this batch; R3GAN's code draws fresh ones."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return losses.relativistic_paired_g(batch.real_logits, batch.fake_logits)


class GradientPenalty(Term):
    """weight ((||d D(x) / d x|| - target) / target)^2 between reals and fakes: WGAN-GP, Gulrajani et al. 2017, eq. 3.

    On a pyramid it is taken at each scale and averaged over them. Each sample's place on the line is drawn uniformly, the
    same at every scale; a pack (balance=pac), which is then what D's loss judged, has one place. It needs a forward of D of its
    own. BatchNorm and minibatch stddev in D couple the samples.

    Args:
        weight: lambda, 10 in the papers.
        target: of the gradient's norm: 1; Karras et al. 2018 took 750 on CIFAR-10.
        one_sided: whether norms below the target cost nothing.
    """

    second_order = True

    def __init__(self, weight: float = 10.0, target: float = 1.0, one_sided: bool = False) -> None:
        super().__init__()
        if weight < 0 or not target > 0:
            raise ValueError(f"weight is {weight} and target {target}; weight >= 0 and target > 0 must hold")
        self.weight, self.target, self.one_sided = weight, target, one_sided

    def forward(self, batch: AdversarialBatch) -> Tensor:
        places = len(batch.fake_logits) if batch.has_made("fake_logits") else len(batch.z)
        share = torch.rand(places, device=batch.z.device, dtype=torch.float32)
        share = share.repeat_interleave(len(batch.z) // places)
        between = penalties.interpolated(batch.real, batch.fake, share)
        norms = penalties.gradient_norms(batch.logits_of(between), between)
        return self.weight * penalties.gradient_penalty(norms, self.target, self.one_sided)


class Drift(Term):
    """weight D(x)^2 on reals, which keeps a critic's logits from drifting away from 0: Karras et al. 2018, appendix A.1."""

    def __init__(self, weight: float = 1.0e-3) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"weight is {weight}; it must be at least 0")
        self.weight = weight

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return self.weight * batch.real_logits.square()


class ZeroCentredPenalty(Term):
    """gamma/2 ||d D(x) / d x||^2 on one side of D's images, through the augmentation. Shares D's forward with the loss of its
    phase. BatchNorm and minibatch stddev in D couple the samples.

    Args:
        gamma: at least 0; a number or a schedule.
    """

    second_order = True

    def __init__(self, gamma: Schedule) -> None:
        super().__init__()
        if isinstance(gamma, float | int) and gamma < 0:
            raise ValueError(f"gamma is {gamma}; it must be at least 0")
        self.gamma = gamma

    def penalty(self, logits: Tensor, images: Pyramid, images_shown: int) -> Tensor:
        return at(self.gamma, images_shown) / 2 * penalties.squared_gradient_norm(logits, images)


class R1(ZeroCentredPenalty):
    """The penalty on reals: Mescheder et al. 2018, eq. 9."""

    grad_of = frozenset({"real"})

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return self.penalty(batch.real_logits, batch.real, batch.images_shown)


class R2(ZeroCentredPenalty):
    """The penalty on G's images: Mescheder et al. 2018, eq. 10."""

    grad_of = frozenset({"fake"})

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return self.penalty(batch.fake_logits, batch.fake, batch.images_shown)


class PathLength(Term):
    """weight (||J_w^T y|| - a)^2, a their running mean: Karras et al. 2020 (StyleGAN2), eq. 4.

    `a` starts at 0, is updated first and carries the gradient of this batch's mean, as in the paper's code. It couples the
    samples of a batch and the batches, so micro-batches do not give the same value.
    """

    second_order = True

    def __init__(self, weight: float = 2.0, decay: float = 0.01) -> None:
        super().__init__()
        self.weight, self.decay = weight, decay
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, batch: AdversarialBatch) -> Tensor:
        if batch.made.w is None:
            raise ValueError("path length needs a generator with intermediate latents w")
        images = batch.fake[-1]
        lengths = penalties.path_lengths(images, batch.made.w, torch.randn_like(images))
        mean = self.mean.lerp(lengths.mean(), self.decay)
        self.mean.copy_(mean.detach())
        return self.weight * (lengths - mean).square()

"""Adversarial losses: logits in, one value a sample out. D calls each `_d` with (real, fake); G calls each `_g` with (fake), or
with (real, fake) where the loss is relativistic.

All are written on logits, so that none saturates in float32: log(sigmoid(x)) is -softplus(-x). Each value is of its own
sample, or pair, alone; the relativistic average's docstring states its exception.
"""

import math

import torch.nn.functional as F
from torch import Tensor

LOG2 = math.log(2)
LOG4 = 2 * LOG2


def cross_entropy_d(real: Tensor, fake: Tensor) -> Tensor:
    """-log sigma(D(x)) - log(1 - sigma(D(G(z)))). Goodfellow et al. 2014, eq. 1, real 1 and fake 0; log 4 at equilibrium."""
    return F.softplus(-real) + F.softplus(fake)


def non_saturating_g(fake: Tensor) -> Tensor:
    """-log sigma(D(G(z))). Goodfellow et al. 2014, section 3 (the form it trains with); log 2 at equilibrium."""
    return F.softplus(-fake)


def minimax_g(fake: Tensor) -> Tensor:
    """log(1 - sigma(D(G(z)))). Goodfellow et al. 2014, eq. 1: its gradient vanishes while D wins; -log 2 at equilibrium."""
    return -F.softplus(fake)


def classification(logits: Tensor, y: Tensor) -> Tensor:
    """-log p(y | x), the cross-entropy of class logits (B, m, classes) with labels (B,), or (B, m) of packs: (B m,). Odena et al.
    2017, eq. 3, whose log-likelihood both players maximise."""
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))). Lim and Ye 2017, eq. 12; Miyato et al. 2018, eq. 16; 2 at equilibrium."""
    return F.relu(1 - real) + F.relu(1 + fake)


def hinge_g(fake: Tensor) -> Tensor:
    """-D(G(z)). Miyato et al. 2018, eq. 17; no scale of its own."""
    return -fake


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """(D(x) - 1)^2 + D(G(z))^2. Mao et al. 2017, eq. 9 (0 for fakes, 1 for reals), without its factor 1/2; 1/2 at equilibrium.

    The factor is left out so that, as in the other losses, D's value is the sum of one plain term a side.
    """
    return (real - 1).square() + fake.square()


def least_squares_g(fake: Tensor) -> Tensor:
    """(D(G(z)) - 1)^2. Mao et al. 2017, eq. 9, without its factor 1/2; 1/4 at equilibrium."""
    return (fake - 1).square()


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """D(G(z)) - D(x). Arjovsky et al. 2017, eq. 3, as a loss of the critic; 0 at equilibrium, and no scale of its own."""
    return fake - real


def wasserstein_g(fake: Tensor) -> Tensor:
    """-D(G(z)). Arjovsky et al. 2017, theorem 3."""
    return -fake


def relativistic_hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - (D(x) - E D(G(z)))) + max(0, 1 + (D(G(z)) - E D(x))). Jolicoeur-Martineau 2019, appendix D.4 (RaHingeGAN).

    The sum of both terms, as in MSG-GAN's code: twice the value of the author's code (RelativisticGAN), which takes their mean.
    A penalty beside it needs twice the weight it has there. The means are over this batch, so it couples the samples and
    micro-batches do not give the same value. 2 at equilibrium.
    """
    return F.relu(1 - (real - fake.mean(0))) + F.relu(1 + (fake - real.mean(0)))


def relativistic_hinge_g(real: Tensor, fake: Tensor) -> Tensor:
    """`relativistic_hinge_d` with the roles exchanged, so twice the author's value too; 2 at equilibrium."""
    return relativistic_hinge_d(fake, real)


def relativistic_paired_d(real: Tensor, fake: Tensor) -> Tensor:
    """-log sigma(D(x) - D(G(z))), real i beside fake i. RSGAN, Jolicoeur-Martineau 2019; RpGAN of R3GAN, Huang et al. 2024,
    with f(t) = -log(1 + exp(-t)); log 2 at equilibrium.
    """
    return F.softplus(fake - real)


def relativistic_paired_g(real: Tensor, fake: Tensor) -> Tensor:
    """`relativistic_paired_d` with the roles exchanged (the form R3GAN trains with); log 2 at equilibrium."""
    return relativistic_paired_d(fake, real)

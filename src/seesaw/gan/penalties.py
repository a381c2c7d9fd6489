"""Penalties: named terms of the group `penalty`, each of one player and at an interval of its own."""

import math
from typing import Literal

import torch
from torch import Tensor

from seesaw.functional import losses, penalties
from seesaw.gan.batch import AdversarialBatch, Side
from seesaw.gan.terms import Term
from seesaw.shared.schedules import check_range
from seesaw.types import Logits, Pyramid, Schedule, UserError, at


class Penalty(Term):
    """A term beside the adversarial loss.

    With interval 1 it joins its player's adversarial phase and shares its forward passes. With interval k > 1 it is lazy: all of
    one player's penalties with that interval form a phase of their own, due in every k-th batch, with gain k and the player's
    learning rate and betas corrected (Karras et al. 2020, StyleGAN2, appendix B).

    Attributes:
        player: whose loss it joins.
        bounds: where it bounds the slope of D: "everywhere", at the "data" alone, or "nowhere". A Wasserstein loss needs a bound.

    Args:
        interval: batches from one application to the next, at least 1.
        batch_fraction: part of the batch that a lazy phase sees, in (0, 1].
    """

    player: Literal["G", "D"] = "D"
    bounds: Literal["everywhere", "data", "nowhere"] = "nowhere"

    def __init__(self, interval: int = 1, batch_fraction: float = 1.0) -> None:
        super().__init__()
        if interval < 1:
            raise ValueError(f"interval is {interval}; it must be at least 1")
        if not 0 < batch_fraction <= 1:
            raise ValueError(f"batch_fraction is {batch_fraction}; it must be above 0 and at most 1")
        if interval == 1 and batch_fraction < 1:
            raise ValueError("batch_fraction is of a lazy phase; it takes an interval above 1")
        self.interval, self.batch_fraction = interval, batch_fraction

    @property
    def strength(self) -> Schedule:
        """The weight of the penalty: 0 turns it off."""
        return 1.0


class GradientPenalty(Penalty):
    """weight ((||d D(x) / d x|| - target) / target)^2 between reals and fakes: WGAN-GP, Gulrajani et al. 2017, eq. 3.

    On a pyramid it is taken at each scale and averaged over them. Each sample's place on the line is drawn uniformly, the
    same at every scale; a pack (balance=pac), which is then what D's loss judged, has one place. It needs a forward of D of its
    own. BatchNorm and minibatch stddev in D couple the samples.

    Args:
        weight: lambda, 10 in the papers; a number or a schedule.
        target: of the gradient's norm: 1; Karras et al. 2018 took 750 on CIFAR-10.
        one_sided: whether norms below the target cost nothing.
        interval: see `Penalty`.
    """

    second_order = True
    bounds = "everywhere"

    def __init__(
        self, weight: Schedule = 10.0, target: float = 1.0, one_sided: bool = False, interval: int = 1
    ) -> None:
        super().__init__(interval)
        check_range("weight", weight, least=0)
        if not 0 < target < math.inf:
            raise ValueError(f"target is {target}; it must be above 0")
        self.weight, self.target, self.one_sided = weight, target, one_sided

    @property
    def strength(self) -> Schedule:
        return self.weight

    def forward(self, batch: AdversarialBatch) -> Tensor:
        mix = torch.rand(len(batch.z) // batch.pack, device=batch.z.device, dtype=torch.float32)
        mix = mix.repeat_interleave(batch.pack)
        between = penalties.interpolated(batch.real, batch.fake, mix)
        norms = penalties.gradient_norms(batch.logits_of(between), between)
        return at(self.weight, batch.images_shown) * penalties.gradient_penalty(norms, self.target, self.one_sided)


class Drift(Penalty):
    """weight D(x)^2 on reals, which keeps a critic's logits from drifting away from 0: Karras et al. 2018, appendix A.1.

    Args:
        weight: epsilon, 0.001 in the paper; a number or a schedule.
        interval: see `Penalty`.
    """

    def __init__(self, weight: Schedule = 1.0e-3, interval: int = 1) -> None:
        super().__init__(interval)
        check_range("weight", weight, least=0)
        self.weight = weight

    @property
    def strength(self) -> Schedule:
        return self.weight

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return at(self.weight, batch.images_shown) * batch.real_logits.square()


class ZeroCentredPenalty(Penalty):
    """gamma/2 ||d D(x) / d x||^2 on one side of D's images, through the augmentation.

    With interval 1 it shares D's forward pass with the adversarial loss. BatchNorm and minibatch stddev in D couple the samples.

    Args:
        gamma: at least 0; a number or a schedule.
        interval: see `Penalty`.
    """

    second_order = True
    bounds = "data"

    def __init__(self, gamma: Schedule, interval: int = 1) -> None:
        super().__init__(interval)
        check_range("gamma", gamma, least=0)
        self.gamma = gamma

    @property
    def strength(self) -> Schedule:
        return self.gamma

    def penalty(self, logits: Tensor, images: Pyramid, images_shown: int) -> Tensor:
        """One value per logit, (B,)."""
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


class ApproximatePenalty(Penalty):
    """gamma/2 ((D(x + sigma e) - D(x)) / sigma)^2, e ~ N(0, I): `ZeroCentredPenalty` by a finite difference, one draw a sample.

    Over draws its mean is that of R1 or R2 with the same gamma, but for an error of order sigma^2, and it has noise: where D is
    linear the standard deviation of one sample's value is 1.4 times the value. Nothing is differentiated twice, so D may be
    compiled. It takes one more forward pass of D, with the labels and the random draws (noise, augmentation, dropout) of the
    first. In bfloat16 the difference of two logits carries their rounding, divided by sigma.

    Lin et al. 2025 ("Diffusion adversarial post-training", APT), whose weight lambda on (D(x) - D(x + sigma e))^2 is
    gamma / (2 sigma^2): theirs of 100 at sigma 0.01 is gamma 0.02. BatchNorm couples samples: all of a batch are perturbed at
    once. Spectral normalisation makes a step of its power iteration between the two passes, which enters the difference.

    Args:
        gamma: at least 0, in the unit of R1's; a number or a schedule.
        sigma: standard deviation of the perturbation, above 0, of pixels in [-1, 1].
        interval: see `Penalty`.
    """

    bounds = "data"
    side: Side

    def __init__(self, gamma: Schedule, sigma: float = 0.01, interval: int = 1) -> None:
        super().__init__(interval)
        check_range("gamma", gamma, least=0)
        check_range("sigma", sigma, above=0)
        self.gamma, self.sigma = gamma, sigma

    @property
    def strength(self) -> Schedule:
        return self.gamma

    def penalty(self, batch: AdversarialBatch, logits: Tensor, images: Pyramid) -> Tensor:
        """One value per logit, (B,)."""
        again = batch.judge_again(self.side, penalties.perturbed(images, self.sigma))
        return at(self.gamma, batch.images_shown) / 2 * penalties.squared_slope(logits, again, self.sigma)


class ApproximateR1(ApproximatePenalty):
    """The penalty on reals."""

    side = "real"
    replays = frozenset({"real"})

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return self.penalty(batch, batch.real_logits, batch.real)


class ApproximateR2(ApproximatePenalty):
    """The penalty on G's images."""

    side = "fake"
    replays = frozenset({"fake"})

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return self.penalty(batch, batch.fake_logits, batch.fake)


class PathLength(Penalty):
    """weight (||J_w^T y|| - a)^2, a their running mean: Karras et al. 2020 (StyleGAN2), eq. 4.

    `a` starts at 0, is updated first and carries the gradient of this batch's mean, as in the paper's code. It couples the
    samples of a batch and the batches, so micro-batches do not give the same value. It needs a generator with intermediate
    latents w.

    Args:
        weight: 2 in the paper's code; a number or a schedule.
        decay: of the running mean, a step of this penalty.
        interval: 4 in the paper; see `Penalty`.
        batch_fraction: 0.5 in the paper; see `Penalty`.
    """

    player: Literal["G", "D"] = "G"
    second_order = True

    def __init__(
        self, weight: Schedule = 2.0, decay: float = 0.01, interval: int = 4, batch_fraction: float = 0.5
    ) -> None:
        super().__init__(interval, batch_fraction)
        check_range("weight", weight, least=0)
        if not 0 < decay <= 1:
            raise ValueError(f"decay is {decay}; it must be above 0 and at most 1")
        self.weight, self.decay = weight, decay
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(()))

    @property
    def strength(self) -> Schedule:
        return self.weight

    def forward(self, batch: AdversarialBatch) -> Tensor:
        if batch.generated.w is None:
            raise ValueError(
                "penalty=path_length needs a generator with intermediate latents w, as StyleGAN2's; leave it out"
            )
        images = batch.fake[-1]
        lengths = penalties.path_lengths(images, batch.generated.w, torch.randn_like(images))
        mean = self.mean.lerp(lengths.mean(), self.decay)
        self.mean.copy_(mean.detach())
        return at(self.weight, batch.images_shown) * (lengths - mean).square()


class Auxiliary(Penalty):
    """weight -log p(y | x) by D's auxiliary classifier: Odena et al. 2017 (AC-GAN), eq. 3.

    D adds it for reals and fakes, G for its own images: weight 1 on each in ProGAN's code. It needs a discriminator with
    condition=auxiliary.

    Args:
        weight: a number or a schedule.
        interval: see `Penalty`.
    """

    def __init__(self, weight: Schedule = 1.0, interval: int = 1) -> None:
        super().__init__(interval)
        check_range("weight", weight, least=0)
        self.weight = weight

    @property
    def strength(self) -> Schedule:
        return self.weight

    def value(self, judged: Logits, y: Tensor | None, images_shown: int) -> Tensor:
        """One value an image, (B,)."""
        if judged.classes is None or y is None:
            raise UserError(
                "penalty=auxiliary reads the class logits of D, and this D gives none: give model.D.condition=auxiliary "
                "with data.labels=true, or leave the penalty out"
            )
        return at(self.weight, images_shown) * losses.classification(judged.classes, y)


class AuxiliaryD(Auxiliary):
    """D learns the classes of reals and of fakes: both values are added."""

    def forward(self, batch: AdversarialBatch) -> Tensor:
        real = self.value(batch.judged_real, batch.y, batch.images_shown)
        return real + self.value(batch.judged_fake, batch.y_fake, batch.images_shown)


class AuxiliaryG(Auxiliary):
    """G makes images of which D recognises the class."""

    player: Literal["G", "D"] = "G"

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return self.value(batch.judged_fake, batch.y_fake, batch.images_shown)

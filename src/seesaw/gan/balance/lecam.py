"""LeCam regularisation of D."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.parts import TermPart


class LeCam(TermPart):
    """weight (max(0, D(x) - a_F)^2 + max(0, a_R - D(G(z)))^2), a_R and a_F the running means of D(x) and of D(G(z)).

    Tseng et al. 2021, in the form of the authors' code (max(0, .) is not in the paper): D's logits of reals may not run away
    from the mean of the fakes', nor the reverse. The anchors move first, by D's steps alone, and carry no gradient. Until
    `start_kimg` they are the last batch's means and the penalty is 0. Anchors couple batches, so micro-batches do not give the
    same value; of several processes each moves them by its own samples, and after each batch all go on from their mean.

    The defaults mix the authors' two codes: weight and start are those of their CIFAR BigGAN, the decay that of their StyleGAN2.

    Args:
        weight: 0.3 in the authors' CIFAR BigGAN, 3e-7 to 1e-6 in their StyleGAN2.
        decay: of the anchors, a step: 0.99, or 0.9 in the authors' CIFAR BigGAN.
        start_kimg: thousand reals shown at which the penalty begins. The authors' CIFAR BigGAN begins after 1000 iterations, each
            of 4 steps of D on 50 reals: 200 kimg, 4000 steps of D.
    """

    name = "lecam"

    def __init__(self, weight: float = 0.3, decay: float = 0.99, start_kimg: float = 200.0) -> None:
        super().__init__()
        if not (0 <= weight < math.inf and 0 <= decay < 1 and 0 <= start_kimg < math.inf):
            raise ValueError(
                f"weight is {weight}, decay {decay} and start_kimg {start_kimg}; "
                "finite weight >= 0, 0 <= decay < 1 and start_kimg >= 0 must hold"
            )
        self.weight, self.decay, self.start_kimg = weight, decay, start_kimg
        self.begins = math.ceil(1000 * start_kimg) if weight else 0
        self.anchors: Tensor
        self.register_buffer("anchors", torch.zeros(2))  # of reals, of fakes

    def forward(self, batch: AdversarialBatch) -> Tensor:
        real, fake = batch.real_logits, batch.fake_logits
        started = batch.images_shown >= 1000 * self.start_kimg
        if torch.is_grad_enabled():  # D plays
            means = torch.stack([real.detach().mean(), fake.detach().mean()]).to(self.anchors)
            self.anchors.lerp_(means, 1 - self.decay if started else 1.0)
        if not started:
            return torch.zeros_like(real)
        of_real, of_fake = self.anchors
        return self.weight * (F.relu(real - of_fake).square() + F.relu(of_real - fake).square())

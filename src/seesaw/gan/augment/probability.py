"""Augmentations whose strength is a probability p: adapted to how D overfits, fixed, or scheduled."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import PairedLoss
from seesaw.gan.parts import Augmentation, adversarial_phase
from seesaw.gan.phases import Phase
from seesaw.shared.schedules import check_range
from seesaw.types import Schedule, at


class ProbabilityAugmentation(Augmentation):
    """Keeps p in [0, 1] on the device, and adapts it where none is given (Karras et al. 2020, "Training GANs with limited data",
    section 3.1).

    r_t is the mean sign of D's logits of reals, as D sees them, over all phases of D and all processes since the last
    adjustment: 0 where D cannot separate, 1 where it is sure of every training image. Every `interval` batches p rises by (images
    since then) / (1000 speed_kimg) where r_t is above `target`, else it falls by as much. p starts at 0. The authors' code has no
    upper cap; here p ends at 1, beyond which it would mean nothing. The sign is that about the loss's own boundary (1/2 under
    least squares), which is 0 in the paper's loss.

    Args:
        p: a number in [0, 1], a schedule, or None: adapted. Its value of the moment is the buffer `now`.
        target: of r_t, between 0 and 1.
        interval: batches between two adjustments, at least 1.
        speed_kimg: thousands of images in which p goes from 0 to 1, above 0.
    """

    def __init__(
        self, p: Schedule | None = None, target: float = 0.6, interval: int = 4, speed_kimg: float = 500.0
    ) -> None:
        super().__init__()
        if p is not None:
            check_range("p", p, least=0, most=1)
        if not 0 < target < 1:
            raise ValueError(f"target is {target}; it must be above 0 and below 1")
        if interval < 1:
            raise ValueError(f"interval is {interval}; it must be at least 1")
        if not 0 < speed_kimg < math.inf:
            raise ValueError(f"speed_kimg is {speed_kimg}; it must be above 0")
        self.p, self.target, self.interval, self.speed_kimg = p, target, interval, speed_kimg
        self.sees_batches = p is None
        self.boundary, self.adjusted_at = 0.0, 0
        self.now: Tensor
        self.r_t: Tensor
        self.signs: Tensor
        self.count: Tensor
        self.register_buffer("now", torch.tensor(float(at(p, 0)) if p is not None else 0.0))
        for name in ("r_t", "signs", "count") if p is None else ():
            self.register_buffer(name, torch.zeros(()))

    def bind(self, phases: Mapping[str, Phase]) -> None:
        if self.p is not None:
            return
        _, _, loss = adversarial_phase(phases, "an augmentation that adapts p")
        if isinstance(loss, PairedLoss):
            raise ValueError(
                f"augment.ada.p: null lets p follow the sign of D's logits of reals, which means nothing under "
                f"{type(loss).__name__}, a loss of differences between logits; give augment.ada.p=0.3, a schedule such as "
                "'augment.ada.p={shape: cosine, start: 0, end: 0.3}', or loss=non_saturating"
            )
        self.boundary = loss.boundary

    def see(self, phase: Phase, batch: AdversarialBatch) -> None:
        if phase.player == "D" and batch.has("real_logits"):
            logits = batch.real_logits.detach()
            self.signs.add_((logits - self.boundary).sign().sum())
            self.count.add_(logits.numel())

    def advance(self, batches: int, images_shown: int) -> None:
        if self.p is not None:
            self.now.fill_(at(self.p, images_shown))
        elif batches > 0 and batches % self.interval == 0:
            self._adjust(images_shown - self.adjusted_at)
            self.adjusted_at = images_shown

    def _adjust(self, images: int) -> None:
        """Nothing is read on the host: where D saw no real since (a gate was closed), p stays."""
        seen = self.count > 0
        mean = self.signs / self.count.clamp(min=1)
        self.r_t.copy_(torch.where(seen, mean, self.r_t))
        self.now.add_(seen * (mean - self.target).sign() * (images / (1000 * self.speed_kimg))).clamp_(0, 1)
        self.signs.zero_()
        self.count.zero_()

    def report(self) -> dict[str, Tensor]:
        return {"augment/p": self.now} | ({"augment/r_t": self.r_t} if self.p is None else {})

    def get_extra_state(self) -> dict[str, Any]:
        return {"adjusted_at": self.adjusted_at}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.adjusted_at = state["adjusted_at"]

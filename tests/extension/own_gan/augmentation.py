"""An augmentation with state: noise whose strength follows the sign of D's logits of the reals."""

import torch
from torch import Tensor

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.parts import Augmentation
from seesaw.gan.phases import Phase
from seesaw.types import Pyramid


class AdaptiveNoise(Augmentation):
    """Noise of standard deviation `strength`, which grows by `speed` per step of D while most logits of reals are positive."""

    sees_batches = True

    def __init__(self, speed: float = 0.01) -> None:
        super().__init__()
        self.speed, self.batches = speed, 0
        self.strength: Tensor
        self.register_buffer("strength", torch.zeros(()))

    def advance(self, batches: int, images_shown: int) -> None:
        self.batches = batches

    def see(self, phase: Phase, batch: AdversarialBatch) -> None:
        if phase.player == "D" and batch.has("real_logits"):
            change = batch.real_logits.detach().sign().mean().to(self.strength)
            self.strength.copy_((self.strength + self.speed * change).clamp(0, 1))

    def forward(self, images: Pyramid) -> Pyramid:
        return [x + self.strength.to(x) * torch.randn_like(x) for x in images]

    def report(self) -> dict[str, float]:
        return {"augment/batches": float(self.batches)}

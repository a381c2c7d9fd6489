"""A penalty: the square of D's mean logit."""

from torch import Tensor

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.penalties import Penalty
from seesaw.types import Schedule, at


class Centred(Penalty):
    """weight (D(x) + D(G(z)))^2 / 4. With bounds = "everywhere" it would also serve a Wasserstein loss."""

    def __init__(self, weight: Schedule = 0.1, interval: int = 1) -> None:
        super().__init__(interval)
        self.weight = weight

    @property
    def strength(self) -> Schedule:
        return self.weight

    def forward(self, batch: AdversarialBatch) -> Tensor:
        return at(self.weight, batch.images_shown) * (batch.real_logits + batch.fake_logits).square() / 4

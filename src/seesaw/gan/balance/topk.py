"""G learns from its best images alone."""

import math
from collections.abc import Mapping
from typing import cast

from torch import Tensor

from seesaw.functional.penalties import of_samples
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.parts import Part, adversarial_phase
from seesaw.gan.phases import Phase
from seesaw.gan.terms import Term


class TopK(Part):
    """G's adversarial loss over the k fakes of a batch that D finds most real (Sinha et al. 2020, algorithm 1).

    k = max(decay^e, min) x the batch, rounded down, at least 1, where e counts whole epochs of `epoch_kimg`. Couples the
    samples of a batch: with micro-batches it is the top k of each. A relativistic loss keeps the pairs of those fakes.

    Args:
        decay: gamma, of k, an epoch, in (0, 1].
        min: nu, the part of the batch at which it stops, in (0, 1].
        epoch_kimg: thousand images; 50 is CIFAR-10's epoch.
    """

    def __init__(self, decay: float = 0.99, min: float = 0.5, epoch_kimg: float = 50.0) -> None:
        super().__init__()
        if not 0 < decay <= 1 or not 0 < min <= 1:
            raise ValueError(f"decay is {decay} and min {min}; both must be above 0 and at most 1")
        if not 0 < epoch_kimg < math.inf:
            raise ValueError(f"epoch_kimg is {epoch_kimg}; it must be above 0")
        self.decay, self.min, self.epoch_kimg = decay, min, epoch_kimg
        self.fraction = 1.0

    def bind(self, phases: Mapping[str, Phase]) -> None:
        _, name, _ = adversarial_phase(phases, "topk")
        found = [phase for phase in phases.values() if phase.player == "G" and name in phase.terms]
        if not found:
            raise ValueError(
                f"topk chooses among the values of G's adversarial term, and no phase of G has a term {name}"
            )
        for phase in found:
            phase.terms[name] = TopKOf(cast(Term, phase.terms[name]), self)

    def advance(self, batches: int, images_shown: int) -> None:
        epochs = math.floor(images_shown / (1000 * self.epoch_kimg))
        self.fraction = max(self.decay**epochs, self.min)

    def report(self) -> dict[str, float]:
        return {"balance/topk": self.fraction}


class TopKOf(Term):
    """The values of `term` for the fakes with the highest logits: (k,), highest first. `part` has the fraction."""

    def __init__(self, term: Term, part: TopK) -> None:
        super().__init__()
        self.term, self.parts = term, [part]  # in a list: the module that holds the balance parts owns it
        self.grad_of, self.second_order = term.grad_of, term.second_order

    def forward(self, batch: AdversarialBatch) -> Tensor:
        logits = of_samples(batch.fake_logits)
        k = max(int(self.parts[0].fraction * len(logits)), 1)
        values: Tensor = self.term(batch)
        return values[logits.detach().topk(k).indices]

"""Labels of reals a little under 1."""

from collections.abc import Mapping

from torch import Tensor

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import CrossEntropyD, LeastSquaresD
from seesaw.gan.parts import TermPart, adversarial_phase
from seesaw.gan.phases import Phase


class LabelSmoothing(TermPart):
    """One-sided label smoothing: D's target for reals is `real` and not 1, for fakes it stays 0.

    Salimans et al. 2016, section 3.4.

    It adds to D's loss what the other target adds, so `D/adversarial` stays the plain loss (which gates read) and
    `D/label_smoothing` is the difference. With target t, cross-entropy is -t log s(D(x)) - (1 - t) log(1 - s(D(x))),
    the plain one plus (1 - t) D(x); least squares is (D(x) - t)^2. At equilibrium D gives t / 2 where it gave 1/2: accuracy
    still counts from 1/2, and under cross-entropy the plain loss of that D is 1.396 for t = 0.9, where log 4 is 1.386.

    Args:
        real: the target, in (0, 1]; 0.9 is usual.
    """

    name = "label_smoothing"

    def __init__(self, real: float = 0.9) -> None:
        super().__init__()
        if not 0 < real <= 1:
            raise ValueError(f"real is {real}; it must be above 0 and at most 1")
        self.real, self.least_squares = real, False

    def bind(self, phases: Mapping[str, Phase]) -> None:
        _, _, loss = adversarial_phase(phases, self.name)
        if not isinstance(loss, CrossEntropyD | LeastSquaresD):
            raise ValueError(
                f"label_smoothing moves the labels of reals, and {type(loss).__name__} has none; "
                "it takes loss=non_saturating, minimax or least_squares"
            )
        self.least_squares = isinstance(loss, LeastSquaresD)
        super().bind(phases)

    def forward(self, batch: AdversarialBatch) -> Tensor:
        logits = batch.real_logits
        if self.least_squares:
            return (logits - self.real).square() - (logits - 1).square()
        return (1 - self.real) * logits

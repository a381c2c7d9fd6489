"""A term of a loss: a pure function of what one player sees of one micro-batch."""

from torch import Tensor, nn

from seesaw.gan.batch import AdversarialBatch


class Term(nn.Module):
    """(AdversarialBatch) -> one value per sample, or fewer where samples are coupled.

    Attributes:
        grad_of: which of "real", "fake" must carry a gradient.
        replays: which of "real", "fake" it judges once more under the same random draws (`AdversarialBatch.judge_again`).
        second_order: whether it differentiates a gradient. It then needs the graph and eager modules, and is left out while its
            phase is skipped.
    """

    grad_of: frozenset[str] = frozenset()
    replays: frozenset[str] = frozenset()
    second_order = False

    def forward(self, batch: AdversarialBatch) -> Tensor:
        raise TypeError(f"{type(self).__name__} defines no value")  # Term itself is abstract

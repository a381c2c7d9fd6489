"""A phase: one optimiser step of one player."""

import functools
from typing import Literal

import torch
from torch import Tensor, nn

from seesaw.functional.convolution import differentiated_twice
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.terms import DiscriminatorLoss, Term


class Phase(nn.Module):
    """The sum of its terms, on every `every`-th batch, times `gain`.

    Args:
        player: whose parameters step.
        terms: named; a configuration group can add to them.
        every: play on batches 0, every, 2 every, ... Counts batches, whether or not anyone rested.
        gain: factor of the loss; a lazy regulariser takes `gain = every` (Karras et al. 2020, appendix B).
        share: the part of the batch that it sees, in (0, 1].
    """

    def __init__(
        self,
        player: Literal["G", "D"],
        terms: dict[str, Term],
        every: int = 1,
        gain: float = 1.0,
        share: float = 1.0,
    ) -> None:
        super().__init__()
        if not terms:
            raise ValueError("terms is empty; a phase needs at least one")
        if gain <= 0:
            raise ValueError(f"gain is {gain}; it must be above 0")
        if every < 1:
            raise ValueError(f"every is {every}; it must be at least 1")
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}; it must be above 0 and at most 1")
        self.player, self.every, self.gain, self.share = player, every, gain, share
        self.terms = nn.ModuleDict(terms)
        self.grad_of = frozenset().union(*(t.grad_of for t in terms.values()))
        self.second_order = any(t.second_order for t in terms.values())

    def forward(self, batch: AdversarialBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to differentiate, and what to log: `loss` and each term by its name."""
        with differentiated_twice(self.second_order):
            values = {name: term(batch).mean() for name, term in self.terms.items()}
        total = functools.reduce(torch.add, values.values())
        loss = total if self.gain == 1 else self.gain * total
        return loss, {"loss": loss, **values}

    @torch.no_grad()
    def watch(self, batch: AdversarialBatch) -> dict[str, Tensor]:
        """What to log while it rests: the terms that need no graph. No `loss`: without the others it is another quantity."""
        return {name: term(batch).mean() for name, term in self.terms.items() if not term.second_order}

    def adversarial(self) -> tuple[str, DiscriminatorLoss] | None:
        """The name and term of D's adversarial loss, where this phase has it."""
        return next(((n, t) for n, t in self.terms.items() if isinstance(t, DiscriminatorLoss)), None)


def label(phase: str, what: str) -> str:
    """The name that the loggers show: loss/D is the whole of phase D, D/adversarial one of its terms."""
    return f"loss/{phase}" if what == "loss" else f"{phase}/{what}"

"""A phase: one optimiser step of one player."""

import functools
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import DiscriminatorLoss
from seesaw.gan.penalties import Penalty
from seesaw.gan.terms import Term

Player = Literal["G", "D"]


class Phase(nn.Module):
    """The sum of its terms, in every `interval`-th batch, times `gain`.

    Args:
        name: of the phase; it keys the latents.
        player: whose parameters step.
        terms: by name.
        interval: due in batches 0, interval, 2 interval, … Counts batches, whether or not a gate skipped any.
        gain: factor of the loss; a lazy regulariser has `gain = interval` (Karras et al. 2020, appendix B).
        batch_fraction: the part of the batch that it sees, in (0, 1].
    """

    def __init__(
        self,
        name: str,
        player: Player,
        terms: Mapping[str, Term],
        interval: int = 1,
        gain: float = 1.0,
        batch_fraction: float = 1.0,
    ) -> None:
        super().__init__()
        if not terms:
            raise ValueError("terms is empty; a phase needs at least one")
        if gain <= 0:
            raise ValueError(f"gain is {gain}; it must be above 0")
        if interval < 1:
            raise ValueError(f"interval is {interval}; it must be at least 1")
        if not 0 < batch_fraction <= 1:
            raise ValueError(f"batch_fraction is {batch_fraction}; it must be above 0 and at most 1")
        self.name, self.player, self.interval = name, player, interval
        self.gain, self.batch_fraction = gain, batch_fraction
        self.terms = nn.ModuleDict(dict(terms))
        self.grad_of = frozenset().union(*(t.grad_of for t in terms.values()))
        self.replays = frozenset().union(*(t.replays for t in terms.values()))
        self.second_order = any(t.second_order for t in terms.values())

    def forward(self, batch: AdversarialBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to differentiate, and what to log: `loss` and each term by its name."""
        values = {name: term(batch).mean() for name, term in self.terms.items()}
        total = functools.reduce(torch.add, values.values())
        loss = total if self.gain == 1 else self.gain * total
        return loss, {"loss": loss, **values}

    @torch.no_grad()
    def evaluate_without_grad(self, batch: AdversarialBatch) -> dict[str, Tensor]:
        """What to log while a gate skips the phase: the terms that need no graph. No `loss`: without the others it is another
        quantity."""
        return {name: term(batch).mean() for name, term in self.terms.items() if not term.second_order}

    def adversarial(self) -> tuple[str, DiscriminatorLoss] | None:
        """The name and term of D's adversarial loss, where this phase has it."""
        return next(((n, t) for n, t in self.terms.items() if isinstance(t, DiscriminatorLoss)), None)


def build_phases(
    loss: Mapping[str, Term], penalty: Mapping[str, Penalty], order: Sequence[Player] = ("D", "G")
) -> dict[str, Phase]:
    """The phases of a game, by name: D and G with their adversarial terms, each followed by its player's lazy phases.

    A penalty with interval 1 joins its player's adversarial phase. Those of one player with the same interval k > 1 share a
    phase, D_reg16 for k = 16, with gain k.

    Args:
        loss: D's adversarial term under "d", G's under "g".
        penalty: by name.
        order: the players in the order of their steps; StyleGAN2 has ("G", "D").

    Raises:
        ValueError: `loss` or `order` does not name both players, or lazy penalties of one phase see different parts of the batch.
    """
    if set(loss) != {"d", "g"}:
        raise ValueError(f"a loss names D's term under d and G's under g, and this one has {', '.join(loss) or 'none'}")
    if sorted(order) != ["D", "G"]:
        raise ValueError(f"order is {list(order)}; it must be [D, G] or [G, D]")
    phases: dict[str, Phase] = {}
    for player in order:
        own = {name: term for name, term in penalty.items() if term.player == player}
        joined = {name: term for name, term in own.items() if term.interval == 1}
        # The order of the terms is that of D's forward passes and of the sum; version 0.1 had penalties first too.
        phases[player] = Phase(player, player, {**joined, "adversarial": loss[player.lower()]})
        for k in sorted({term.interval for term in own.values() if term.interval > 1}):
            lazy = {name: term for name, term in own.items() if term.interval == k}
            fractions = {term.batch_fraction for term in lazy.values()}
            if len(fractions) > 1:
                raise ValueError(
                    f"{' and '.join(lazy)} share a phase; give them one batch_fraction, or other intervals"
                )
            phases[f"{player}_reg{k}"] = Phase(f"{player}_reg{k}", player, lazy, k, float(k), fractions.pop())
    return phases

"""The training step of every GAN, in one screen.

    for each batch of reals x with labels y (with model.fresh_reals G's phases have an x and y of their own):
        the growth, the balance parts and the augmentation learn the time (images shown)
        due = the phases whose interval divides the number of batches so far
        dynamics(game, due), which by default is
            for phase in due:                                        # D: loss + penalties; G: loss; lazy penalties
                if a gate is closed: evaluate without gradient, continue
                for each micro-batch of the phase:
                    z ~ N(0, I), keyed by (seed, images shown, phase); y of the fakes = y, or even, keyed likewise
                    L = gain * sum over terms t of mean_i t(D, G, x, y, z)_i         # the opponent is frozen
                    g = g + (share of the batch) * dL / d(weights of phase.player)
                the player's optimiser steps with g                  # lr and beta2 of this moment
        images shown = images shown + |x|;   the averaged G follows G;   statistics go on their way to the host

`Game` is the middle part for one batch, and the four calls that a dynamics may make. `GAN.training_step` is the frame.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seesaw.functional.ranks import world_size
from seesaw.functional.rng import reseed
from seesaw.gan.batch import AdversarialBatch, IntoDiscriminator
from seesaw.gan.fakes import FakeCache
from seesaw.gan.labels import FakeLabels
from seesaw.gan.networks import CompiledNetworks
from seesaw.gan.parts import Gate, Part
from seesaw.gan.phases import Phase
from seesaw.gan.rates import LearningRates
from seesaw.shared.meter import Meter
from seesaw.types import Batch
from seesaw.util import key

Gradients = list[Tensor | None]
"""One per parameter of a player, in their order; None where the loss does not depend on it."""


class Setup(NamedTuple):
    """What stays the same in all batches of a run."""

    networks: CompiledNetworks
    parameters: Mapping[str, Sequence[nn.Parameter]]  # of "G" and "D", but for frozen ones
    z_dim: int
    view: Callable[..., Any]
    into_discriminator: IntoDiscriminator
    pack: int  # images that D judges together
    gates: Sequence[Gate]
    watchers: Sequence[Part]  # those that see every micro-batch
    fakes: FakeCache
    fake_labels: FakeLabels
    rates: LearningRates
    meter: Meter
    seed: int
    micro_batch: int | None


class Game:
    """Both players before one batch of reals.

    Args:
        setup: what stays the same in all batches.
        seen: what the phases of "D" and of "G" see: reals (B, C, H, W) in [-1, 1], this process's rows, and labels (B,) or None.
        images_shown: the time.
        rank: of this process.
        optimizers: of "G" and "D", with a `step` that all processes make together.
        backward: adds the gradients of a loss to `.grad`.
    """

    def __init__(
        self,
        setup: Setup,
        seen: Mapping[str, Batch],
        images_shown: int,
        rank: int,
        optimizers: Mapping[str, Any],
        backward: Callable[[Tensor], None],
    ) -> None:
        self.setup, self.seen, self.images_shown, self.rank = setup, seen, images_shown, rank
        self.optimizers, self.backward = optimizers, backward

    # The four calls of a dynamics

    def gradients(self, phase: Phase, create_graph: bool = False) -> Gradients | None:
        """The gradients of a phase's loss for its player's weights over all micro-batches; None where a gate is closed, and the
        phase was evaluated without gradient instead. Logs the phase's values.

        Args:
            phase: one of those that are due.
            create_graph: make them differentiable in the weights of both players; nothing is frozen then.
        """
        if not self.is_active(phase):
            self._evaluate_without_grad(phase)
            return None
        if create_graph:
            loss = self._sum(self._losses(phase, keep_graph=True, log=True))
            return list(torch.autograd.grad(loss, self.weights(phase.player), create_graph=True, allow_unused=True))
        self.freeze_opponent(phase.player)
        for loss in self._losses(phase, log=True):
            self.backward(loss)
        weights = self.setup.parameters[phase.player]
        taken = [w.grad for w in weights]
        for w in weights:
            w.grad = None
        return taken

    def update(self, player: str, gradients: Sequence[Tensor | None] | None) -> None:
        """One step of a player's optimiser with these gradients; nothing for None, the answer of a closed gate."""
        if gradients is None:
            return
        for w, gradient in zip(self.setup.parameters[player], gradients, strict=True):
            w.grad = gradient
        optimizer = self.optimizers[player]
        self.setup.rates.apply(player, optimizer.optimizer, self.images_shown)
        optimizer.step()  # several processes average the gradients here
        if player == "G":
            self.setup.fakes.forget()
        self.setup.meter.count_update(player, [w.grad for w in self.setup.parameters[player]])

    def loss(self, phase: Phase, weights: Mapping[str, Sequence[Tensor]] | None = None) -> Tensor:
        """A phase's loss over the whole batch as a differentiable number, nothing frozen and nothing logged.

        Args:
            phase: any phase, its gate unasked.
            weights: other weights for "G", "D" or both in place of their parameters, in `weights`' order.
        """
        return self._sum(self._losses(phase, keep_graph=True, weights=weights or {}))

    def weights(self, player: str) -> list[nn.Parameter]:
        """The parameters of "G" or "D" that are trained. A dynamics may write into their data."""
        return list(self.setup.parameters[player])

    # What they are made of

    def is_active(self, phase: Phase) -> bool:
        """Whether all gates are open."""
        return all(gate.is_active(phase) for gate in self.setup.gates)

    def freeze_opponent(self, player: str) -> None:
        """Let only the player have gradients, and none yet, so that nothing is computed for its opponent's weights."""
        for owner, weights in self.setup.parameters.items():
            for w in weights:
                w.requires_grad = owner == player
        for w in self.setup.parameters[player]:
            w.grad = None

    def _micro_batches(self, phase: Phase, **how: Any) -> Iterator[tuple[AdversarialBatch, float]]:
        """Each micro-batch of a phase with its share of the phase's samples, randomness seeded for it."""
        reals, y = self.seen[phase.player]
        n = max(int(len(reals) * phase.batch_fraction), 1)
        z, size = self.latents(phase.name, len(reals)), self.setup.micro_batch or n
        y_fake = self.fake_labels(phase.name, y)
        for k, first in enumerate(range(0, n, size)):
            rows = slice(first, min(first + size, n))
            reseed(key(self.setup.seed, self.images_shown, phase.name, k, self.rank), z.device)
            share = (rows.stop - first) / n
            real, fake = (None if labels is None else labels[rows] for labels in (y, y_fake))
            yield self.adversarial_batch(phase, reals[rows], z[rows], real, fake, **how), share

    def _losses(self, phase: Phase, keep_graph: bool = False, log: bool = False, **how: Any) -> Iterator[Tensor]:
        """The loss of each micro-batch; they add up to that of the batch."""
        if keep_graph:
            for weights in self.setup.parameters.values():
                for w in weights:
                    w.requires_grad = True
        for batch, share in self._micro_batches(phase, keep_graph=keep_graph, **how):
            loss, values = phase(batch)
            yield loss * share
            if log:
                self._log(phase, batch, values)

    def _evaluate_without_grad(self, phase: Phase) -> None:
        self.freeze_opponent(phase.player)
        for batch, _ in self._micro_batches(phase):
            self._log(phase, batch, phase.evaluate_without_grad(batch))
        self.setup.meter.count_skip(phase.player)

    def _log(self, phase: Phase, batch: AdversarialBatch, values: dict[str, Tensor]) -> None:
        self.setup.meter.add(phase.name, values | scores(phase, batch), len(batch.z))
        for part in self.setup.watchers:
            part.see(phase, batch)

    @staticmethod
    def _sum(losses: Iterator[Tensor]) -> Tensor:
        return torch.stack(list(losses)).sum()

    def adversarial_batch(
        self,
        phase: Phase,
        reals: Tensor,
        z: Tensor,
        y: Tensor | None,
        y_fake: Tensor | None = None,
        keep_graph: bool = False,
        weights: Mapping[str, Sequence[Tensor]] | None = None,
    ) -> AdversarialBatch:
        """What the phase's player sees of these rows; `y_fake`: None: the labels of the reals."""
        G, D = (self._network(player, phase, keep_graph, (weights or {}).get(player)) for player in "GD")
        return AdversarialBatch(
            self.setup.fakes.wrap(G), D, reals, z, y,
            view=self.setup.view, into_discriminator=self.setup.into_discriminator, y_fake=y_fake,
            player=phase.player, grad_of=phase.grad_of, replays=phase.replays, images_shown=self.images_shown,
            pack=self.setup.pack, keep_graph=keep_graph,
        )  # fmt: skip

    def _network(
        self, player: str, phase: Phase, keep_graph: bool, weights: Sequence[Tensor] | None
    ) -> Callable[..., Any]:
        network = self.setup.networks.of(player, phase, keep_graph)
        if weights is None:
            return network
        module, own = self.setup.networks.modules[player], {id(w) for w in self.setup.parameters[player]}
        names = (name for name, w in module.named_parameters() if id(w) in own)  # frozen ones stay as they are
        named = dict(zip(names, weights, strict=True))
        return lambda *inputs: torch.func.functional_call(module, named, inputs)

    def fake_labels(self, phase: str, y: Tensor | None) -> Tensor | None:
        """The labels (B,) of this rank's fakes beside reals of these labels, keyed as their latents are."""
        return self.setup.fake_labels(y, self._key(phase, "y"), self.rank)

    def _key(self, phase: str, what: str) -> int:
        return key(self.setup.seed, self.images_shown, self.setup.fakes.latent_key(phase), what)

    def latents(self, phase: str, n: int) -> Tensor:
        """This rank's rows of the global batch's latents (n, z_dim), keyed by the time and, where it has its own, the phase."""
        like = self.seen["D"].real
        device, dtype, seed = like.device, like.dtype, self._key(phase, "z")
        generator = torch.Generator(device).manual_seed(seed)
        z = torch.randn(n * world_size(), self.setup.z_dim, generator=generator, device=device, dtype=dtype)
        return z[self.rank * n : (self.rank + 1) * n]


def scores(phase: Phase, batch: AdversarialBatch) -> dict[str, Tensor]:
    """D's accuracy and mean logits, from what the adversarial term asked for anyway."""
    found = phase.adversarial()
    if found is None:
        return {}
    return {
        "accuracy": found[1].accuracy(batch),
        "logits_real": batch.real_logits,
        "logits_fake": batch.fake_logits,
    }

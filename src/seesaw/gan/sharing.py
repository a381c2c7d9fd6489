"""Who makes G's images: each step its own, or one forward pass of G for the steps of a batch."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from seesaw.gan.balance import ChangeRate, Gate
from seesaw.gan.phases import Phase
from seesaw.types import Fake, UserError

Maker = Callable[[Tensor, Tensor | None], Fake]
"""Latents and labels to a Fake: G, or G compiled."""


class OwnFakes:
    """Each phase draws latents under its own name, so every step sees images of its own."""

    def begin(self, G_plays: bool) -> None:
        """Told before each batch whether G takes a step in it."""

    def latents_of(self, phase: str) -> str:
        """Under which name the phase's latents are drawn."""
        return phase

    def by(self, G: Maker) -> Maker:
        """What stands for G in a phase."""
        return G


class SharedFakes(OwnFakes):
    """The images of the first phase of a batch that asks, kept with G's graph for the others, as in the classic DCGAN loop.

    D's step is the same but for the latents' key. G's step then sees the images that D has just learned from, and costs no
    forward pass of G; BatchNorm in G counts one batch and not two. G's activations stay in memory during D's step.
    """

    def __init__(self, G: nn.Module) -> None:
        self.weights = list(G.parameters())
        self.made: Fake | None = None
        self.graph = True

    def begin(self, G_plays: bool) -> None:
        self.made, self.graph = None, G_plays

    def latents_of(self, phase: str) -> str:
        return "shared"

    def by(self, G: Maker) -> Maker:
        return partial(self.once, G)

    def once(self, run: Maker, z: Tensor, y: Tensor | None) -> Fake:
        """G's images, from the first call of a batch on."""
        if self.made is None:
            before = any(w.requires_grad for w in self.weights)  # false in D's turn: see `GAN.turn`
            self._ask(self.graph)
            with torch.set_grad_enabled(self.graph):
                self.made = run(z, y)
            self._ask(before)
        return self.made

    def _ask(self, gradients: bool) -> None:
        for w in self.weights:
            w.requires_grad = gradients


def fakes_of(
    G: nn.Module, share: bool, phases: Mapping[str, Phase], micro_batch: int | None, gates: Iterable[Gate]
) -> OwnFakes:
    """SharedFakes where that is asked for. Raises UserError where the phases of a batch cannot share, or would gain nothing."""
    if not share:
        return OwnFakes()
    if micro_batch is not None:
        raise UserError(
            f"model.share_fakes keeps G's graph of the whole batch, and model.micro_batch is {micro_batch}: set one of them back"
        )
    of_g = [name for name, phase in phases.items() if phase.player == "G"]
    if len(of_g) != 1:
        raise UserError(
            f"model.share_fakes serves one step of G in a batch, and this model has {len(of_g)} phases of G "
            f"({', '.join(of_g)}): leave it out"
        )
    shares = {name: phase.share for name, phase in phases.items()}
    if len(set(shares.values())) > 1:
        told = ", ".join(f"{name} {share:g}" for name, share in shares.items())
        raise UserError(f"model.share_fakes needs phases of one share of the batch, and they have {told}: leave it out")
    if any(isinstance(gate, ChangeRate) for gate in gates):
        raise UserError(
            "model.share_fakes gives G's step the images of D's, and under balance=change_rate only one of them steps in a "
            "batch: leave one of the two out"
        )
    return SharedFakes(G)

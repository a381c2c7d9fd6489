"""Which forward pass of G a phase uses: its own, or one that the phases of a batch share."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from seesaw.gan.parts import Gate
from seesaw.gan.phases import Phase
from seesaw.types import Fake, UserError

Generate = Callable[[Tensor, Tensor | None], Fake]
"""Latents and labels to a Fake: G, or G compiled."""


class FakeCache:
    """Keeps nothing: each phase draws latents under its own name, so every step sees images of its own."""

    def reset(self, G_steps: bool) -> None:
        """Begin a batch. `G_steps`: whether G takes a step in it."""

    def forget(self) -> None:
        """G has taken a step."""

    def latent_key(self, phase: str) -> str:
        """The name under which the phase's latents are drawn."""
        return phase

    def wrap(self, G: Generate) -> Generate:
        """What stands for G in a phase."""
        return G


class SharedFakes(FakeCache):
    """Keeps the images of the first phase of a batch that asks, with G's graph, for the others, as in the classic DCGAN loop.

    D's step is the same but for the latents' key. G's step then sees the images that D has just learned from, and costs no
    forward pass of G; BatchNorm in G counts one batch and not two. G's activations stay in memory during D's step. Where G's
    weights have changed since (a dynamics that looks ahead, or G before D), the images are made anew.
    """

    def __init__(self, G: nn.Module) -> None:
        self.weights = list(G.parameters())
        self.kept: Fake | None = None
        self.graph, self.version = True, -1

    def reset(self, G_steps: bool) -> None:
        self.kept, self.graph = None, G_steps

    def forget(self) -> None:
        self.kept = None

    def latent_key(self, phase: str) -> str:
        return "shared"

    def wrap(self, G: Generate) -> Generate:
        return partial(self.once, G)

    def once(self, G: Generate, z: Tensor, y: Tensor | None) -> Fake:
        """G's images, from the first call of a batch on while G's weights stay the same."""
        version = sum(w._version for w in self.weights)  # a dynamics may write into them; fused steps do not count
        if self.kept is None or version != self.version:
            self.version = version
            before = any(w.requires_grad for w in self.weights)  # false in D's phases, in which G is frozen
            self._require_grad(self.graph)
            with torch.set_grad_enabled(self.graph):
                self.kept = G(z, y)
            self._require_grad(before)
        return self.kept

    def _require_grad(self, wanted: bool) -> None:
        for w in self.weights:
            w.requires_grad = wanted


def make_fake_cache(
    G: nn.Module, share: bool, phases: Mapping[str, Phase], micro_batch: int | None, gates: Iterable[Gate]
) -> FakeCache:
    """SharedFakes where that is asked for. Raises UserError where the phases of a batch cannot share, or would gain nothing."""
    if not share:
        return FakeCache()
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
    fractions = {name: phase.batch_fraction for name, phase in phases.items()}
    if len(set(fractions.values())) > 1:
        listed = ", ".join(f"{name} {fraction:g}" for name, fraction in fractions.items())
        raise UserError(
            f"model.share_fakes needs phases that see the same part of the batch, and they see {listed}: leave it out"
        )
    if any(gate.exclusive for gate in gates):
        raise UserError(
            "model.share_fakes gives G's step the images of D's, and under balance=change_rate only one of them steps in a "
            "batch: leave one of the two out"
        )
    return SharedFakes(G)

"""What one player sees of one micro-batch."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from seesaw.functional.precision import at_least_float32
from seesaw.types import Fake, Pyramid


class AdversarialBatch:
    """Each tensor is made when a term first asks for it, then kept: what no term asks for costs nothing.

    Args:
        G, D: the players, or what stands for them; the one who does not play is frozen by the caller.
        reals: (B, C, H, W) in [-1, 1].
        z: latents (B, z_dim).
        y: labels (B,) of the reals, which serve both sides, or None.
        view: reals to the pyramid that D takes.
        augment: applied to every pyramid on its way into D.
        player: "G" or "D", whose step this is; only G's step builds G's graph.
        grad_of: which of "real", "fake" must carry a gradient, for penalties on D's input.
        images_shown: the time, for schedules.
    """

    def __init__(
        self,
        G: Callable[..., Fake],
        D: Callable[..., Tensor],
        reals: Tensor,
        z: Tensor,
        y: Tensor | None = None,
        *,
        view: Callable[[Tensor], Pyramid],
        augment: Callable[[Pyramid], Pyramid],
        player: str,
        grad_of: frozenset[str] = frozenset(),
        images_shown: int = 0,
    ) -> None:
        self.G, self.D, self.z, self.y, self.images_shown = G, D, z, y, images_shown
        self._reals, self._view, self._augment = reals, view, augment
        self._player, self._grad_of = player, grad_of

    @cached_property
    def real(self) -> Pyramid:
        """The view of the reals, a leaf: R1 takes its gradient here, before the augmentation."""
        with torch.no_grad():
            images = self._view(self._reals)
        return [leaf(x, "real" in self._grad_of) for x in images]

    @cached_property
    def made(self) -> Fake:
        """What G makes of z; in D's step without G's graph, unless G's images are shared."""
        with torch.set_grad_enabled(self._player == "G" and torch.is_grad_enabled()):
            return self.G(self.z, self.y)

    @cached_property
    def fake(self) -> Pyramid:
        """G's images; in D's step a leaf of D's graph."""
        if self._player == "G":
            return self.made.images
        return [leaf(x, "fake" in self._grad_of) for x in self.made.images]

    @cached_property
    def real_logits(self) -> Tensor:
        """D(reals), (B,), at least float32. Separate from `fake_logits`, so BatchNorm sees each side alone.

        In G's step no graph is kept for it: the reals carry no gradient and D is frozen.
        """
        return self.logits_of(self.real)

    @cached_property
    def fake_logits(self) -> Tensor:
        """D(G(z)), (B,), at least float32."""
        return self.logits_of(self.fake)

    def logits_of(self, images: Pyramid) -> Tensor:
        """D of any pyramid, through the augmentation, (B,), float32 under every autocast (float64 in float64)."""
        return at_least_float32(self.D(self._augment(images), self.y))

    def has_made(self, *names: str) -> bool:
        """Whether some term already asked for all of these."""
        return all(name in vars(self) for name in names)


def leaf(images: Tensor, asked: bool) -> Tensor:
    """`images` cut off their graph. Where a penalty asks for their gradient they are float32 at least, so that it is too."""
    return at_least_float32(images).detach().requires_grad_() if asked else images.detach()

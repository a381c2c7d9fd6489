"""What one player sees of one micro-batch."""

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from seesaw.functional.dtype import at_least_float32
from seesaw.functional.rng import random_states, replayed
from seesaw.types import Fake, Logits, Pyramid

Side = Literal["real", "fake"]
"""Which of D's images: the reals or G's."""

IntoDiscriminator = Callable[[Pyramid, Tensor | None], tuple[Pyramid, Tensor | None]]
"""Images and labels to what D takes of them: noise, augmentation, packing."""


class AdversarialBatch:
    """Each tensor is made when a term first asks for it, then kept: what no term asks for costs nothing.

    Args:
        G: the generator, or a callable in its place; the player who does not step is frozen by the caller.
        D: the discriminator, likewise.
        reals: (B, C, H, W) in [-1, 1].
        z: latents (B, z_dim).
        y: labels (B,) of the reals, or None.
        view: reals to the pyramid that D takes.
        into_discriminator: applied to every pyramid, and its labels, on its way into D.
        y_fake: labels (B,) of the fakes; None: those of the reals.
        player: "G" or "D", whose step this is. Only G's step builds G's graph.
        grad_of: which of "real", "fake" must carry a gradient, for penalties on D's input.
        replays: which of "real", "fake" some term judges again; see `judge_again`.
        images_shown: the time, for schedules.
        pack: images that D judges together; each penalty on gradients then treats a pack as one sample.
        keep_graph: build G's graph in D's step too, for dynamics that differentiate through a step.
    """

    def __init__(
        self,
        G: Callable[..., Fake],
        D: Callable[..., Tensor | Logits],
        reals: Tensor,
        z: Tensor,
        y: Tensor | None = None,
        *,
        view: Callable[[Tensor], Pyramid],
        into_discriminator: IntoDiscriminator,
        y_fake: Tensor | None = None,
        player: str,
        grad_of: frozenset[str] = frozenset(),
        replays: frozenset[str] = frozenset(),
        images_shown: int = 0,
        pack: int = 1,
        keep_graph: bool = False,
    ) -> None:
        self.G, self.D, self.z, self.y, self.images_shown, self.pack = G, D, z, y, images_shown, pack
        self.y_fake = y if y_fake is None else y_fake
        self._reals, self._view, self._into_discriminator = reals, view, into_discriminator
        self._through_G, self._grad_of = player == "G" or keep_graph, grad_of
        self._replays, self._drawn_from = replays, dict[str, list[Tensor]]()

    @cached_property
    def real(self) -> Pyramid:
        """The view of the reals, a leaf: R1 takes its gradient here, before the augmentation."""
        with torch.no_grad():
            images = self._view(self._reals)
        return [leaf(x, "real" in self._grad_of) for x in images]

    @cached_property
    def generated(self) -> Fake:
        """What G makes of z; in D's step without G's graph, unless G's images are shared."""
        with torch.set_grad_enabled(self._through_G and torch.is_grad_enabled()):
            return self.G(self.z, self.y_fake)

    @cached_property
    def fake(self) -> Pyramid:
        """G's images; in D's step a leaf of D's graph."""
        if self._through_G:
            return self.generated.images
        return [leaf(x, "fake" in self._grad_of) for x in self.generated.images]

    @cached_property
    def real_logits(self) -> Tensor:
        """D(reals), (B,), at least float32. Separate from `fake_logits`, so BatchNorm sees each side alone.

        In G's step no graph is kept for it: the reals carry no gradient and D is frozen.
        """
        return self.judged_real.adversarial

    @cached_property
    def fake_logits(self) -> Tensor:
        """D(G(z)), (B,), at least float32."""
        return self.judged_fake.adversarial

    @cached_property
    def judged_real(self) -> Logits:
        """All that D gives for the reals, under their labels."""
        self._note_draws("real")
        return self.judge(self.real, self.y)

    @cached_property
    def judged_fake(self) -> Logits:
        """All that D gives for G's images, under theirs."""
        self._note_draws("fake")
        return self.judge(self.fake, self.y_fake)

    def logits_of(self, images: Pyramid) -> Tensor:
        """D's logits (B,) of any pyramid, under the labels of the reals."""
        return self.judge(images, self.y).adversarial

    def judge_again(self, side: Side, images: Pyramid) -> Tensor:
        """D's logits (B,) of other images in the place of the reals or the fakes: with their labels, and with the draws of noise,
        augmentation and dropout that `judged_real` or `judged_fake` had. The phase's `replays` must name the side."""
        _, y = (self.judged_real, self.y) if side == "real" else (self.judged_fake, self.y_fake)
        with replayed(self._drawn_from[side], self.z.device):
            return self.judge(images, y).adversarial

    def _note_draws(self, side: Side) -> None:
        if side in self._replays:
            self._drawn_from[side] = random_states(self.z.device)

    def judge(self, images: Pyramid, y: Tensor | None) -> Logits:
        """D of any pyramid, through noise, augmentation and packing, float32 under every autocast (float64 in float64)."""
        found = self.D(*self._into_discriminator(images, y))
        if not isinstance(found, Logits):
            return Logits(at_least_float32(found))
        classes = None if found.classes is None else at_least_float32(found.classes)
        return Logits(at_least_float32(found.adversarial), classes)

    def has(self, *names: str) -> bool:
        """Whether some term already asked for all of these."""
        return all(name in vars(self) for name in names)


def leaf(images: Tensor, asked: bool) -> Tensor:
    """`images` cut off their graph. Where a penalty asks for their gradient they are float32 at least, so that it is too."""
    return at_least_float32(images).detach().requires_grad_() if asked else images.detach()

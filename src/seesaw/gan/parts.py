"""A part: what takes part in the game beside the players and the terms. Balance strategies and augmentations are parts."""

from collections.abc import Mapping

from torch import Tensor, nn

from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import DiscriminatorLoss
from seesaw.gan.phases import Phase
from seesaw.gan.terms import Term
from seesaw.types import Pyramid


class Part(nn.Module):
    """The hooks of a part; by default each does nothing.

    A part may keep state in buffers on the device (floating-point ones are averaged over the processes after each batch) or as
    extra state; both are saved and restored exactly.

    Attributes:
        needs_statistics: whether `observe` must receive every batch's statistics, which are then sent to the host.
        sees_batches: whether `see` must receive every micro-batch.
        begins: images shown at which it begins to change the game; a run that ends before gets a notice.
    """

    needs_statistics = False
    sees_batches = False
    begins = 0

    def bind(self, phases: Mapping[str, Phase]) -> None:
        """Receive the phases, once, before anything runs. Raises ValueError where the part has no meaning."""

    def advance(self, batches: int, images_shown: int) -> None:
        """Receive the time before each batch: batches run and images shown so far, both saved."""

    def see(self, phase: Phase, batch: AdversarialBatch) -> None:
        """Receive each micro-batch after its terms were computed, on the device: nothing may be read to the host here. Logits
        that no term asked for would be computed: check `batch.has`."""

    def observe(self, statistics: Mapping[str, float], images: int) -> None:
        """Receive the means of one batch of `images` images ("D/adversarial", "D/accuracy", …), in order; before batch t the
        newest are those of batch t - 2."""

    def report(self) -> Mapping[str, float | Tensor]:
        """What to log once a window, by name: numbers, or scalars on the device, which nobody waits for."""
        return {}


class Gate(Part):
    """Decides whether a phase is active, from values that are equal on every rank: counters, statistics of earlier batches.

    Attributes:
        exclusive: whether it lets only one player step in a batch.
    """

    exclusive = False

    def is_active(self, phase: Phase) -> bool:
        """Whether the phase steps in the coming batch."""
        raise TypeError(f"{type(self).__name__} decides nothing")  # Gate itself is abstract


class LrScale(Part):
    """Multiplies a player's learning rate."""

    def scale(self, player: str) -> float:
        """The factor for "G" or "D"."""
        raise TypeError(f"{type(self).__name__} scales nothing")  # LrScale itself is abstract


class TermPart(Part, Term):
    """A term that joins D's adversarial phase under its own `name`; its buffers are saved there."""

    name: str

    def bind(self, phases: Mapping[str, Phase]) -> None:
        phase, _, _ = adversarial_phase(phases, self.name)
        if self.name in phases[phase].terms:
            raise ValueError(f"phase {phase} has a term {self.name} already")
        phases[phase].terms[self.name] = self


class InputTransform(Part):
    """Changes what D sees, reals and fakes alike, in both players' steps, before the augmentation."""

    def forward(self, images: Pyramid) -> Pyramid:
        """(B, C, H, W) each, coarse to fine, to the same shapes."""
        raise TypeError(f"{type(self).__name__} transforms nothing")  # InputTransform itself is abstract


class DiscriminatorWrapper(Part):
    """Changes how D takes its images and labels, after the augmentation; D then gives fewer logits than samples.

    Attributes:
        pack: images for which D gives one logit.
    """

    pack = 1

    def forward(self, images: Pyramid, y: Tensor | None) -> tuple[Pyramid, Tensor | None]:
        """(B, C, H, W) each, coarse to fine, and labels (B,) or None, to what D takes."""
        raise TypeError(f"{type(self).__name__} wraps nothing")  # DiscriminatorWrapper itself is abstract


class Augmentation(Part):
    """Augments what D sees: applied to reals and fakes in both players' steps, differentiable, after balance's transforms."""

    def forward(self, images: Pyramid) -> Pyramid:
        """(B, C, H, W) each in [-1, 1], coarse to fine, to the same shapes. Random draws come from torch's default generators,
        which are seeded for each micro-batch."""
        raise TypeError(f"{type(self).__name__} augments nothing")  # Augmentation itself is abstract


def adversarial_phase(phases: Mapping[str, Phase], part: str) -> tuple[str, str, DiscriminatorLoss]:
    """The names of D's phase with the adversarial term and of that term, and the term.

    Args:
        phases: by name.
        part: who asks, for the error.
    """
    for name, phase in phases.items():
        if found := phase.adversarial():
            return name, *found
    raise ValueError(f"{part} needs a discriminator loss with an equilibrium, and no phase of D has one")

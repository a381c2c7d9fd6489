"""The kinds of balance parts, and what all of them are told."""

from collections.abc import Mapping

from torch import nn

from seesaw.gan.phases import Phase
from seesaw.gan.terms import DiscriminatorLoss, Term
from seesaw.types import Pyramid


class Part(nn.Module):
    """What every balance part may be told. Each method is there to be overridden; by default none does anything.

    listens: whether it must be told each batch's statistics, which are then sent to the host.
    """

    listens = False

    def bind(self, phases: Mapping[str, Phase]) -> None:
        """Told once which phases there are, before anything runs. Raises ValueError where the part has no meaning."""

    def advance(self, batches: int, images_shown: int) -> None:
        """Told before each batch how many batches were played and how many images were shown: both are saved."""

    def observe(self, seen: Mapping[str, float], images: int) -> None:
        """Told the statistics of one batch of `images` images, one batch late, in order."""

    def report(self) -> dict[str, float]:
        """What to log once a window, by name."""
        return {}


class Gate(Part):
    """Says whether a phase plays, from figures that are alike on every rank: counters, and statistics of earlier batches."""

    def plays(self, phase: Phase) -> bool:
        """Whether the phase plays in the coming batch."""
        raise TypeError(f"{type(self).__name__} decides nothing")  # Gate itself is abstract


class LrScale(Part):
    """Multiplies a player's learning rate."""

    def scale(self, player: str) -> float:
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
    """Changes what D is shown, reals and fakes alike, in both players' steps, before the augmentation."""

    def forward(self, images: Pyramid) -> Pyramid:
        """(B, C, H, W) each, coarse to fine, to the same shapes."""
        raise TypeError(f"{type(self).__name__} transforms nothing")  # InputTransform itself is abstract


class DiscriminatorWrapper(Part):
    """Changes how D is given its images, after the augmentation; D then gives fewer logits than samples."""

    def forward(self, images: Pyramid) -> Pyramid:
        """(B, C, H, W) each, coarse to fine, to what D takes."""
        raise TypeError(f"{type(self).__name__} wraps nothing")  # DiscriminatorWrapper itself is abstract


def adversarial_phase(phases: Mapping[str, Phase], part: str) -> tuple[str, str, DiscriminatorLoss]:
    """The names of D's phase with the adversarial term and of that term, and the term. `part`: who asks, for the error."""
    for name, phase in phases.items():
        if found := phase.adversarial():
            return name, *found
    raise ValueError(f"{part} needs a discriminator loss with an equilibrium, and no phase of D has one")

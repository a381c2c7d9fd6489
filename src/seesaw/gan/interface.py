"""What players of any package take and give, brought into the form that the step uses."""

import inspect
from typing import Any

from torch import Tensor, nn

from seesaw.types import Fake, UserError


def adapt_players(G: nn.Module, D: nn.Module) -> None:
    """Adapt both players, see `adapt_generator` and `adapt_discriminator`. By hooks, so weights keep their names; seesaw's own
    players need none.

    Raises:
        ValueError: G has no `z_dim`.
    """
    adapt_generator(G)
    adapt_discriminator(D)


def adapt_generator(G: nn.Module) -> None:
    """Let a G give a tensor or a list of them in the place of a `Fake`, and leave out the argument for labels.

    Raises:
        ValueError: it has no `z_dim`.
    """
    z_dim = getattr(G, "z_dim", None)
    if not isinstance(z_dim, int) or z_dim < 1:
        raise ValueError(f"{class_of(G)} has no z_dim; a generator has the length of its latents as the attribute z_dim")
    adapt(G, as_fake)


def adapt_discriminator(D: nn.Module) -> None:
    """Let a D give one logit a sample as (B, 1) or (B, 1, 1, 1), and leave out the argument for labels."""
    adapt(D, as_logits)


def adapt(player: nn.Module, give: Any) -> None:
    """Register the hooks of a player that is not seesaw's."""
    if not is_own(player):
        return
    if not takes_labels(player):
        player.register_forward_pre_hook(without_labels)
    player.register_forward_hook(give)


def class_of(thing: object) -> str:
    """`own_gan.model.Generator`."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def is_own(thing: object) -> bool:
    """Whether the class is not seesaw's."""
    return type(thing).__module__.partition(".")[0] != "seesaw"


def takes_labels(player: nn.Module) -> bool:
    """Whether `forward` takes a second argument."""
    kinds = [p.kind for p in inspect.signature(player.forward).parameters.values()]
    several = inspect.Parameter.VAR_POSITIONAL in kinds
    return several or sum(k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in kinds) > 1


def without_labels(player: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs of a player that takes no labels. UserError where there are any."""
    if any(labels is not None for labels in inputs[1:]):
        raise UserError(
            f"{class_of(player)} takes no labels, and data.labels=true gives some: write forward(self, "
            f"{'z' if hasattr(player, 'z_dim') else 'images'}, y=None), or leave data.labels out"
        )
    return inputs[:1]


def as_fake(G: nn.Module, inputs: Any, given: Any) -> Fake | None:
    """A tensor or a list of tensors as a Fake; None, which changes nothing, for all else."""
    if isinstance(given, Tensor):
        return Fake([given])
    if isinstance(given, list) or (isinstance(given, tuple) and not isinstance(given, Fake)):
        return Fake(list(given))
    return None


def as_logits(D: nn.Module, inputs: Any, given: Any) -> Tensor | None:
    """One logit a sample as (B,); None, which changes nothing, for all else."""
    if isinstance(given, Tensor) and given.ndim > 1 and given.numel() == len(given):
        return given.flatten()
    return None

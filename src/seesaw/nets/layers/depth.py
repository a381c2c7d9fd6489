"""The layers of a discriminator in their order from the image, for `model.freeze_d`."""

from collections.abc import Iterable

from torch import nn
from torch.nn.utils import parametrize

Layer = list[nn.Parameter]
"""The weights of one layer: a matrix or kernel, its bias, and the normalisation that follows it."""


def layers_of(*modules: nn.Module) -> list[Layer]:
    """The layers of these modules, in the order in which the modules list them.

    A module with a matrix or a kernel of its own begins a layer; what has only vectors, such as BatchNorm, belongs to the layer
    before it.
    """
    layers: list[Layer] = []
    taken: set[int] = set()
    for module in (m for root in modules for m in root.modules()):
        whole = parametrize.is_parametrized(module)  # spectral normalisation keeps the weight in a child
        own = [p for p in module.parameters(recurse=whole) if id(p) not in taken]
        taken |= {id(p) for p in own}
        if own and (not layers or any(p.ndim > 1 for p in own)):
            layers.append(own)
        elif own:
            layers[-1] += own
    return layers


def joined(layers: Iterable[Layer]) -> list[Layer]:
    """All of them as one layer; none where there are none."""
    weights = [p for layer in layers for p in layer]
    return [weights] if weights else []

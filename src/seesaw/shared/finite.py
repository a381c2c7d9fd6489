"""Checks that end a run with one sentence where its numbers are not finite."""

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from seesaw.errors import Diverged
from seesaw.shared.statistics import Report

ADVICE = "try a lower learning rate or precision=exact"


def check_figures(report: Report, advice: str = ADVICE) -> None:
    """Raises Diverged where a mean is not finite: over a window it is so only if every value in it was."""
    bad = [name for name, value in report.values.items() if not math.isfinite(value)]
    if bad:
        raise diverged(report.images_shown, ", ".join(bad), advice)


def check_weights(
    nets: Mapping[str, nn.Module], images_shown: int, infinite: Collection[str] = (), advice: str = ADVICE
) -> None:
    """Raises Diverged where a weight or a floating-point buffer, such as BatchNorm's running statistics, is not finite. It reads
    from the device twice a net: for before saving and measuring, since the figures of a window arrive a batch later, and the
    pixels of a generator that gives NaN are black.

    Args:
        nets: by the name that the sentence gives them.
        images_shown: the time.
        infinite: names of buffers that may hold such values, as a mask of -inf does; see `infinite_buffers`.
        advice: what to try, the end of the sentence.
    """
    bad = [name for name, net in nets.items() if not all(_finite(list(net.parameters())))]
    if bad:
        raise diverged(images_shown, f"the weights of {' and '.join(bad)} are", advice)
    for name, net in nets.items():
        buffers = {key: b for key, b in _float_buffers(net).items() if key not in infinite}
        wrong = [key for key, fine in zip(buffers, _finite(list(buffers.values())), strict=True) if not fine]
        if wrong:
            more = f" and {len(wrong) - 1} more of its buffers are" if wrong[1:] else " is"
            raise diverged(images_shown, f"{wrong[0]} of {name}{more}", advice)


def infinite_buffers(*nets: nn.Module) -> frozenset[str]:
    """Names of the floating-point buffers that are not finite before any training, by intention then."""
    found = [(key, b) for net in nets for key, b in _float_buffers(net).items() if not b.is_meta]
    return frozenset(key for (key, _), fine in zip(found, _finite([b for _, b in found]), strict=True) if not fine)


def diverged(images_shown: int, what: str, advice: str = ADVICE) -> Diverged:
    return Diverged(f"training diverged before {images_shown / 1000:g} kimg: {what} not finite; {advice}")


def _float_buffers(net: nn.Module) -> dict[str, Tensor]:
    return {name: b for name, b in net.named_buffers() if b.is_floating_point() and b.numel()}


@torch.no_grad()
def _finite(values: list[Tensor]) -> list[bool]:
    """Of each tensor whether all of it is finite; one read from the device."""
    if not values:
        return []
    norms = torch._foreach_norm([v.detach() for v in values], math.inf)
    found: list[bool] = torch.stack([norm.isfinite() for norm in norms]).tolist()
    return found

"""Checks that end a run with one sentence: options with which nothing would be trained, and numbers that are not finite."""

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from seesaw.gan.schedules import check_range
from seesaw.gan.statistics import Report
from seesaw.types import Schedule, UserError

ADVICE = "try a lower learning rate, penalty=r1 or precision=exact"


def check_options(
    micro_batch: int | None,
    log_kimg: float,
    ema_half_life: Schedule,
    ema_ramp: float | None,
    optimizer: Mapping[str, object],
    dynamics: Mapping[str, object] | None,
) -> None:
    """Raise ValueError for options with which nothing would be trained, logged or averaged."""
    if micro_batch is not None and micro_batch < 1:
        raise ValueError(f"micro_batch is {micro_batch}; it must be at least 1, or null for the whole batch")
    if not log_kimg > 0:
        raise ValueError(f"log_kimg is {log_kimg}; it must be above 0")
    check_range("ema_half_life", ema_half_life, least=0)
    if ema_ramp is not None and not 0 < ema_ramp <= 1:
        raise ValueError(f"ema_ramp is {ema_ramp}; it must be above 0 and at most 1, or null for a fixed decay")
    if set(optimizer) != {"G", "D"}:
        raise ValueError(f"optimizer has {', '.join(optimizer) or 'nothing'}; a GAN takes one under G and one under D")
    if dynamics is not None and len(dynamics) != 1:
        raise ValueError(f"dynamics has {', '.join(dynamics) or 'nothing'}; a GAN takes one")


def check_labels(y: Tensor | None, classes: int) -> None:
    """Raise UserError where a model with labels gets a batch without them. It reads nothing from the device."""
    if classes and y is None:
        raise UserError("this model takes labels, and the batches have none: give data.labels=true")


def check_fresh_reals(fresh_reals: bool, share_fakes: bool, classes: int) -> int:
    """The sub-batches that a batch of the data has. Raises UserError where G's step would meet the fakes of other labels than its
    reals have."""
    if fresh_reals and share_fakes and classes:
        raise UserError(
            "model.fresh_reals gives G's step reals with labels of their own, and model.share_fakes the fakes of D's labels: set "
            "one of them to false"
        )
    return 2 if fresh_reals else 1


def check_figures(report: Report) -> None:
    """Raises UserError where a mean is not finite: over a window it is so only if every value in it was."""
    bad = [name for name, value in report.values.items() if not math.isfinite(value)]
    if bad:
        raise diverged(report.images_shown, ", ".join(bad))


def check_weights(nets: Mapping[str, nn.Module], images_shown: int, infinite: Collection[str] = ()) -> None:
    """Raises UserError where a weight or a floating-point buffer, such as BatchNorm's running statistics, is not finite. It reads
    from the device twice a net: for before saving and measuring, since the figures of a window arrive a batch later, and the
    pixels of a generator that gives NaN are black.

    Args:
        nets: by the name that the sentence gives them.
        images_shown: the time.
        infinite: names of buffers that may hold such values, as a mask of -inf does; see `infinite_buffers`.
    """
    bad = [name for name, net in nets.items() if not all(_finite(list(net.parameters())))]
    if bad:
        raise diverged(images_shown, f"the weights of {' and '.join(bad)} are")
    for name, net in nets.items():
        buffers = {key: b for key, b in _float_buffers(net).items() if key not in infinite}
        wrong = [key for key, fine in zip(buffers, _finite(list(buffers.values())), strict=True) if not fine]
        if wrong:
            more = f" and {len(wrong) - 1} more of its buffers are" if wrong[1:] else " is"
            raise diverged(images_shown, f"{wrong[0]} of {name}{more}")


def infinite_buffers(*nets: nn.Module) -> frozenset[str]:
    """Names of the floating-point buffers that are not finite before any training, by intention then."""
    found = [(key, b) for net in nets for key, b in _float_buffers(net).items() if not b.is_meta]
    return frozenset(key for (key, _), fine in zip(found, _finite([b for _, b in found]), strict=True) if not fine)


def diverged(images_shown: int, what: str) -> UserError:
    return UserError(f"training diverged before {images_shown / 1000:g} kimg: {what} not finite; {ADVICE}")


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

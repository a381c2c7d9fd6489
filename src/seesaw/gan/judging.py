"""D as it judges in its own steps, looked at without a trace: for figures of an evaluation."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def evaluated(net: nn.Module) -> Iterator[None]:
    """The net in evaluation mode; afterwards all of its modules are as they were."""
    before = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def judging(D: nn.Module) -> Iterator[None]:
    """D in evaluation mode, but BatchNorm normalises by the batch and keeps nothing; afterwards all is as it was.

    In a step of D reals and fakes are batches of their own, and BatchNorm takes the statistics of each. Its running averages mix
    both: by them D of the default run calls all reals fakes at one evaluation and none at the next.
    """
    norms = [(module, module.track_running_stats) for module in D.modules() if isinstance(module, _BatchNorm)]
    with evaluated(D):
        try:
            for norm, _ in norms:
                norm.training, norm.track_running_stats = True, False
            yield
        finally:
            for norm, tracks in norms:
                norm.track_running_stats = tracks


def parts(n: int, pack: int, most: int) -> list[Tensor]:
    """The rows of n images in parts of whole packs, nearly equal, at most `most` images each but for one pack at least: a last
    part of few images would be normalised by few. What fills no pack is left out."""
    packs = n // pack
    count = -(-packs // max(most // pack, 1))
    return [rows.flatten() for rows in torch.arange(packs * pack).view(packs, pack).tensor_split(count)] if packs else []

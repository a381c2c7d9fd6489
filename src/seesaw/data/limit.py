"""A part of a set, for studies of small sets."""

import torch

from seesaw.data.images import ImageSet
from seesaw.types import UserError
from seesaw.util import key


def check_limit(limit: int | None) -> int | None:
    """The number of images that are used. Raises ValueError where it is none."""
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be null or at least 1, not {limit}")
    return limit


def limited(reals: ImageSet, limit: int | None, seed: int) -> ImageSet:
    """So many of the images, drawn by the seed, in their order; all where `limit` is None. Raises UserError where there are
    fewer."""
    if limit is None:
        return reals
    if limit > len(reals):
        raise UserError(f"data.limit is {limit}, and {reals.name} has {len(reals)} images: give at most {len(reals)}")
    order = torch.randperm(len(reals), generator=torch.Generator().manual_seed(key("limit", seed)))
    chosen = order[:limit].sort()[0]
    name = f"{reals.name} ({limit} of {len(reals)}, seed {seed})"
    return ImageSet(
        reals.gather(chosen), name, reals.labels(chosen), reals.classes
    )  # a prepared set's levels are of all

"""The statistics of the reals, computed once for a set and an extractor, and kept on disk."""

import hashlib
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from seesaw.functional.distances import RunningMoments, covariance_factor
from seesaw.functional.diversity import vendi
from seesaw.functional.neighbours import nearest
from seesaw.functional.pixels import to_8_bit
from seesaw.functional.ranks import collected, first_says, this_rank, world_size
from seesaw.metrics.extractors.base import DetectsOutliers, Extractor, row_width, rows_of
from seesaw.util import atomic_write, is_damaged

NEAREST = 5
"""Neighbours of each real whose distances are known."""

KEPT = 10_000
"""At most so many features are kept, evenly spaced over the set, for the kernel distance and the halves."""


class Reals(Protocol):
    """A set of real images; `seesaw.data.images.ImageSet` is one."""

    def __len__(self) -> int: ...

    def gather(self, indices: Tensor) -> Tensor:
        """int64 (B,) to uint8 or uint16 (B, C, H, W)."""

    def labels(self, indices: Tensor) -> Tensor | None:
        """int64 (B,) to int64 (B,); None where the set has no labels."""

    @property
    def identity(self) -> str:
        """A hash of shape and pixels."""

    @property
    def description(self) -> str:
        """Name and shape."""


@dataclass(frozen=True)
class Reference:
    """What a distance needs of the reals: moments of all `count` of them, features (at most 10,000, d) of some.

    `factor` is `covariance_factor(cov)`: half of each Fréchet distance, done once. `look` (at most 10,000, m) is of the same
    reals as `features`; m is 0 of an extractor that has none. Where a part of the set is held out, `training` and `held_out` are
    the references of both parts, one of which this is; they are not kept on disk.
    """

    key: str
    count: int
    mean: Tensor
    cov: Tensor
    factor: Tensor
    features: Tensor
    look: Tensor
    training: "Reference | None" = field(default=None, kw_only=True)
    held_out: "Reference | None" = field(default=None, kw_only=True)

    @cached_property
    def balls(self) -> Tensor:
        """Distances of the kept features to their `NEAREST` nearest others, (n, NEAREST), rising; computed once."""
        return nearest(self.features, k=NEAREST).distance

    @cached_property
    def vendi(self) -> float:
        """The Vendi score of the kept features."""
        return vendi(self.features)

    def nearest_of(self, count: int) -> Tensor:
        """Distances to the nearest other real among `count` of the kept ones, evenly spaced, (count,): neighbours lie the
        nearer the more there are."""
        n = len(self.features)
        if count >= n:
            return self.balls[:, 0]
        if count not in self._nearest:
            rows = torch.linspace(0, n - 1, count, dtype=torch.float64).long()
            self._nearest[count] = nearest(self.features[rows]).distance[:, 0]
        return self._nearest[count]

    @cached_property
    def _nearest(self) -> dict[int, Tensor]:
        return {}


def reference_of(reals: Reals, extractor: Extractor, cache_dir: str | Path, batch_size: int = 256) -> Reference | None:
    """The reference of `reals`, read from `cache_dir/reference` or computed and written there.

    A file that is torn, or another's, is computed anew. `extractor` must be prepared. Several processes call it together: each
    makes some of the features, and the first one has the reference, with the moments of a process alone; the others have None.
    """
    key = reference_key(reals, extractor)
    path = _path(cache_dir, key)
    kept = _read(path, key)
    if first_says(kept is not None):  # hosts may have caches of their own
        return kept if this_rank() == 0 else None
    kept = _compute(reals, extractor, key, batch_size)
    if kept is not None:
        _write(path, kept)
    return kept


def is_cached(reals: Reals, extractor: Extractor, cache_dir: str | Path) -> bool:
    """Whether `reference_of` will find a whole file, so that it takes no time."""
    key = reference_key(reals, extractor)
    return _read(_path(cache_dir, key), key) is not None


def _path(cache_dir: str | Path, key: str) -> Path:
    return Path(cache_dir).expanduser() / "reference" / f"{key}.pt"


def reference_key(reals: Reals, extractor: Extractor) -> str:
    """The name of the cache file: a hash of the reals' content and size and of all that makes their features."""
    shape = tuple(reals.gather(torch.zeros(1, dtype=torch.int64)).shape[1:])
    parts = (reals.identity, len(reals), shape, extractor.name, extractor.weights_hash, extractor.resize, KEPT)
    detector = (extractor.detector_hash(),) if isinstance(extractor, DetectsOutliers) else ()
    return hashlib.sha256(repr((*parts, row_width(extractor), *detector)).encode()).hexdigest()[:16]


def kept_indices(n: int) -> Tensor:
    """Which of `n` reals have their features kept, int64 (min(n, 10,000),), rising."""
    return torch.linspace(0, n - 1, min(n, KEPT), dtype=torch.float64).long()


def _compute(reals: Reals, extractor: Extractor, key: str, batch_size: int) -> Reference | None:
    n = len(reals)
    keep = torch.zeros(n, dtype=torch.bool)
    keep[kept_indices(n)] = True
    running, kept = RunningMoments(extractor.dim), []
    for indices in torch.arange(n).split(batch_size * world_size()):  # a batch for each process
        mine = list(indices.split(batch_size))[this_rank() :: world_size()]
        rows = [rows_of(extractor, to_8_bit(reals.gather(few))) for few in mine]
        rows = rows or [torch.empty(0, row_width(extractor))]
        found = collected(torch.cat(rows), len(indices), batch_size)
        if found is not None:
            for few in found[:, : extractor.dim].split(batch_size):
                running.add(few)
            kept.append(found[keep[indices]])
    if this_rank() > 0:
        return None
    mean, cov = running.result()
    features, look = torch.cat(kept).tensor_split([extractor.dim], 1)
    return Reference(key, n, mean, cov, covariance_factor(cov), features.contiguous(), look.contiguous())


def _read(path: Path, key: str) -> Reference | None:
    try:
        if is_damaged(path):
            return None
        kept = Reference(**torch.load(path, weights_only=True))
    except Exception:  # of bytes that are no file of torch's, almost any error comes
        return None
    return kept if kept.key == key else None


def _write(path: Path, reference: Reference) -> None:
    atomic_write(path, lambda file: torch.save(_stored(reference), file), "choose another place by cache_dir=…")


def _stored(reference: Reference) -> dict[str, object]:
    """What is kept on disk."""
    return {f.name: getattr(reference, f.name) for f in fields(reference) if not f.kw_only}

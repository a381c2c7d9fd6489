"""Distances of generated images to the reals, each with its protocol."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seesaw.functional.distances import frechet_distance, kernel_distance, moments
from seesaw.metrics.extractors import Extractor
from seesaw.metrics.protocol import Protocol, Which
from seesaw.metrics.reference import KEPT, Reals, Reference, reference_of

MOST = 10_000
SUBSET_SIZE = 1000


@dataclass(frozen=True)
class Evaluation:
    """Values by metric name, and how they were made."""

    values: dict[str, float]
    protocol: Protocol


class Evaluator:
    """Measures sets of images with one extractor against one set of reals.

    Args:
        extractor: makes the features and names the distances.
        n: images to measure; None: as many as there are reals, at most 10,000. At least 2.
        batch_size: images the extractor takes at once.
        kernel_subsets: None: the kernel distance is one estimate over all samples; else the mean over so many pairs of
            random subsets of 1000, or of all where there are fewer, always the same ones.
    """

    reference: Reference

    def __init__(
        self, extractor: Extractor, n: int | None = None, batch_size: int = 256, kernel_subsets: int | None = None
    ) -> None:
        if n is not None and n < 2:
            raise ValueError(f"n must be null or at least 2, not {n}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if kernel_subsets is not None and kernel_subsets < 1:
            raise ValueError(f"kernel_subsets must be null or at least 1, not {kernel_subsets}")
        self.extractor, self.n, self.batch_size, self.kernel_subsets = extractor, n, batch_size, kernel_subsets

    @property
    def primary(self) -> str:
        """The name of the figure that best.ckpt and the plateau look at. Lower is better."""
        return self.extractor.primary

    @property
    def count(self) -> int:
        """How many images `evaluate` should be given."""
        return self._count(self._reals)

    def prepare(self, reals: Reals, cache_dir: str | Path, device: torch.device | None = None) -> None:
        """Load the extractor and, on the first process, which measures the distances, the statistics of the reals. All of
        several processes make these together.

        Raises:
            UserError: the weights are missing.
        """
        self.extractor.prepare(device or torch.device("cpu"))
        self._reals = reals
        reference = reference_of(reals, self.extractor, cache_dir, self.batch_size)
        if reference is not None:
            self.reference = reference

    def evaluate(self, chunks: Iterable[Tensor], n: int, which: Which = "ema") -> Evaluation:
        """Measure the first `n` images of `chunks`, uint8 (b, C, H, W) each. ValueError when there are fewer."""
        return self.distances(self.features(chunks, n), which)

    def distances(self, features: Tensor, which: Which = "ema") -> Evaluation:
        """Measure images by their features (n, d)."""
        real, n = self.reference, len(features)
        values = {
            self.extractor.frechet: frechet_distance(real.mean, real.cov, *moments(features), real.factor),
            self.extractor.kernel: self._kernel(real.features, features),
            **self.extractor.describe(features),
        }
        return Evaluation(values, self.protocol(self._reals, n, which))

    def half_floor(self, seed: int) -> float:
        """The Fréchet distance of one random half of the reals to the other: what a perfect generator could reach with
        half as many samples. Of at most 10,000 reals."""
        features = self.reference.features
        order = torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))
        one, other = order.tensor_split(2)
        return frechet_distance(*moments(features[one]), *moments(features[other]))

    def features(self, chunks: Iterable[Tensor], n: int) -> Tensor:
        """Of the first `n` images, (n, d), on the CPU: float64 is slow or missing on many devices, and the matrices are small
        beside the networks. ValueError when there are fewer images."""
        parts = (self.extractor(part).cpu() for chunk in chunks for part in chunk.split(self.batch_size))
        found: list[Tensor] = [torch.empty(0, self.extractor.dim)]
        for part in parts:
            found.append(part[: n - sum(map(len, found))])
            if sum(map(len, found)) == n:
                break
        if sum(map(len, found)) == n:
            return torch.cat(found)
        raise ValueError(f"{n} images were to be measured, {sum(map(len, found))} came")

    def protocol(self, reals: Reals, n: int | None = None, which: Which = "ema") -> Protocol:
        """How the figures of `n` images (None: of `count`) are made, known before anything is measured. The extractor must be
        prepared."""
        n = self._count(reals) if n is None else n
        kept = min(len(reals), KEPT)
        kernel = f"all samples and {kept} reals"
        if self.kernel_subsets is not None:
            kernel = f"{self.kernel_subsets} subsets of {min(SUBSET_SIZE, n, kept)}"
        e = self.extractor
        return Protocol(e.name, e.weights_hash, e.resize, reals.description, len(reals), n, kernel, which)

    def _count(self, reals: Reals) -> int:
        return min(len(reals), MOST) if self.n is None else self.n

    def _kernel(self, real: Tensor, fake: Tensor) -> float:
        generator = torch.Generator().manual_seed(0)
        size = min(SUBSET_SIZE, len(fake), len(real))
        return kernel_distance(real, fake, self.kernel_subsets, size, generator)

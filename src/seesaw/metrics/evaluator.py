"""Metrics of generated images against the reals, by one extractor, with the protocol of their values."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from seesaw.errors import Notice
from seesaw.functional.distances import frechet_distance, moments
from seesaw.functional.pixels import to_8_bit
from seesaw.metrics.extractors.base import (
    Classifies,
    DetectsOutliers,
    Extractor,
    LearnsFromReals,
    check_channels,
    row_width,
    rows_of,
)
from seesaw.metrics.features import FIXED, Features
from seesaw.metrics.gate import LEAST as LEAST_EACH
from seesaw.metrics.gate import Gate, gate_of, rule
from seesaw.metrics.metric import Metric, directions, named
from seesaw.metrics.protocol import Protocol, Which
from seesaw.metrics.reference import KEPT, Reals, Reference, reference_of

MOST = 10_000

LEAST = 2
"""Images of which there is a covariance, and an unbiased kernel distance."""


Parts = tuple[Reals, Reals]
"""The reals of training, and those held out."""


@dataclass(frozen=True)
class Evaluation:
    """Values by metric name, their protocol, and those with a role by it (`seesaw.metrics.metric.ROLES`)."""

    values: dict[str, float]
    protocol: Protocol
    evidence: dict[str, float] = field(default_factory=dict)


class Evaluator:
    """Measures sets of images against one set of reals: one pass of the extractor, then every metric on its features.

    Args:
        extractor: makes the features.
        measures: the metrics by their names.
        n: number of images to measure; None: as many as there are reals, at most 10,000. At least 2.
        batch_size: images the extractor takes at once.

    Raises:
        ValueError: an option is out of range, two metrics log the same name, or the extractor lacks what a metric needs.
    """

    reference: Reference

    def __init__(
        self, extractor: Extractor, measures: Mapping[str, Metric], n: int | None = None, batch_size: int = 256
    ) -> None:
        if n is not None and n < LEAST:
            raise ValueError(f"n must be null or at least {LEAST}, not {n}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.extractor, self.measures, self.n, self.batch_size = extractor, dict(measures), n, batch_size
        self.higher_is_better: dict[str, bool] = {}
        """Direction of each value by its logged name, in the order of logging."""
        for name, metric in self.measures.items():
            self._add(name, metric)

    @property
    def sees_images(self) -> bool:
        """Whether a metric asks for the images of fixed latents."""
        return any(metric.sees_images for metric in self.measures.values())

    def _add(self, name: str, metric: Metric) -> None:
        metric.attach(self.extractor)
        if not isinstance(self.extractor, metric.needs):
            raise ValueError(
                f"measures.{name}: {type(metric).__name__} needs an extractor that {wanted(metric.needs)}, and "
                f"{self.extractor.name} does not"
            )
        for key, higher in directions(name, metric).items():
            if key in self.higher_is_better:
                raise ValueError(f"measures.{name}: another metric is logged as {key} already; choose another name")
            self.higher_is_better[key] = higher

    @property
    def count(self) -> int:
        """How many images `evaluate` should be given."""
        return self.count_for(self.reals)

    def learn(self, reals: Reals, cache_dir: str | Path) -> None:
        """Let an extractor that learns on the reals do so; before it is prepared."""
        if isinstance(self.extractor, LearnsFromReals):
            self.extractor.learn_from(reals, cache_dir)

    def prepare(
        self, reals: Reals, cache_dir: str | Path, device: torch.device | None = None, parts: Parts | None = None
    ) -> None:
        """Load the extractor and, on the first process, which computes the metrics, the statistics of the reals. Of several
        processes all must call this together: they share the work.

        Args:
            reals: what samples are compared with.
            cache_dir: folder of the statistics.
            device: of the extractor; None: the CPU.
            parts: the reals of training and those held out, of which one is `reals`; None: nothing is held out.

        Raises:
            UserError: the weights are missing, the extractor does not take images of so many channels, or a metric has no
                meaning for these reals.
        """
        check_channels(self.extractor, reals.gather(torch.zeros(1, dtype=torch.int64)).shape[1])
        self.learn(reals, cache_dir)
        self.extractor.prepare(device or torch.device("cpu"))
        self.reals = reals
        for metric in self.measures.values():
            metric.bind(reals, self.extractor)
        reference = self._reference(reals, cache_dir, parts)
        if reference is not None:
            self.reference = reference
            self.__dict__.pop("gate", None)  # of the reals before

    def _reference(self, reals: Reals, cache_dir: str | Path, parts: Parts | None) -> Reference | None:
        """The statistics of the reals, with those of both parts of the set where there are two."""
        if parts is None:
            return reference_of(reals, self.extractor, cache_dir, self.batch_size)
        found = [reference_of(part, self.extractor, cache_dir, self.batch_size) for part in parts]
        own = found[reals is parts[1]]
        return None if own is None else replace(own, training=found[0], held_out=found[1])

    def bind_labels(self, y: Tensor | None) -> None:
        """Show the metrics the labels of the samples to come, None without any. UserError where they do not do."""
        for metric in self.measures.values():
            if y is not None:
                metric.bind_labels(y)

    def try_own(self) -> None:
        """Call the metrics of other packages on a few reals in the place of samples. Prepare first, on the first process.

        Raises:
            UserError: one returns something else than a number for each of its names.
        """
        few = self.reference.features[:FIXED]
        for name, metric in self.measures.items():
            if not type(metric).__module__.startswith("seesaw."):
                try:
                    result = metric(self.reference, Features(few, self.extractor, gate=self.gate))
                except Exception:  # it may ask for labels or pixels, which are not at hand
                    continue
                named(name, metric, result)

    def evaluate(
        self, chunks: Iterable[Tensor], n: int, which: Which = "ema", y: Tensor | None = None, images: Tensor | None = None
    ) -> Evaluation:
        """Measure the first `n` images of `chunks`, uint8 or uint16 (b, C, H, W) each, with labels `y` (n,) where they have any;
        `images` as `measure` takes them, None: the first of `chunks`.

        Raises:
            ValueError: there are fewer images.
        """
        kept = list[Tensor]()
        features = self.features(_watched(chunks, kept) if images is None and self.sees_images else chunks, n)
        return self.measure(features, which, y, torch.cat(kept)[:FIXED] if kept else images)

    def measure(
        self, features: Tensor, which: Which = "ema", y: Tensor | None = None, images: Tensor | None = None
    ) -> Evaluation:
        """All metrics of images by their rows (n, width), as `features` gives them; `images` of fixed latents, uint8
        (b, C, H, W) on the CPU, for those that see pixels."""
        own, look = features.tensor_split([self.extractor.dim], 1)
        fakes = Features(own.contiguous(), self.extractor, y, self.gate, look if look.shape[1] else None, images)
        values, evidence = dict[str, float](), dict[str, float]()
        for name, metric in self.measures.items():
            found = named(name, metric, metric(self.reference, fakes))
            values, evidence = values | found, metric.evidence(found) | evidence  # of two with one role the first counts
        return Evaluation(values, self.protocol(self.reals, len(features), which), evidence)

    @cached_property
    def gate(self) -> Gate | None:
        """Which samples count as images of the set; None where the extractor does not classify. Prepare first."""
        if not isinstance(self.extractor, Classifies):
            return None
        look, scored = self.reference.look, isinstance(self.extractor, DetectsOutliers)
        return gate_of(self.reference.features, self.extractor.probabilities, look if look.shape[1] else None, scored)

    def notice_few_reals(self) -> None:
        """Warn with a Notice where the reals are too few for the gate. Prepare first."""
        if self.gate is not None and self.gate.each < LEAST_EACH:
            warnings.warn(
                f"the reals have about {self.gate.each:.0f} different images a class, and to find valid samples takes "
                f"{LEAST_EACH}: metrics that count valid samples may count noise",
                Notice,
                stacklevel=2,
            )

    def half_floor(self, seed: int) -> float:
        """The Fréchet distance of one random half of the reals to the other: what a perfect generator could reach with
        half as many samples. Of at most 10,000 reals; NaN of fewer than four, whose halves have no covariance."""
        features = self.reference.features
        if len(features) < 4:
            return math.nan
        order = torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))
        one, other = order.tensor_split(2)
        return frechet_distance(*moments(features[one]), *moments(features[other]))

    def features(self, chunks: Iterable[Tensor], n: int) -> Tensor:
        """`rows_of` the first `n` images, on the CPU: float64 is slow or missing on many devices, and the matrices
        are small beside the networks. ValueError when there are fewer images."""
        parts = (rows_of(self.extractor, to_8_bit(part)) for chunk in chunks for part in chunk.split(self.batch_size))
        found: list[Tensor] = [torch.empty(0, row_width(self.extractor))]
        for part in parts:
            found.append(part[: n - sum(map(len, found))])
            if sum(map(len, found)) == n:
                break
        if sum(map(len, found)) == n:
            return torch.cat(found)
        raise ValueError(f"{n} images were to be measured, {sum(map(len, found))} came")

    def protocol(self, reals: Reals, n: int | None = None, which: Which = "ema") -> Protocol:
        """The protocol of the values of `n` images (None: of `count`), known before anything is measured. The extractor must
        be prepared."""
        n = self.count_for(reals) if n is None else n
        kept = min(len(reals), KEPT)
        texts = [(metric.beside, text) for metric in self.measures.values() if (text := metric.protocol(n, kept))]
        rules = [rule(self.extractor)] if isinstance(self.extractor, Classifies) else []
        details = "; ".join([*(text for beside, text in texts if not beside), *rules])
        figures = "; ".join(text for beside, text in texts if beside)
        e, r = self.extractor, reals
        return Protocol(e.name, e.weights_hash, e.resize, r.description, r.identity[:12], len(r), n, details, which, figures)

    def count_for(self, reals: Reals) -> int:
        """How many images `evaluate` should be given, of these reals."""
        return min(len(reals), MOST) if self.n is None else self.n


def _watched(chunks: Iterable[Tensor], kept: list[Tensor]) -> Iterator[Tensor]:
    """The chunks, the first images of which are kept as 8 bits on the CPU."""
    for chunk in chunks:
        if sum(map(len, kept)) < FIXED:
            kept.append(to_8_bit(chunk[:FIXED].cpu()))
        yield chunk


def wanted(needs: type) -> str:
    """What a protocol of `seesaw.metrics.extractors.base` asks for, in words: the names of its methods."""
    methods = [name for name, value in vars(needs).items() if callable(value) and name[0] != "_"]
    return f"has {' and '.join(methods)}()" if methods else f"is a {needs.__name__}"

"""Metrics in less time, for the suite: many of its runs measure against the same reals by the same classifier."""

import hashlib
import sys
from collections.abc import Callable
from typing import Any


def measure_faster() -> None:
    """Keep, in this process, the statistics of the reals and the gate that follows from them, for the shipped classifiers. Each
    is computed once by the code that is tested; subclasses, which tests use to count, compute each time."""
    if "seesaw.metrics.evaluator" not in sys.modules:  # no test that was collected measures
        return
    from seesaw.functional.ranks import world_size
    from seesaw.metrics import evaluator, reference
    from seesaw.metrics.extractors.base import ClassifierExtractor

    known = dict[Any, Any]()
    compute, gate_of = reference._compute, evaluator.gate_of

    def once(extractor: Any, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if type(extractor) is not ClassifierExtractor or world_size() > 1:
            return make()
        if key not in known:
            known[key] = make()
        return known[key]

    def kept_compute(reals: Any, extractor: Any, key: str, batch_size: int) -> Any:
        return once(extractor, ("reference", key, batch_size), lambda: compute(reals, extractor, key, batch_size))

    def kept_gate_of(features: Any, classify: Any, look: Any = None) -> Any:
        extractor = getattr(classify, "__self__", None)
        rows = [b"" if part is None else part.numpy().tobytes() for part in (features, look)]
        hashes = [hashlib.sha256(part).digest() for part in rows]
        key = ("gate", getattr(extractor, "name", ""), *hashes)
        return once(extractor, key, lambda: gate_of(features, classify, look))

    reference._compute, evaluator.gate_of = kept_compute, kept_gate_of

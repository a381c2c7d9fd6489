"""How often a class-conditional generator makes the class that it was asked for."""

from collections.abc import Mapping

import torch

from seesaw.errors import UserError
from seesaw.functional.pixels import to_8_bit
from seesaw.metrics.extractors.base import Extractor, KnowsModes
from seesaw.metrics.features import Features
from seesaw.metrics.metric import Metric
from seesaw.metrics.reference import Reals, Reference


class Recognised(Metric):
    """Share of samples in [0, 1] whose nearest known mode is the requested class: the classifier's most probable class, of
    stacked digits in all three channels, of points the nearest Gaussian. Chance is 1 / classes.

    It asks for no quality: the classifier puts noise into some class too. `seesaw.metrics.valid.Valid` is the other half. Odena
    et al. 2017 (AC-GAN) judge their samples by the accuracy of a classifier likewise.

    Args:
        classes: number of classes of the labels; 0: the run has none, and nothing is logged.
        known: number of classes of the classifier; where the labels have another number, nothing is logged. None: it is asked for
            when the reals are known, and a run whose labels do not fit is refused.

    Raises:
        ValueError: `known` is below 1.
    """

    needs = KnowsModes
    title = "recognised as the requested class"
    scale = "zero"

    def __init__(self, classes: int, known: int | None = None) -> None:
        if known is not None and known < 1:
            raise ValueError(f"known must be null or at least 1, not {known}")
        self.classes = classes if known in (None, classes) else 0
        self.higher_is_better: bool | Mapping[str, bool] = True if self.classes else {}

    def bind(self, reals: Reals, extractor: Extractor) -> None:
        """Raise UserError where the classifier knows another number of classes."""
        if not self.classes:
            return
        assert isinstance(extractor, KnowsModes)  # the evaluator has checked it
        one = Features(extractor(to_8_bit(reals.gather(torch.zeros(1, dtype=torch.int64)))).cpu(), extractor)
        if (modes := one.assignment.modes) != self.classes:
            raise UserError(
                f"the share of samples that are recognised needs the set's own classifier: {extractor.name} knows {modes} "
                f"classes, and the labels have {self.classes}; choose other metrics=…"
            )

    def __call__(self, reals: Reference, fakes: Features) -> float | Mapping[str, float]:
        if not self.classes:
            return {}
        if fakes.y is None:
            raise UserError("samples without labels are of no requested class: choose other metrics=…")
        return (fakes.assignment.mode == fakes.y).double().mean().item()

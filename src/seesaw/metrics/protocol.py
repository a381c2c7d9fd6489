"""How a value was measured. Two values of a metric can be compared when their protocols are equal."""

from dataclasses import asdict, dataclass
from typing import Literal

Which = Literal["ema", "raw"]


@dataclass(frozen=True)
class Protocol:
    """All that a metric depends on besides the generator."""

    extractor: str
    weights_hash: str  # first 12 digits of the SHA-256 of the extractor's weights
    resize: str  # how images come to the extractor's size
    reference: str  # the reals: set, split, shape
    reference_hash: str  # first 12 digits of the SHA-256 of the reals' shape and pixels
    reference_count: int
    fake_count: int
    details: str  # what the metrics depend on besides, such as the samples of the kernel distance; may be empty
    generator: Which  # averaged or raw weights
    beside: str = ""  # what the figures beside the distances depend on: no part of the label by which runs compare

    def label(self) -> str:
        """One line for a person."""
        counts = f"{self.fake_count} {self.generator} samples against {self.reference_count} reals of {self.reference}"
        counts += f" ({self.reference_hash})"
        parts = [f"{self.extractor} ({self.weights_hash}), {self.resize}", counts, self.details]
        return "; ".join(part for part in parts if part)

    def as_dict(self) -> dict[str, str | int]:
        """For JSON, a run's configuration or its summary."""
        return asdict(self)

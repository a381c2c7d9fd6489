"""How a number was made. Two distances can be compared when their protocols are equal."""

from dataclasses import asdict, dataclass
from typing import Literal

Which = Literal["ema", "raw"]


@dataclass(frozen=True)
class Protocol:
    """All that a distance depends on beside the generator."""

    extractor: str
    weights_hash: str  # first 12 digits of the SHA-256 of the extractor's weights
    resize: str  # how images come to the extractor's size
    reference: str  # the reals: set, split, shape
    reference_count: int
    fake_count: int
    kernel: str  # over which samples the kernel distance is estimated
    generator: Which  # averaged or raw weights

    def label(self) -> str:
        """One line for a person."""
        return (
            f"{self.extractor} ({self.weights_hash}), {self.resize}; {self.fake_count} {self.generator} samples against "
            f"{self.reference_count} reals of {self.reference}; kernel distance over {self.kernel}"
        )

    def as_dict(self) -> dict[str, str | int]:
        """For JSON, a run's configuration or its summary."""
        return asdict(self)

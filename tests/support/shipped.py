"""The metrics of the shipped configuration, for tests that need no trainer."""

from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors.base import Extractor
from seesaw.metrics.metric import Metric

CONF = Path(__file__).parents[2] / "conf" / "metrics"


def measures(option: str, subsets: int | None = None) -> dict[str, Metric]:
    """The metrics that conf/metrics/<option>.yaml names itself, the kernel distance over so many subsets."""
    nodes: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{option}.yaml"))["measures"]  # type: ignore[index]
    kernel = "seesaw.metrics.kernel.Kernel"
    return {
        name: instantiate(node | ({"subsets": subsets} if node["_target_"] == kernel else {}))
        for name, node in nodes.items()
    }


def evaluator(option: str, extractor: Extractor, subsets: int | None = None, **options: Any) -> Evaluator:
    """Of these metrics by `extractor`."""
    return Evaluator(extractor, measures(option, subsets), **options)

"""The cost of a FID: Inception's features beside torch-fidelity's as it ships them, and the distance beside scipy's root.

A part of `make bench`. The weights are random (they do not change the time), the images 64 px. Features are timed on few images,
in turns, and the time of 1,000 is that of the median turn times their number: a batch takes what the one before it took.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from seesaw.functional.distances import covariance_factor, frechet_distance, moments
from seesaw.metrics.extractors.inception import InceptionExtractor

DIM = 2048


def random_weights(path: Path) -> None:
    """A file as torch-fidelity reads it: He's initialisation, BatchNorm that does something."""
    torch.manual_seed(0)
    take = FeatureExtractorInceptionV3.load_state_dict
    found: dict[str, Tensor] = {}

    def keep(self: nn.Module, state: object, *args: object) -> None:
        found.update(nn.Module.state_dict(self))

    torch.save({}, path)
    FeatureExtractorInceptionV3.load_state_dict = keep
    try:
        FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    finally:
        FeatureExtractorInceptionV3.load_state_dict = take
    for name, value in found.items():
        if value.ndim == 4:
            nn.init.kaiming_normal_(value)
        elif ".bn." in name and value.is_floating_point():
            nn.init.uniform_(value, *((-0.2, 0.4) if name.endswith(("bias", "mean")) else (0.6, 1.2)))
    torch.save(found, path)


def cpu(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def features(rounds: int, batch: int = 16) -> dict[str, Any]:
    """CPU seconds of 1,000 images through both, and how far apart the features are."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "weights.pth"
        random_weights(path)
        ours = InceptionExtractor(str(path))
        ours.prepare(torch.device("cpu"))
        theirs = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    images = torch.randint(0, 256, (batch, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        expected, found = theirs(images)[0], ours(images)  # and this is the warm-up
        times = [(cpu(lambda: theirs(images)), cpu(lambda: ours(images))) for _ in range(rounds)]
    return {
        "turns": rounds,
        "images a turn": batch,
        "torch-fidelity, s for 1,000": statistics.median(t for t, _ in times) / batch * 1000,
        "seesaw, s for 1,000": statistics.median(o for _, o in times) / batch * 1000,
        "times": spread([t / o for t, o in times]),
        "difference": ((found - expected).norm() / expected.norm()).item(),
    }


def distance(rounds: int, n: int = 3000) -> dict[str, Any]:
    """CPU seconds of the Fréchet distance of 2048 features from their moments: as most codes have it, and ours."""
    draw = torch.Generator().manual_seed(0)
    mix = torch.randn(DIM, DIM, generator=draw) / DIM**0.5
    real, fake = ((torch.randn(n, DIM, generator=draw) @ mix).relu() for _ in range(2))
    (mean1, cov1), (mean2, cov2) = moments(real), moments(fake + 0.05)
    factor = covariance_factor(cov1)
    found: list[float] = []

    def by_root() -> None:
        root = scipy.linalg.sqrtm((cov1 @ cov2).numpy())
        found.append(
            float((mean1 - mean2).square().sum() + cov1.trace() + cov2.trace()) - 2 * float(np.trace(root).real)
        )

    slow = [cpu(by_root) for _ in range(min(rounds, 3))]  # ten seconds each and more
    kept = [cpu(lambda: frechet_distance(mean1, cov1, mean2, cov2, factor)) for _ in slow]
    whole = [cpu(lambda: frechet_distance(mean1, cov1, mean2, cov2)) for _ in slow]
    ours = frechet_distance(mean1, cov1, mean2, cov2, factor)
    return {
        "turns": len(slow),
        "dimensions": DIM,
        "scipy.linalg.sqrtm, s": statistics.median(slow),
        "eigenvalues, s": statistics.median(whole),
        "eigenvalues with the reals' factor kept, s": statistics.median(kept),
        "times": spread([s / k for s, k in zip(slow, kept, strict=True)]),
        "difference": abs(ours / found[0] - 1),
    }


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def measure(rounds: int) -> dict[str, Any]:
    return {"features": features(rounds), "distance": distance(rounds)}


def table(found: dict[str, Any]) -> str:
    lines = ["| part of a FID | as shipped | seesaw | times | difference |", "|---|---|---|---|---|"]
    f, d = found["features"], found["distance"]
    rows = [
        ("features of 1,000 images, s", f["torch-fidelity, s for 1,000"], f["seesaw, s for 1,000"], f),
        (
            "distance of 2048 dimensions, s",
            d["scipy.linalg.sqrtm, s"],
            d["eigenvalues with the reals' factor kept, s"],
            d,
        ),
    ]
    for title, theirs, ours, each in rows:
        times = each["times"]
        lines.append(
            f"| {title} | {theirs:.3g} | {ours:.3g} | {times['median']:.2f} ({times['least']:.2f} to {times['most']:.2f}) "
            f"| {each['difference']:.0e} |"
        )
    return "\n".join(lines)

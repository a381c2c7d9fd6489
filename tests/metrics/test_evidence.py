"""Values by role: what a monitor reads without knowing the features."""

import torch

from seesaw.data.images import ImageSet
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.extractors.points import PointsExtractor
from seesaw.metrics.kernel import Kernel
from seesaw.metrics.metric import ROLES
from seesaw.metrics.modes import Modes
from seesaw.metrics.reverse_kl import ReverseKL


def test_the_names_are_left_behind(tmp_path):
    extractor = PointsExtractor("ring", 8, 2.0, 0.02)
    evaluator = Evaluator(extractor, {"k": Kernel(), "found_ring": Modes(), "r_ring": ReverseKL()}, n=600)
    angle = torch.arange(600) % 8 * torch.pi / 4
    centres = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    points = (centres + 0.02 * torch.randn(600, 2, generator=torch.Generator().manual_seed(0)))[..., None, None]
    evaluator.prepare(ImageSet(points.float(), "ring"), tmp_path)
    half = points.float()[torch.arange(600) % 8 < 4]
    found = evaluator.evaluate([half, half], 600)
    assert found.evidence["mode_share"] == 0.5
    assert found.values["found_ring"] == 4
    assert found.evidence["reverse_kl"] == found.values["r_ring"]
    assert set(found.evidence) == {"mode_share", "reverse_kl"} <= set(ROLES)

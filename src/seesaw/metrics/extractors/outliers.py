"""Whether an image is none of the set, by a small network that learned it on images of the set and on spoiled ones."""

import torch
from torch import Tensor, nn

from seesaw.metrics.extractors.classifier import SmallClassifier

FAR = 8.0
"""Inputs beyond so many standard deviations of the reals' count as this."""


class OutlierDetector(nn.Module):
    """Classes and one more, the outliers, from what the layers of a `SmallClassifier` see of an image:
    the maps of `SmallClassifier.features_look_and_maps`.

    It learns by outlier exposure (Hendrycks et al. 2019, arXiv 1812.04606), with an outlier class in the place of their uniform
    targets: on reals, lightly varied, and on reals that were blurred, mixed of two, cut, warped and more (tools/outliers.py);
    both with the grey background and noise of a generator that still learns. Its threshold lets about 95 % of reals pass that it
    has not seen (tools/train_detector.py).

    Args:
        classes: number of classes of the reals.
    """

    hidden = 64

    limit: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        d, h = SmallClassifier.maps_dim, self.hidden
        self.register_buffer("centre", torch.zeros(d))
        self.register_buffer("scale", torch.ones(d))
        self.register_buffer("limit", torch.tensor(0.0))
        self.body = nn.Sequential(nn.Dropout(0.2), nn.Linear(d, h, bias=False), nn.BatchNorm1d(h), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(h, classes + 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, `SmallClassifier.maps_dim`) to logits (B, classes + 1), of which the last is that of the outliers."""
        return self.head(self.body(((maps - self.centre) / self.scale).clamp(-FAR, FAR)))

    def score(self, maps: Tensor) -> Tensor:
        """(B, `SmallClassifier.maps_dim`) to (B, 1): the log odds of an outlier, less the threshold. Above 0 it is one."""
        logits = self(maps)
        return (logits[:, -1] - logits[:, :-1].logsumexp(1) - self.limit)[:, None]

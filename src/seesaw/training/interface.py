"""Whether the parts of one's own package give what the step takes: a sentence each with the class, what it gave and what is
expected."""

import copy
import warnings

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn

from seesaw.errors import Notice, UserError
from seesaw.functional.dtype import at_least_float32
from seesaw.gan.interface import class_of, is_own
from seesaw.gan.module import GAN
from seesaw.types import Fake, Logits, Pyramid

FEW = 4
"""Samples whose values are looked at."""

BEYOND = 1e-3
"""How far outside [-1, 1] a value may lie: rounding of 16 bits."""


def place(key: str, part: object) -> str:
    """`model.G`, of one's own class `model.G (own_gan.model.Generator)`."""
    return f"{key} ({class_of(part)})" if is_own(part) else key


def kind_of(given: object) -> str:
    """What a player or part has returned, in words: `a tensor of shape (8, 1)`, `a dict`."""
    if isinstance(given, Tensor):
        return f"a tensor of shape {tuple(given.shape)}"
    if isinstance(given, list | tuple) and given and all(isinstance(one, Tensor) for one in given):
        return f"{len(given)} tensors of shapes {', '.join(str(tuple(one.shape)) for one in given)}"
    if isinstance(given, list | tuple):
        return f"a {type(given).__name__} of {', '.join(sorted({type(one).__name__ for one in given})) or 'nothing'}"
    return "nothing" if given is None else f"a {type(given).__name__}"


def check_fake(G: nn.Module, given: object, n: int) -> Pyramid:
    """The images of what G made of n latents. UserError where they are none."""
    images = given.images if isinstance(given, Fake) else given
    expected = f"a Fake, a tensor of images ({n}, C, H, W), or a list of such tensors, coarse to fine"
    where = place("model.G", G)
    if not isinstance(given, Fake) or not isinstance(images, list) or not images:
        raise UserError(f"{where} returned {kind_of(images)} for {n} latents; expected is {expected}")
    if not all(isinstance(x, Tensor) and x.ndim == 4 and len(x) == n and x.is_floating_point() for x in images):
        raise UserError(f"{where} returned {kind_of(images)} for {n} latents; expected is {expected}")
    return images


def check_scales(G: nn.Module, gives: str, takes: str) -> None:
    """UserError where G's images have other sizes, channels or scales than the reals."""
    if gives == takes:
        return
    advice = "leave model.G.channels and model.G.resolution as data.channels and data.resolution have them"
    if is_own(G):
        advice = "expected is one image for each scale of the reals, coarse to fine, with their channels, height and width"
    raise UserError(f"{place('model.G', G)} gives images of {gives}, and the reals are {takes}: {advice}")


def check_logits(D: nn.Module, given: object, n: int) -> None:
    """UserError where D gives n samples, or packs of them, no logits."""
    logits = given.adversarial if isinstance(given, Logits) else given
    fits = isinstance(logits, Tensor) and logits.is_floating_point() and logits.ndim in (1, 2) and len(logits) == n
    if not fits:
        raise UserError(
            f"{place('model.D', D)} returned {kind_of(logits)} for {n} samples; expected is one logit a sample, ({n},) or "
            f"({n}, 1), or ({n}, K) of K heads"
        )


def check_term(name: str, term: nn.Module, value: object, logits: Tensor) -> None:
    """UserError where a loss gives no values of samples."""
    expected = tuple(logits.shape)
    fits = isinstance(value, Tensor) and 1 <= value.ndim <= logits.ndim and value.shape[1:] == logits.shape[1 : value.ndim]
    if not fits or len(value) > len(logits):  # type: ignore[arg-type]
        hint = ": leave out the mean, which the step takes itself" if isinstance(value, Tensor) and value.ndim == 0 else ""
        raise UserError(f"{place(name, term)} returned {kind_of(value)}; expected is one value a sample, {expected}{hint}")


def notice_range(model: object, classes: int) -> None:
    """Warn with a Notice where a G of one's own gives values outside [-1, 1] for random latents and labels: the reals lie there,
    and what is outside is cut off when images are stored. It is copied first, and no global random state is used up."""
    if not isinstance(model, GAN) or not is_own(model.G):
        return
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        z = torch.randn(FEW, model.z_dim)
        y = torch.arange(FEW) % classes if classes else None
        images = copy.deepcopy(model.G)(z, y).images[-1]
    if images.shape[-1] == 1:  # points of the plane
        return
    low, high = (bound.item() for bound in at_least_float32(images).aminmax())
    if low < -1 - BEYOND or high > 1 + BEYOND:
        rank_zero_only(warnings.warn)(
            f"{place('model.G', model.G)} gives values from {low:.3g} to {high:.3g} for random latents, and images lie in "
            "[-1, 1]: what is outside is cut off in samples and metrics, which tanh at the end would avoid",
            Notice,
            stacklevel=2,
        )

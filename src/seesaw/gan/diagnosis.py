"""How the two players stand, at an evaluation: what D knows of its reals, the slope that G climbs, and how many directions G
uses.

Nothing of the training changes: G is in evaluation mode meanwhile, D as `seesaw.gan.judging` has it, latents and directions are
keyed, and no global random generator moves.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from seesaw.functional.dtype import at_least_float32
from seesaw.functional.eigen import eigvalsh
from seesaw.functional.pixels import to_unit
from seesaw.gan.judging import evaluated, judging, parts
from seesaw.gan.losses import DiscriminatorLoss
from seesaw.shared import sampling
from seesaw.types import Batch, Logits, Pyramid
from seesaw.util import key

JUDGED = 256
"""Images that D judges at once."""

SLOPES = 64
"""Images at which D's gradient is taken."""

LATENTS, DIRECTIONS = 2, 64
"""Latents at which G's Jacobian is taken, and directions of each at most."""

STEP = 1e-5
"""Length of the step that stands for a derivative, in float64."""

LARGEST = 64
"""Pixels of the longer side at which G's images are compared; larger ones are averaged down first."""

PIXELS = 2**20
"""Pixels and channels of images that G makes at once for its Jacobian."""


def player_figures(gan: Any, reals: Batch, held_out: Batch | None = None) -> dict[str, float]:
    """Figures by role of a `seesaw.gan.module.GAN`; D sees images neither noised nor augmented.

    * `r_t`: mean sign of D on training reals (Karras et al. 2020, "Training GANs with limited data", arXiv 2006.06676, eq. 1),
      beside the loss's boundary; of a loss that compares pairs, of the real's logit less the fake's. 0 where D cannot separate;
      1 where all are on their side.
    * `r_v`: (E D(training) - E D(held out)) / (E D(training) - E D(fakes)), the same equation: 0 where D generalises, 1 where
      held-out reals look like fakes to it.
    * `input_gradient`: mean norm of the gradient of D's logit by its image, at G's images of at most 64 fixed latents.
    * `log_condition`: see `log_condition`.

    Args:
        gan: the model.
        reals: uint8 (B, C, H, W), some of training, with labels where the model takes them.
        held_out: as many held-out ones; None: there is no r_v.
    """
    terms = [found[1] for phase in gan.phases.values() if (found := phase.adversarial()) is not None]
    pack = gan.game_setup.pack
    n = len(reals.real) // pack * pack
    if not n or not terms:
        return {}
    z, y = sampling.latents(n, gan.z_dim, gan.seed, "players").to(gan.device), labels_of(gan, reals.y, n)
    chunks = parts(n, pack, JUDGED)
    with evaluated(gan.G), judging(gan.D), torch.no_grad():
        fake = [gan.G(z[rows], None if y is None else y[rows]).images for rows in chunks]
        of_fakes = torch.cat([judged(gan, images, _at(y, rows)) for images, rows in zip(fake, chunks, strict=True)])
        of_reals = of_images(gan, reals, n)
        found = {"r_t": signs(terms[0], of_reals, of_fakes)}
        if held_out is not None and len(held_out.real) >= pack:
            found["r_v"] = overfitting(of_reals, of_images(gan, held_out, len(held_out.real)), of_fakes)
        few = max(SLOPES // pack, 1) * pack
        found["input_gradient"] = input_gradient(gan, [scale[:few] for scale in fake[0]], _at(y, chunks[0][:few]))
        return found | {"log_condition": log_condition(gan.G, gan.z_dim, gan.seed, labels_of(gan, reals.y, LATENTS))}


def labels_of(gan: Any, y: Tensor | None, n: int) -> Tensor | None:
    """The first n labels on the model's device, repeated where there are fewer; None of a model without."""
    return None if y is None or not gan.classes else y[torch.arange(n) % len(y)].to(gan.device)


def _at(y: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if y is None else y[rows.to(y.device)]


def of_images(gan: Any, images: Batch, n: int) -> Tensor:
    """D's logits of the first n images, float (N,), n less what fills no pack."""
    found = []
    for rows in parts(n, gan.game_setup.pack, JUDGED):
        pyramid = gan.view(to_unit(images.real[rows].to(gan.device), cast(torch.dtype, gan.dtype)))
        found.append(judged(gan, pyramid, labels_of(gan, None if images.y is None else images.y[rows], len(rows))))
    return torch.cat(found)


def judged(gan: Any, pyramid: Pyramid, y: Tensor | None) -> Tensor:
    """D's logits of a pyramid, float32 or more, packed as D takes it."""
    for wrapper in gan.wrappers:
        pyramid, y = wrapper(pyramid, y)
    given = gan.D(pyramid, y)
    return at_least_float32(given.adversarial if isinstance(given, Logits) else given)


def signs(term: DiscriminatorLoss, reals: Tensor, fakes: Tensor) -> float:
    """r_t by D's loss."""
    return term.signs(reals, fakes).double().mean().item()


def overfitting(reals: Tensor, held_out: Tensor, fakes: Tensor) -> float:
    """r_v of logits; nan where D gives reals and fakes one mean."""
    ours, theirs, other = (x.double().mean().item() for x in (reals, held_out, fakes))
    return (ours - theirs) / (ours - other) if ours != other else math.nan


def input_gradient(gan: Any, images: Pyramid, y: Tensor | None) -> float:
    """Mean norm over the images of a pyramid of D's gradient by all its scales together. Of a pack each image has its own; where
    BatchNorm couples images, the gradient is that of the sum of their logits, as in G's step."""
    with torch.enable_grad():
        inputs = [scale.detach().requires_grad_() for scale in images]
        gradients = torch.autograd.grad(judged(gan, inputs, y).sum(), inputs, allow_unused=True)
    squares = [g.double().flatten(1).square().sum(1) for g in gradients if g is not None]
    return torch.stack(squares).sum(0).sqrt().mean().item()


def log_condition(G: nn.Module, z_dim: int, seed: int, y: Tensor | None = None) -> float:
    """Mean over two latents of log10 of the condition number of J'J, J the Jacobian of G's image by its latent (Odena et al.
    2018, arXiv 1802.08768, section 2). It grows as G maps directions of z to the same image; infinite where one changes nothing.

    Deviations: J is taken by steps of 1e-5 in float64, in at most 64 orthonormal directions drawn by the seed, of the image
    averaged down to at most 64 px.

    Args:
        G: in evaluation mode. z_dim: of its latents. seed: of the directions. y: labels of the two latents.
    """
    device = next(G.parameters()).device
    device = torch.device("cpu") if device.type == "mps" else device  # which has no float64
    twin = copy.deepcopy(G).to(device, torch.float64)
    basis = directions(z_dim, seed).to(device)
    found = []
    for k, z in enumerate(sampling.latents(LATENTS, z_dim, seed, "condition").double().to(device)):
        images = torch.cat(list(_images(twin, torch.cat([z[None], z + STEP * basis]), None if y is None else y[k])))
        columns = (images[1:] - images[0]) / STEP
        values = eigvalsh(columns @ columns.T)
        least, largest = values[0].item(), values[-1].item()
        found.append(math.log10(largest / least) if least > 0 else math.inf)
    return sum(found) / len(found)


def _images(G: nn.Module, z: Tensor, y: Tensor | None) -> Iterator[Tensor]:
    """G's finest images of z, flat, at most `LARGEST` px."""
    rows = 1
    while len(z):
        images = G(z[:rows], None if y is None else y.expand(rows)).images[-1]
        z, size = z[rows:], max(images.shape[-2:])
        rows = min(max(PIXELS // images[0].numel(), 1), max(len(z), 1))
        factor = -(-size // LARGEST)
        yield (nn.functional.avg_pool2d(images, factor) if factor > 1 else images).flatten(1)


def directions(z_dim: int, seed: int) -> Tensor:
    """At most 64 orthonormal directions (k, z_dim), float64: all of the axes where there are no more."""
    if z_dim <= DIRECTIONS:
        return torch.eye(z_dim, dtype=torch.float64)
    generator = torch.Generator().manual_seed(key(seed, "directions"))
    return torch.linalg.qr(torch.randn(z_dim, DIRECTIONS, generator=generator, dtype=torch.float64)).Q.T.contiguous()

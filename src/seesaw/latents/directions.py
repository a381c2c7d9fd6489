"""`seesaw directions`: directions in the latents that change the images most, with the measured effect of each."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.functional.directions import closed_form, from_activations, principal
from seesaw.functional.latents import random_directions
from seesaw.functional.pixels import to_8_bit
from seesaw.latents.model import Chosen, LatentModel, open_model
from seesaw.latents.place import ELSEWHERE, check_folder
from seesaw.nets.layers.style import ModulatedConv2d
from seesaw.training.pictures import save_png
from seesaw.training.preview import Row, labelled
from seesaw.training.run_folder import strict
from seesaw.util import atomic_write, key, whole_folder

Method = Literal["closed_form", "pca"]

SAMPLES = 1000
"""Latents of a principal component analysis, or four times as many as a latent has numbers, if that is more."""

BASES, RANDOM = 64, 32
"""Latents at which effects are measured, and random directions beside them."""

STEPS = 7
"""Images of a row of the sheet."""


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Args:
        count: directions.
        method: closed_form (SeFa) or pca (GANSpace); None: closed_form for StyleGAN2, else pca.
        images: rows of the sheet for each direction.
        reach: steps from the middle of a row to its ends.
        seed: of the latents.
    """

    count: int = 5
    method: Method | None = None
    images: int = 2
    reach: float = 3.0
    seed: int = 0


class Found(NamedTuple):
    """Directions of a model.

    Attributes:
        space: z or w.
        method: how they were found, in words.
        directions: (K, D), of length 1.
        values: eigenvalues or variances, (K,), falling.
        step: length of one step: the standard deviation of one number of the latent.
        render: latents (B, D) to stored images (B, C, H, W).
        bases: latents (N, D) to start from.
    """

    space: str
    method: str
    directions: Tensor
    values: Tensor
    step: float
    render: Callable[[Tensor], Tensor]
    bases: Tensor


class Effect(NamedTuple):
    """How much the images change along a direction, a step: the mean and the standard deviation over latents."""

    mean: float
    spread: float

    def over(self, typical: float) -> float:
        """In units of a random direction's."""
        return self.mean / max(typical, 1e-12)


def directions(chosen: Chosen, wanted: Wanted, out: Path) -> str:
    """Find directions, measure what they do, and write into the folder `out` directions.npz, directions.json and directions.png.

    Args:
        chosen: the checkpoint.
        wanted: what is looked for.
        out: a folder that is new or empty.

    Returns:
        The lines to print.

    Raises:
        UserError: the method does not fit the model, it has fewer directions, or a file cannot be written.
    """
    check_folder(out)
    model = open_model(chosen)
    found = find(model, wanted)
    effects = [effect(found, d) for d in found.directions]
    others = random_directions(RANDOM, found.bases.shape[1], key(wanted.seed, "random directions"))
    chance = [effect(found, d).mean for d in others]
    typical, spread = float(np.mean(chance)), float(np.std(chance, ddof=1))
    with whole_folder(out, ELSEWHERE) as folder:
        write(found, effects, typical, spread, chosen, folder)
        save_png(sheet(found, effects, typical, wanted), folder / "directions.png")
    lines = [
        f"{k}: {e.mean:.4f} +- {e.spread:.4f} of the range a step, {e.over(typical):.2f} times a random direction"
        for k, e in enumerate(effects, 1)
    ]
    lines.append(f"random directions: {typical:.4f} +- {spread:.4f} ({RANDOM} of them)")
    files = "directions.png, directions.npz, directions.json"
    return "\n".join([*lines, f"{out}: {files}; {found.method}; {model.described()}"])


def find(model: LatentModel, wanted: Wanted) -> Found:
    """The directions of a model. Raises UserError where the method does not fit, or there are not so many."""
    layers = [m.style for m in model.run.generator.modules() if isinstance(m, ModulatedConv2d)] if model.has_w else []
    method = wanted.method or ("closed_form" if layers else "pca")
    if method == "closed_form" and not layers:
        raise UserError("--method closed_form is for StyleGAN2, whose layers take w by a matrix; give --method pca")
    if model.has_w:
        w = model.w_samples(seed=wanted.seed)
        check_count(wanted.count, w.shape[1], "w")
        ours = [layer.weight.detach() * layer.scale for layer in layers]
        vectors, values = closed_form(ours, wanted.count) if method == "closed_form" else principal(w, wanted.count)
        words = "closed-form factorisation of the layers that take w" if method == "closed_form" else "PCA of w"
        step = (w - w.mean(0)).square().mean().sqrt().item()
        return Found(
            "w", words, vectors.cpu(), values, step, lambda w: model.images(model.over_layers(w)), w[:BASES].cpu()
        )
    z = model.latents(max(SAMPLES, 4 * model.z_dim), wanted.seed)
    activations = first_activations(model, z)
    check_count(wanted.count, min(model.z_dim, activations.shape[1]), "z")
    vectors, values = from_activations(z, activations, wanted.count)
    return Found("z", "PCA of the first layer's activations", vectors.cpu(), values, 1.0, model.images, z[:BASES].cpu())


def check_count(count: int, most: int, space: str) -> None:
    if count > most:
        raise UserError(f"--count is {count}; {space} of this model has {most} directions")


def first_activations(model: LatentModel, z: Tensor) -> Tensor:
    """What the first layer with weights, embeddings of labels aside, makes of the latents: (N, F)."""
    layers = [m for m in model.run.generator.modules() if any(True for _ in m.parameters(recurse=False))]
    seen = list[Tensor]()

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and not seen:
            seen.append(output.flatten(1))

    handles = [m.register_forward_hook(keep) for m in layers if not isinstance(m, nn.Embedding)]
    found = []
    try:
        for part in z.split(100):
            seen.clear()
            model.images(part)
            if not seen:
                raise UserError("this generator has no layer whose activations could be analysed")
            found.append(seen[0].cpu())
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat(found)


def effect(found: Found, direction: Tensor) -> Effect:
    """How much images change a step along a direction, both ways: the root mean square difference of their pixels, as a share of
    the range of values."""
    middle = values_of(found.render(found.bases))
    moved = [values_of(found.render(found.bases + sign * found.step * direction)) for sign in (-1, 1)]
    changes = torch.stack([(x - middle).square().flatten(1).mean(1).sqrt() for x in moved]).mean(0)
    return Effect(changes.mean().item(), changes.std().item())


def values_of(stored: Tensor) -> Tensor:
    """Stored images as floats in [0, 1]."""
    return stored.float() / (65535 if stored.dtype == torch.uint16 else 255)


def sheet(found: Found, effects: list[Effect], typical: float, wanted: Wanted) -> Tensor:
    """Rows of images along each direction, the latent itself in the middle of each row."""
    places = torch.linspace(-wanted.reach, wanted.reach, STEPS)[:, None] * found.step
    rows = []
    for k, (direction, of_it) in enumerate(zip(found.directions, effects, strict=True), 1):
        for base in found.bases[: wanted.images]:
            images = to_8_bit(found.render(base + places * direction))
            rows.append(Row(f"{k}: {of_it.over(typical):.1f}x random", images))
    return labelled(rows)


def write(found: Found, effects: list[Effect], typical: float, spread: float, chosen: Chosen, out: Path) -> None:
    """Write directions.npz and directions.json."""
    arrays = {
        "directions": found.directions.numpy(),
        "values": found.values.cpu().numpy(),
        "step": np.float32(found.step),
        "change": np.array([e.mean for e in effects], np.float32),
    }
    atomic_write(out / "directions.npz", lambda file: np.savez(file, **arrays), ELSEWHERE)  # type: ignore[arg-type]
    rows = [
        {"change": e.mean, "change_std": e.spread, "times_random": e.over(typical), "value": float(value)}
        for e, value in zip(effects, found.values, strict=True)
    ]
    content = {
        "checkpoint": str(chosen.path),
        "space": found.space,
        "method": found.method,
        "step": found.step,
        "latents": len(found.bases),
        "random": {"directions": RANDOM, "change": typical, "change_std": spread},
        "directions": rows,
    }
    atomic_write(out / "directions.json", json.dumps(strict(content), indent=2) + "\n", ELSEWHERE)

"""`seesaw project`: the latents whose images are nearest to given pictures."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from seesaw.functional.latents import norm_range, with_norm_in
from seesaw.functional.pixels import to_stored, to_unit
from seesaw.functional.projection import Descent, Projection, laplacian_distance, project, within_range
from seesaw.latents.frames import frames_of, save_sheet
from seesaw.latents.model import MEAN_SAMPLES, Chosen, LatentModel, open_model
from seesaw.latents.place import ELSEWHERE, check_folder
from seesaw.latents.targets import Target, targets_of
from seesaw.latents.video import enlarged
from seesaw.shared import sampling
from seesaw.training.run_folder import strict
from seesaw.util import PALETTE, atomic_write

CANDIDATES = 1000
"""Random latents of which the nearest are the starts."""

BATCH, BATCH_PIXELS = 100, 2**22
"""Candidates that are rendered at once, at most; and their pixels together."""


@dataclass(frozen=True)
class Search:
    """How latents are searched for.

    Args:
        space: z or w; None: w where the model has it.
        steps: of the optimiser, for each picture.
        starts: latents that are followed at once; the best is kept.
        lr: the largest learning rate, in the standard deviation of one number of the latent.
        seed: of the candidates and of the noise.
    """

    space: str | None = None
    steps: int = 400
    starts: int = 4
    lr: float = 0.1
    seed: int = 0


class Space(NamedTuple):
    """A space of latents to search in.

    Attributes:
        name: z or w.
        candidates: (N, D), of which the nearest to the target are starts.
        y: their labels (N,), on the CPU; None of a model without labels.
        first: a start in any case, (1, D); None: no other one.
        scale: standard deviation of one number.
        noise: that of the noise on the latent, see `seesaw.functional.projection.project`.
        render: (B, D) and labels to images in [-1, 1].
        keep: brings latents back to where they may lie; None: anywhere.
    """

    name: str
    candidates: Tensor
    y: Tensor | None
    first: Tensor | None
    scale: float
    noise: float
    render: Callable[[Tensor, Tensor | None], Tensor]
    keep: Callable[[Tensor], Tensor] | None


def project_pictures(chosen: Chosen, pictures: Sequence[str], search: Search, out: Path) -> str:
    """Project each picture, and write into the folder `out` NAME-pair.png (the picture | its projection), NAME-curve.png,
    NAME.npy (the latent) and projection.json (the figures).

    Args:
        chosen: the checkpoint.
        pictures: see `seesaw.latents.targets.targets_of`.
        search: how.
        out: a folder that is new or empty.

    Returns:
        The lines to print.

    Raises:
        UserError: a picture cannot be read, the model has no w, or a file cannot be written.
    """
    check_folder(out)
    model = open_model(chosen)
    name = search.space or ("w" if model.has_w else "z")
    if name == "w":
        model.style()
    found = {}
    for target in targets_of(model, pictures):
        label = target.label if model.label is None else model.label
        y = sampling.labels(MEAN_SAMPLES if name == "w" else CANDIDATES, model.classes, search.seed, label)
        space = (w_space if name == "w" else z_space)(model, y, search.seed)
        found[target.name] = one(model, target, space, search, out)
    settings = {"space": name, "steps": search.steps, "starts": search.starts, "lr": search.lr, "seed": search.seed}
    checkpoint = {"checkpoint": str(chosen.path), "kimg": model.run.images_shown / 1000, "raw": chosen.raw}
    content = checkpoint | settings | {"pictures": found}
    atomic_write(out / "projection.json", json.dumps(strict(content), indent=2) + "\n", ELSEWHERE)
    lines = [f"{name}: {line(figures)}" for name, figures in found.items()]
    what = "pairs (picture | projection), curves, latents, projection.json"
    return "\n".join([*lines, f"{out}: {what}; {name} of {model.described(drawn=True)}"])


def line(figures: dict[str, Any]) -> str:
    """The figures of one picture for a person."""
    return (
        f"distance {figures['distance_random']:.3f} (a random sample), {figures['distance_start']:.3f} (best start), "
        f"{figures['distance']:.3f} (projected); PSNR {figures['psnr']:.1f} dB"
        + (f"; class {figures['class']}" if "class" in figures else "")
    )


def z_space(model: LatentModel, y: Tensor | None, seed: int) -> Space:
    """z of these labels, whose length is kept to where all but 0.2 % of the prior's lie."""
    low, high = norm_range(model.z_dim)
    candidates = model.latents(CANDIDATES, seed)
    return Space("z", candidates, y, None, 1.0, 0.0, model.forward, lambda z: with_norm_in(z, low, high))


def w_space(model: LatentModel, y: Tensor | None, seed: int) -> Space:
    """w of these labels, the same at all layers. The first start is the mean of w; the noise has the spread of w, as in
    StyleGAN2, appendix D."""
    w = model.w_samples(seed=seed, y=y)
    mean = w.mean(0, keepdim=True)
    spread = (w - mean).square().sum(1).mean().sqrt().item()
    scale = max(spread / math.sqrt(w.shape[1]), 1e-8)
    own = None if y is None else y[:CANDIDATES]
    render = lambda w, _: model.forward(model.over_layers(w))  # noqa: E731
    return Space("w", w[:CANDIDATES], own, mean, scale, scale, render, None)


def one(model: LatentModel, target: Target, space: Space, search: Search, out: Path) -> dict[str, Any]:
    """Project one picture and write its files; returns its figures."""
    image = to_unit(target.image, torch.float32).contiguous().to(model.device)
    with torch.no_grad():
        at_once = max(1, min(BATCH, BATCH_PIXELS // image[0, 0].numel()))
        chunks = torch.arange(len(space.candidates)).split(at_once)
        far = torch.cat([distances(space, k, image) for k in chunks])
    order = far.argsort().cpu()[: search.starts]
    y, starts = labels(space, order), space.candidates[order]
    if space.first is not None:
        starts = torch.cat([space.first, starts])[: search.starts]
    how = Descent(search.steps, search.lr * space.scale, space.noise, space.keep, search.seed)
    found = project(lambda latents: space.render(latents, y), image, starts, how)
    latent, of_it = found.latent[None], None if y is None else y[[min(found.start, len(y) - 1)]]
    with torch.no_grad():
        made = to_stored(space.render(latent, of_it), model.depth).cpu()
    cells = [enlarged(frame) for frame in frames_of([torch.cat([target.image, made])])]
    save_sheet(cells, out / f"{target.name}-pair.png", columns=2)
    atomic_write(out / f"{target.name}-curve.png", lambda file: curve(found, target.source).print_png(file), ELSEWHERE)
    kept = model.over_layers(latent) if space.name == "w" else latent
    atomic_write(out / f"{target.name}.npy", lambda file: np.save(file, kept.cpu().numpy()), ELSEWHERE)
    figures = {"picture": target.source, "distance_random": far.median().item(), "distance_start": found.curve[:, 0].min().item()}
    figures |= {"distance": found.distance, "psnr": psnr(made, target.image), **placed(model, space, found.latent)}
    return figures | ({"class": int(of_it[0])} if of_it is not None and space.name == "z" else {})


def distances(space: Space, rows: Tensor, image: Tensor) -> Tensor:
    """Of the images of these candidates to the target, (len(rows),)."""
    made = space.render(space.candidates[rows], labels(space, rows))
    return laplacian_distance(within_range(made, image), image)


def labels(space: Space, rows: Tensor) -> Tensor | None:
    """The labels of these candidates."""
    return None if space.y is None else space.y[rows]


def placed(model: LatentModel, space: Space, latent: Tensor) -> dict[str, float]:
    """Where the latent lies: the length of z; of w the distance from its mean, in the mean such distance of w."""
    if space.name == "z":
        return {"norm": latent.norm().item(), "norm_of_prior": math.sqrt(model.z_dim)}
    assert space.first is not None
    typical = (space.candidates - space.first).norm(dim=1).mean().clamp_min(1e-12)
    return {"distance_from_mean_w": ((latent - space.first).norm() / typical).item()}


def psnr(made: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio of stored images in dB; at most 99."""
    most = 65535.0 if target.dtype == torch.uint16 else 255.0
    error = ((made.double() - target.double()) / most).square().mean().item()
    return 99.0 if error < 10**-9.9 else -10 * math.log10(error)


def curve(found: Projection, title: str) -> FigureCanvasAgg:
    """The distance over the steps, the best start in colour."""
    figure = Figure(figsize=(6, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for k, values in enumerate(found.curve.numpy()):
        own = k == found.start
        style: dict[str, Any] = {"color": PALETTE[0] if own else "0.75", "linewidth": 1.6 if own else 0.8}
        axes.plot(values, zorder=2 + own, label="the start that is kept" if own else None, **style)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_ylabel("Laplacian distance")
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return FigureCanvasAgg(figure)

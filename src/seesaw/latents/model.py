"""A checkpoint's generator as a function of its latents: what the sampling commands share."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.functional.pixels import to_stored
from seesaw.functional.truncation import Truncated
from seesaw.trained.label import class_number
from seesaw.trained.load import load
from seesaw.trained.trained import AT_ONCE

MEAN_SAMPLES = 10_000
"""Latents of which the spread of w is taken, as in appendix D of StyleGAN2."""


class Chosen(NamedTuple):
    """Which checkpoint, and how it is used: the arguments that the commands on a checkpoint share.

    Attributes:
        path: the checkpoint.
        raw: the raw generator instead of its average.
        label: number or name of a class; None: none is chosen.
        psi: truncation of w; None: nothing is truncated.
        overrides, packages: see `seesaw.training.inference.configured`.
    """

    path: Path
    raw: bool = False
    label: str | None = None
    psi: float | None = None
    overrides: Sequence[str] = ()
    packages: Sequence[str] = ()


class Setting(NamedTuple):
    """What the data and the metrics of the run are built from: the nodes of its configuration, and the caller's cache."""

    nodes: dict[str, Any]
    cache_dir: str


class LatentModel:
    """A loaded run with one class and one truncation.

    Args:
        chosen: which checkpoint, and how it is used.

    Attributes:
        run: the loaded run.
        z_dim, classes, depth, device: of the run.
        label: the class that was chosen, or None.
        has_w: whether it has intermediate latents w.
        shape: channels, height and width of its images as they are at this checkpoint.

    Raises:
        UserError: the file is no checkpoint, has no generator, no such class or no w to truncate, or an override is wrong.
    """

    def __init__(self, chosen: Chosen) -> None:
        self.chosen, self.run = chosen, load(chosen.path, packages=chosen.packages, raw=chosen.raw)
        self.z_dim, self.classes, self.depth, self.device = (
            self.run.z_dim, self.run.classes, self.run.depth, self.run.device,
        )  # fmt: skip
        self.label = class_number(chosen.label, self.classes, self.run.class_names)
        self.has_w = isinstance(self.run.generator, Truncated)
        if chosen.overrides:
            _ = self.setting  # wrong ones are refused by every command
        self.shape = tuple(self.images(self.latents(1, 0)).shape[1:])

    @cached_property
    def setting(self) -> Setting:
        """The configuration of the run's data and metrics, with the caller's overrides."""
        from seesaw.training.inference import configured

        chosen = self.chosen
        return Setting(*configured({"config": self.run.config}, chosen.path, chosen.overrides, chosen.packages))

    def data(self) -> Any:
        """The run's data module."""
        from seesaw.training.build import construct

        return construct(self.setting.nodes["data"], "data", self.chosen.packages)

    def style(self) -> Any:
        """The generator as one with w: `layers`, `synthesis`. Raises UserError where it has none."""
        if not self.has_w:
            raise UserError("this model has no intermediate latents w, as those of StyleGAN2 are; use z")
        return self.run.generator

    def latents(self, n: int, seed: int) -> Tensor:
        """(n, z_dim): those of `seesaw sample --seed`, of as many samples."""
        return self.run.latents(n, seed).to(self.device)

    def of_seeds(self, seeds: Sequence[int]) -> Tensor:
        """The latent of `seesaw sample --count 1 --seed S` for each S, (len(seeds), z_dim)."""
        return torch.cat([self.latents(1, seed) for seed in seeds])

    def drawn_labels(self, n: int, seed: int) -> Tensor | None:
        """The labels of `seesaw sample --seed`, (n,) on the CPU: the chosen class, else all equally likely; None of a
        model without any."""
        return self.run.labels(n, seed, self.label)

    def of_class(self, n: int) -> Tensor | None:
        """The chosen class for n samples, else class 0; None of a model without labels."""
        return torch.full((n,), self.label or 0) if self.classes else None

    def w(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents (B, z_dim) to w, (B, layers, w_dim), truncated by psi. `y`: labels (B,); None: the chosen class."""
        self.style()
        psi = 1.0 if self.chosen.psi is None else self.chosen.psi
        return self.run.w(z, self.of_class(len(z)) if y is None else y, psi)

    def forward(self, latents: Tensor, y: Tensor | None = None) -> Tensor:
        """Images in about [-1, 1] at the finest scale, (B, C, H, W), with gradients. Nothing is truncated.

        Args:
            latents: z (B, z_dim), or w (B, layers, w_dim).
            y: labels of z, int64 (B,); None: the chosen class.
        """
        if latents.ndim == 3:
            return self.run.forward(w=latents)
        return self.run.forward(latents, self.of_class(len(latents)) if y is None else y)

    def images(self, latents: Tensor, y: Tensor | None = None) -> Tensor:
        """Images as they are stored, uint8 or uint16 (B, C, H, W), on the CPU; points as float32. Arguments as `forward`'s;
        those of z are truncated by psi."""
        if latents.ndim == 3:
            found = self.run.images(w=latents, batch_size=AT_ONCE)
        else:
            labels = self.of_class(len(latents)) if y is None else y
            found = self.run.images(latents, labels, psi=self.chosen.psi, batch_size=AT_ONCE)
        return to_stored(found, self.depth)

    def stream(self, latents: Tensor, batch_size: int = 64) -> Iterator[Tensor]:
        """`images` of many latents, chunk by chunk."""
        return (self.images(part) for part in latents.split(batch_size))

    def checked(self, latents: Tensor, source: str) -> Tensor:
        """Latents of a file as this model takes them: z (K, z_dim) or w (K, layers, w_dim). Raises UserError for others."""
        takes: dict[str, tuple[int, ...]] = {f"{self.z_dim} numbers (z)": (self.z_dim,)}
        if self.has_w:
            layers, width = self.w(self.latents(1, 0)).shape[1:]
            takes[f"{layers}x{width} (w)"] = (layers, width)
        if tuple(latents.shape[1:]) in takes.values():
            return latents.to(self.device)
        found = "x".join(map(str, latents.shape[1:]))
        raise UserError(f"{source} holds {found} numbers a latent; this model takes {' or '.join(takes)}")

    def w_samples(self, n: int = MEAN_SAMPLES, seed: int = 0, y: Tensor | None = None) -> Tensor:
        """The w of n keyed latents, one for all layers, (n, w_dim). `y`: labels (n,); None: the chosen class."""
        z, parts = self.latents(n, seed), torch.arange(n).split(1000)
        return torch.cat([self.w(z[rows], None if y is None else y[rows])[:, 0] for rows in parts])

    def over_layers(self, w: Tensor) -> Tensor:
        """w (B, w_dim) at every layer: (B, layers, w_dim)."""
        return w[:, None].expand(-1, self.style().layers, -1)

    def described(self, drawn: bool = False) -> str:
        """Which generator it is and of which class, for the line that a command prints. `drawn`: where none is chosen, classes
        are drawn."""
        kind = "raw" if self.chosen.raw else "averaged"
        text = f"the {kind} generator of {self.chosen.path} at {self.run.images_shown / 1000:g} kimg"
        if self.classes and not (drawn and self.label is None):
            number, names = self.label or 0, [str(name) for name in self.run.class_names]
            name = names[number] if number < len(names) and names[number].isprintable() else str(number)
            text += f", class {name}" + ("" if self.label is not None else " (choose another by --class)")
        return text + ("" if self.chosen.psi is None else f", truncated by psi {self.chosen.psi:g}")


def open_model(chosen: Chosen, images: bool = True) -> LatentModel:
    """The generator of a checkpoint.

    Args:
        chosen: which, and how it is used.
        images: whether it must generate images, not points.

    Raises:
        UserError: see `LatentModel`; or it generates points.
    """
    model = LatentModel(chosen)
    if images and model.run.points:
        raise UserError(f"{chosen.path}: this command shows images, and this model generates points of the plane")
    return model

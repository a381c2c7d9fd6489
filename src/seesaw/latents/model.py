"""A checkpoint's generator as a function of its latents: what the sampling commands share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.functional.pixels import to_stored
from seesaw.functional.truncation import Truncated
from seesaw.shared import sampling
from seesaw.training.inference import Restored, class_number, restore

MEAN_SAMPLES = 10_000
"""Latents of which the spread of w is taken, as in appendix D of StyleGAN2."""


class Chosen(NamedTuple):
    """Which checkpoint, and how it is used: the arguments that the commands on a checkpoint share.

    Attributes:
        path: the checkpoint.
        raw: the raw generator instead of its average.
        label: number or name of a class; None: none is chosen.
        psi: truncation of w; None: nothing is truncated.
        overrides, packages: see `seesaw.training.inference.restore`.
    """

    path: Path
    raw: bool = False
    label: str | None = None
    psi: float | None = None
    overrides: Sequence[str] = ()
    packages: Sequence[str] = ()


@runtime_checkable
class StyleBased(Protocol):
    """A generator with intermediate latents, such as StyleGAN2's. `layers`: how many w an image has."""

    layers: int

    def w_of(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, z_dim) and labels to (B, layers, w_dim), truncated by `psi`."""

    def synthesis(self, w: Tensor) -> Tensor:
        """(B, layers, w_dim) to images (B, C, H, W)."""


class LatentModel:
    """A restored generator.

    Args:
        run: what `restore` gives.
        chosen: how it is used.

    Attributes:
        G: the generator in evaluation mode, on the device of the run; its weights need no gradient.
        classes: number of its classes; 0: it takes no labels.
        label: the class that was chosen, or None.
        shape: channels, height and width of its images.

    Raises:
        UserError: the model generates no images, or has no such class or no w to truncate.
    """

    def __init__(self, run: Restored, chosen: Chosen) -> None:
        if chosen.psi is not None:
            run.model.truncate(chosen.psi)
        try:
            self.G: nn.Module = run.model.frozen_generator(ema=not chosen.raw).requires_grad_(False)
        except TypeError as error:
            raise UserError(f"{chosen.path}: {error}, so there are no latents to choose") from None
        self.run, self.chosen = run, chosen
        self.z_dim, self.classes, self.depth = run.model.z_dim, run.model.classes, run.model.depth
        self.names: list[str] = list(run.nodes["data"].get("class_names") or [])
        self.label = class_number(chosen.label, self.classes, self.names)
        self.device = run.model.device
        self.shape = tuple(self.images(self.latents(1, 0), self.labels_of(1)).shape[1:])

    @property
    def is_points(self) -> bool:
        """Whether it generates points of the plane."""
        return self.shape[1:] == (1, 1)

    @property
    def has_w(self) -> bool:
        return isinstance(self.G, StyleBased)

    def style(self) -> StyleBased:
        """The generator as one with w. Raises UserError where it has none."""
        if not isinstance(self.G, StyleBased):
            raise UserError("this model has no intermediate latents w, as those of StyleGAN2 are; use z")
        return self.G

    def latents(self, n: int, seed: int) -> Tensor:
        """(n, z_dim): those of `seesaw sample --seed`, of as many samples."""
        return sampling.latents(n, self.z_dim, seed).to(self.device)

    def of_seeds(self, seeds: Sequence[int]) -> Tensor:
        """The latent of `seesaw sample --count 1 --seed S` for each S, (len(seeds), z_dim)."""
        return torch.cat([self.latents(1, seed) for seed in seeds])

    def labels_of(self, n: int) -> Tensor | None:
        """The chosen class for n samples, else class 0; None of a model without labels."""
        return torch.full((n,), self.label or 0, device=self.device) if self.classes else None

    def w(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents (B, z_dim) to w, (B, layers, w_dim), truncated by psi. `y`: labels (B,); None: the chosen class."""
        with torch.no_grad():
            return self.style().w_of(z, self.labels_of(len(z)) if y is None else y.to(self.device))

    def forward(self, latents: Tensor, y: Tensor | None = None) -> Tensor:
        """Images in about [-1, 1] at the finest scale, (B, C, H, W), with gradients.

        Args:
            latents: z (B, z_dim), or w (B, layers, w_dim).
            y: labels of z, int64 (B,); None: the chosen class.
        """
        if latents.ndim == 3:
            return self.style().synthesis(latents)
        images: Tensor = self.G(latents, self.labels_of(len(latents)) if y is None else y.to(self.device)).images[-1]
        return images

    def images(self, latents: Tensor, y: Tensor | None = None) -> Tensor:
        """Images as they are stored, uint8 or uint16 (B, C, H, W), on the CPU; points as float32. Arguments as `forward`'s."""
        with torch.no_grad():
            return to_stored(self.forward(latents, y), self.depth).cpu()

    def stream(self, latents: Tensor, batch_size: int = 64) -> Iterator[Tensor]:
        """`images` of many latents, chunk by chunk."""
        for part in latents.split(batch_size):
            yield self.images(part.to(self.device))

    def checked(self, latents: Tensor, source: str) -> Tensor:
        """Latents of a file as this model takes them: z (K, z_dim) or w (K, layers, w_dim). Raises UserError for others."""
        if latents.ndim == 2 and latents.shape[1] == self.z_dim:
            return latents.to(self.device)
        if isinstance(self.G, StyleBased):
            width = self.w_width
            if latents.ndim == 3 and tuple(latents.shape[1:]) == (self.G.layers, width):
                return latents.to(self.device)
            takes = f"{self.z_dim} numbers (z) or {self.G.layers}x{width} (w)"
        else:
            takes = f"{self.z_dim} numbers (z)"
        raise UserError(f"{source} holds {'x'.join(map(str, latents.shape[1:]))} numbers a latent; this model takes {takes}")

    @property
    def w_width(self) -> int:
        """Numbers of one w."""
        return self.w(self.latents(1, 0)).shape[-1]

    def w_samples(self, n: int = MEAN_SAMPLES, seed: int = 0, y: Tensor | None = None) -> Tensor:
        """The w of n keyed latents, one for all layers, (n, w_dim). `y`: labels (n,); None: the chosen class."""
        parts = torch.arange(n).split(1000)
        z = self.latents(n, seed)
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
            number = self.label or 0
            name = self.names[number] if number < len(self.names) else str(number)
            text += f", class {name}" + ("" if self.label is not None else " (choose another by --class)")
        return text + ("" if self.chosen.psi is None else f", truncated by psi {self.chosen.psi:g}")


def open_model(chosen: Chosen, images: bool = True) -> LatentModel:
    """The generator of a checkpoint.

    Args:
        chosen: which, and how it is used.
        images: whether it must generate images, not points.

    Raises:
        UserError: the file is no checkpoint, or the model does not fit.
    """
    model = LatentModel(restore(chosen.path, chosen.overrides, chosen.packages), chosen)
    if images and model.is_points:
        raise UserError(f"{chosen.path}: this command shows images, and this model generates points of the plane")
    return model


def truncated_mean(model: LatentModel) -> Tensor | None:
    """The running mean of w that training has kept, (w_dim,); None where the model has none."""
    return model.G.w_avg if isinstance(model.G, Truncated) else None

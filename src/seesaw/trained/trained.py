"""A trained run in Python: its networks, its samples, its figures. Imports neither Lightning nor Hydra."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.functional.pixels import to_8_bit, to_stored
from seesaw.functional.truncation import Truncated
from seesaw.shared import sampling
from seesaw.trained.facts import facts_of
from seesaw.trained.inputs import Labels, at_least_one, labels_of, latents_of, psi_of, seed_of, texts_of, whole_number
from seesaw.trained.picture import drawn, how_many, html, pil, png

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 256
"""Images of a forward pass of `sample`: as `seesaw sample` and the pictures of a run have it."""


class Trained:
    """The networks of a run as they were at a checkpoint, in evaluation mode, on the GPU where there is one.

    `seesaw.load` makes it. The networks' weights need no gradient (`run.generator.requires_grad_(True)` gives it back).

    Args:
        path: the file that was read.
        config: the run's configuration, plain.
        images_shown: real images that the weights had been shown.
        G: the generator, or a VAE's decoder.
        D: makes the discriminator when it is first asked for; None where there is none.
        estimate: whether BatchNorm's statistics are estimated for the weights of G before the first sample.
        averaged: whether G is the average over training, and not the raw one.
        packages: own packages that the caller named.
        remade: makes the same of what `__reduce__` keeps; None: it cannot be pickled.

    Attributes:
        z_dim: length of a latent. classes: of the labels that G takes; 0: none. class_names: theirs, where they have names.
        resolution: height and width in pixels, (1, 1) of points of the plane. channels: of an image. depth: bits of a pixel and
            channel, 8 or 16.
    """

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        images_shown: int,
        G: nn.Module,
        D: Callable[[], nn.Module] | None = None,
        estimate: bool = True,
        averaged: bool = True,
        packages: Sequence[str] = (),
        remade: Callable[[dict[str, Any]], Trained] | None = None,
    ) -> None:
        self.averaged, self.packages, self._remade = averaged, packages, remade
        self.path, self.config, self.images_shown = path, config, images_shown
        self._G, self._D, self._estimate = G.eval().requires_grad_(False), D, estimate
        self.z_dim, self.classes = cast(int, G.z_dim), int(getattr(G, "classes", 0))
        self.resolution, self.channels, self.depth, self.class_names = facts_of(config["data"], path)

    def __repr__(self) -> str:
        height, width = self.resolution
        kind = "points" if self.points else f"{height}x{width}x{self.channels}"
        labels = f", {self.classes} classes" if self.classes else ""
        return f"<Trained {self.path} at {self.images_shown / 1000:g} kimg: z {self.z_dim} -> {kind}{labels}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: configuration and weights, from which the networks are built anew. UserError of an ONNX file."""
        if self._remade is None:
            raise UserError(f"{self.path}: what was loaded from an ONNX file cannot be pickled; load it again where it is used")
        nets = {"G": self.generator} | ({} if self.discriminator is None else {"D": self.discriminator})
        weights = {
            f"{name}.{key}": value.cpu() if isinstance(value, Tensor) else value
            for name, net in nets.items()
            for key, value in net.state_dict().items()
        }
        kept = {"path": self.path, "config": self.config, "images_shown": self.images_shown, "averaged": self.averaged}
        kept |= {"packages": list(self.packages), "device": str(self.device), "weights": weights, "D": "D" in nets}
        return self._remade, (kept,)

    def _repr_html_(self) -> str:
        """What a notebook shows: the run in words, and a grid of samples."""
        return html(repr(self)[1:-1], png(self.grid()))

    @property
    def points(self) -> bool:
        """Whether it gives points of the plane and no images."""
        return self.resolution == (1, 1)

    @property
    def device(self) -> torch.device:
        """Where the generator lies."""
        return next((p.device for p in self._G.parameters()), torch.device("cpu"))

    @cached_property
    def generator(self) -> nn.Module:
        """G's average (a VAE's decoder), (z, y) -> Fake(images, w): latents (B, z_dim) and labels (B,) or None to a list of
        images (B, C, H, W) in [-1, 1], coarse to fine. BatchNorm's statistics are those of the averaged weights, estimated once
        on latents of their own key, as training does before it samples."""
        if not self._estimate:
            return self._G
        return sampling.for_evaluation(self._G, self.z_dim, self.classes, int(self.config["seed"]), self.device)

    @cached_property
    def discriminator(self) -> nn.Module | None:
        """D, (list of images, y) -> logits (B,) or `seesaw.types.Logits`; None where there is none, as of a VAE and an export.
        Under balance=pac it takes packs."""
        return None if self._D is None else self._D().to(self.device).eval().requires_grad_(False)

    @property
    def folder(self) -> Path | None:
        """The run folder that the checkpoint lies in; None of a file taken elsewhere."""
        folder = self.path.resolve().parent.parent
        return folder if (folder / "config.yaml").is_file() else None

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The figures of the run, metrics.csv: a row for each moment, columns kimg, images and each logged name, NaN where it was
        not measured then.

        Raises:
            UserError: the checkpoint lies in no run folder, or the run logged none.
        """
        import pandas as pd

        file = None if self.folder is None else self.folder / "metrics.csv"
        if file is None or not file.is_file():
            raise UserError(
                f"{self.path} lies in no run folder with a metrics.csv, so there are no figures of training"
            )
        text = file.read_text(encoding="utf-8", errors="replace")
        return pd.read_csv(io.StringIO(text[: text.rfind("\n") + 1]), on_bad_lines="skip")  # a kill tears the last line

    def latents(self, n: int, seed: int = 0) -> Tensor:
        """Latents, standard normal float32 (n, z_dim) on the CPU: those that `sample`, and `seesaw sample --seed`, take."""
        return sampling.latents(at_least_one(n), self.z_dim, seed_of(seed))

    def labels(self, n: int, seed: int = 0, label: Labels | None = None) -> Tensor | None:
        """Labels, int64 (n,) on the CPU: those that `sample` takes; None of a model without labels.

        Args:
            n: how many.
            seed: key of labels that are drawn.
            label: one class for all by number or name, or n of them; None: all classes equally likely.

        Raises:
            UserError: there is no such class, or the model takes no labels.
        """
        return labels_of(label, at_least_one(n), self.classes, self.class_names, seed_of(seed), "label=")

    @torch.no_grad()
    def w(self, z: Tensor, y: Tensor | None = None, psi: float = 1.0) -> Tensor:
        """Intermediate latents of a style-based G, one for each layer: (B, layers, w_dim), on G's device.

        Args:
            z: latents (B, z_dim). y: labels (B,), for a model that takes them.
            psi: distance from the mean latent; 1: as they are, 0: the mean.

        Raises:
            UserError: this G has none.
        """
        G = self._style_based("w")
        with self._truncated(psi):
            return cast(Tensor, G.w_of(*self._inputs(z, y))).contiguous()

    @torch.no_grad()
    def images(
        self,
        z: Tensor | None = None,
        y: Tensor | None = None,
        w: Tensor | None = None,
        psi: float | None = None,
        batch_size: int = 64,
    ) -> Tensor:
        """Images of latents at the finest scale, without gradient, on the CPU.

        Args:
            z: latents (n, z_dim). Give these or `w`.
            y: labels (n,), for a model that takes them; not with `w`.
            w: intermediate latents of a style-based G, (n, w_dim) or one for each layer, (n, layers, w_dim).
            psi: truncation of a style-based G, see `w`; None: none.
            batch_size: images of a forward pass.

        Returns:
            float32 (n, C, H, W) in [-1, 1]; points (n, 2, 1, 1).

        Raises:
            UserError: z and w are both given or both missing, labels are missing or not wanted, or G has no w.
        """
        z, y, w = self._given(z, y, w)
        n = len(cast(Tensor, z if w is None else w))
        rows = torch.arange(n).split(at_least_one(batch_size, "batch_size")) if n else ()
        if n == 0:  # not every network takes no samples: of one more, none is kept
            z, y, w = (None if x is None else x.new_zeros(1, *x.shape[1:]) for x in (z, y, w))
        with self._truncated(psi):
            chunks = [self.forward(*(None if x is None else x[part] for x in (z, y, w))).float().cpu() for part in rows]
            found = torch.cat(chunks) if chunks else self.forward(z, y, w).float().cpu()[:0]
        return found if self.points else found.clamp_(-1, 1)

    def forward(self, z: Tensor | None = None, y: Tensor | None = None, w: Tensor | None = None) -> Tensor:
        """One batch as `images`, with gradients with respect to z or w, on G's device, and not clipped to [-1, 1]."""
        z, y, w = self._given(z, y, w)
        if w is None:
            return cast(Tensor, self.generator(*self._inputs(z, y)).images[-1])
        G = self._style_based("w")
        w, layers, w_dim = w.to(self.device), G.layers, len(G.w_avg)
        if tuple(w.shape[1:]) not in ((w_dim,), (layers, w_dim)):
            raise UserError(f"w is of shape {list(w.shape)}; it must be (n, {w_dim}) or (n, {layers}, {w_dim})")
        w = w[:, None].expand(-1, G.layers, -1) if w.ndim == 2 else w
        return cast(Tensor, G.synthesis(G.truncated(w)))

    def sample(
        self,
        n: int = 1,
        seed: int = 0,
        label: Labels | None = None,
        psi: float | None = None,
        as_: Literal["tensor", "numpy", "pil"] = "tensor",
    ) -> Any:
        """Samples as they are stored: those of `seesaw sample` with the same seed.

        Args:
            n: how many.
            seed: key of the latents, and of labels that are drawn.
            label: a class by number or name, or n of them; None: of a model with labels all classes equally likely.
            psi: truncation of a StyleGAN2, from -2 to 2: 1 none, 0 the mean image; better, less varied. None: none.
            as_: see below.

        Returns:
            `tensor`: uint8 (n, C, H, W), of 16 bits uint16, of points float32 (n, 2, 1, 1), on the CPU. `numpy`: an array
            (n, H, W, C), of points (n, 2). `pil`: a list of n pictures of 8 bits (16 for one channel of 16).

        Raises:
            UserError: there is no such class, the model has no w to truncate, or `as_` is something else.
        """
        if as_ not in ("tensor", "numpy", "pil") or (as_ == "pil" and self.points):
            kinds = "tensor or numpy: these are points of the plane" if self.points else "tensor, numpy or pil"
            raise UserError(f"as_={as_!r} is not allowed; give {kinds}")
        psi = psi_of(psi)
        z, y = self.latents(n, seed), self.labels(n, seed, label)
        found = to_stored(self.images(z, y, psi=psi, batch_size=AT_ONCE), self.depth)
        if as_ == "tensor":
            return found
        if as_ == "numpy":
            return np.asarray(found.flatten(1) if self.points else found.permute(0, 2, 3, 1).contiguous())
        return [pil(image) for image in (found if self.channels == 1 else to_8_bit(found))]

    def grid(
        self, n: int | None = None, seed: int = 0, label: Labels | None = None, psi: float | None = None
    ) -> Image.Image:
        """A picture of samples, as `seesaw sample` writes it and a notebook shows it.

        Args:
            n: how many; None: 64, of a model with labels a row of 8 for each class (at most 10), of points 2,500.
            seed, label, psi: see `sample`.
        """
        n, label, columns = how_many(self, n, label)
        return drawn(self.sample(n, seed, label, psi), columns, self._reals() if self.points else None)

    def _reals(self) -> Any:
        """The real points, over which samples are drawn."""
        from seesaw.training.inference import reals_of

        return reals_of(self.config, self.path, packages=self.packages)

    def evaluate(
        self,
        n: int | None = None,
        fid: str | None = None,
        raw: bool = False,
        overrides: Sequence[str] = (),
        packages: Sequence[str] = (),
    ) -> dict[str, float]:
        """Measure as `seesaw evaluate` does; the values and their protocol are added to evaluations.jsonl of the run.

        Args:
            n: samples to measure; None: as the run did. fid: a file of Inception's weights, or "auto".
            raw: the generator that is not averaged. overrides: such as ["data.root=…"]. packages: own ones.

        Returns:
            Value by the metric's name.
        """
        from seesaw.training.inference import measure

        n, overrides = whole_number(n, "n"), texts_of(overrides, "overrides", "data.root=…")
        packages = texts_of(packages, "packages", "my_gan")
        return measure(self.folder or self.path, self.path, raw, n, fid, overrides, packages).values

    def _given(self, z: Any, y: Any, w: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The latents and labels of a caller as tensors; labels on the CPU. UserError where they do not go together."""
        if (z is None) == (w is None):
            raise UserError("give latents as z, or intermediate latents as w, and not both")
        if w is not None:
            if y is not None:
                raise UserError("w already holds the labels: give y with z")
            return None, None, latents_of(w, "w", self._dtype)
        z = latents_of(z, "z", self._dtype)
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise UserError(f"z is of shape {list(z.shape)}; it must be (n, {self.z_dim})")
        if self.classes and y is None:
            raise UserError(f"this model takes labels: give y, {len(z)} integers from 0 to {self.classes - 1}")
        return z, None if y is None else labels_of(y, len(z), self.classes, self.class_names), None

    @property
    def _dtype(self) -> torch.dtype:
        """Of the generator's weights."""
        return next((p.dtype for p in self._G.parameters() if p.is_floating_point()), torch.float32)

    def _inputs(self, z: Tensor | None, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Latents and labels on G's device, as G takes them."""
        z, y, _ = self._given(z, y, None)
        return cast(Tensor, z).to(self.device), None if y is None else y.to(self.device)

    def _style_based(self, what: str) -> Any:
        """G where it has intermediate latents."""
        if not isinstance(self.generator, Truncated):
            raise UserError(
                f"{what}: this model has no intermediate latents w, as those of StyleGAN2 are; give latents as z"
            )
        return self.generator

    @contextmanager
    def _truncated(self, psi: float | None) -> Iterator[None]:
        """With w truncated by psi, see `seesaw.functional.truncation`."""
        psi = psi_of(psi)
        found = [module for module in self.generator.modules() if isinstance(module, Truncated)]
        if psi is not None and not found:
            raise UserError(
                f"psi is {psi:g}: this model has no intermediate latents w to truncate, as those of StyleGAN2 are; leave it out"
            )
        before = [module.psi for module in found]
        try:
            for module in found:
                module.psi = 1.0 if psi is None else psi
            yield
        finally:
            for module, was in zip(found, before, strict=True):
                module.psi = was

"""What every experiment (a GAN, a VAE, a style transfer) offers to callbacks, loggers and commands."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from pytorch_lightning import LightningModule
from torch import Tensor

from seesaw.errors import UserError
from seesaw.functional.truncation import Truncated
from seesaw.types import Batch, Pyramid


class Experiment(LightningModule):
    """A LightningModule whose clock is images shown. Callbacks rely on these members alone and know no model.

    A subclass steps its own optimisers (`automatic_optimization = False`), counts `images_shown`, and calls `report` once a
    window. Lightning skips hooks that are not callable, so the four per-batch hooks below cost nothing; as the empty methods of
    its base class they took a twentieth of a small net's step.

    Attributes:
        unused_options: top-level options and groups that have no meaning for this kind of experiment.
        unit: what one image of the clock stands for: "images", or "iterations" of a style transfer.
        classes: number of classes of the labels that the model takes; 0: it takes none.
        images_shown: real images shown so far: the clock of schedules, checkpoints and curves.
        latest_metrics: the newest value of every logged name, for the progress bar.
        last_change: images shown at which the last scale of a growing model enters; 0 without growth.
        depth: bits of a pixel and channel of the samples: those of the data.
    """

    unused_options: ClassVar[frozenset[str]] = frozenset()
    unit: ClassVar[str] = "images"

    on_train_batch_start = None  # type: ignore[assignment]
    on_before_backward = None  # type: ignore[assignment]
    on_after_backward = None  # type: ignore[assignment]
    on_before_optimizer_step = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.classes = 0
        self.images_shown = 0
        self.latest_metrics: dict[str, float] = {}
        self.last_change = 0
        self.left_out_seconds = 0.0
        """Seconds so far in which the process was stopped while it trained."""
        self.depth = 8
        self.listeners: list[Callable[[Mapping[str, float], int], None]] = []
        """Each is called with the values of every report and the images shown they belong to, on every process."""
        self.converged = False
        """Whether training has ended by itself, before its length."""

    def report(self, values: dict[str, float], images_shown: int | None = None) -> None:
        """Hand values to every logger of the trainer at `images_shown` (None: the present), and keep them as the newest."""
        self.latest_metrics |= values
        step = self.images_shown if images_shown is None else images_shown
        for listener in self.listeners:
            listener(values, step)
        if self._trainer is None:  # used without a trainer, as in a notebook
            return
        for logger in self.trainer.loggers:
            logger.log_metrics(values, step=step)

    def flush_statistics(self, finished: bool = False) -> None:
        """Report what is still in flight at the end of a run. `finished`: include the last window, however short it is.

        Raises:
            UserError: `finished`, and a value is not finite.
        """

    def average_over_ranks(self) -> None:
        """Give every process the mean of what each accumulated on its own, before a checkpoint is saved."""

    def leave_out_time(self, seconds: float) -> None:
        """The process was stopped for about so long since the last batch: not training time, so it counts in no speed."""
        self.left_out_seconds += seconds

    def observe_primary(self, value: float) -> None:
        """Receive each new value of the primary metric, lower is better: a plateau schedule listens."""

    def forget_primary(self) -> None:
        """The values of the primary metric to come do not compare with those before."""

    def score_reals(self, images: Tensor, y: Tensor | None = None) -> dict[str, float]:
        """How the model in evaluation mode judges real images; nothing of the training changes.

        Args:
            images: uint8 (B, C, H, W) at the resolution of this moment's training.
            y: labels, int64 (B,), for a model that takes them.

        Returns:
            Of a discriminator `logits`, the mean, and `accuracy`, the share of images that are taken for real, where the loss
            gives single logits a meaning; of a VAE `elbo`; empty for a model that judges none.
        """
        return {}

    def player_figures(self, reals: Batch, held_out: Batch | None = None) -> dict[str, float]:
        """How the players stand, at an evaluation: of a GAN `r_t`, `r_v`, `input_gradient` and `log_condition`
        (`seesaw.gan.diagnosis`). Nothing of the training changes, and no global random generator moves.

        Args:
            reals: some images of training, uint8 (B, C, H, W) at the resolution of this moment's training, with labels where the
                model takes them.
            held_out: as many that are never trained on; None where there are none.

        Returns:
            By role; empty for a model without players.
        """
        return {}

    has_encoder: bool = False
    """Whether `reconstruct` gives images."""

    def reconstruct(self, images: Tensor, y: Tensor | None = None) -> Tensor | None:
        """The images again as the model gives them back from its latents, stored as they are: of a model with an encoder; None
        without.

        Args:
            images: uint8 or uint16 (B, C, H, W).
            y: labels, int64 (B,), for a model that takes them.
        """
        return None

    def sample(
        self,
        n: int,
        seed: int,
        y: "Tensor | int | None" = None,
        ema: bool = True,
        batch_size: int = 256,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[Tensor]:
        """The finest scale of `sample_pyramids`."""
        for pyramid in self.sample_pyramids(n, seed, y, ema, batch_size, shard):
            yield pyramid[-1]

    def sample_pyramids(
        self,
        n: int,
        seed: int,
        y: "Tensor | int | None" = None,
        ema: bool = True,
        batch_size: int = 256,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[Pyramid]:
        """Images of n latents keyed by `seed` alone, chunk by chunk, coarse to fine.

        Training goes on afterwards as if nothing had been sampled. Several processes call it together.

        Args:
            n: how many.
            seed: key of the latents.
            y: labels, int64 (n,), or one class for all; None: of a model with labels, drawn evenly with the same key.
            ema: the averaged generator, else the raw one.
            batch_size: images of a chunk.
            shard: (rank, world_size): every world_size-th chunk, from the rank-th on.

        Yields:
            uint8 (b, C, H, W), or uint16 with `depth` 16, at each scale, on the model's device; points of the plane are
            float32 (b, 2, 1, 1).
        """
        raise TypeError(f"{type(self).__name__} gives no samples")  # Experiment itself is abstract

    def truncate(self, psi: float) -> None:
        """Sample intermediate latents w at `psi` times their distance from the mean, from now on; 1 truncates nothing.

        Raises:
            UserError: the model has no such latents.
        """
        found = [module for module in self.modules() if isinstance(module, Truncated)]
        if not found:
            raise UserError(
                f"psi is {psi:g}: this model has no intermediate latents w to truncate, as those of StyleGAN2 are; leave it out"
            )
        for module in found:
            module.psi = psi

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Restore the clock and the counters from `checkpoint["progress"]`."""
        self.images_shown = progress["images_shown"]

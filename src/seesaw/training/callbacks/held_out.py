"""What a model makes of reals that it was never trained on."""

from typing import Any

import torch
from pytorch_lightning import Trainer

from seesaw.data.images import ImageSet
from seesaw.training.callbacks.base import BatchCallback
from seesaw.training.callbacks.evaluate import PREFIX
from seesaw.util import key

MOST = 1000
"""At most so many images of each part are judged."""


class HeldOutAccuracy(BatchCallback):
    """Logs D's accuracy and mean logit on reals of training and on reals held out, each time the images shown pass a multiple of
    `evaluate_kimg` and at the end: eval/accuracy_train, eval/accuracy_held_out, eval/logits_train, eval/logits_held_out.

    Where D learns the set by heart the two move apart: their difference is the numerator of r_v of Karras et al. 2020 ("Training
    GANs with limited data", eq. 1). Both parts give the same number of images. D is in evaluation mode, no random generator is
    used and nothing of the training changes. BatchNorm in D then normalises by its running statistics, which mix reals and fakes:
    both figures are shifted alike, and only their difference counts. A VAE gives its bound in their place: eval/elbo_train and
    eval/elbo_held_out. Does nothing where no images are held out, or the model judges none.

    Args:
        evaluate_kimg: thousands of images between two evaluations.
        kimg: length of the run.
        seed: of the choice among more than 1,000 images.
    """

    def __init__(self, evaluate_kimg: float, kimg: float, seed: int = 0) -> None:
        self.every, self.end, self.seed = max(round(evaluate_kimg * 1000), 1), round(kimg * 1000), seed
        self._seen = 0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._seen = pl_module.images_shown

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        before, self._seen = self._seen, pl_module.images_shown
        due = before // self.every != self._seen // self.every or self._seen >= self.end
        if due and (found := self.scores(trainer.datamodule, pl_module)):  # type: ignore[attr-defined]
            pl_module.report(found)

    def scores(self, data: Any, pl_module: Any) -> dict[str, float]:
        """The values by their logged names; empty where there is nothing to compare."""
        held_out: ImageSet | None = getattr(data, "held_out", None)
        if held_out is None:
            return {}
        height = data.growth.level(pl_module.images_shown) or held_out.shape[-2]
        found: dict[str, float] = {}
        for name, images in (("train", data.reals), ("held_out", held_out)):
            chosen = self.chosen(len(images), min(len(data.reals), len(held_out), MOST))
            y = images.labels(chosen) if pl_module.classes else None
            scores = pl_module.score_reals(images.level(height).gather(chosen), y)
            found |= {f"{PREFIX}{score}_{name}": value for score, value in scores.items()}
        return found

    def chosen(self, n: int, count: int) -> torch.Tensor:
        """`count` of `n` indices, always the same, int64 (count,)."""
        generator = torch.Generator().manual_seed(key("held out", self.seed))
        return torch.randperm(n, generator=generator)[:count]

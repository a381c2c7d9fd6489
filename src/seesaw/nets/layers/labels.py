"""Labels in the networks: a class beside or times the latent, conditional BatchNorm, class logits of a discriminator."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from seesaw.nets.layers import check_positive
from seesaw.types import Logits

Condition = Literal["projection", "auxiliary"]
"""How a discriminator takes labels."""

LatentCondition = Literal["concat", "multiply"]
"""How a latent takes a label."""


class ClassLatent(nn.Module):
    """Latents and labels to what a generator's first layer takes.

    `concat` sets the class beside the latent (Mirza and Osindero 2014): one-hot, as in ProGAN's code, or an embedding that is
    learned, initially N(0, 1) as the latent is. `multiply` takes the product of the latent with such an embedding.

    Args:
        z_dim: of the latents.
        classes: number of classes; 0: the latent alone, no weights.
        condition: concat | multiply.
        embedding: numbers of a learned embedding; 0: one-hot under concat. Under multiply 0 or z_dim, which are the same.

    Attributes:
        out: numbers that come out.

    Raises:
        ValueError: a number is below 0, the condition has another name, or `multiply` is given another width.
    """

    def __init__(self, z_dim: int, classes: int, condition: LatentCondition = "concat", embedding: int = 0) -> None:
        super().__init__()
        check_condition(condition, get_args(LatentCondition))
        if classes < 0 or embedding < 0:
            raise ValueError(f"classes is {classes} and embedding {embedding}; both must be at least 0")
        if condition == "multiply" and embedding not in (0, z_dim):
            raise ValueError(
                f"embedding is {embedding}; condition=multiply has one of z_dim = {z_dim} numbers: give embedding=0"
            )
        self.classes, self.multiply = classes, condition == "multiply"
        self.out = z_dim if self.multiply or not classes else z_dim + (embedding or classes)
        width = z_dim if self.multiply else embedding
        self.embedding = nn.Embedding(classes, width) if classes and width else None

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        """(B, z_dim) and int64 (B,) to (B, out)."""
        if not self.classes:
            return z
        labels = of_model(y)
        of_class = one_hot(labels, self.classes).to(z.dtype) if self.embedding is None else self.embedding(labels)
        return z * of_class if self.multiply else torch.cat([z, of_class], 1)


class ConditionalBatchNorm2d(nn.Module):
    """BatchNorm whose scale and shift are of the class: gain_y (x - mean) / std + bias_y (Dumoulin et al. 2017; Miyato and Koyama
    2018, section 4, in G). Mean and std are over all classes of the batch. Initially gain 1 and bias 0.

    Args:
        classes: number of classes, at least 1.
        features: channels.
    """

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        check_positive(classes=classes, features=features)
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.gain, self.bias = nn.Embedding(classes, features), nn.Embedding(classes, features)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, features, H, W) and int64 (B,), the same shape."""
        gain, bias = (of_class(y)[:, :, None, None] for of_class in (self.gain, self.bias))
        return self.norm(x) * gain + bias


class ClassHead(nn.Module):
    """What a discriminator makes of labels, from its last features phi and the weights e of each class.

    `projection` adds <e_y, phi(x)> to the logit (Miyato and Koyama 2018, eq. 4). `auxiliary` gives <e_k, phi(x)> + b_k as logits
    of the classes (Odena et al. 2017, AC-GAN), which penalty=auxiliary reads; the adversarial logit does not see y.
    Without classes the logit stays as it is.

    Under packing each place of a pack has embeddings of its own, and the projections of a pack are summed: no paper has both.

    Args:
        layer: makes a linear layer of the family's kind on phi, called as layer(out, bias=…): so it is initialised and normalised
            as the others are. Spectral normalisation divides the embeddings of all classes by their largest singular value.
        classes: number of classes; 0: no weights.
        condition: projection | auxiliary.
        pack: images that are judged together.

    Raises:
        ValueError: classes is below 0, or the condition has another name.
    """

    def __init__(self, layer: Callable[..., nn.Module], classes: int, condition: Condition, pack: int = 1) -> None:
        super().__init__()
        check_condition(condition, get_args(Condition))
        if classes < 0:
            raise ValueError(f"classes is {classes}; it must be at least 0")
        self.classes, self.pack, self.auxiliary = classes, pack, condition == "auxiliary"
        self.embedding = layer(pack * classes, bias=self.auxiliary) if classes else None

    def forward(self, logits: Tensor, phi: Tensor, y: Tensor | None) -> Tensor | Logits:
        """Logits (B,), features (B, F), and labels int64 (B,), or (B, pack) of packs, to logits (B,), or to `Logits`."""
        if self.embedding is None:
            return logits
        of_classes = self.embedding(phi).unflatten(1, (self.pack, self.classes))
        if self.auxiliary:
            return Logits(logits, of_classes)
        index = of_model(y).reshape(len(phi), self.pack, 1)
        return logits + of_classes.gather(2, index).sum((1, 2))


def one_hot(y: Tensor, classes: int) -> Tensor:
    """int64 (B,) to bool (B, classes). torch's own reads the labels on the host."""
    return y[:, None] == torch.arange(classes, device=y.device)


def of_model(y: Tensor | None) -> Tensor:
    """The labels that a net with classes must be given. Raises ValueError where there are none."""
    if y is None:
        raise ValueError("this net has classes and was called without labels: give y, or classes=0")
    return y


def check_condition(condition: str, allowed: tuple[str, ...]) -> None:
    """Raise ValueError for a condition of another name."""
    if condition not in allowed:
        raise ValueError(f"condition is {condition!r}; it must be one of {', '.join(allowed)}")

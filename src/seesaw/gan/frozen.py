"""FreezeD (Mo et al. 2020, "Freeze the Discriminator: a Simple Baseline for Fine-Tuning GANs"): the layers of D nearest to the
image keep the weights that they came with."""

from torch import nn


def trainable(D: nn.Module, freeze_d: int) -> list[nn.Parameter]:
    """D's parameters without those of the first `freeze_d` layers, which are frozen: nothing computes gradients for them.

    BatchNorm in a frozen layer goes on normalising by the batch, as in training; its scale and shift stay.

    Args:
        D: lists its layers in `layers_from_image`, where any are to be frozen.
        freeze_d: how many, counted from the image.

    Raises:
        ValueError: D has no such list, or not more layers than that.
    """
    if freeze_d < 0:
        raise ValueError(f"freeze_d must be at least 0, not {freeze_d}")
    if not freeze_d:
        return list(D.parameters())
    if not hasattr(D, "layers_from_image"):
        raise ValueError(
            f"freeze_d={freeze_d} needs a D with the method layers_from_image, and {type(D).__name__} has none"
        )
    layers: list[list[nn.Parameter]] = D.layers_from_image()  # type: ignore[operator]
    if freeze_d >= len(layers):
        raise ValueError(
            f"freeze_d must be below the number of D's layers, {len(layers)}, or nothing would be trained, not {freeze_d}"
        )
    frozen = {id(p.requires_grad_(False)) for layer in layers[:freeze_d] for p in layer}
    return [p for p in D.parameters() if id(p) not in frozen]

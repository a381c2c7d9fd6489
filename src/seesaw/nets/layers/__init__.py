"""Blocks that several families share."""

from torch import nn


def check_positive(**sizes: int) -> None:
    """Raise ValueError unless each size is at least 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; it must be at least 1")


def normal_init(net: nn.Module, std: float = 0.02) -> None:
    """Weights N(0, std), BatchNorm scales N(1, std), biases 0: Radford et al. 2015, section 4."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)

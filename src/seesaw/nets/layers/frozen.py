"""Networks that are not trained: their weights are buffers, so no optimiser, average or count of parameters meets them."""

from typing import TypeVar

from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def frozen(net: Net, saved: bool) -> Net:
    """The net itself in evaluation mode, its parameters turned into buffers. Gradients still flow through it to its input.

    Args:
        net: any module whose layers read their weights as attributes, as torch's do.
        saved: whether checkpoints hold the weights; false for weights that come from a file of their own.
    """
    for module in net.modules():
        for name, value in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, value.detach(), persistent=saved)
    return net.eval()

"""The truncation trick in w: samples nearer to the mean, better and less varied."""

import torch
from torch import Tensor, nn

from seesaw.functional.dtype import at_least_float32


class Truncated(nn.Module):
    """A generator with intermediate latents w, of which it keeps a running mean (Karras et al. 2019, StyleGAN, appendix B).

    Args:
        w_dim: of the latents w.
        decay: of the mean, a forward pass in training.

    Attributes:
        psi: distance from the mean of the w that are sampled, in that of the w that were drawn. It is set from outside for
            sampling, and is no part of the state dict. 1: nothing is truncated; 0: the mean.
        w_avg: the mean (w_dim,); a buffer, initially 0.
    """

    psi: float = 1.0

    def __init__(self, w_dim: int, decay: float = 0.995) -> None:
        super().__init__()
        self.w_decay = decay
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(w_dim))

    @torch.no_grad()
    def follow(self, w: Tensor) -> None:
        """Move the mean towards that of w (B, w_dim)."""
        self.w_avg.lerp_(at_least_float32(w).mean(0).to(self.w_avg), 1 - self.w_decay)

    def truncated(self, w: Tensor) -> Tensor:
        """w_avg + psi (w - w_avg), of w (B, w_dim)."""
        return w if self.psi == 1 else torch.lerp(self.w_avg.to(w), w, self.psi)

"""What seesaw's Lightning callbacks have in common."""

import pytorch_lightning as pl


class BatchCallback(pl.Callback):
    """A callback that acts after batches.

    Lightning asks every callback before each batch and three times in each optimiser step. It passes over what cannot be called,
    so these names cost nothing; as the empty methods of its own base class they took a twentieth of a small net's step. A
    subclass may define them.
    """

    on_train_batch_start = None  # type: ignore[assignment]
    on_before_backward = None  # type: ignore[assignment]
    on_after_backward = None  # type: ignore[assignment]
    on_before_optimizer_step = None  # type: ignore[assignment]

"""Checkpoints that are never torn, as Lightning writes them; `seesaw.training.checkpoint_file` reads them without it."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import TorchCheckpointIO

from seesaw.errors import UserError
from seesaw.util import atomic_write


class AtomicIO(TorchCheckpointIO):
    """Writes beside the file, syncs to the disk and renames: whatever kills the run, the newest whole file stays.

    Args:
        given: what is restored in the place of the file's content, as a fork fits it; once.
    """

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        self.given = given

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        given, self.given = self.given, None
        return super().load_checkpoint(path, *args, **kwargs) if given is None else given

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        try:
            atomic_write(Path(path), lambda file: torch.save(checkpoint, file))
        except UserError as error:
            raise UserError(f"{error}; the checkpoint before it is untouched") from error

"""Checkpoints that are never torn, describe themselves, and load with `weights_only`."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import TorchCheckpointIO

from seesaw.config.renamed import with_moved_targets
from seesaw.config.values import shown
from seesaw.errors import UserError
from seesaw.util import atomic_write, check_size, is_damaged

FORMAT = 2
"""The layout of checkpoints and of the configuration inside. 1: up to commit fe0cea8, without the key `format`."""


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


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this version onto the CPU; nothing in it is executed. Its checksums are verified, which torch leaves
    out.

    Args:
        path: the file.

    Returns:
        The content: `state_dict`, `config`, `progress` and what callbacks and optimisers keep.

    Raises:
        UserError: there is no such file, it is damaged, it is not one of ours, or another version wrote it.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint")
    try:
        if is_damaged(path):
            raise UserError(
                f"{path} is damaged: its content does not fit its checksums; give another one by resume=FILE"
            )
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} is not a checkpoint that can be read: {type(error).__name__}") from error
    config, progress = (checkpoint.get(key) if isinstance(checkpoint, dict) else None for key in ("config", "progress"))
    if not isinstance(config, dict) or not isinstance(progress, dict) or type(progress.get("images_shown")) is not int:
        raise UserError(f"{path} is not a checkpoint of seesaw: it holds no configuration")
    try:
        check_size(config)
    except ValueError as error:
        raise UserError(f"{path}: its configuration cannot be read: {error}") from error
    written = checkpoint.get("format", 1)
    if type(written) is not int or written > FORMAT:
        newer = f"format {shown(written)}; this one reads {FORMAT}"
        raise UserError(f"{path} was written by a newer version ({newer}): update seesaw")
    if written < FORMAT:
        raise UserError(f"{path} was written by an earlier version (format {written}); commit fe0cea8 reads it")
    return checkpoint | {"config": with_moved_targets(config)}

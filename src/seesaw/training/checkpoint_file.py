"""Checkpoint files: found, and read with `weights_only`. Imports neither Lightning nor Hydra, so that a trained model is loaded
in a second, and torch when a file is read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seesaw.config.allowed import PARTS, refuse_unknown
from seesaw.config.options import OPTIONS
from seesaw.config.renamed import with_moved_targets
from seesaw.config.values import shown
from seesaw.errors import UserError
from seesaw.util import check_size, is_damaged

FORMAT = 2
"""The layout of checkpoints and of the configuration inside. 1: up to commit fe0cea8, without the key `format`."""

EXPORTED = ("model.safetensors", ".safetensors", ".onnx", ".pt2")
"""What `seesaw export` writes: the weights in a folder for Hugging Face, and the suffixes of files."""

GROUPS = ("model", "data", "metrics", *PARTS)
"""What is read of a checkpoint's configuration beside the top-level options."""


def checkpoint_of(run: Path, which: str) -> Path:
    """The checkpoint file that `run` names: itself, or <run>/checkpoints/<which>.ckpt; of a folder of `seesaw export --to hub`
    its weights."""
    if run.is_file():
        return run
    if not run.is_dir():
        raise UserError(f"{run}: there is no such run folder or checkpoint")
    if (weights := run / EXPORTED[0]).is_file() and not (run / "checkpoints").is_dir():
        return weights
    path = run / "checkpoints" / f"{which}.ckpt"
    if not path.is_file():
        there = sorted(p.name for p in (run / "checkpoints").glob("*.ckpt"))
        raise UserError(f"{run} holds no {which}.ckpt; there is {', '.join(there) or 'no checkpoint yet'}")
    return path


def checkpoint_to_hand_on(run: Path, which: str | None) -> Path:
    """As `checkpoint_of`; None: the best checkpoint, and of a run that measured nothing the last one."""
    best = run / "checkpoints" / "best.ckpt"
    last = best.with_name("last.ckpt")
    return checkpoint_of(run, which or ("last" if last.is_file() and not best.is_file() else "best"))


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
    import torch

    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint")
    if path.suffix in EXPORTED[1:]:
        raise UserError(f"{path} is an export, which holds a generator alone: give the run folder, or a checkpoint")
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
    return of_this_version(checkpoint, path)


def of_this_version(checkpoint: Any, path: Path) -> dict[str, Any]:
    """What was read of the file `path`, with classes in their present places. UserError: it is not one of ours, or another
    version wrote it."""
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


def allowed_parts(saved: dict[str, Any], packages: Sequence[str]) -> dict[str, Any]:
    """The options and groups of a checkpoint's configuration that may be built. Imports nothing that it names.

    Args:
        saved: as `load` gives it under `config`.
        packages: own packages, from the caller and never from a file; see `seesaw.config.allowed`.

    Raises:
        UserError: a group is missing, or names what may not be built.
    """
    config = {key: saved[key] for key in (*OPTIONS, *GROUPS) if key in saved}
    for key, node in config.items():
        refuse_unknown(node, key, packages)
    for group in ("model", "data", "metrics"):
        if not isinstance(config.get(group), dict):
            raise UserError(f"its configuration has no {group}")
    return config

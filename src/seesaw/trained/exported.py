"""The weights of one generator as a safetensors file that describes itself, and the folder that holds one: written and read.

Nothing in such a file can be executed: it holds numbers, and a text of YAML with the run's configuration, which is read with
limits. The classes that the configuration names pass the allow-list before they are imported (`seesaw.trained.load`).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from seesaw.errors import UserError
from seesaw.util import check_size

SUFFIX = ".safetensors"
WEIGHTS, CONFIG = f"model{SUFFIX}", "config.json"
"""Files of a folder in Hugging Face's layout."""

VERSION = "1"
"""Of what the metadata hold."""

NUMBERS = ("seesaw", "description", "sha256")
"""Keys of the metadata beside `format`."""


def write_weights(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write a file of named tensors, whole or not at all.

    Args:
        tensors: of the generator's state dict.
        description: plain values, which `read_weights` gives back.
    """
    from safetensors.torch import save

    from seesaw.util import atomic_write

    own = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = yaml.safe_dump(dict(description), sort_keys=False, allow_unicode=True)
    metadata = {"format": "pt", "seesaw": VERSION, "description": text, "sha256": digest(own, text)}
    atomic_write(path, save(own, metadata), "choose another place by --out")


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the description of a file.

    Raises:
        UserError: it is cut off, not of seesaw, of another version, or does not fit its checksum.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{path} is cut off or damaged, or is no safetensors file: {one_line(error)}") from error
    if not all(isinstance(metadata.get(key), str) for key in NUMBERS):
        raise UserError(f"{path} was not written by seesaw export: it does not describe a generator")
    if metadata["seesaw"] != VERSION:
        raise UserError(
            f"{path} was written by another version of seesaw (export {metadata['seesaw'][:20]}): update seesaw"
        )
    if digest(tensors, metadata["description"]) != metadata["sha256"]:
        raise UserError(
            f"{path} was altered or is damaged: its content does not fit its checksum; export the run again"
        )
    return tensors, described(metadata["description"], path)


def described(text: str, path: Path) -> dict[str, Any]:
    """The description of a text of YAML. UserError where it is none."""
    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        check_size(found)
        if type(found["images_shown"]) is not int or not isinstance(found["config"], dict):
            raise ValueError("it lacks its configuration")
        if not isinstance(found.get("extra_state") or {}, dict):
            raise ValueError("extra_state is no mapping")
    except (ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: its description cannot be read: {one_line(error)}") from error
    return dict(found)


def digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 of the description and of every tensor's name, type, shape and bytes."""
    found = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        found.update(f"\0{name}\0{value.dtype}\0{list(value.shape)}\0".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_folder(path: Path) -> bool:
    """Whether it is a folder that `seesaw export --to hub` wrote, or one laid out like it."""
    return (path / WEIGHTS).is_file() and not (path / "checkpoints").is_dir()


def weights_of_folder(path: Path) -> Path:
    """The file of weights in such a folder, which fits the checksum that config.json has of it.

    Raises:
        UserError: config.json is missing or cannot be read, or a file is missing or was altered.
    """
    try:
        listed = json.loads((path / CONFIG).read_text(encoding="utf-8"))["seesaw"]["files"]
        own = {name: str(listed[name]) for name in listed if Path(name).name == name}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path / CONFIG} cannot be read, or is not that of an export: {one_line(error)}") from error
    if WEIGHTS not in own:
        raise UserError(f"{path / CONFIG} has no checksum of {WEIGHTS}: export the run again")
    for name, expected in own.items():
        if not (path / name).is_file() or sha256_of(path / name) != expected:
            raise UserError(f"{path / name} is missing or was altered: it does not fit the checksum in {CONFIG}")
    return path / WEIGHTS


def one_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{f' ({lines[0][:120]})' if lines else ''}"

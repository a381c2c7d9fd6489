"""The folder of `--config-dir` as a run records it, so that `resume=RUN`, `seesaw rerun` and `seesaw fork` need not repeat it.

Imports neither torch nor Hydra.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from seesaw.config.command_line import own_folder
from seesaw.config.own import own_config_dir
from seesaw.errors import UserError
from seesaw.util import check_size

KEY = "config_dir"
"""The entry of status.json: `path`, absolute, and `from_run`, relative to the run folder, by which a project can be moved."""

MOST_FOLDERS = 1000
"""Folders that are looked into below a recorded one: status.json may come from a stranger and name the root of the disk."""


def config_dir_entry(run: Path) -> dict[str, Any]:
    """The entry of status.json for the folder with which this command was given; empty without one."""
    folder = own_config_dir()
    if folder is None:
        return {}
    return {KEY: {"path": str(folder), "from_run": os.path.relpath(folder, run.absolute())}}


def recorded_config_dir(run: Path, status: Mapping[str, Any], given: list[str]) -> list[str]:
    """The argument `--config-dir=…` with which a run was begun; none where it had none, or one is given now.

    The folder may come from a stranger. Its files choose among what may be built, as all configuration does, but Hydra would
    call whatever the options of its own name; so a folder that sets any is not taken from a run.

    Raises:
        UserError: the folder is gone, or may not be taken.
    """
    entry = status.get(KEY)
    if own_folder(given) is not None or not isinstance(entry, Mapping):
        return []
    places = [Path(str(entry.get("path"))), run.absolute() / str(entry.get("from_run"))]
    folder = next((place for place in places if place.is_dir()), None)
    begun = f"{run} was begun with --config-dir {places[0]}"
    if folder is None:
        raise UserError(f"{begun}, which is not there any more: give --config-dir FOLDER")
    if not all(map(sets_no_hydra, configuration_files(folder))):
        raise UserError(f"{begun}, whose files set options of Hydra's, by which code can run: give --config-dir again")
    return [f"--config-dir={os.path.normpath(folder)}"]


def configuration_files(folder: Path) -> Iterator[Path]:
    """The files of configuration in a folder. UserError where it holds more folders than any configuration."""
    for number, (place, _, names) in enumerate(os.walk(folder)):
        if number >= MOST_FOLDERS:
            raise UserError(f"{folder} holds more folders than a configuration does: give --config-dir again")
        yield from (Path(place) / name for name in names if name.endswith((".yaml", ".yml")))


def sets_no_hydra(file: Path) -> bool:
    """Whether a file of configuration mentions no option of Hydra's, in its text, its header or what its text means, and chooses
    no file by a name that is made up when it is read."""
    try:
        text = file.read_text(encoding="utf-8")
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        check_size(content)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False
    defaults = content.get("defaults") if isinstance(content, dict) else None
    return "hydra" not in f"{file.parent.name} {text} {content!r}".lower() and "${" not in repr(defaults)

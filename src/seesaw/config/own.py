"""What a user adds from outside: the folder of `--config-dir`, and packages in the current folder. Imports neither torch nor
Hydra."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seesaw.config.options import config_dir, groups
from seesaw.errors import UserError

_GIVEN: list[Path] = []
"""The folders of the command that runs."""


@contextmanager
def own_configuration(folder: Path | None) -> Iterator[None]:
    """Within it every composition, list of options and hint knows the files of this folder too; None: nothing changes.

    Args:
        folder: of `--config-dir`: groups as `conf/` has them, such as `FOLDER/loss/mine.yaml`.

    Raises:
        UserError: there is no such folder, or it holds no groups.
    """
    if folder is None:
        yield
        return
    _GIVEN.append(checked_folder(folder))
    try:
        yield
    finally:
        _GIVEN.pop()


def checked_folder(folder: Path) -> Path:
    """The folder by its absolute path. UserError where it is none, or holds no groups."""
    path = Path(os.path.abspath(folder.expanduser()))
    if not path.is_dir():
        raise UserError(f"--config-dir {folder}: there is no such folder")
    if not _holds_groups(path):
        hint = f"; did you mean {folder / 'conf'}?" if _holds_groups(path / "conf") else ""
        raise UserError(f"--config-dir {folder}: it holds no options; they lie as GROUP/NAME.yaml, such as loss/mine.yaml{hint}")
    return path


def _holds_groups(folder: Path) -> bool:
    return any((folder / group).is_dir() for group in (*groups(config_dir()), "hydra"))


def own_folders() -> list[Path]:
    """The folders of `--config-dir` and, within a run or a sweep of Hydra's, of `hydra.searchpath`."""
    found = list(_GIVEN)
    hydra = sys.modules.get("hydra.core.hydra_config")
    if hydra is not None and hydra.HydraConfig.initialized():
        sources = hydra.HydraConfig.get().runtime.config_sources
        found += [Path(source.path) for source in sources if source.schema == "file"]
    return [folder for folder in dict.fromkeys(found) if folder != config_dir()]


def own_config_dir() -> Path | None:
    """The folder of `--config-dir`, also in the process of a sweep's job; None without one."""
    if _GIVEN:
        return _GIVEN[-1]
    hydra = sys.modules.get("hydra.core.hydra_config")
    if hydra is None or not hydra.HydraConfig.initialized():
        return None
    sources = hydra.HydraConfig.get().runtime.config_sources
    return next((Path(source.path) for source in sources if source.provider == "command-line"), None)


def all_groups() -> dict[str, list[str]]:
    """Group -> its options: those of `conf/`, with those of one's own."""
    found = groups(config_dir())
    for folder in own_folders():
        for group, names in groups(folder).items():
            found[group] = sorted({*found.get(group, []), *names})
    return found


def options_with(key: str, group: str) -> list[str]:
    """The options of the group whose files set the key."""
    files = [file for folder in (config_dir(), *own_folders()) for file in sorted((folder / group).glob("[!_]*.yaml"))]
    sets = re.compile(rf"^{re.escape(key)}:", re.MULTILINE)
    return [file.stem for file in files if sets.search(file.read_text(encoding="utf-8", errors="replace"))]


def own_options() -> set[tuple[str, str]]:
    """(group, option) for each file of one's own."""
    return {(group, name) for folder in own_folders() for group, names in groups(folder).items() for name in names}


def import_from_here() -> None:
    """Let Python find packages in the current folder, behind all others: a file here shadows no module. Called where the command
    line names a package of one's own, and not before: a folder that came from a stranger may hold modules too."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)

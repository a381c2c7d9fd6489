"""The command of a run again, from its folder: `resume=RUN` goes on in it, `seesaw rerun RUN` makes a new run.

Imports no torch.
"""

import os
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seesaw.config.command_line import key_of, override
from seesaw.errors import UserError
from seesaw.training.differences import MAY_DIFFER, OF_A_PLACE
from seesaw.training.own_folder import recorded_config_dir
from seesaw.training.places import PATHS, from_its_folder
from seesaw.training.run_folder import read_status

GOES_ON = [key for key in PATHS if key in OF_A_PLACE or key.partition(".")[0] in MAY_DIFFER]
"""Those of the paths that a run may change when it goes on; the others it does not read again."""

OF_THE_COMMAND = ("run_dir", "resume", "dry_run")
"""Options that belong to one command, not to the run."""


def overrides_of(run: Path) -> list[str]:
    """The overrides with which a run was begun, without those of its place.

    Raises:
        UserError: there is no such run, or its status does not hold them.
    """
    if not run.is_dir():
        raise UserError(f"{run}: there is no such run folder")
    found = own_overrides(read_status(run))
    if found is None:
        raise UserError(
            f"{run} does not hold the overrides of its command (an earlier version, or no run): give the whole command again, "
            "to go on with resume=auto run_dir=…"
        )
    return found


def own_overrides(status: Mapping[str, Any]) -> list[str] | None:
    """The overrides that a run's status holds, without those of its place; None where it holds none, as of earlier versions."""
    found = status.get("overrides")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return None
    return [one for one in found if key_of(one).partition("@")[0] not in OF_THE_COMMAND]


def recorded(run: Path, keys: Collection[str], given: Iterable[str]) -> list[str]:
    """The overrides of these keys with which a run was begun, but those that are given now; none where it holds no overrides."""
    now = {key_of(override) for override in given}
    own = own_overrides(read_status(run)) or [] if run.is_dir() else []
    return [one for one in own if key_of(one) in keys and key_of(one) not in now]


def again(run: Path, given: Iterable[str], paths: Collection[str] = PATHS) -> list[str]:
    """The arguments of a run's command, those given in the place of those of equal keys. A relative path under one of the keys
    `paths` becomes an absolute one where the command is repeated in another folder.

    The folder may come from a stranger: what would run code of his is not taken from it.

    Raises:
        UserError: as `overrides_of`; or the folder names packages, a flag, or options of Hydra's.
    """
    given = list(given)
    anew = {key_of(argument) for argument in given if not argument.startswith("-")}
    own = [one for one in overrides_of(run) if key_of(one) not in anew]
    for one in own:
        if key_of(one) == "packages":
            raise UserError(f"{run} was begun with {one}, whose code would run: give it again beside the folder")
        if one.startswith("-") or "hydra" in one.partition("=")[0]:
            raise UserError(
                f"{run}: its command holds {one!r}, which no run folder may choose: give the command yourself"
            )
    status = read_status(run)
    return [*recorded_config_dir(run, status, given), *(at_its_place(one, status.get("cwd"), paths) for one in own), *given]


def at_its_place(argument: str, cwd: Any, keys: Collection[str]) -> str:
    """The override; where its key is one of these, with its path as `from_its_folder` finds it."""
    if key_of(argument) not in keys:
        return argument
    text = text_of(argument)
    place = from_its_folder(text, cwd)
    return argument if place == text else shlex.split(override(key_of(argument), place))[0]


def text_of(argument: str) -> Any:
    """The value of an override, without its quotes."""
    value = OverridesParser.create().parse_override(argument).value()
    return value.text if isinstance(value, QuotedString) else value


def folder_of(overrides: Iterable[str], former: Any) -> str:
    """The folder that status.json records for the relative paths of a command: the current one, or that of the run's `former`
    command, where one of them leads to something only there. `resume=RUN` repeats paths that a run does not read again."""
    texts = [text_of(one) for one in overrides if key_of(one) in PATHS]
    elsewhere = any(from_its_folder(text, former) != text and not Path(text).exists() for text in texts)
    return str(former) if elsewhere else os.getcwd()


def with_own_configuration(arguments: list[str]) -> list[str]:
    """The arguments, where one is `resume=RUN` of a run folder, as the run's own command with run_dir=RUN resume=auto.

    Raises:
        UserError: run_dir or a sweep is asked for beside it, or the folder does not hold the run's command.
    """
    for argument in arguments:
        run = _folder(argument)
        if run is None:
            continue
        rest = [other for other in arguments if other != argument]
        if {"-m", "--multirun"} & set(rest):
            raise UserError(f"{argument} goes on with one run: leave out -m")
        if any(key_of(other) == "run_dir" for other in rest):
            raise UserError(f"{argument} goes on in that folder: leave out run_dir, or give resume=auto run_dir=…")
        return [*again(run, rest, GOES_ON), shlex.split(override("run_dir", run))[0], "resume=auto"]
    return arguments


def _folder(argument: str) -> Path | None:
    """The folder that `resume=RUN` names, or None."""
    if key_of(argument) != "resume" or "=" not in argument:
        return None
    try:
        value = OmegaConf.create({"resume": OverridesParser.create().parse_override(argument).value()}).resume
    except (HydraException, OmegaConfBaseException):  # Hydra will report it
        return None
    path = Path(value).expanduser() if isinstance(value, str) and value != "auto" else None
    return path if path is not None and path.is_dir() else None

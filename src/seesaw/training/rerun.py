"""The command of a run again, from its folder: `resume=RUN` goes on in it, `seesaw rerun RUN` makes a new run.

Imports no torch.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from seesaw.errors import UserError
from seesaw.training.run_folder import read_status

OF_THE_COMMAND = ("run_dir", "resume", "dry_run")
"""Options that belong to one command, not to the run."""

PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
"""A value that Hydra's grammar takes without quotes."""


def key_of(override: str) -> str:
    """`model.G.width` of `+model.G.width=4`."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def overrides_of(run: Path) -> list[str]:
    """The overrides with which a run was begun, without those of its place.

    Raises:
        UserError: there is no such run, or its status does not hold them.
    """
    if not run.is_dir():
        raise UserError(f"{run}: there is no such run folder")
    found = read_status(run).get("overrides")
    if not isinstance(found, list) or not all(isinstance(override, str) for override in found):
        raise UserError(
            f"{run} does not hold the overrides of its command (an earlier version, or no run): give the whole command again, "
            "to go on with resume=auto run_dir=…"
        )
    return [override for override in found if key_of(override) not in OF_THE_COMMAND]


def again(run: Path, given: Iterable[str]) -> list[str]:
    """The arguments of a run's command, those given in the place of those of equal keys. UserError as `overrides_of`."""
    given = list(given)
    anew = {key_of(argument) for argument in given if not argument.startswith("-")}
    return [*(override for override in overrides_of(run) if key_of(override) not in anew), *given]


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
        return [*again(run, rest), f"run_dir={quoted(str(run))}", "resume=auto"]
    return arguments


def _folder(argument: str) -> Path | None:
    """The folder that `resume=RUN` names, or None."""
    if key_of(argument) != "resume" or "=" not in argument:
        return None
    try:
        value = OverridesParser.create().parse_override(argument).value()
    except HydraException:  # Hydra will report it
        return None
    path = Path(value).expanduser() if isinstance(value, str) and value != "auto" else None
    return path if path is not None and path.is_dir() else None


def quoted(value: str) -> str:
    """The text as Hydra's grammar reads it as one value."""
    if PLAIN.fullmatch(value):
        return value
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # a quote, and the backslashes in front of it
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{escaped[-trailing:] if trailing else ''}'"

"""The arguments of a command line, as they are before Hydra reads them. Imports neither torch nor Hydra."""

import os
import re
from collections.abc import Iterable

from seesaw.errors import UserError

HOME = re.compile(r"(?<=[=,\[])~(?=[/,\]]|$)")
"""A `~` at the beginning of a value, or of one of several: the shell leaves it in `data.root=~/faces`, and Hydra refuses it."""

LISTS = ("balance", "logger")
"""Groups whose options compose: balance=[ttur,skip_d]."""


def with_home(arguments: list[str]) -> list[str]:
    """The arguments with `~` as the home folder where a value begins with it; a path in quotes is the reader's to expand."""
    own = r"([\\()\[\]{}:=,\s])"  # of Hydra's grammar, as a folder's name may have them
    home = re.sub(own, r"\\\1", os.path.expanduser("~"))
    return [HOME.sub(lambda _: home, argument) for argument in arguments]


def refuse_twice(arguments: list[str], groups: Iterable[str]) -> None:
    """UserError where a group is chosen twice, of which Hydra would silently keep the last. Single keys may be: scripts append
    to what they were given."""
    known, chosen = set(groups), dict[str, list[str]]()
    for argument in arguments:
        key, equals, value = argument.lstrip("+").partition("=")
        if equals and not key.startswith(("-", "~")) and (key in known or "/" in key or "@" in key):
            chosen.setdefault(key, []).append(value)
    for key, values in chosen.items():
        if len(set(values)) < 2:
            continue
        names = [name for value in values for name in value.strip("[]").split(",") if name != "none"]
        both = f"give {key}=[{','.join(dict.fromkeys(names))}]" if key in LISTS and len(names) > 1 else "give it once"
        raise UserError(f"{key} is given twice, {' and '.join(f'{key}={value}' for value in values)}: {both}")

"""The arguments of a command line, before Hydra reads them. Imports neither torch nor Hydra."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from seesaw.errors import UserError

HOME = re.compile(r"(?<=[=,\[])~(?=[/,\]]|$)")
"""A `~` at the beginning of a value, or of one of several: the shell leaves it in `data.root=~/faces`, and Hydra refuses it."""

LISTS = ("balance", "penalty", "augment", "callbacks", "logger")
"""Groups whose options compose: balance=[ttur,skip_d], penalty=[r1,path_length]."""


SINGLE = ("model", "data", "loss", "optimizer", "schedule", "dynamics", "metrics", "monitor", "trainer", "experiment")
"""Groups that take one option in a run: Hydra would merge the nodes of a list into one."""


def key_of(text: str) -> str:
    """The key or group of an override: `model.G.width` of `+model.G.width=4`."""
    return text.lstrip("+~").partition("=")[0]


def with_home(arguments: list[str]) -> list[str]:
    """The arguments with `~` as the home folder where a value begins with it; a path in quotes is the reader's to expand."""
    own = r"([\\()\[\]{}:=,\s])"  # of Hydra's grammar, as a folder's name may have them
    home = re.sub(own, r"\\\1", os.path.expanduser("~"))
    return [HOME.sub(lambda _: home, argument) for argument in arguments]


_PLAIN = re.compile(r"(?!(null|true|false|nan|inf)$)[a-z_/][\w/.+-]*", re.ASCII | re.IGNORECASE)


def override(key: str, value: object) -> str:
    """`key=value` as one word of a shell, which Hydra reads as this very text."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return f"{key}={text}"
    from hydra.core.override_parser.types import Quote, QuotedString

    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)  # else OmegaConf would resolve it
    return shlex.quote(f"{key}={QuotedString(escaped, Quote.single).with_quotes()}")


_LETTERS = re.compile(r"[^,'\"\[\]{}()]*[^\x00-\x7f,'\"\[\]{}()][^,'\"\[\]{}()]*")


def for_hydra(arguments: list[str]) -> list[str]:
    """The arguments as Hydra's parser takes them: `~` as the home folder, and values with letters beyond ASCII in quotes."""
    found = []
    for argument in with_home(arguments):
        key, equals, value = argument.partition("=")
        quoted = equals and value[:1] not in ("$", "{") and not re.search(r"['\"\\]", value)
        found.append(key + equals + (_LETTERS.sub(lambda m: f"'{m[0]}'", value) if quoted else value))
    return found


WITH_VALUE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--cfg", "-c", "--package", "-p")
"""Flags of Hydra's that are followed by a value."""


def flags_first(arguments: list[str]) -> list[str]:
    """The arguments with flags and their values in front: Hydra's parser refuses a flag between two overrides."""
    flags, overrides, rest = [], [], iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument in WITH_VALUE else None
        if argument.startswith("-") and not (argument in WITH_VALUE and value is None):
            flags += [argument] if value is None else [argument, value]
        else:  # a flag that lacks its value stays the last word, and takes none from the overrides
            overrides.append(argument)
    return [*flags, *overrides]


FOLDER_FLAGS = ("--config-dir", "-cd")
"""Flags that name a folder of one's own configuration."""


def own_folder(arguments: list[str]) -> Path | None:
    """The folder of `--config-dir`, or None."""
    for flag, following in zip(arguments, [*arguments[1:], ""], strict=False):
        name, equals, value = flag.partition("=")
        if name in FOLDER_FLAGS and (value if equals else following):
            return Path(value if equals else following)
    return None


def without_folder(arguments: list[str]) -> list[str]:
    """The arguments without `--config-dir` and its value."""
    found, skip = [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if not skip and name not in FOLDER_FLAGS:
            found.append(argument)
        skip = not skip and name in FOLDER_FLAGS and not equals
    return found


def refuse_twice(arguments: list[str], groups: Iterable[str]) -> None:
    """UserError where a group is chosen twice; Hydra would silently keep the last. Single keys may be repeated: scripts append
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


NAME = re.compile(r"(?!(?:null|true|false|nan|inf)\Z)[A-Za-z_][\w./-]*", re.IGNORECASE)
"""Of an option of a group; Hydra fails on values of other kinds."""


def refuse_lists(arguments: list[str]) -> None:
    """UserError where a group that takes one option is given several."""
    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        names = [name for name in map(str.strip, value[1:-1].split(",")) if name]
        wrong = next((name for name in names if not NAME.fullmatch(name)), None)
        if key in (*LISTS, *SINGLE, "debug") and value[:1] == "[" and wrong is not None:
            raise UserError(f"{argument}: {wrong} is no option of {key}; leave it out")
        if key in SINGLE and value[:1] == "[" and value[-1:] == "]":
            choose = "give one of" if len(names) > 1 else "give"
            raise UserError(f"{argument}: a run has one {key}: {choose} {', '.join(names) or 'its name'}")


FOLDERS = {
    "hydra.run.dir": "the folder of a run is run_dir=…",
    "hydra.sweep.subdir": "the jobs of a sweep lie in 0, 1, … under hydra.sweep.dir=…; leave it out",
    "hydra.output_subdir": "a run folder has the configuration in config.yaml; leave it out",
}
"""Options of Hydra's that would have no effect, since seesaw decides the folders, and what is given instead."""


def refuse_folders(arguments: list[str]) -> None:
    """UserError where an option of Hydra's names a folder that no run would lie in."""
    sweep = any(a == "-m" or a.startswith("--mu") or a.lower() == "hydra.mode=multirun" for a in arguments)
    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        if key in FOLDERS and value != "null":
            raise UserError(f"{argument}: {FOLDERS[key]}")
        if key == "hydra.sweep.dir" and (Path(value) / "checkpoints").is_dir():
            raise UserError(f"{argument} is the folder of a run; give one for the sweep alone")
        if key == "hydra.sweep.dir" and not sweep:
            raise UserError(f"{argument} is the folder of a sweep, and this is none: add -m, or give run_dir=…")


def check_flags(arguments: list[str]) -> None:
    """UserError where Hydra's parser does not take a flag, or a flag lacks its value: Hydra would print all flags of its own."""
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        flag = re.search(r"-[-\w/]*", message)
        if "expected one argument" in message and flag is not None:
            name = next((name for name in WITH_VALUE if name in flag[0].split("/")), flag[0].split("/")[0])
            raise UserError(f"{name} needs a value behind it: {name} {'FOLDER' if name in FOLDER_FLAGS else 'VALUE'}")
        raise UserError(f"{message}; `seesaw train --help` lists what can be given")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    found = parser.parse_args(arguments)
    for name in ("config_dir", "config_name", "config_path", "package"):
        if getattr(found, name) == "":
            refuse(f"argument --{name.replace('_', '-')}: expected one argument")
    if found.config_path is not None or found.config_name not in (None, "train"):
        raise UserError("--config-name, --config-path: seesaw composes its train.yaml; own options lie in --config-dir FOLDER")
    modes = [f"--{name}" for name in ("run", "multirun", "cfg", "info") if getattr(found, name)]
    if len(modes) > 1:
        raise UserError(f"{' and '.join(modes)} exclude each other: give one of them")
    if found.shell_completion and not any(word in ("install", "uninstall", "query") or "=" in word for word in found.overrides):
        raise UserError("--shell-completion: `seesaw completion bash` prints what completes names and keys")
    if found.experimental_rerun is not None:
        raise UserError("--experimental-rerun would run what a pickle holds: `seesaw rerun RUN` repeats a run")


def check_arguments(arguments: list[str], groups: Iterable[str]) -> None:
    """UserError for what Hydra would take without a word: a group given twice, several options of a group that takes one, or a
    folder that no run would lie in."""
    for argument in arguments:
        if not key_of(argument).strip():
            raise UserError(f"{argument.strip() or repr(argument)}: an override is key=value")
    refuse_twice(arguments, groups)
    refuse_lists(arguments)
    refuse_folders(arguments)

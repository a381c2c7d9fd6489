"""Sentences of checks under the keys that the user typed. Each begins with `KEY: `. Imports neither torch nor Hydra."""

import re
from collections.abc import Mapping
from typing import Any

from seesaw.config.allowed import BORROWED, PARTS
from seesaw.config.command_line import key_of
from seesaw.config.options import OPTIONS
from seesaw.config.renamed import renamed

REPLACED = (
    "metrics=auto is replaced when the run starts; give metrics=fid or another option beside it: metrics=efflite0 with its "
    "packages, metrics=self_supervised for any number of channels"
)
"""Why no key below `metrics` can be set where metrics=auto is chosen."""


def at_its_place(sentence: str, config: Mapping[str, Any]) -> str:
    """The sentence under the key of the configuration: parts and options are passed to a node, and stand beside it."""
    where, _, rest = sentence.partition(".")
    name = re.split(r"[.: ]", rest, maxsplit=1)[0]
    if where not in ("model", "data", "metrics") or name in config[where]:
        return sentence
    if (where, name) in BORROWED:
        return f"{BORROWED[where, name]}.{rest}"
    return rest if name in PARTS or name in OPTIONS else sentence


def for_the_user(sentence: str, overrides: list[str], choices: Mapping[str, str]) -> str:
    """The sentence under the key that was typed. For an old key it names the present one, and for a key of metrics=auto what
    has to be chosen first."""
    key = sentence.partition(": ")[0]
    typed = [key_of(override) for override in overrides]
    if key.startswith("metrics.") and choices.get("metrics") == "auto":
        sentence = f"{key}: {REPLACED}"
    elif (now := renamed(next((name for name in typed if name.startswith(f"{key}.")), key))) is not None:
        sentence = now
    return _as_typed(sentence, overrides)


def _as_typed(sentence: str, overrides: list[str]) -> str:
    """The sentence under the key that the user typed, where an interpolation carried its value to another."""
    key, _, text = sentence.partition(": ")
    last = key.rpartition(".")[2]
    given = {typed: value for typed, _, value in (override.lstrip("+").partition("=") for override in overrides)}
    if key in given:
        return sentence
    same_value = (
        typed for typed, value in given.items() if typed.rpartition(".")[2] == last and f"'{value}' is not" in text
    )
    return next((f"{typed}: {text}" for typed in same_value), sentence)

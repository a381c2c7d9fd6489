"""How a run is called in a tracker, and which runs repeat each other."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from seesaw.config.command_line import key_of
from seesaw.training.differences import MAY_DIFFER

PLACE = frozenset(MAY_DIFFER) - {"kimg", "metrics"} | {"hydra", "fork_from"}
"""Top-level keys that belong to a place or a machine, and not to what is trained."""

PLACE_OF_DATA = ("root", "memory")
"""The same, of the group `data`."""


def run_name(choices: Mapping[str, str], seed: Any, overrides: Iterable[str]) -> str:
    """Model, data, balance and seed, then what else the command line set: `dcgan-digits-none-s1 optimizer.G.lr=1e-4`."""
    first = [choices[group] for group in ("model", "data", "balance") if group in choices]
    rest = [override for override in overrides if _is_of_the_run(override)]
    return " ".join(["-".join([*first, f"s{seed}"]), *rest])


def _is_of_the_run(override: str) -> bool:
    key = key_of(override)
    top, _, below = key.partition(".")
    if key in ("model", "data", "balance", "seed") or top.partition("/")[0] in PLACE:
        return False
    return not (top == "data" and below in PLACE_OF_DATA)


def configuration_name(choices: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """The same for all runs that differ in their seed, place or machine alone: the chosen options and a hash of the rest,
    `dcgan-digits-hinge-r1-3fa9c2`.

    Args:
        choices: group of the configuration -> chosen option.
        config: resolved, plain containers.
    """
    same = {key: value for key, value in config.items() if key not in PLACE and key != "seed"}
    if isinstance(same.get("data"), dict):
        same["data"] = {key: value for key, value in same["data"].items() if key not in PLACE_OF_DATA}
    digest = hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()[:6]
    names = [
        choices[group]
        for group in ("model", "data", "loss", "penalty", "balance")
        if choices.get(group, "none") != "none"
    ]
    return "-".join([*names, digest])

"""From the overrides of a command line to one resolved configuration: the same steps for every command.

Imports no torch. `seesaw.training.preflight` checks the result.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from seesaw.config import heuristics
from seesaw.config.allowed import PARTS
from seesaw.config.options import config_dir
from seesaw.config.own import all_groups, own_folders
from seesaw.config.values import did_you_mean, shown
from seesaw.errors import UserError

heuristics.register()

RECIPE = re.compile(r"\bmodel\.recipe\.([A-Za-z_][\w.]*)")
"""A number that a file of conf/ takes from the model's recommendations."""

_SWEEP = re.compile(r"\bmode\s*:\s*['\"]?multirun\b", re.IGNORECASE)
"""hydra.mode of a file that makes each of its runs a sweep."""


@contextlib.contextmanager
def composed_once(arguments: list[str]) -> Iterator[None]:
    """Around Hydra's main function, which composes a first time for hydra.mode alone: a third of a second. It is left out where
    neither the arguments, nor a folder that they add, nor a file of conf/ can give it another value than -m does."""
    from hydra._internal.hydra import Hydra

    added = any("hydra" in argument or argument.startswith(("-c", "--config")) for argument in arguments)
    if added or any(_SWEEP.search(text) for text in _texts(config_dir())):
        yield
        return
    former = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = former  # type: ignore[method-assign]


def compose(overrides: list[str]) -> tuple[DictConfig, dict[str, str]]:
    """The configuration of these overrides of a command line, not resolved yet, and group -> chosen option. The options of own
    folders are known too (`seesaw.config.own`)."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    known = GlobalHydra.instance()
    former = known.hydra  # of the run or sweep within which this is called
    known.clear()
    places = ",".join(repr(f"file://{folder.absolute()}") for folder in own_folders())
    own = [f"hydra.searchpath=[{places}]"] if places else []
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            cfg = hydra_compose("train", [*overrides, *own], return_hydra_config=True)
    finally:
        known.hydra = former
    choices = choices_of(cfg.hydra.runtime.choices, cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices


def choices_of(chosen: Any, cfg: Any) -> dict[str, str]:
    """Group -> chosen option, of Hydra's runtime.choices; `model/style` is a group too. Hydra keeps no choice for a list of
    options, so its names are read from the keys of the composed mapping."""
    typed = [group for group in chosen if "@" not in group and not group.startswith("hydra/")]
    choices = {group: str(chosen[group]) for group in typed if chosen[group] is not None}
    known = all_groups()
    for group in (*PARTS, "logger", "callbacks"):
        if group in known and group not in choices:  # an empty list and a deleted group leave no key
            choices[group] = "+".join(map(str, cfg.get(group) or ())) or "none"
    return choices


@cache
def usual_choices() -> dict[str, str]:
    """Group -> the option that stands in train.yaml."""
    primary = OmegaConf.to_container(OmegaConf.load(config_dir() / "train.yaml"))
    assert isinstance(primary, dict)
    entries = [entry for entry in primary["defaults"] if isinstance(entry, dict)]
    return {str(k): str(v) for entry in entries for k, v in entry.items() if not str(k).startswith("override ")}


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The whole configuration as plain containers, without the model's recommendations, which are in their places then.

    Raises:
        UserError: a value is missing, a recommendation is not known, or the classes of a set cannot be found.
    """
    check_recipe(cfg)
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(f"{missing[0]} must be given: add {missing[0]}=… to the command")
    set_classes(cfg)
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    if isinstance(config.get("model"), dict):
        config["model"].pop("recipe", None)
    return {str(key): value for key, value in config.items()}


def check_recipe(cfg: DictConfig) -> None:
    """UserError for a recommendation that no file of conf/ reads."""
    node = cfg.get("model")
    if not isinstance(node, DictConfig) or "recipe" not in node:
        return
    if not isinstance(node.recipe, DictConfig):
        raise UserError(f"model.recipe: {shown(node.recipe)} is not allowed; give a mapping of numbers")
    recipe = OmegaConf.to_container(node.recipe, resolve=False)
    assert isinstance(recipe, dict)
    known = recommendations()
    for key in _leaves(recipe):
        if key not in known and not any(key.startswith(f"{k}.") for k in known):
            raise UserError(
                f"model.recipe.{key}: no option or group takes this number{did_you_mean(key, sorted(known))}"
            )


def recommendations() -> frozenset[str]:
    """What the files of conf/, and of the folder of `--config-dir`, read from `model.recipe`: kimg, batch_size, lr.G, gamma, …"""
    return frozenset(key for folder in {config_dir(), *own_folders()} for key in _read_by(folder))


@cache
def _read_by(folder: Path) -> list[str]:
    return [key for text in _texts(folder) for key in RECIPE.findall(text)]


def _texts(folder: Path) -> Iterator[str]:
    """The text of each file of configuration in a folder."""
    for file in folder.rglob("*.yaml"):
        yield file.read_text(errors="replace", encoding="utf-8")


def _leaves(node: Mapping[Any, Any], path: str = "") -> list[str]:
    out = []
    for key, value in node.items():
        name = f"{path}.{key}" if path else str(key)
        out += _leaves(value, name) if isinstance(value, dict) else [name]
    return out


def set_classes(cfg: DictConfig) -> None:
    """Put the number of classes, and with data.labels=true their names, into `data`: for folders, the names of their
    subfolders, listed before interpolations are resolved. Without labels the number is 0."""
    data = cfg.get("data")
    if data is None or "labels" not in data:
        return
    with open_dict(data):
        if data.labels is True:
            from seesaw.data.classes import class_names

            plain = OmegaConf.to_container(data, resolve=True)
            names = class_names(str(data.get("_target_")), plain)  # type: ignore[arg-type]
            data.class_names, data.classes = names, len(names)
        else:
            data.classes = 0


def choose_metrics(cfg: DictConfig, choices: dict[str, str], option: str) -> None:
    """Put this option in the place of metrics=auto, in the configuration and in `choices`."""
    choices["metrics"] = option
    cfg.metrics = option_node("metrics", option)


def option_node(group: str, option: str) -> DictConfig:
    """The node of an option of a group whose files start from other files of the group alone, as Hydra composes it."""
    own: Any = OmegaConf.load(config_dir() / group / f"{option}.yaml")
    parts = own.pop("defaults", ["_self_"])
    return OmegaConf.merge(*(own if part == "_self_" else option_node(group, part) for part in parts))  # type: ignore[return-value]

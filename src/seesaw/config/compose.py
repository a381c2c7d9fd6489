"""From the command line to one checked, resolved configuration: the same steps for every command.

Names are checked before torch is imported, so that mistakes in them are answered within a second; values need torch.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from seesaw.config.allowed import BORROWED, PARTS, check_packages, refuse_foreign, refuse_unknown
from seesaw.config.options import check_options, config_dir, groups
from seesaw.config.renamed import renamed
from seesaw.config.values import did_you_mean, shown
from seesaw.errors import UserError

RECIPE = re.compile(r"\bmodel\.recipe\.([A-Za-z_][\w.]*)")
"""A number that a file of conf/ takes from the model's recommendations."""

MADE = ("model", "data", "metrics", *PARTS, "logger", "trainer", "callbacks", "debug")
"""Groups whose nodes may be built."""

NEEDED = ("model", "data", "metrics", "trainer", "logger", "callbacks", "debug")
"""Groups that every run has."""

REPLACED = "metrics=auto is replaced when the run starts; give metrics=fid or another option beside it"
"""Why no key below `metrics` can be set where metrics=auto is chosen."""


def compose(overrides: list[str]) -> tuple[DictConfig, dict[str, str]]:
    """The configuration of these overrides, not resolved yet, and group -> chosen option."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = hydra_compose("train", overrides, return_hydra_config=True)
    choices = choices_of(cfg.hydra.runtime.choices, cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices


def choices_of(chosen: Any, cfg: Any) -> dict[str, str]:
    """Group -> chosen option, of Hydra's runtime.choices; `model/style` is a group too. Hydra keeps no choice for a list of
    options, so its names are read from the keys of the composed mapping."""
    typed = [group for group in chosen if "@" not in group and not group.startswith("hydra/")]
    choices = {group: str(chosen[group]) for group in typed if chosen[group] is not None}
    known = groups(config_dir())
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
    from hydra.core.hydra_config import HydraConfig

    sources = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else []
    own = [Path(source.path) for source in sources if source.schema == "file"]
    return frozenset(key for folder in {config_dir(), *own} for key in _read_by(folder))


@cache
def _read_by(folder: Path) -> list[str]:
    return [key for file in folder.rglob("*.yaml") for key in RECIPE.findall(file.read_text(errors="replace"))]


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
    cfg.metrics = OmegaConf.load(config_dir() / "metrics" / f"{option}.yaml")


def checked(
    cfg: DictConfig, overrides: list[str], choices: dict[str, str], choose: Callable[[], str] | None = None
) -> dict[str, Any]:
    """The resolved configuration, its names and values checked, without the part groups that the model does not take.

    Args:
        cfg: composed, not resolved.
        overrides: of the command line.
        choices: group -> chosen option.
        choose: for a command that measures: gives the option that replaces metrics=auto, in `cfg` and `choices` too.

    Raises:
        UserError: everything that is wrong, one sentence each.
    """
    config = _checked(cfg, overrides, choices)
    if choose is not None and choices.get("metrics") == "auto":
        choose_metrics(cfg, choices, choose())
        config = _checked(cfg, overrides, choices)
    return config


def _checked(cfg: DictConfig, overrides: list[str], choices: dict[str, str]) -> dict[str, Any]:
    absent = [group for group in NEEDED if cfg.get(group) is None]
    if absent:
        raise UserError(
            f"{absent[0]} is missing: give {absent[0]}=OPTION{did_you_mean('', groups(config_dir())[absent[0]])}"
        )
    config = resolved(cfg)
    wrong = check_options(config, list(groups(config_dir()))) or set_by_hand(config, overrides)
    if not wrong:
        check_packages(config["packages"])
        for group in MADE:
            if group in config:
                refuse_unknown(config[group], group, config["packages"])
                refuse_foreign(config[group], group, config["packages"])
        from seesaw.config.assemble import assemble, check_entries, unused, without_unused  # imports torch
        from seesaw.config.values import check

        wrong = unused(config, overrides, choices, usual_choices())
        config = without_unused(config)
        wrong = wrong or check_entries(config)
        if not wrong:
            rest = {group: config[group] for group in ("trainer", "logger", "callbacks", "debug") if group in config}
            wrong = [_at_its_place(sentence, config) for sentence in check(assemble(config) | rest)]
    if wrong:
        raise UserError(
            "; ".join(as_typed(_for_a_person(sentence, overrides, choices), overrides) for sentence in wrong)
        )
    return config


def set_by_hand(config: Mapping[str, Any], overrides: list[str]) -> list[str]:
    """A sentence for an override of the number or the names of the classes, which follow from a shipped set."""
    shipped = str(config["data"].get("_target_")).startswith("seesaw.")
    keys = {override.lstrip("+").partition("=")[0] for override in overrides}
    return [
        f"{key}: it follows from the set and data.labels; leave it out"
        for key in ("data.classes", "data.class_names")
        if shipped and key in keys
    ]


def _at_its_place(sentence: str, config: Mapping[str, Any]) -> str:
    """The sentence under the key of the configuration: parts and options are passed to a node, and stand beside it."""
    from seesaw.config.assemble import GIVEN

    where, _, rest = sentence.partition(".")
    name = re.split(r"[.: ]", rest, maxsplit=1)[0]
    if where not in ("model", "data", "metrics") or name in config[where]:
        return sentence
    if (where, name) in BORROWED:
        return f"{BORROWED[where, name]}.{rest}"
    return rest if name in GIVEN else sentence


def _for_a_person(sentence: str, overrides: list[str], choices: Mapping[str, str]) -> str:
    """The present key for an old one, and for a key of metrics=auto what has to be chosen first."""
    key = sentence.partition(": ")[0]
    if key.startswith("metrics.") and choices.get("metrics") == "auto":
        return f"{key}: {REPLACED}"
    typed = (override.lstrip("+").partition("=")[0] for override in overrides)
    return renamed(next((name for name in typed if name.startswith(f"{key}.")), key)) or sentence


def as_typed(sentence: str, overrides: list[str]) -> str:
    """The sentence under the key that the user typed, where an interpolation carried its value to another."""
    key, _, text = sentence.partition(": ")
    last = key.rpartition(".")[2]
    given = {typed: value for typed, _, value in (override.lstrip("+").partition("=") for override in overrides)}
    if key in given:
        return sentence
    alike = (
        typed for typed, value in given.items() if typed.rpartition(".")[2] == last and f"'{value}' is not" in text
    )
    return next((f"{typed}: {text}" for typed in alike), sentence)


def compose_checked(overrides: list[str], choose: Callable[[], str] | None = None) -> dict[str, Any]:
    """The checked, resolved configuration of these overrides; `choose` as `checked` takes it."""
    cfg, choices = compose(overrides)
    return checked(cfg, overrides, choices, choose)

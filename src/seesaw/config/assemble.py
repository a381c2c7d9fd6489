"""Which values of the configuration each constructor receives: one mechanism for all models.

The constructor of a model, a data set or the metrics names what it needs: part groups (`loss`, `penalty`, …) and top-level
options (`seed`, `kimg`, …). Nothing is copied under another node, so each value stands once in config.yaml.
"""

import math
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from seesaw.config.allowed import BORROWED, PARTS
from seesaw.config.command_line import key_of
from seesaw.config.options import OPTIONS
from seesaw.config.values import CannotImport, allowed, did_you_mean, locate, shown, signature
from seesaw.errors import UserError
from seesaw.gan.schedules import from_shape
from seesaw.types import Schedule

BUILT = ("model", "data", "metrics")
"""Nodes whose constructors receive part groups and top-level options by name."""

GIVEN = frozenset({*PARTS, *OPTIONS})


def assemble(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The nodes of model, data and metrics with all that their constructors name: part groups and top-level options.

    A key of the node itself comes first. Data receive the growth of the model (`BORROWED`). `{shape: …}` becomes a node wherever
    an argument is a `Schedule`, and whole numbers become floats where it is a tuple of floats.

    Args:
        config: resolved, with every top-level option; its targets are on the allow-list.
    """
    length = config.get("kimg")  # an unchecked file may hold anything here
    kimg = float(length) if isinstance(length, int | float) and 0 < length < math.inf else 1.0
    return {group: _with_schedules(_completed(group, config), kimg, group) for group in BUILT if group in config}


def takes(node: dict[str, Any]) -> set[str]:
    """The argument names of a node's constructor; empty where it cannot be imported, which is reported elsewhere."""
    try:
        return set(signature(locate(node.get("_target_")))[0])
    except (CannotImport, ValueError, TypeError):
        return set()


def _completed(group: str, config: dict[str, Any]) -> dict[str, Any]:
    node, wanted = config[group], takes(config[group])
    given = {name: config[name] for name in sorted(GIVEN & wanted) if name in config and name not in node}
    for (owner, name), source in BORROWED.items():
        if owner == group and name in wanted and name not in node and name in (config.get(source) or {}):
            given[name] = config[source][name]
    return {key: value for key, value in node.items() if key != "recipe"} | given


def _with_schedules(node: Any, kimg: float, path: str) -> Any:
    """The node with `{shape: …}` replaced where the constructor's annotation is Schedule, or a mapping of them, and with floats
    where it is a tuple of floats."""
    if isinstance(node, list):
        return [_with_schedules(child, kimg, f"{path}.{k}") for k, child in enumerate(node)]
    if not isinstance(node, dict):
        return node
    hints: dict[str, Any] = {}
    if "_target_" in node:
        try:
            hints = signature(locate(node["_target_"]))[1]
        except (CannotImport, ValueError, TypeError):
            hints = {}
    return {key: _scheduled(value, hints.get(key), kimg, f"{path}.{key}") for key, value in node.items()}


def _scheduled(value: Any, annotation: Any, kimg: float, path: str) -> Any:
    if isinstance(value, list) and _are_floats(annotation):
        return [float(v) if isinstance(v, int) else v for v in value]
    if not isinstance(value, dict):
        return _with_schedules(value, kimg, path)
    if "shape" in value and _is_schedule(annotation):
        return _from_shape(value, kimg, path)
    if any(_is_schedule(a) for a in _members(annotation)):
        return {name: _scheduled(v, Schedule, kimg, f"{path}.{name}") for name, v in value.items()}
    return _with_schedules(value, kimg, path)


def _from_shape(value: dict[str, Any], kimg: float, path: str) -> dict[str, Any]:
    try:
        return from_shape(value, kimg)
    except ValueError as error:
        _, _, inner = path.partition(".")
        key = inner if inner.partition(".")[0] in PARTS else path
        raise UserError(f"{key}: {error}") from error


def _is_schedule(annotation: Any) -> bool:
    """Whether it is `Schedule`, or a union with it such as `Schedule | None`."""
    members = typing.get_args(annotation)
    return all(member in members for member in typing.get_args(Schedule))


def _are_floats(annotation: Any) -> bool:
    """Whether it is a tuple of floats, such as betas: torch takes no integer 0 among them."""
    members = typing.get_args(annotation)
    return typing.get_origin(annotation) is tuple and all(m is float or float in typing.get_args(m) for m in members)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of the values of `Mapping[str, X]` or `Mapping[str, X] | None`."""
    inner = [a for a in (annotation, *typing.get_args(annotation)) if typing.get_args(a)]
    return tuple(arg for a in inner for arg in typing.get_args(a))


def unused(
    config: dict[str, Any], overrides: Iterable[str], choices: Mapping[str, str], usual: Mapping[str, str]
) -> list[str]:
    """A sentence for each part group or option that was chosen, and that the model has no use for.

    Args:
        config: resolved; its model is on the allow-list.
        overrides: of the command line.
        choices: group -> chosen option.
        usual: group -> the option that stands in train.yaml.
    """
    wanted, model = takes(config["model"]), choices.get("model", "the model")
    parts = [group for group in PARTS if group in config and group not in wanted]
    without = sorted({*parts, *_unused_options(config["model"])})
    out = []
    for override in overrides:
        key = key_of(override)
        if key.replace("/", ".").replace("@", ".").partition(".")[0] in without:
            out.append(f"{key}: model={model} has no use for {', '.join(without)}; leave {override} out")
    if (config.get("debug") or {}).get("overfit_batches") and "overfit_batches" not in takes(config["data"]):
        out.append(f"debug.overfit_batches: data={choices.get('data')} has no batches to repeat; leave debug out")
    named = [group for group in parts if choices.get(group, usual.get(group)) != usual.get(group)]
    if not out:
        out = [f"{group}={choices[group]}: model={model} has no use for {group}; leave it out" for group in named]
    return out


def without_unused(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without the part groups that the model does not take."""
    wanted = takes(config["model"])
    return {key: value for key, value in config.items() if key not in PARTS or key in wanted}


def _unused_options(node: dict[str, Any]) -> frozenset[str]:
    try:
        return frozenset(getattr(locate(node.get("_target_")), "unused_options", ()))
    except CannotImport:
        return frozenset()


def check_entries(config: dict[str, Any]) -> list[str]:
    """A sentence for each entry of a group of parts that is no node: a misplaced key such as `+penalty.every=16`."""
    groups = {group: config[group] for group in (*PARTS, "logger", "callbacks") if isinstance(config.get(group), dict)}
    return [
        _no_part(group, name, node, parts)
        for group, parts in groups.items()
        for name, node in parts.items()
        if not (isinstance(node, dict) and "_target_" in node) and not (group == "schedule" and _can_be_schedule(node))
    ]


def _can_be_schedule(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, dict) and "shape" in value)


def _no_part(group: str, name: Any, node: Any, parts: dict[str, Any]) -> str:
    if group == "schedule":
        return f"{group}.{name}: {shown(node)} is not allowed; give {allowed(Schedule)}"
    nodes = {part: n for part, n in parts.items() if isinstance(n, dict) and "_target_" in n}
    known = dict.fromkeys(key for n in nodes.values() for key in n if not key.startswith("_"))
    where = " or ".join(f"{group}.{part}.KEY" for part in nodes) or f"{group}.NAME.KEY"
    return (
        f"{group}.{name}: {shown(node)} is no part of {group}, since it has no _target_; keys stand below a part, as {where}"
        f"{did_you_mean(str(name), known)}"
    )

"""Forks: a new run that begins from a checkpoint of another one, at its images shown, with its optimisers and its order of reals.

Without changes a fork is an exact resume in another folder. With changes, what fits is loaded, and what the new configuration
alone has (a balance part, an augmentation, a penalty, another optimiser's state) starts anew. What no change may touch are the
players, their averages and the data. The checkpoint may come from a stranger: `seesaw.training.checkpoint_file.load` executes
nothing in it, and nothing that its configuration names is built.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim import Optimizer

from seesaw.config.command_line import key_of
from seesaw.errors import UserError
from seesaw.experiment import Experiment
from seesaw.training.build import construct
from seesaw.training.checkpoint_file import load
from seesaw.training.differences import MAY_DIFFER, differences
from seesaw.training.rerun import OF_THE_COMMAND, own_overrides
from seesaw.training.run_folder import RunFolder, read_status
from seesaw.training.transfer import NAMED, shape_of

PARTS = ("_phases", "balance", "augment", "_schedule", "meter")
"""Where a model keeps the state of what may be exchanged in a fork; all else are players, averages and their views."""

FIRST_OF = ("fork_from", "init_from")
"""Options of how a run begins, in which a fork and its parent differ without being other experiments."""


class Fork(NamedTuple):
    """How a run begins from another one's checkpoint.

    Attributes:
        checkpoint: what the trainer restores.
        parent: the entry of status.json: `path` of the checkpoint, `images_shown`, `kimg`, `sha256` of the file, `overrides` in
            which this run differs from its parent, and what starts `anew`.
        source: the run folder of the checkpoint.
    """

    checkpoint: dict[str, Any]
    parent: dict[str, Any]
    source: Path

    def message(self) -> str:
        """The line to print."""
        line = f"fork of {self.parent['path']} at {self.parent['kimg']:g} kimg"
        anew = ", ".join(self.parent["anew"])
        return f"{line}; {anew} start{'' if ',' in anew else 's'} anew" if anew else line


def begin_fork(
    cfg: DictConfig, config: dict[str, Any], overrides: list[str], folder: RunFolder, model: Experiment
) -> Fork:
    """Read the checkpoint that the run forks from, and fit it to the new model. Nothing is written.

    Args:
        cfg: the new configuration, composed, not resolved.
        config: the same, resolved.
        overrides: of the new run.
        folder: of the new run, with the checkpoint.
        model: with its initial weights.

    Raises:
        UserError: the checkpoint cannot be read, or its players do not fit the model.
    """
    assert folder.checkpoint is not None
    path, saved = folder.checkpoint.resolve(), load(folder.checkpoint)
    source = path.parent.parent
    anew: list[str] = []
    if changed(saved["config"], cfg):
        saved, anew = fitted(saved, config, model, folder.checkpoint)
    shown = saved["progress"]["images_shown"]
    parent = {
        "path": str(path), "images_shown": shown, "kimg": shown / 1000, "sha256": digest(path),
        "overrides": given_anew(overrides, own_overrides(read_status(source)) or []), "anew": anew,
    }  # fmt: skip
    return Fork(saved, parent, source)


def refuse_forked_whole(folder: RunFolder, done: bool, images_shown: int, kimg: float) -> None:
    """UserError where a fork begins at its own end."""
    if done and folder.forks:
        begins = f"{images_shown / 1000:g} kimg"
        raise UserError(f"a fork at {begins} has nothing to train up to kimg={kimg:g}: give a larger kimg")


def changed(saved: dict[str, Any], cfg: DictConfig) -> list[str]:
    """In which keys of what trains the new configuration differs from the one in the checkpoint; empty: the fork is exact."""
    now = cfg.copy()
    for key in FIRST_OF:
        now[key] = None
    return differences({key: value for key, value in saved.items() if key not in FIRST_OF}, now)


def given_anew(overrides: Iterable[str], before: Iterable[str]) -> list[str]:
    """The overrides of what trains that the parent's command did not have; the length of a run is no such change."""
    left_out = {*FIRST_OF, *OF_THE_COMMAND, *MAY_DIFFER}
    before = set(before)
    return [one for one in overrides if one not in before and key_of(one).partition(".")[0] not in left_out]


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fitted(
    saved: dict[str, Any], config: dict[str, Any], model: Experiment, path: Path
) -> tuple[dict[str, Any], list[str]]:
    """The checkpoint as the new model takes it, and the names of what starts anew. UserError where the players do not fit."""
    own, there = model.state_dict(), saved.get("state_dict")
    if not isinstance(there, dict):
        raise UserError(f"{path} holds no weights")
    refuse_misfits(own, there, path)
    state = {name: there[name] if name in there and same_form(value, there[name]) else value for name, value in own.items()}
    anew = part_names(name for name, value in own.items() if state[name] is value)
    states, fresh = fitted_optimizers(saved.get("optimizer_states") or [], config, model)
    return saved | {"state_dict": state, "optimizer_states": states}, [*anew, *fresh]


def refuse_misfits(own: Mapping[str, Any], there: Mapping[str, Any], path: Path) -> None:
    """UserError where weights or buffers of the players or their averages are not those of the new model."""
    names = [name for name in dict.fromkeys([*own, *there]) if str(name).partition(".")[0] not in PARTS]
    wrong = []
    for name in names:
        if name not in there or name not in own:
            wrong.append(f"{name} is missing {'here' if name in there else 'there'}")
        elif not same_form(own[name], there[name]):
            wrong.append(f"{name} is {form(there[name])} there and {form(own[name])} here")
    if wrong:
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise UserError(
            f"a fork keeps the networks, and those of {path} do not fit: {'; '.join(wrong[:NAMED])}{more}: leave the model, its "
            "widths, and the data as that run has them, or begin a new run with init_from=RUN"
        )


def same_form(own: Any, there: Any) -> bool:
    """Whether a saved entry can take the place of the model's own: a tensor of the same shape, or a mapping of the same keys."""
    if isinstance(own, Tensor):
        return isinstance(there, Tensor) and own.shape == there.shape
    if isinstance(own, dict):
        return isinstance(there, dict) and own.keys() == there.keys()
    return isinstance(there, type(own)) or isinstance(own, type(there))


def form(value: Any) -> str:
    return shape_of(value) if isinstance(value, Tensor) else type(value).__name__


def part_names(names: Iterable[str]) -> list[str]:
    """The parts to which entries of the state belong: `balance.skip_d`, `D.r1` for the term r1 of phase D."""
    found = []
    for name in names:
        top, *rest = name.split(".")
        of_phase = top == "_phases" and len(rest) > 2
        found.append(f"{rest[0]}.{rest[2]}" if of_phase else ".".join([top.lstrip("_"), *rest[:1]]))
    return list(dict.fromkeys(found))


def fitted_optimizers(
    states: list[dict[str, Any]], config: dict[str, Any], model: Experiment
) -> tuple[list[dict[str, Any]], list[str]]:
    """What the new optimisers take of the saved ones: what they keep of each weight, where they keep the same; lr, betas and the
    like are the new ones. Beside them the names of those that start anew."""
    made: Any = model.configure_optimizers()
    optimizers: list[Optimizer] = list(made) if isinstance(made, list | tuple) else [made]
    nodes = config["optimizer"]
    names = [name for name in ("G", "D") if name in nodes] or list(nodes)
    found, anew = [], list[str]()
    for at, (name, optimizer) in enumerate(zip(names, optimizers, strict=True)):
        now, before = optimizer.state_dict(), states[at] if at < len(states) else {}
        kept = before.get("state", {}) if isinstance(before, dict) else {}
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        if kept and not fits(kept, weights, kept_names(nodes[name], config.get("packages") or [])):
            kept, anew = {}, [*anew, f"optimizer.{name}"]
        found.append({"state": kept, "param_groups": now["param_groups"]})
    return found, anew


def kept_names(node: dict[str, Any], packages: list[str]) -> set[str]:
    """What an optimiser of this node keeps of a weight, seen after a step on one number."""
    weight = nn.Parameter(torch.zeros(()))
    weight.grad = torch.zeros(())
    optimizer = construct(node, "optimizer", packages)([weight])
    optimizer.step(lambda: torch.zeros(()))
    return {name for name, value in optimizer.state[weight].items() if value is not None}


def fits(kept: Mapping[Any, Any], weights: list[Tensor], names: set[str]) -> bool:
    """Whether the saved state is of these weights, in this order, and of these names."""
    for at, of_weight in kept.items():
        if type(at) is not int or not 0 <= at < len(weights) or not isinstance(of_weight, dict):
            return False
        if {name for name, value in of_weight.items() if value is not None} != names:
            return False
        tensors = [value for value in of_weight.values() if isinstance(value, Tensor) and value.ndim]
        if any(value.shape != weights[at].shape for value in tensors):
            return False
    return len(kept) <= len(weights)

"""What a search varies: a YAML file of keys, each a range, a list of values, or one value that every trial has."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from seesaw.config.values import did_you_mean, shown
from seesaw.errors import UserError

SPACES = Path(__file__).parent / "spaces"
_RANGE = {"low", "high", "log", "step"}


class Suggest(Protocol):
    """The part of an Optuna trial that draws."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: list[str]) -> Any: ...


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; integers where both are. `log`: drawn evenly on a logarithmic scale."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def draw(self, trial: Suggest, key: str) -> str:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return written(trial.suggest_int(key, self.low, self.high, step=int(self.step or 1), log=self.log))
        return written(trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log))

    def examples(self) -> list[str]:
        return [written(self.low), written(self.high)]


@dataclass(frozen=True)
class Choice:
    """One of these values, as an override writes them."""

    values: list[str]

    def draw(self, trial: Suggest, key: str) -> str:
        return str(trial.suggest_categorical(key, self.values))

    def examples(self) -> list[str]:
        return self.values


@dataclass(frozen=True)
class Space:
    """`fixed`: overrides of every trial; `varied`: key to what it is drawn from."""

    name: str
    fixed: list[str]
    varied: dict[str, Range | Choice]

    def draw(self, trial: Suggest) -> list[str]:
        """The overrides of one trial."""
        return [f"{key}={among.draw(trial, key)}" for key, among in self.varied.items()]

    def corners(self) -> list[list[str]]:
        """Overrides in which each end of each range and each value occurs: what is tried before a search begins."""
        examples = {key: among.examples() for key, among in self.varied.items()}
        most = max(map(len, examples.values()))
        return [[f"{key}={values[i % len(values)]}" for key, values in examples.items()] for i in range(most)]


def written(value: Any) -> str:
    """A value as an override has it. Six digits of a number: what is printed is just what was run."""
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_space(name: str) -> Space:
    """The ready space of that name, or the one in that file. UserError where there is none, or it is not as it must be."""
    from omegaconf import OmegaConf

    ready = {file.stem: file for file in sorted(SPACES.glob("*.yaml"))}
    path = ready.get(name) or Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"{name}: there is no such space or file{did_you_mean(name, ready)}")
    try:  # OmegaConf's reader takes 1e-4 for a number, plain YAML for a text
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except Exception as error:
        first = str(error).strip().splitlines()[:1]
        raise UserError(f"{path}: this is no YAML that can be read: {' '.join(first)}") from error
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path}: a space is a mapping of keys, such as optimizer.G.lr: {{low: 1e-5, high: 1e-2}}")
    space = Space(path.stem, [], {})
    for key, value in content.items():
        name = str(key)
        if isinstance(value, dict):
            space.varied[name] = range_of(value, f"{path}: {name}")
        elif isinstance(value, list):
            space.varied[name] = choice_of(value, f"{path}: {name}")
        else:
            space.fixed.append(f"{name}={written(value)}")
    if not space.varied:
        raise UserError(f"{path}: nothing varies here; give a key a range {{low: …, high: …}} or a list of values")
    return space


def choice_of(values: list[Any], where: str) -> Choice:
    if not values or any(isinstance(value, dict) for value in values):
        raise UserError(f"{where}: {shown(values)} is no list of values to choose from")
    return Choice([written(value) for value in values])


def range_of(node: Mapping[Any, Any], where: str) -> Range:
    """UserError with what is wrong, where the mapping is no range."""
    unknown = [key for key in node if key not in _RANGE]
    if unknown:
        raise UserError(f"{where}: a range has no '{unknown[0]}'{did_you_mean(unknown[0], sorted(_RANGE))}")
    numbers = {key: node.get(key) for key in ("low", "high")} | ({"step": node["step"]} if "step" in node else {})
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise UserError(f"{where}.{key}: {shown(value)} is not allowed; give a finite number")
    found = Range(node["low"], node["high"], node.get("log", False), node.get("step"))
    if not isinstance(found.log, bool):
        raise UserError(f"{where}.log: {shown(found.log)} is not allowed; give true or false")
    if found.low >= found.high:
        raise UserError(f"{where}: low is {found.low:g} and high {found.high:g}; low must be below high")
    if found.log and (found.low <= 0 or found.step is not None):
        raise UserError(f"{where}: with log: true, low must be above 0 and there is no step")
    if found.step is not None and found.step <= 0:
        raise UserError(f"{where}.step: {found.step:g} is not allowed; give a number above 0")
    return found

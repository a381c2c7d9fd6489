"""Which classes a configuration may name in a `_target_`: an allow-list of exact paths, compared as text before any import.

A checkpoint carries its configuration, and whoever builds it calls whatever it names; the file may come from a stranger.
So only these are built: the paths that the shipped conf/ names, each in its own group, the schedules that `{shape: …}` stands
for, and classes and functions of packages that the user adds by name. No prefix is trusted: `seesaw.training.…` and `torch.…` are
refused as `os.system` is. Imports neither torch nor Hydra.

**Own packages.** `packages=[my_package]` (`seesaw sample` and `evaluate`: `--package my_package`) allows every class and
function that is defined in `my_package` or below it, with any arguments, so it means as much trust as importing it does. What
is merely reachable through it (`my_package.os.system`) is refused. Refused as a package are `seesaw`, Python's own modules and
what is installed in site-packages (a general library has functions that run code or unpickle files), unless its distribution
names `seesaw-gan` among its requirements. A `packages` key inside a checkpoint does not count.
"""

import importlib.metadata
import importlib.util
import inspect
import re
import site
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from seesaw.config.dotted import object_at
from seesaw.config.options import config_dir
from seesaw.config.own import import_from_here
from seesaw.config.values import did_you_mean, shown
from seesaw.errors import UserError

PARTS = ("loss", "penalty", "balance", "augment", "schedule", "optimizer", "dynamics")
"""Groups that a constructor of `model`, `data` or `metrics` takes as an argument of the same name."""

BORROWED = {("data", "growth"): "model", ("data", "fresh_reals"): "model", ("data", "overfit_batches"): "debug"}
"""(group, argument) -> the group that the argument's node comes from."""

SCHEDULES = frozenset(f"seesaw.gan.schedules.{name}" for name in ("Constant", "Linear", "Cosine", "Plateau"))
"""What `{shape: …}` stands for; any argument of any group may be a schedule."""

HYDRA_KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "_partial_": ("true or false", lambda value: isinstance(value, bool)),
    "_recursive_": ("true or false", lambda value: isinstance(value, bool)),
    "_convert_": ("one of none, partial, object, all", lambda value: value in ("none", "partial", "object", "all")),
    "_args_": ("a list", lambda value: isinstance(value, list)),
}
"""Hydra's special keys beside `_target_`: what is allowed, in words and as a test."""

MAX_DEPTH, MAX_VALUES = 40, 100_000
"""Of one node: no configuration comes near, but a file can nest one mapping in itself, or share it exponentially often."""

_DISTRIBUTION = "seesaw-gan"
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_SPECIAL = re.compile(r"_[a-z]\w*_")
_GLOBAL_PACKAGE = re.compile(r"^#\s*@package\s+_global_\s*$", re.MULTILINE)


def refuse_unknown(node: Any, group: str, packages: Sequence[str] = ()) -> None:
    """Refuse a node that names anything else than what may be built. Imports nothing.

    Args:
        node: resolved and plain: dicts, lists, texts, numbers, booleans, None. Every `_target_` at any depth is checked.
        group: key of the node, such as `model` or `optimizer.G`. Its first part is the group whose files in conf/ count. In
            `model`, `data` and `metrics` an argument named as a part group (`PARTS`) is checked as a node of that group.
        packages: own top-level packages, from the command line and never from a file.

    Raises:
        UserError: one sentence with the dotted key, what stands there, and what to do.
    """
    check_packages(packages)
    top = group.partition(".")[0]
    for path, value in _values(node, group):
        if not isinstance(value, dict):
            continue
        for key, child in value.items():
            place = f"{group}{path}.{key}"
            if key == "_target_":
                _check_target(child, place, _group_at(top, path), packages)
            elif key in HYDRA_KEYS:
                words, fits = HYDRA_KEYS[key]
                if not fits(child):
                    raise UserError(f"{place}: {shown(child)} is not allowed; give {words}")
            elif isinstance(key, str) and _SPECIAL.fullmatch(key):
                raise UserError(f"{place}: there is no such key{did_you_mean(key, ['_target_', *HYDRA_KEYS])}")


def refuse_foreign(node: Any, group: str, packages: Sequence[str] = ()) -> None:
    """Import what a node names below the own packages, and refuse what is not defined there. For a node that
    `refuse_unknown` has let pass, before it is built.

    Raises:
        UserError: a target cannot be imported, or `check_origin` refuses it.
    """
    if not packages:
        return
    for path, value in _values(node, group):
        target = value.get("_target_") if isinstance(value, dict) else None
        if target is None or _owner(target, packages) is None:
            continue
        try:
            found = object_at(target)
        except Exception as error:  # whatever a module raises while it is imported
            reason = (str(error.__cause__ or error).strip().splitlines() or [type(error).__name__])[-1]
            raise UserError(f"{group}{path}._target_: cannot import '{target}' ({reason})") from error
        try:
            check_origin(found, target, packages)
        except UserError as error:
            raise UserError(f"{group}{path}._target_: {error}") from None


def check_origin(obj: Any, target: str, packages: Sequence[str]) -> None:
    """Refuse what an own package merely imports. Targets outside the own packages pass: their exact paths are allowed.

    Args:
        obj: what `target` gave when it was imported.
        target: the dotted path.
        packages: own top-level packages.

    Raises:
        UserError: `obj` is no class or function whose `__module__` is an own package or below it.
    """
    owner = _owner(target, packages)
    if owner is None:
        return
    module = getattr(obj, "__module__", None)
    if not (inspect.isclass(obj) or inspect.isfunction(obj)):
        raise UserError(f"'{target}' is neither a class nor a function, so it is not built")
    if not isinstance(module, str) or module.partition(".")[0] not in packages:
        raise UserError(f"'{target}' is defined in {module}, not in {owner}, so it is not built")


def check_packages(packages: Sequence[str]) -> None:
    """Refuse names that are no own package: see the head of this file. From here on Python finds packages in the current folder
    too, where any is named.

    Raises:
        UserError: which name, and why.
    """
    if isinstance(packages, str) or not all(isinstance(name, str) for name in packages):
        raise UserError(
            f"packages: {shown(packages)} is not allowed; give a list of names, such as packages=[my_package]"
        )
    if packages:
        import_from_here()
    for name in packages:
        reason = why_not_own(name)
        if reason is not None:
            raise UserError(f"packages: {name} {reason}")


@cache
def shipped_targets(folder: Path) -> dict[str, frozenset[str]]:
    """Group -> the targets that its files in `folder` name. Experiments and other files of the package `_global_` set keys of
    several groups: there each top-level key is the group.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted(folder.glob("*/**/*.yaml")):
        text = file.read_text(encoding="utf-8")
        if "_target_" not in text:
            continue
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        nodes = content if _GLOBAL_PACKAGE.search(text) else {file.relative_to(folder).parts[0]: content}
        for group, node in nodes.items():
            found[group] |= set(_named(node))
    return {group: frozenset(targets) for group, targets in found.items()}


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, dict) and isinstance(node.get("_target_"), str):
        yield node["_target_"]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _named(child)


def _values(node: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every value at any depth with its path below the node ("", ".G", ".G.widths.0").

    Other kinds than plain ones are refused: OmegaConf takes a tuple for a list, but the `${…}` inside it is not escaped, and
    `${oc.create:…}` makes a node of a text.
    """
    stack: list[tuple[str, Any, int]] = [("", node, 0)]
    count = 0
    while stack:
        path, value, depth = stack.pop()
        count += 1
        if count > MAX_VALUES or depth > MAX_DEPTH:
            raise UserError(f"{where}: this is nested deeper or larger than any configuration, so it is not built")
        yield path, value
        if isinstance(value, dict):
            odd = [key for key in value if type(key) not in (str, int, float, bool) or not str(key).isprintable()]
            if odd:
                raise UserError(f"{where}{path}: the key {shown(odd[0])} is not allowed; give a plain name or a number")
            stack += [(f"{path}.{key}", child, depth + 1) for key, child in reversed(value.items())]
        elif isinstance(value, list):
            stack += [(f"{path}.{k}", child, depth + 1) for k, child in reversed(list(enumerate(value)))]
        elif type(value) not in (str, int, float, bool, type(None)):
            kind = type(value).__name__
            raise UserError(
                f"{where}{path}: a {kind} is not allowed; give a mapping, a list, a text, a number, true, false or null"
            )


def _group_at(top: str, path: str) -> str:
    """The group whose targets count at `path` below a node of the group `top`."""
    argument = path.removeprefix(".").partition(".")[0]
    if top in ("model", "data", "metrics") and argument in PARTS:
        return argument
    return BORROWED.get((top, argument), top)


def _check_target(target: Any, place: str, group: str, packages: Sequence[str]) -> None:
    if not isinstance(target, str) or not _DOTTED.fullmatch(target):
        raise UserError(f"{place}: {shown(target)} is not a dotted name such as package.module.Class")
    listed = shipped_targets(config_dir()).get(group, frozenset()) | SCHEDULES
    if target in listed:
        return
    if _owner(target, packages) is not None:
        if "__" in target:
            raise UserError(f"{place}: '{target}' is not the plain path of a class or a function, so it is not built")
        return
    top = target.partition(".")[0]
    lies_here = any(Path.cwd().joinpath(top + end).exists() for end in (".py", "/__init__.py"))
    if top in ("seesaw", "torch") or (why_not_own(top) is not None and not lies_here):
        hint = (
            did_you_mean(target, sorted(listed), most=0) or "; a class of your own is allowed by packages=[ITS_PACKAGE]"
        )
    else:
        hint = f"; where {top} is your own package, add packages=[{top}] (seesaw sample and evaluate: --package {top})"
    raise UserError(f"{place}: '{target}' is not among the classes that conf/{group} names, so it is not built{hint}")


def _owner(target: str, packages: Iterable[str]) -> str | None:
    """The own package that `target` lies below, or None."""
    top, dot, _ = target.partition(".")
    return top if dot and top in packages else None


def why_not_own(name: str) -> str | None:
    """Why `name` cannot be an own package, as the rest of a sentence; None where it can. Imports nothing."""
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        return "is not the name of a package: give the first part of its dotted path, such as my_package"
    if name == "seesaw":
        return "is not your own package; its classes that may be built are those that conf/ names"
    if name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return "is part of Python, not your own package"
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # ValueError: a module that was made by hand
        spec = None
    if spec is None:
        return "cannot be found; install it, or give the command in the folder that holds it, or add that to PYTHONPATH"
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else [])]
    if any(Path(place).is_relative_to(folder) for place in places for folder in _installed()) and not _extends(name):
        if any(Path.cwd().joinpath(name + end).exists() for end in ("", ".py")):
            return "is also the name of an installed library, which Python finds before what is called so here: rename yours"
        return f"is an installed library, not your own package; a package for seesaw has {_DISTRIBUTION} among its requirements"
    return None


@cache
def _installed() -> list[str]:
    """The folders into which packages are installed."""
    paths = sysconfig.get_paths()
    return [*{paths["purelib"], paths["platlib"], *site.getsitepackages(), site.getusersitepackages()}]


@cache
def _extends(name: str) -> bool:
    """Whether the distribution that installed the package `name` requires seesaw."""
    needed = [
        requirement
        for distribution in importlib.metadata.packages_distributions().get(name, [])
        for requirement in importlib.metadata.requires(distribution) or []
    ]
    return any(re.match(r"seesaw[-_.]gan\b", requirement, re.IGNORECASE) for requirement in needed)

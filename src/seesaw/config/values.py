"""Values, not only names: the composed configuration against the annotations of what it will build.

Annotations are the only schema. Importing a target is the most expensive thing that happens here; nothing is built, and nothing
is imported that the allow-list does not name."""

import collections.abc as abc
import difflib
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from seesaw.config.dotted import object_at
from seesaw.config.ranges import allowed_instead

SPECIAL = frozenset({"_target_", "_partial_", "_recursive_", "_convert_", "_args_"})
_SCALARS = {
    float: "a number",
    int: "an integer",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    Path: "a path",
}
_SCHEDULE = (float, Callable[[int], float])
"""The members of `seesaw.types.Schedule`, which is not imported here since it brings torch."""
_SEQUENCES = (list, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


def check(nodes: dict[str, Any]) -> list[str]:
    """What is wrong with resolved nodes: one sentence each, with the full dotted key, the offending value and what is allowed.
    Empty when every `_target_` can be imported, and every argument fits its annotation.

    A node without `_partial_` must name all required arguments. A mistake that appears at several places is reported once, at
    its shortest key.

    Args:
        nodes: group -> node or mapping of nodes, as `seesaw.config.assemble.assemble` gives them.
    """
    found: dict[tuple[str, str], str] = {}
    places: set[str] = set()
    for sentence in _walk(nodes, ""):
        path, _, text = sentence.partition(": ")
        if path in places:  # a number of the wrong kind may be out of range too
            continue
        places.add(path)
        key = (path.rpartition(".")[2], text)
        if key not in found or len(sentence) < len(found[key]):
            found[key] = sentence
    return list(found.values())


def did_you_mean(word: str, known: Iterable[str], most: int = 24) -> str:
    """`; did you mean 'x'?`, and the known words in brackets when there are at most `most`. Meant may be what differs in few
    letters, or holds the word or is held by it: a common beginning alone (stylegan2, style_transfer) is no likeness."""
    words = [str(k) for k in known]
    close = [
        other
        for other in difflib.get_close_matches(word, words, n=3, cutoff=0.6)
        if word in other or other in word or _edits(word, other) <= max(2, len(word) // 3)
    ]
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return hint + (f" (known: {', '.join(words)})" if 0 < len(words) <= most else "")


def _edits(one: str, other: str) -> int:
    """Levenshtein's distance: letters to insert, remove or replace."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, target in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != target))
    return row[-1]


def shown(value: Any) -> str:
    """The value as a person would read it in a message: at most 60 characters."""
    text = (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or value is True or value is False
        else repr(value)
    )
    return text if len(text) <= 60 else text[:57] + "…"


def misfits(value: Any, annotation: Any, path: str) -> list[str]:
    """Why `value` at the dotted key `path` does not fit `annotation`: one sentence each, empty when it does or when that
    cannot be decided before building."""
    annotation = _plain(annotation)
    if annotation is Any or annotation is object or isinstance(annotation, (str, typing.TypeVar, typing.ParamSpec)):
        return []
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _misfits_union(value, annotation, args, path)
    if _is_node(value):
        return [] if _node_fits(value, annotation) else [_wrong(value["_target_"], annotation, path)]
    if isinstance(value, (list, tuple)) and (origin or annotation) in (*_SEQUENCES, tuple):
        return _misfits_sequence(value, origin, args, annotation, path)
    if isinstance(value, dict) and (origin or annotation) in _MAPPINGS:
        of_key, of_value = args or (Any, Any)
        wrong = [_wrong(k, of_key, f"{path} (a key)") for k in value if misfits(k, of_key, path)]
        return wrong + [s for k, v in value.items() for s in misfits(v, of_value, f"{path}.{k}")]
    return [] if _scalar_fits(value, annotation, origin, args) else [_wrong(value, annotation, path)]


def allowed(annotation: Any) -> str:
    """An annotation in words: `a number`, `one of a, b`, `a list of 2: a number, a number`, …"""
    annotation = _plain(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        words: dict[str, None] = {}
        if all(member in args for member in _SCHEDULE):
            words["a number or {shape: constant, linear or cosine, start: …, end: …}"] = None
            args = tuple(a for a in args if a not in _SCHEDULE)
        words |= dict.fromkeys(allowed(a) for a in args if getattr(a, "__name__", "") != "Tensor")
        return " or ".join(words)
    if origin is typing.Literal:
        return "one of " + ", ".join(shown(a) if a is None or isinstance(a, bool) else str(a) for a in args)
    if origin is tuple and args and args[-1] is not Ellipsis:
        return f"a list of {len(args)}: " + ", ".join(allowed(a) for a in args)
    if (origin or annotation) in (*_SEQUENCES, tuple):
        return "a list" + (f", each {allowed(args[0])}" if args else "")
    if (origin or annotation) in _MAPPINGS:
        return "a mapping" + (f", each value {allowed(args[1])}" if args else "")
    if origin is abc.Callable or annotation in (Callable, abc.Callable, typing.Callable):
        return "a node with _target_ that can be called"
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    return f"a node with _target_ that builds a {getattr(annotation, '__name__', annotation)}"


def _walk(node: Any, path: str, target: str = "") -> Iterable[str]:
    """The sentences about a node and all below it, which `target` takes."""
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        if "_target_" in node:
            yield from _check_node(node, path)
            target = str(node["_target_"])
        children = node.items()
    elif isinstance(node, list):
        children = enumerate(node)
    for key, child in children:
        where = f"{path}.{key}" if path else str(key)
        if instead := allowed_instead(child, target, str(key)):
            yield f"{where}: {shown(child)} is out of range; give {instead}"
        yield from _walk(child, where, target)


def _check_node(node: dict[str, Any], path: str) -> Iterable[str]:
    target = node["_target_"]
    try:
        built = locate(target)
    except CannotImport as error:
        yield f"{path}._target_: {error}"
        return
    try:
        parameters, hints = signature(built)
    except (ValueError, TypeError):  # some builtins have no signature
        return
    named = [p for p in parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    given = {k: v for k, v in node.items() if k not in SPECIAL}
    given |= {p.name: v for p, v in zip(named, node.get("_args_", []), strict=False)}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in given.items():
        if key not in parameters and not open_ended:
            yield f"{path}.{key}: {target} has no such argument{did_you_mean(key, [p.name for p in named])}"
        elif key in parameters and (node.get("_recursive_", True) or not _holds_node(value)):
            yield from misfits(value, hints.get(key, Any), f"{path}.{key}")
    if not node.get("_partial_", False):
        for p in named:
            if p.default is p.empty and p.name not in given:
                yield f"{path}.{p.name}: {target} needs this argument, {allowed(hints.get(p.name, Any))}"


class CannotImport(Exception):
    """A `_target_` that names nothing callable; the text gives the reason."""


def locate(target: Any) -> Callable[..., Any]:
    """The class or function at a dotted path, imported. The allow-list (`seesaw.config.allowed`) must have let it pass.

    Raises:
        CannotImport: it is no text, cannot be imported, or is neither class nor function.
    """
    if not isinstance(target, str):
        raise CannotImport(f"{shown(target)} is not a dotted name such as package.module.Class")
    try:
        built = object_at(target)
    except Exception as error:  # whatever a module raises while it is imported
        cause = error.__cause__ or error
        module, _, name = target.rpartition(".")
        names = [n for n in vars(importlib.import_module(module)) if n[0] != "_"] if _importable(module) else []
        if names and name not in names:
            raise CannotImport(f"{module} has no '{name}'{did_you_mean(name, names, most=0)}") from error
        reason = str(cause).strip().splitlines()[-1] if str(cause).strip() else type(cause).__name__
        raise CannotImport(f"cannot import '{target}' ({reason})") from error
    if not callable(built):
        raise CannotImport(f"'{target}' is not a class or a function")
    return typing.cast(Callable[..., Any], built)


def _importable(module: str) -> bool:
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True


@cache  # one configuration asks some hundred times, and the answer takes a millisecond
def signature(built: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
    """The parameters of a constructor or function by name, and their annotations, resolved. Not to be changed by a caller.

    Follows the method resolution order while a constructor passes `**kwargs` on; it uses those of another name itself.
    `**options: Unpack[T]` counts as the keys of the TypedDict T.

    Raises:
        ValueError, TypeError: it has no signature.
    """
    if not inspect.isclass(built):
        hints = _hints(built)
        return _parameters(built, hints), hints
    constructors = [vars(cls)["__init__"] for cls in built.__mro__ if "__init__" in vars(cls) and cls is not object]
    if not constructors:  # a NamedTuple, whose arguments are those of __new__
        return _parameters(built, hints := _hints(built)), hints
    parameters: dict[str, inspect.Parameter] = {}
    hints = {}
    for constructor in constructors:
        if constructor.__module__ == "torch.nn.modules.module":  # it takes **kwargs only to refuse them
            break
        own_hints = _hints(constructor)
        own = dict(list(_parameters(constructor, own_hints).items())[1:])  # without self
        parameters, hints = own | parameters, own_hints | hints
        open_ended = [p.name for p in own.values() if p.kind is p.VAR_KEYWORD]
        if not open_ended:
            break
        if open_ended != ["kwargs"]:  # it takes them itself, as torch's profiler does
            return parameters, hints
    else:
        return parameters, hints
    return {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}, hints


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, resolved; empty where they cannot be."""
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}


def _parameters(function: Callable[..., Any], hints: dict[str, Any]) -> dict[str, inspect.Parameter]:
    """The signature by name; the annotations of an unpacked TypedDict join `hints`."""
    parameters = dict(inspect.signature(function).parameters)
    for p in list(parameters.values()):
        if p.kind is p.VAR_KEYWORD and typing.get_origin(hints.get(p.name)) is typing.Unpack:
            (options,) = typing.get_args(hints[p.name])
            del parameters[p.name]
            for name, annotation in typing.get_type_hints(options).items():
                hints[name] = annotation
                default = p.empty if name in options.__required_keys__ else None
                parameters[name] = inspect.Parameter(name, p.KEYWORD_ONLY, default=default)
    return parameters


def _plain(annotation: Any) -> Any:
    """Annotated[X, …] to X."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    return annotation


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and "_target_" in value


def _holds_node(value: Any) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return _is_node(value) or any(_holds_node(child) for child in children)


def _wrong(value: Any, annotation: Any, path: str) -> str:
    return f"{path}: {shown(value)} is not allowed; give {allowed(annotation)}"


def _misfits_union(value: Any, annotation: Any, args: tuple[Any, ...], path: str) -> list[str]:
    """Fits one member: nothing. Else the words of the member of the same shape, or of the whole union."""
    found = [misfits(value, member, path) for member in args]
    if any(not wrong for wrong in found):
        return []
    inner = [w for wrong in found for w in wrong if not w.startswith(f"{path}:")]
    return inner or [_wrong(value, annotation, path)]


def _misfits_sequence(value: Any, origin: Any, args: tuple[Any, ...], annotation: Any, path: str) -> list[str]:
    if origin is tuple and args and args[-1] is not Ellipsis:
        if len(value) != len(args):
            return [_wrong(list(value), annotation, path)]
        return [s for k, (v, a) in enumerate(zip(value, args, strict=True)) for s in misfits(v, a, f"{path}.{k}")]
    return [s for k, v in enumerate(value) for s in misfits(v, args[0], f"{path}.{k}")] if args else []


def _scalar_fits(value: Any, annotation: Any, origin: Any, args: tuple[Any, ...]) -> bool:
    """A value that is no node and no fitting container. A number is no bool, and an integer serves as a float."""
    if origin is typing.Literal:
        return any(value == a and type(value) is type(a) for a in args)
    if annotation is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if annotation is Path:
        return isinstance(value, str)
    if annotation in _SCALARS:
        return type(value) is annotation
    return False


def _node_fits(node: dict[str, Any], annotation: Any) -> bool:
    """Whether what the node builds can be of the annotated kind, where that is decidable before building."""
    try:
        built = locate(node["_target_"])
    except CannotImport:
        return True  # reported at its own place
    origin = typing.get_origin(annotation) or annotation
    is_protocol = getattr(origin, "_is_protocol", False)
    if node.get("_partial_", False):
        return origin is abc.Callable or is_protocol
    result = built if inspect.isclass(built) else _hints(built).get("return", Any)
    if origin is abc.Callable:
        return not inspect.isclass(result) or any("__call__" in vars(c) for c in result.__mro__)
    if not inspect.isclass(result) or not inspect.isclass(origin) or is_protocol:
        return True
    return issubclass(result, origin)

"""In which keys configurations differ, as shortly as a reader can bear."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seesaw.analysis.compare.defaults import of_node
from seesaw.training.run_folder import flat

LEAVES = ("seed", "cache_dir", "log_kimg", "checkpoint_kimg", "sample_kimg")
"""Keys that make no other experiment, wherever they stand: repeats, places, and how often something is written."""
PLACES = ("run_dir", "logger", "resume", "dry_run", "trainer", "packages", "data.memory")
"""Likewise, with all that is below them: where a run ran, which may change when it is resumed, and which packages it allowed."""
PARTS = ("loss", "penalty", "balance", "augment", "schedule", "optimizer", "dynamics")
"""The groups that a model takes, or does not."""
FIRST = ("model", "data", *PARTS)
"""The groups in the order in which people speak of them."""
ABSENT = "-"


@dataclass(frozen=True)
class Key:
    """A key and its value, as text, in each of the configurations. `named`: the values are classes or names of parts, which
    a person chose among; else they are numbers that a person tuned."""

    path: str
    values: tuple[str, ...]
    named: bool


def matters(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what makes no other experiment."""
    return _without(config, "")


def _without(node: dict[str, Any], path: str) -> dict[str, Any]:
    kept = {}
    for key, value in node.items():
        name = f"{path}.{key}" if path else str(key)
        if str(key) not in LEAVES and name not in PLACES:
            kept[str(key)] = _without(value, name) if isinstance(value, dict) else value
    return kept


def fingerprint(config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Equal for configurations that differ in nothing that matters."""
    leaves = flat(_named(matters(config))).items()
    return tuple(sorted((key, repr(_number(value))) for key, value in leaves if value is not None))


def _named(node: dict[str, Any]) -> dict[str, Any]:
    """Without the options that have their default: a run of an older version could not name those that came later."""
    usual = of_node(node)
    kept = {key: value for key, value in node.items() if key not in usual or value != usual[key]}
    return {key: _named(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def differing_keys(configs: Sequence[dict[str, Any]], choices: Sequence[Mapping[str, str]] = ()) -> list[Key]:
    """The keys in which the configurations differ, the groups of options first. What interpolation copied is named once, and
    what only comes along with another class not at all.

    Args:
        choices: of each configuration, group -> option as it was typed, which then names the group in the place of the classes
            that it stands for. Those of runs of older versions are empty; then classes name all.
    """
    keys = list(_walk([matters(config) for config in configs], "", len(configs), list(range(len(configs)))))
    return _as_typed(_named_once(sorted(keys, key=_order)), choices)


def _as_typed(keys: list[Key], choices: Sequence[Mapping[str, str]]) -> list[Key]:
    """The chosen options in the place of the classes and parts that came with them. A class that differs where the option
    does not was set by hand, and stays."""
    known = dict.fromkeys(group for chosen in choices for group in chosen) if all(choices) else {}
    for group in known:
        path = group.replace("/", ".")  # model/style is shown as model.style
        options = tuple(text(chosen.get(group, ABSENT)) for chosen in choices)
        below = [key for key in keys if f"{key.path}.".startswith(f"{path}.")]
        if len(set(options)) > 1 and below:
            explained = [key for key in below if key.named and _follows(key.values, options)]
            keys = [Key(path, options, True), *(key for key in keys if key not in explained)]
    return sorted(keys, key=_order)


def _follows(values: tuple[str, ...], options: tuple[str, ...]) -> bool:
    """Whether each option has one value."""
    return len(set(zip(options, values, strict=True))) == len(set(options))


def _walk(nodes: Sequence[Any], path: str, total: int, places: list[int]) -> list[Key]:
    """`nodes` are the values at `path` of those configurations, by their places among `total`, that have any."""
    if all(node == nodes[0] and isinstance(node, bool) == isinstance(nodes[0], bool) for node in nodes):
        return []
    if not all(isinstance(node, dict) for node in nodes):
        return [
            _key(path, [text(node) for node in nodes], total, places, all(isinstance(n, dict | None) for n in nodes))
        ]
    found = _networks(nodes, path, total, places)
    targets = [text(node) if "_target_" in node else "" for node in nodes]
    if len(set(targets)) > 1:
        found.append(_key(path, targets, total, places, True))
    every = list(dict.fromkeys(k for node in nodes for k in node if k != "_target_"))
    null = [k for k in every if any(k in node and node[k] is None for node in nodes)]
    nodes = [dict.fromkeys(null) | node for node in nodes]  # an absent key is as good as null, or as its default
    nodes = [{k: v for k, v in of_node(node).items() if k in every} | node for node in nodes]
    uncommon = [k for k in every if not all(k in node for node in nodes)]
    parts = [k for k in uncommon if any(isinstance(node.get(k), dict) for node in nodes)]
    if parts and path and len(set(targets)) == 1:  # at the top a model of another kind takes other groups
        found.append(
            _key(path, ["+".join(k for k in node if k in parts) or "none" for node in nodes], total, places, True)
        )
    for k in every:
        having = [i for i, node in enumerate(nodes) if k in node]
        values, where = [nodes[i][k] for i in having], [places[i] for i in having]
        below = f"{path}.{k}" if path else k
        # Else it comes with a part or class; it may differ among those that have it.
        if k not in uncommon or any(v != values[0] for v in values):
            found += _walk(values, below, total, where)
        elif k not in parts and {targets[i] for i in having} & {t for i, t in enumerate(targets) if i not in having}:
            found.append(_key(below, [text(v) for v in values], total, where, False))
    return found


def _networks(nodes: Sequence[Any], path: str, total: int, places: list[int]) -> list[Key]:
    """The files of G and D in seesaw.nets, as one key `model`."""
    if path != "model":
        return []
    names = [[text(node[player]) for player in "GD" if isinstance(node.get(player), dict)] for node in nodes]
    texts = ["/".join(dict.fromkeys(pair)) or ABSENT for pair in names]
    return [_key(path, texts, total, places, True)] if len(set(texts)) > 1 else []


def _key(path: str, texts: list[str], total: int, places: list[int], named: bool) -> Key:
    values = [ABSENT] * total
    for place, value in zip(places, texts, strict=True):
        values[place] = value
    return Key(path, tuple(values), named)


def text(value: Any) -> str:
    """A value as a reader would write it; an object by its class, a network by its file. At most 48 characters."""
    if isinstance(value, dict):
        target = str(value.get("_target_", ""))
        last = target.split(".")[-2:] if target.startswith("seesaw.nets.") else target.split(".")[-1:]
        return _short(last[0]) if target else _short("+".join(value) or "none")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return format(value, ".6g")
    if isinstance(value, list):
        return _short("[" + ", ".join(text(v) for v in value) + "]")
    return _short(str(value))


def _short(words: str) -> str:
    return words if len(words) <= 48 else words[:47] + "…"


def _order(key: Key) -> tuple[bool, int, int]:
    """Choices before numbers; among them the groups in the order in which people speak of them, and the model's parts last,
    since what stands there was often chosen in another group."""
    head, *rest = key.path.split(".")
    if head in ("metrics", "evaluate_kimg"):  # how it was looked at
        return (not key.named, len(FIRST) + 1, len(rest))
    if not rest and not key.named:  # kimg, batch_size
        return (True, -1, 0)
    place = FIRST.index(head) if head in FIRST and not (head == "model" and rest) else len(FIRST)
    return (not key.named, place, len(rest))


def _named_once(keys: list[Key]) -> list[Key]:
    kept: list[Key] = []
    for key in keys:
        twin = next((k for k in kept if k.values == key.values and _copies(k, key)), None)
        if twin is None:
            part = any(_copies(k, key) and _part_of(key.values, k.values) for k in kept)
            kept += [] if part else [key]
            continue
        merged = _braced(twin.path, key.path)
        if merged is not None:
            kept[kept.index(twin)] = Key(merged, key.values, key.named)
        elif not twin.named and key.path.count(".") < twin.path.count("."):
            kept[kept.index(twin)] = key
    return kept


def _part_of(few: tuple[str, ...], values: tuple[str, ...]) -> bool:
    """Whether they are the same wherever `few` has any: another kind of model has no copy."""
    return all(one in (other, ABSENT) for one, other in zip(few, values, strict=True))


def _copies(one: Key, other: Key) -> bool:
    """Whether equal values are no coincidence: the same leaf in two places, or the same classes."""
    return one.path.split(".")[-1] == other.path.split(".")[-1] or (one.named and other.named)


def _braced(one: str, other: str) -> str | None:
    """a.{G,D}.lr for two paths of numbers that differ in the player alone, else None."""
    left, right = one.split("."), other.split(".")
    if len(left) != len(right):
        return None
    apart = [i for i, (x, y) in enumerate(zip(left, right, strict=True)) if x != y]
    if len(apart) != 1 or {left[apart[0]], right[apart[0]]} != {"G", "D"}:
        return None
    return ".".join([*left[: apart[0]], "{G,D}", *left[apart[0] + 1 :]])


def distinguishing_keys(keys: Sequence[Key], count: int) -> list[Key]:
    """The first keys that distinguish `count` configurations; the others only come along with them."""
    classes: list[tuple[str, ...]] = [()] * count
    kept: list[Key] = []
    for key in keys:
        finer = [(*c, v) for c, v in zip(classes, key.values, strict=True)]
        if len(set(finer)) > len(set(classes)):
            classes, kept = finer, [*kept, key]
    return kept


def names(keys: Sequence[Key], among: Sequence[Key], count: int, numbered: bool = True) -> list[str]:
    """`balance=skip_d lr=0.001` for each configuration: the keys that it has, by the shortest ending that no other in `among`
    has. numbered: names that are equal all the same get a number."""
    shown = {key.path: _ending(key, among) for key in keys}
    there = [[k for k in keys if k.values[i] != ABSENT] or keys for i in range(count)]
    found = [" ".join(f"{shown[k.path]}={k.values[i]}" for k in there[i]) or "all runs" for i in range(count)]
    if not numbered:
        return found
    return [
        name if found.count(name) == 1 else f"{name} ({found[: i + 1].count(name)})" for i, name in enumerate(found)
    ]


def _ending(key: Key, among: Sequence[Key]) -> str:
    parts = key.path.replace(".{G,D}.", ".").split(".")
    others = [f".{k.path.replace('.{G,D}.', '.')}" for k in among if k.path != key.path]
    for length in range(1, len(parts)):
        ending = ".".join(parts[-length:])
        if not any(other.endswith(f".{ending}") for other in others):
            return ending
    return key.path

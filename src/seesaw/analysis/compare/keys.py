"""In which keys configurations differ, named as briefly as possible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seesaw.analysis.compare.defaults import of_node
from seesaw.training.differences import flat

LEAVES = ("seed", "cache_dir", "log_kimg", "checkpoint_kimg", "checkpoints", "sample_kimg")
"""Keys that make no other experiment, at any depth: repeats, places, and how often something is written."""
PLACES = ("run_dir", "logger", "resume", "dry_run", "trainer", "packages", "data.memory", "monitor")
"""Likewise, with all that is below them: where a run ran, which may change when it is resumed, and which packages it allowed."""
PARTS = ("loss", "penalty", "balance", "augment", "schedule", "optimizer", "dynamics")
"""The groups that a model takes, or does not."""
FIRST = ("model", "data", *PARTS)
"""The groups in the order in which names list them."""
BESIDE = tuple(
    f"seesaw.metrics.{name}"
    for name in (
        "recognised.Recognised", "manifold.Manifold", "vendi.VendiRatio", "authentic.Authentic", "duplicates.Duplicates",
        "generalisation.Generalisation", "ms_ssim.MsSsim", "inception_score.InceptionScore",
    )
)  # fmt: skip
"""Metrics that stand beside the distances in every file of their group since 0.3.0: runs of before are no other experiments."""

ABSENT = "-"
"""The value, as text, of a key that a configuration does not have."""
MISSING = object()
"""The value itself."""


@dataclass(frozen=True)
class Key:
    """A key and its value, as text, in each of the configurations.

    Attributes:
        named: whether the values are classes or names of parts, which a person chose; else they are numbers that a person tuned.
    """

    path: str
    values: tuple[str, ...]
    named: bool


def matters(node: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The configuration without what makes no other experiment."""
    kept = {}
    for key, value in node.items():
        name = f"{path}.{key}" if path else key
        if key in LEAVES or name in PLACES or (isinstance(value, dict) and value.get("_target_") in BESIDE):
            continue
        kept[key] = matters(value, name) if isinstance(value, dict) else value
    return kept


def fingerprint(config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Equal for configurations that differ in nothing that matters."""
    leaves = flat(_without_defaults(matters(config))).items()
    return tuple(sorted((key, repr(_number(value))) for key, value in leaves if value is not None))


def _without_defaults(node: dict[str, Any]) -> dict[str, Any]:
    """The configuration without the options that have their default: an older version could not name those that came later."""
    usual = of_node(node)
    kept = {key: value for key, value in node.items() if key not in usual or value != usual[key]}
    return {key: _without_defaults(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def differing_keys(configs: Sequence[dict[str, Any]], choices: Sequence[Mapping[str, str]] = ()) -> list[Key]:
    """The keys in which the configurations differ, the groups of options first.

    What interpolation copied is named once; what only comes along with another class is not named.

    Args:
        choices: of each configuration, group -> option as it was typed, which then names the group in place of the classes for
            which it stands. Those of runs of older versions are empty; then classes name all.
    """
    keys = _walk([matters(config) for config in configs], "")
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


def _walk(nodes: Sequence[Any], path: str) -> list[Key]:
    """The differing keys at `path` and below.

    Args:
        nodes: the value at `path` of each configuration; MISSING if it has none.
    """
    there = [node for node in nodes if node is not MISSING]
    if all(node == there[0] and isinstance(node, bool) == isinstance(there[0], bool) for node in there):
        return []
    if not all(isinstance(node, dict) for node in there):
        return [Key(path, tuple(map(text, nodes)), all(isinstance(node, dict | None) for node in there))]
    found = _networks(nodes) if path == "model" else []
    classes = [text(node) if node is MISSING or "_target_" in node else "" for node in nodes]
    one_class = len(set(classes) - {ABSENT}) == 1
    if not one_class:
        found.append(Key(path, tuple(classes), True))
    every = list(dict.fromkeys(k for node in there for k in node if k != "_target_"))
    null = [k for k in every if any(k in node and node[k] is None for node in there)]
    nodes = [node if node is MISSING else _filled(node, every, null) for node in nodes]
    uncommon = [k for k in every if not all(k in node for node in nodes if node is not MISSING)]
    parts = [k for k in uncommon if any(isinstance(node.get(k), dict) for node in nodes if node is not MISSING)]
    if parts and path and one_class:  # at the top a model of another kind takes other groups
        chosen = [ABSENT if n is MISSING else "+".join(k for k in n if k in parts) or "none" for n in nodes]
        found.append(Key(path, tuple(chosen), True))
    for k in every:
        values = [MISSING if node is MISSING else node.get(k, MISSING) for node in nodes]
        having = [value for value in values if value is not MISSING]
        below = f"{path}.{k}" if path else k
        # An uncommon key comes with a part or class; it may still differ among those that have it.
        if k not in uncommon or any(value != having[0] for value in having):
            found += _walk(values, below)
        elif k not in parts:
            with_key = {c for c, value in zip(classes, values, strict=True) if value is not MISSING}
            if with_key & {c for c, value in zip(classes, values, strict=True) if value is MISSING}:
                found.append(Key(below, tuple(map(text, values)), False))
    return found


def _filled(node: dict[str, Any], every: list[str], null: list[str]) -> dict[str, Any]:
    """The mapping with null and defaults for the keys of others that it lacks: an absent key means the same."""
    usual = {key: value for key, value in of_node(node).items() if key in every}
    return usual | dict.fromkeys(null) | node


def _networks(nodes: Sequence[Any]) -> list[Key]:
    """The files of G and D in seesaw.nets, as one key `model`."""
    texts = []
    for node in nodes:
        of_players = [] if node is MISSING else [text(node[p]) for p in "GD" if isinstance(node.get(p), dict)]
        texts.append("/".join(dict.fromkeys(of_players)) or ABSENT)
    return [Key("model", tuple(texts), True)] if len(set(texts)) > 1 else []


def text(value: Any) -> str:
    """A value as a reader would write it; an object by its class, a network by its file. At most 48 characters."""
    if value is MISSING:
        return ABSENT
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
    """Choices before numbers; among them the groups in the order of FIRST, and the model's parts last, since their
    values were often chosen in another group."""
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

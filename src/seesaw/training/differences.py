"""Which keys of its configuration a run may change when it goes on, and which differ. Imports no torch where it is not needed."""

import re
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig

from seesaw.config.options import OPTIONS

MAY_DIFFER = (
    "kimg", "resume", "run_dir", "cache_dir", "logger", "metrics", "monitor", "dry_run", "trainer", "callbacks", "packages",
    "threads", "log_kimg", "checkpoint_kimg", "checkpoints", "evaluate_kimg", "sample_kimg",
)  # fmt: skip
"""Top-level keys that a resumed run may change; whatever the configuration derives from them may follow."""

OF_A_PLACE = ("data.root", "data.content", "data.style", "data.memory", "model.micro_batch")
"""Keys below them that may change too, since they belong to a place or a machine. resume=auto without run_dir finds no run by
them, and whether another root, or another photograph, is the same is seen when it is read."""


def differences(saved: dict[str, Any], cfg: DictConfig, of_a_place: Iterable[str] = OF_A_PLACE) -> list[str]:
    """`key: saved value, now another` for each leaf that differs, once cfg has the saved values of what may differ. An argument
    of the model or the data, or an option, that came after the run began was its default then."""
    from seesaw.config.assemble import without_unused  # imports torch, which names its run folder without
    from seesaw.config.compose import resolved

    now = cfg.copy()
    for key in MAY_DIFFER:
        if key in saved:
            now[key] = literal(saved[key])
    for key in of_a_place:
        group, _, last = key.partition(".")
        if last in (saved.get(group) or {}) and last in (now.get(group) or {}):
            now[group][last] = literal(saved[group][last])
    present = without_unused(resolved(now))
    nodes = {group: _with_defaults(saved[group], present.get(group)) for group in ("model", "data") if group in saved}
    later = {name: None for name, fld in OPTIONS.items() if fld.default is None and name in present}
    later = {name: default for name, default in later.items() if name not in MAY_DIFFER}
    left, right = flat(later | saved | nodes), flat(present)
    right = {k: v for k, v in right.items() if k.partition(".")[0] in saved or k.partition(".")[0] not in MAY_DIFFER}
    keys = [k for k in sorted(left | right) if left.get(k, "absent") != right.get(k, "absent")]
    return [f"{k}: {left.get(k, 'absent')}, now {right.get(k, 'absent')}" for k in keys]


def _with_defaults(saved: Any, now: Any) -> Any:
    """The saved node with the class's defaults for those of its arguments that are in `now` alone."""
    from seesaw.config.values import CannotImport, locate, signature

    if not isinstance(saved, dict) or not isinstance(now, dict) or saved.get("_target_") != now.get("_target_"):
        return saved
    try:
        parameters = signature(locate(now.get("_target_")))[0]
    except (CannotImport, ValueError, TypeError):
        return saved
    given = {
        k: p.default for k, p in parameters.items() if k in now and isinstance(p.default, int | float | str | None)
    }
    return {key: value for key, value in given.items() if key not in saved} | saved


def literal(node: Any) -> Any:
    """What OmegaConf resolves to `node`: each `${` of its texts, as it may stand in the name of a file, escaped."""
    if isinstance(node, dict):
        return {key: literal(child) for key, child in node.items()}
    if isinstance(node, list | tuple):
        return [literal(child) for child in node]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", node) if isinstance(node, str) else node


def flat(node: Any, path: str = "") -> dict[str, Any]:
    """Every leaf by its dotted key; a list is a leaf."""
    if not isinstance(node, dict) or not node:
        return {path: node}
    return {k: v for key, child in node.items() for k, v in flat(child, f"{path}.{key}" if path else str(key)).items()}

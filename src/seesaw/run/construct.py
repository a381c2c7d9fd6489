"""The objects that a resolved configuration describes.

Not by Hydra's `instantiate`, which resolves what it is given, twice: a file named `a${b}.png` would be looked up as a key.
"""

from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object

SPECIAL = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")


def construct(node: Any, where: str = "") -> Any:
    """What `instantiate(node, _convert_="all")` gives, whose texts mean what they say. From the leaves upwards, in the order of
    the keys.

    Args:
        node: plain dicts, lists and values; a dict with `_target_` becomes an object.
        where: the key of `node`, for the message.

    Raises:
        InstantiationException: a constructor refused its arguments; the cause is its own error.
    """
    if isinstance(node, list):
        return [construct(child, f"{where}[{i}]") for i, child in enumerate(node)]
    if not isinstance(node, dict):
        return node
    whole = node.get("_recursive_", True) or "_target_" not in node
    made = {
        key: construct(child, f"{where}.{key}" if where else str(key)) if whole else child
        for key, child in node.items()
        if key not in SPECIAL
    }
    if "_target_" not in node:
        return made
    args = [construct(child, where) for child in node.get("_args_", ())]
    try:
        target = get_object(node["_target_"])
        return partial(target, *args, **made) if node.get("_partial_") else target(*args, **made)
    except Exception as error:
        key = f"\nfull_key: {where}" if where else ""
        raise InstantiationException(f"{node['_target_']}: {error}{key}") from error

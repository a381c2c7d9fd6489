"""Objects of a resolved node without Hydra: what `hydra.utils.instantiate` makes of the same node with `_convert_="all"`.

A trained net is loaded by it in programs that never compose a configuration. The allow-list must have let the node pass.
"""

from functools import partial
from typing import Any

from seesaw.config.values import SPECIAL, CannotImport, locate
from seesaw.errors import UserError


def build_node(node: Any, where: str) -> Any:
    """The object that a node describes, those of inner nodes first; lists and mappings are plain.

    Args:
        node: resolved and plain, and let pass by `seesaw.config.allowed.refuse_unknown` and `refuse_foreign`.
        where: its dotted key, which errors name.

    Raises:
        UserError: a target cannot be imported, or a constructor refuses its arguments.
    """
    if isinstance(node, list):
        return [build_node(child, f"{where}.{k}") for k, child in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if "_target_" not in node:
        return {key: build_node(child, f"{where}.{key}") for key, child in node.items()}
    recursive = node.get("_recursive_", True)
    given = {key: child for key, child in node.items() if key not in SPECIAL}
    arguments, positional = given, list(node.get("_args_", []))
    if recursive:
        arguments = {key: build_node(child, f"{where}.{key}") for key, child in given.items()}
        positional = build_node(positional, f"{where}._args_")
    return called(node, where, positional, arguments)


def called(node: dict[str, Any], where: str, positional: list[Any], arguments: dict[str, Any]) -> Any:
    """The target of the node called with these arguments, or with `_partial_` bound to them."""
    try:
        target = locate(node["_target_"])
        return partial(target, *positional, **arguments) if node.get("_partial_") else target(*positional, **arguments)
    except CannotImport as error:
        raise UserError(f"{where}._target_: {error}") from error
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    except Exception as error:  # whatever a constructor raises
        words = str(error).strip().splitlines()[:1]
        raise UserError(f"{where}: cannot be built: {': '.join([type(error).__name__, *words])}") from error

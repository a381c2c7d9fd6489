"""What an option is where a configuration does not name it: a run of an older version lacks those that came later."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import seesaw

_ROOT = Path(seesaw.__file__).parent


def of_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of the class that a node of a configuration names by `_target_`; none for classes of others."""
    target = str(node.get("_target_", ""))
    return defaults(target) if target.startswith("seesaw.") else {}


@cache
def defaults(target: str) -> dict[str, Any]:
    """Argument -> default of `seesaw.<module>.<class>`, where it is a literal. Read from the source, not imported: most
    classes need torch. A class without a constructor has that of its first base class. Empty where there is no such class any
    more, or its base is none of seesaw's."""
    module, _, name = target.rpartition(".")
    for statement in _source(module):
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            made = [f for f in statement.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
            if made:
                return _literals(made[0].args)
            base = statement.bases[0] if statement.bases else None
            return defaults(f"{module}.{base.id}") if isinstance(base, ast.Name) and base.id != name else {}
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("seesaw."):
            for alias in statement.names:
                if (alias.asname or alias.name) == name:  # a package that shows what its files define
                    return defaults(f"{statement.module}.{alias.name}")
    return {}


@cache
def _source(module: str) -> list[ast.stmt]:
    parts = module.split(".")[1:]
    path = _ROOT.joinpath(*parts)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    known = bool(parts) and all(part.isidentifier() for part in parts) and file.is_file()
    return ast.parse(file.read_text(encoding="utf-8")).body if known else []


def _literals(arguments: ast.arguments) -> dict[str, Any]:
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs: list[tuple[ast.arg, ast.expr | None]] = []
    if arguments.defaults:
        pairs += zip(positional[-len(arguments.defaults) :], arguments.defaults, strict=True)
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found = {}
    for argument, default in pairs:
        try:
            found[argument.arg] = ast.literal_eval(default)  # type: ignore[arg-type]
        except (ValueError, TypeError):  # none, or an expression
            continue
    return found

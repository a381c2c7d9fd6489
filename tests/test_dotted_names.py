"""Names that prose gives in full are there: a docstring that points to a moved class helps nobody."""

import importlib
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PLACES = ("src/**/*.py", "conf/**/*.yaml", "docs/**/*.md", "*.md", "tools/*.py", "studies/*.py")
NAME = re.compile(r"`(seesaw(?:\.\w+)+)(?:\(\))?`")


def named() -> dict[str, str]:
    """Each backticked dotted name, and a file that has it. The changelog names what was."""
    files = [file for place in PLACES for file in sorted(REPOSITORY.glob(place)) if file.name != "CHANGELOG.md"]
    found = {}
    for file in files:
        for name in NAME.findall(file.read_text(encoding="utf-8")):
            found.setdefault(name, str(file.relative_to(REPOSITORY)))
    return found


def resolves(name: str) -> bool:
    """Whether it is a module, or something in one: also a field of a class."""
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            if part in getattr(found, "__annotations__", {}):
                return part == parts[-1]
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_every_name_in_backticks_is_there() -> None:
    names = named()
    assert len(names) > 30
    missing = {name: file for name, file in names.items() if not resolves(name)}
    assert not missing


@pytest.mark.parametrize(("name", "there"), [
    ("seesaw.metrics.gate", True), ("seesaw.metrics.gate.Gate", True), ("seesaw.metrics.gate.Gate.views", True),
    ("seesaw.metrics.gate.Gate.valid", True), ("seesaw.metrics.gate.Gates", False), ("seesaw.metrics.gates.Gate", False),
    ("seesaw.metrics.gate.Gate.view", False),
])  # fmt: skip
def test_names_are_looked_up(name: str, there: bool) -> None:
    assert resolves(name) is there

"""Generated command lines with a mistake in them end with exit code 0, or 1 and one sentence: never with a trace."""

import os
from pathlib import Path

import pytest
from command_lines import Ended
from odd_inputs import campaign, inputs, wrong

COUNT = int(os.environ.get("SEESAW_ODD_INPUTS", "300"))
"""Command lines that are tried; 5,000 take about an hour."""


@pytest.mark.slow
def test_mistakes_in_generated_command_lines_give_one_sentence(tmp_path: Path) -> None:
    bad = campaign(tmp_path, COUNT, seed=0)
    assert {" ".join(command): what for command, (what, _) in bad.items()} == {}


def test_inputs_are_of_all_kinds_and_repeatable() -> None:
    found = inputs(400, seed=1)
    assert found == inputs(400, seed=1) != inputs(400, seed=2)
    assert len(set(found)) == 400
    assert any(a.startswith("balance=") for command in found for a in command[:2])
    assert any(a.startswith("optimizer.G.") for command in found for a in command)


@pytest.mark.parametrize(("code", "err", "what"), [
    (0, "", None),
    (1, "seesaw: kimg: -1 is out of range\n", None),
    (1, "seesaw: unexpected KeyError: 'x'\n", "unexpected"),
    (1, "Traceback (most recent call last):\n", "Traceback"),
    (1, "KeyError\n", "no sentence"),
    (1, "", "no sentence"),
    (-11, "", "exit code -11"),
])  # fmt: skip
def test_bad_ends_are_recognised(code: int, err: str, what: str | None) -> None:
    assert wrong(Ended(code, "", err, False, Path())) == what

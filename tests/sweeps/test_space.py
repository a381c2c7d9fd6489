"""The ready spaces fit the configuration; other people's files are read, or refused in a sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from optuna.trial import FixedTrial

from seesaw.config.options import config_dir
from seesaw.errors import UserError
from seesaw.sweeps.space import SPACES, read_space, written
from seesaw.training.preflight import compose_checked

READY = sorted(file.stem for file in SPACES.glob("*.yaml"))
WITH_KNOBS = sorted(  # a balance file that sets a value has something to search
    file.stem for file in (config_dir() / "balance").glob("*.yaml") if yaml.safe_load(file.read_text())
)


@pytest.mark.parametrize("name", READY)
def test_every_ready_space_fits_at_its_ends(name: str) -> None:
    space = read_space(name)
    ends = [compose_checked([*space.fixed, *corner]) for corner in space.corners()]
    assert len({str(end) for end in ends}) == len(ends) >= 2


def test_every_balance_has_a_space_of_its_own_knobs() -> None:
    assert set(WITH_KNOBS) <= set(READY)
    for name in WITH_KNOBS:
        space = read_space(name)
        assert f"balance={name}" in space.fixed
        assert all(key.startswith(f"balance.{name}.") for key in space.varied)


def space_file(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    text = """
      penalty: r1
      penalty.r1.gamma: {low: 1e-2, high: 10, log: true}
      batch_size: {low: 16, high: 64, step: 16}
      balance: [none, [ttur, skip_d]]
      data.flip: [true, false]
    """
    space = read_space(space_file(tmp_path, text))
    assert space.name == "mine"
    assert space.fixed == ["penalty=r1"]
    drawn = {"penalty.r1.gamma": 0.123456789, "batch_size": 32, "balance": "[ttur,skip_d]", "data.flip": "true"}
    assert space.draw(FixedTrial(drawn)) == [  # type: ignore[arg-type]
        "penalty.r1.gamma=0.123457",
        "batch_size=32",
        "balance=[ttur,skip_d]",
        "data.flip=true",
    ]
    assert space.corners() == [
        ["penalty.r1.gamma=0.01", "batch_size=16", "balance=none", "data.flip=true"],
        ["penalty.r1.gamma=10", "batch_size=64", "balance=[ttur,skip_d]", "data.flip=false"],
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model.G.lr: {low: 1, hihg: 2}", "mine.yaml: model.G.lr: a range has no 'hihg'; did you mean 'high'?"),
        ("a: {low: 1}", "a.high: null is not allowed; give a finite number"),
        ("a: {low: x, high: 2}", "a.low: 'x' is not allowed; give a finite number"),
        ("a: {low: .nan, high: 2}", "a.low: nan is not allowed"),
        ("a: {low: true, high: 2}", "a.low: true is not allowed"),
        ("a: {low: 3, high: 2}", "low is 3 and high 2; low must be below high"),
        ("a: {low: 0, high: 2, log: true}", "with log: true, low must be above 0"),
        ("a: {low: 1, high: 2, log: 1}", "a.log: 1 is not allowed; give true or false"),
        ("a: {low: 1, high: 2, step: 0}", "a.step: 0 is not allowed"),
        ("a: {low: 1, high: 2, log: true, step: 1}", "there is no step"),
        ("a: []", r"a: \[\] is no list of values"),
        ("a: [{low: 1, high: 2}]", "is no list of values"),
        ("a: 1", "nothing varies here"),
        ("- a", "a space is a mapping of keys"),
        ("", "a space is a mapping of keys"),
        ("a: [1", "this is no YAML that can be read"),
    ],
)
def test_a_bad_space_is_one_sentence(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read_space(space_file(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UserError, match=r"learning_rate: there is no such space or file; did you mean 'learning_rates'\?"
    ):
        read_space("learning_rate")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (3, "3"), (1e-5, "1e-05"), (["a", ["b", 2]], "[a,[b,2]]"), ("x", "x")],
)
def test_values_are_written_as_overrides(value: Any, text: str) -> None:
    assert written(value) == text

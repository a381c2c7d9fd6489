"""Values against the annotations of what they build."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, Protocol, TypedDict, Unpack

import pytest
from torch import Tensor, nn

from seesaw.config.values import allowed, check, did_you_mean, misfits, signature
from seesaw.types import Schedule


class MakesOptimizer(Protocol):
    def __call__(self, params: Any) -> Any: ...


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, int), (1, float), (0.5, float), (True, bool), ("x", str), (None, int | None), ("a", Literal["a", "b"]),
        ([1, 2], list[int]), ([0.5, 1], tuple[float, float]), ((1, 2, 3), tuple[int, ...]), ([1], Sequence[int]),
        ({"a": 1}, dict[str, int]), (0.1, Schedule), ("runs", Path), (object, Any), (2e-4, float | Tensor),
        ({"_target_": "seesaw.gan.schedules.Cosine"}, Schedule),
        ({"_target_": "torch.nn.ReLU"}, nn.Module),
        ({"_target_": "torch.optim.Adam", "_partial_": True}, Callable[..., Any]),
        ({"_target_": "torch.optim.Adam", "_partial_": True}, MakesOptimizer),
    ],
)  # fmt: skip
def test_what_fits(value: Any, annotation: Any) -> None:
    assert misfits(value, annotation, "key") == []


@pytest.mark.parametrize(
    ("value", "annotation", "words"),
    [
        (True, int, "key: true is not allowed; give an integer"),
        (1.5, int, "key: 1.5 is not allowed; give an integer"),
        (True, float, "key: true is not allowed; give a number"),
        ("hot", float | Tensor, "key: 'hot' is not allowed; give a number"),
        (None, str, "key: null is not allowed; give a text"),
        ("c", Literal["a", "b"], "key: 'c' is not allowed; give one of a, b"),
        (
            "hot",
            Schedule,
            "key: 'hot' is not allowed; give a number or {shape: constant, linear or cosine, start: …, end: …}",
        ),
        (
            {"start": 1},
            Schedule | None,
            "give a number or {shape: constant, linear or cosine, start: …, end: …} or null",
        ),
        ([0.5], tuple[float, float], "key: [0.5] is not allowed; give a list of 2: a number, a number"),
        ([0.5, "x"], tuple[float, float], "key.1: 'x' is not allowed; give a number"),
        ([1, "x"], list[int], "key.1: 'x' is not allowed; give an integer"),
        ({"a": "x"}, dict[str, int], "key.a: 'x' is not allowed; give an integer"),
        (3, nn.Module, "key: 3 is not allowed; give a node with _target_ that builds a Module"),
        ({"_target_": "collections.OrderedDict"}, nn.Module, "builds a Module"),
    ],
)
def test_what_does_not_fit(value: Any, annotation: Any, words: str) -> None:
    (sentence,) = misfits(value, annotation, "key")
    assert words in sentence


def test_unknown_missing_and_unimportable() -> None:
    config = {
        "a": {"_target_": "seesaw.gan.balance.TTUR", "d": 2.0},
        "b": {"_target_": "seesaw.gan.schedules.Linear", "start": 1.0, "end": 0.0},
        "c": {"_target_": "seesaw.nets.mlp.Generatr"},
        "d": {"_target_": "seesaw.nowhere.Thing"},
        "e": {"_target_": "seesaw.gan.schedules.Linear", "_partial_": True},
    }
    sentences = {s.partition(":")[0]: s for s in check(config)}
    assert set(sentences) == {"a.d", "b.kimg", "c._target_", "d._target_"}
    assert "seesaw.gan.balance.TTUR has no such argument" in sentences["a.d"]
    assert "needs this argument, a number" in sentences["b.kimg"]
    assert "did you mean 'Generator'?" in sentences["c._target_"]
    assert "seesaw.nowhere" in sentences["d._target_"]


def test_a_mistake_that_interpolation_copies_is_reported_once() -> None:
    node = {"_target_": "seesaw.gan.balance.TTUR", "G": "x"}
    assert len(check({"balance": {"ttur": node}, "model": {"balance": {"ttur": node}}})) == 1


class Common(TypedDict):
    seed: int
    labels: NotRequired[bool]


class Base(nn.Module):
    def __init__(self, a: int, b: float = 1.0) -> None:
        super().__init__()


class Open(Base):
    def __init__(self, c: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Deeper(Open):
    def __init__(self, b: int, d: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Closed(Open):
    def __init__(self, c: str) -> None:
        super().__init__(c, a=1)


class WithTable(Base):
    def __init__(self, c: str, **common: Unpack[Common]) -> None:
        super().__init__(1)


def test_a_signature_follows_the_bases_while_they_take_keywords() -> None:
    """As far as a constructor passes **kwargs on; a name that a subclass gives anew is the subclass's."""
    assert [sorted(signature(c)[0]) for c in (Base, Open, Deeper, Closed)] == [
        ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"], ["c"],
    ]  # fmt: skip
    parameters, hints = signature(Deeper)
    assert (hints["a"], hints["b"], hints["c"]) == (int, int, str)
    assert parameters["b"].default is parameters["b"].empty
    parameters, hints = signature(WithTable)
    assert sorted(parameters) == ["c", "labels", "seed"]
    assert parameters["seed"].default is parameters["seed"].empty
    assert parameters["labels"].default is None
    assert hints["labels"] == NotRequired[bool] or hints["labels"] is bool


def test_words() -> None:
    assert allowed(int | None) == "an integer or null"
    assert did_you_mean("balence", ["balance", "model"]) == "; did you mean 'balance'? (known: balance, model)"

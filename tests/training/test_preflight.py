"""The checks of a run are made in one order: names, values, then what was built."""

import pytest
from hydra.errors import InstantiationException

from seesaw.errors import UserError
from seesaw.training.error_messages import known_message
from seesaw.training.preflight import build_checked, compose_checked

SMALL = ["model=mlp", "data.resolution=16"]
MISTAKES = {
    "~metrics": "metrics is missing: give metrics=OPTION",
    "+model.recipe.x=1": "model.recipe.x: no option or group takes this number",
    "kimg=-1": "kimg: -1 is out of range",
    "data.classes=3": "data.classes: it follows from the set",
    "packages=[os]": "packages: os is part of Python",
    "model.view._target_=os.system": "model.view._target_: 'os.system' is not among the classes",
    "+optimizer.canvas=3": "optimizer.canvas: 3 is no part of optimizer",
    "+optimizer.G.lrr=1": "optimizer.G.lrr: torch.optim.Adam has no such argument",
    "model.ema_half_life=-1": "model: ema_half_life is -1; it must be at least 0",
    "loss=wasserstein": "loss=wasserstein has no least value",
    "optimizer.G.eps=-1": "optimizer.G.eps: -1 is out of range",
    "model.D.resolution=32": "model.D: ",
}
"""One mistake for each check, in the order in which they are reported."""


def refused(*overrides: str, devices: int = 1) -> str:
    with pytest.raises((UserError, InstantiationException)) as caught:
        build_checked(compose_checked([*SMALL, *overrides]), devices)
    return str(known_message(caught.value, []))


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=lambda k: list(MISTAKES)[k])
def test_of_several_mistakes_the_first_checks_is_reported_alone(number: int) -> None:
    later = list(MISTAKES)[number:]
    sentence = refused(*later)
    assert sentence.startswith(MISTAKES[later[0]])
    assert not any(words in sentence for words in list(MISTAKES.values())[number + 1 :] if words != "model.D: ")


def test_mistakes_that_one_check_finds_are_reported_together() -> None:
    sentence = refused("kimg=-1", "+trainer.max_epochs=3", "+debug.x=1", "data.resolution=34")
    for words in ("kimg: -1 is out", "trainer.max_epochs: ", "debug.x: ", "data: resolution is 34; "):
        assert words in sentence

"""Objects of a resolved configuration: as Hydra makes them, and with texts that mean what they say."""

from pathlib import PurePosixPath
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from seesaw.run.construct import construct

NAMES = ["a${b}.png", "${oc.env:HOME}", r"a\${x}", r"\\${x}\\", "$x", "${", "a${b", "???"]


@pytest.mark.parametrize("text", NAMES)
def test_a_text_means_what_it_says(text: str) -> None:
    node = {"_target_": "pathlib.PurePosixPath", "_args_": ["runs", text]}
    assert construct(node) == PurePosixPath("runs") / text
    assert construct({"one": [text, {"two": text}], "none": None}) == {"one": [text, {"two": text}], "none": None}


@pytest.mark.parametrize("overrides", [("model=mlp",), ("model=msggan_small", "balance=[ttur,skip_d]", "penalty=r1")])
def test_models_have_the_weights_that_hydra_s_own_way_gives(composed: Any, overrides: tuple[str, ...]) -> None:
    config = composed(*overrides)
    torch.manual_seed(3)
    ours = dict(construct(config["model"], "model").named_parameters())
    torch.manual_seed(3)
    theirs = dict(instantiate(config["model"], _convert_="all").named_parameters())
    assert list(ours) == list(theirs)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_partial_and_not_recursive() -> None:
    adam = construct({"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.5, "betas": [0.1, 0.2]})
    assert (adam.func, adam.keywords) == (torch.optim.Adam, {"lr": 0.5, "betas": [0.1, 0.2]})
    inner = {"_target_": "builtins.dict", "a": 1}
    assert construct({"_target_": "builtins.dict", "inner": inner, "_recursive_": False}) == {"inner": inner}
    assert construct({"_target_": "builtins.dict", "inner": inner}) == {"inner": {"a": 1}}


def test_an_error_names_the_key_of_the_one_that_refused() -> None:
    wrong = {"_target_": "builtins.dict", "parts": [{"_target_": "builtins.int", "_args_": ["hot"]}]}
    with pytest.raises(InstantiationException, match=r"(?s)invalid literal.*\nfull_key: model\.parts\[0\]$") as caught:
        construct(wrong, "model")
    assert isinstance(caught.value.__cause__, ValueError)

"""Objects of a resolved configuration: as Hydra makes them, and with texts that mean what they say."""

from pathlib import PurePosixPath

import pytest
from hydra.errors import InstantiationException

from seesaw.run.build import construct

NAMES = ["a${b}.png", "${oc.env:HOME}", r"a\${x}", r"\\${x}\\", "$x", "${", "a${b", "\\", r"c:\d\\"]


@pytest.mark.parametrize("text", NAMES)
def test_a_text_means_what_it_says(text: str) -> None:
    node = {"_target_": "pathlib.PurePosixPath", "_args_": ["runs", text]}
    assert construct(node, "data") == PurePosixPath("runs") / text
    plain = {"one": [text, {"two": text}], "none": None, "of": {4: 128}}
    made = construct({"_target_": "builtins.dict", "inner": plain}, "data")
    assert made == {"inner": plain}
    assert type(made["inner"]["one"]) is list  # and no ListConfig


def test_an_error_names_the_key_of_the_one_that_refused() -> None:
    wrong = {"_target_": "builtins.dict", "part": {"_target_": "builtins.int", "_args_": ["hot"]}}
    with pytest.raises(InstantiationException, match=r"(?s)invalid literal.*\nfull_key: model\.part$") as caught:
        construct(wrong, "model")
    assert isinstance(caught.value.__cause__, ValueError)

"""Objects of a resolved configuration: as Hydra makes them, with texts that stay as they are written."""

from pathlib import Path

import pytest
from hydra.errors import InstantiationException

from seesaw.training.build import construct

NAMES = ["a${b}.png", "${oc.env:HOME}", r"a\${x}", r"\\${x}\\", "$x", "${", "a${b", "\\", r"c:\d\\"]
OWN = """
class Kept:
    def __init__(self, *args, **options):
        self.args, self.options = args, options

def whole(text):
    return int(text)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A package of the user's own, whose classes may be built, by its name."""
    (tmp_path / "own_kept.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)  # type: ignore[no-untyped-call]
    return ["own_kept"]


@pytest.mark.parametrize("text", NAMES)
def test_a_text_is_passed_as_it_is_written(text: str, own: list[str]) -> None:
    plain = {"one": [text, {"two": text}], "none": None, "of": {4: 128}}
    made = construct({"_target_": "own_kept.Kept", "_args_": ["runs", text], "inner": plain}, "data", own)
    assert made.args == ("runs", text)
    assert made.options == {"inner": plain}
    assert type(made.options["inner"]["one"]) is list  # and no ListConfig


def test_an_error_names_the_key_of_the_one_that_refused(own: list[str]) -> None:
    wrong = {"_target_": "own_kept.Kept", "part": {"_target_": "own_kept.whole", "_args_": ["hot"]}}
    with pytest.raises(InstantiationException, match=r"(?s)invalid literal.*\nfull_key: model\.part$") as caught:
        construct(wrong, "model", own)
    assert isinstance(caught.value.__cause__, ValueError)

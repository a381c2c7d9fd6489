"""Objects of a resolved configuration: as Hydra makes them, with texts that stay as they are written."""

from collections import Counter
from pathlib import Path

import pytest
from hydra.errors import InstantiationException

from seesaw.data.sources.digits import Digits
from seesaw.training.build import build, construct
from seesaw.training.preflight import compose_checked

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


@pytest.mark.parametrize("kimg", [0.01, 1, 1.5, 5, 12, 25000])
@pytest.mark.parametrize("sizes", ["null", "{4:24,8:7,16:3}"])
def test_the_batches_of_a_run_are_those_of_a_walk(kimg: float, sizes: str) -> None:
    """Of a run of 25,000 kimg, too, without one; that is compared as far as its last scale."""
    _, data = build(
        compose_checked([
            "model=progan_small", "data.resolution=16", "batch_size=32", "model.growth.fade=1000",
            "model.growth.stabilise=700", f"model.growth.batch_sizes={sizes}",
        ])
    )  # fmt: skip
    walked, shown, end = Counter[int](), 0, round(kimg * 1000)
    while shown < min(end, 20_000):
        walked[data.batch_size_at(shown)] += 1
        shown += data.batch_size_at(shown)
    last = data.batch_size_at(shown)
    walked[last] += -(-max(end - shown, 0) // last)
    assert {size: number for number, size in data.batches(end)} == dict(walked)


@pytest.mark.parametrize("size", [0, -3])
def test_a_batch_without_images_is_refused(size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"batch_size must be at least 1, not {size}"):
        Digits(resolution=8, channels=1, batch_size=size, cache_dir=str(tmp_path))

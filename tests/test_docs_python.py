"""The blocks of Python in docs/python.md and of the README run, one after the other, on a small run; docs/export.md's are run by
tests/export/test_export.py."""

import re
from pathlib import Path

import pytest
import torch
from small_models import small_run
from tiny_run import TINY

import seesaw

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PLACES = ("runs/dcgan_small-digits-none-s0-20261121-051500-3f2a", "RUN")


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_blocks_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seesaw.training.run.curves", lambda folder: None)
    path = small_run(tmp_path / "run", "dcgan_small", page == "docs/python.md")
    path.rename(path.with_name("best.ckpt"))
    text = (ROOT / page).read_text(encoding="utf-8")
    space: dict[str, object] = {}
    train = seesaw.train

    def small(overrides: list[str]) -> seesaw.Trained:
        """The run of the page, made small: its own options but for the model and the length."""
        return train([*TINY, *(one for one in overrides if not one.startswith(("model=", "data=", "kimg=")))])

    monkeypatch.setattr(seesaw, "train", small, raising=False)
    blocks = BLOCK.findall(text)
    assert len(blocks) >= (1 if page == "README.md" else 4)
    for block in blocks:
        for place in PLACES:
            block = block.replace(f'"{place}"', '"run"')
        exec(compile(block, page, "exec"), space)
    assert isinstance(space["images"], torch.Tensor)
    assert len(space["images"]) == 64
    if page == "docs/python.md":
        assert "there is no such run folder or checkpoint" in capsys.readouterr().out

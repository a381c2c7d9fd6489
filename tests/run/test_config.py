"""What is told of a configuration before anything that it names is imported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seesaw.data import module, sets
from seesaw.run.config import DECIDED, RESOLUTIONS, check_data, check_trainer
from seesaw.run.folder import Job, RunFolder, Status
from seesaw.run.life import Life
from seesaw.run.train import make_trainer


def test_every_argument_that_the_run_gives_the_trainer_is_refused_to_the_user(
    composed: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("seesaw.run.train.construct", lambda node, where: given.update)
    job = Job({"model": "dcgan", "data": "digits", "balance": "none"})
    make_trainer(RunFolder(tmp_path), composed("trainer=cpu"), job, Life(1), None, [], Status(tmp_path))
    assert set(given) == set(DECIDED)
    assert check_trainer({"trainer": {"_target_": "x", "devices": 1, "precision": 16, "logger": False}}) == [
        "trainer.precision: the run sets it; give precision=auto or precision=exact",
        "trainer.logger: the run sets it; give logger=…",
    ]


def test_a_resolution_is_told_as_the_set_would_tell_it() -> None:
    assert RESOLUTIONS == module.RESOLUTIONS
    node = {"_target_": "seesaw.data.sets.Digits", "resolution": 48}
    with pytest.raises(ValueError, match="resolution must be one of") as told:
        sets.Digits(resolution=48, channels=1, batch_size=8)
    assert check_data({"data": node}) == [f"data: {told.value}"]
    for other in ({"resolution": 64}, {"_target_": "mine.Data"}, {"_target_": "seesaw.data.points.GaussiansRing"}):
        assert check_data({"data": node | other}) == []


def test_a_place_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there").mkdir()
    node = {"_target_": "seesaw.data.files.Folder", "resolution": 8}
    assert check_data({"data": node | {"root": "~/there"}}) == check_data({"data": node | {"root": None}}) == []
    (sentence,) = check_data({"data": node | {"root": "~/gone"}})
    assert f"data.root='~/gone' does not exist (looked for '{tmp_path}/gone')" in sentence
